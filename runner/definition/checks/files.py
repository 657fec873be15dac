# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that the stack file names are there, and what they hold can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..env_file import parse
from ..file_text import read
from ..problems import Problem
from ..servers import names_a_file, resolved
from . import edge, https

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path as FilePath

    from .context import Context

Path = tuple[str | int, ...]


# What Swarm takes (moby/swarmkit, manager/controlapi: MaxConfigSize, MaxSecretSize); it takes nothing empty either.
_LARGEST = {"configs": 1000 * 1024 - 1, "secrets": 500 * 1024 - 1}


def check(context: Context) -> None:
    """Check every file; reads those whose content reaches a server, and the services' env_file."""
    for path, name in _named(context):
        _readable(context, path, name)
    for name, config in context.stack.configs.items():
        if config.content is not None:
            _fits(context, ("configs", name, "content"), len(config.content.encode()))
    for name, service in context.stack.services.items():
        if service.build is not None and service.build.path is not None:
            directory = resolved(context.stack.path, service.build.path)
            if directory is not None and not _is(directory, directory=True):
                context.complain(("services", name, "build", "path"), f"no directory {directory}")
        for index, file in enumerate(service.env_file):
            _environment(context, name, index, file.path, file.required)


def _named(context: Context) -> Iterator[tuple[Path, str]]:
    stack = context.stack
    sshs = [(("ssh",), stack.ssh), *((("servers", name, "ssh"), server.ssh) for name, server in stack.servers.items())]
    for base, ssh in sshs:
        for part in ("key", "known_hosts"):
            if value := getattr(ssh, part):
                yield (*base, part), value
    for section in ("secrets", "configs"):
        for name, item in getattr(stack, section).items():
            if item.file is not None:
                yield (section, name, "file"), item.file
    for name, service in stack.services.items():
        if service.build is not None and service.build.auth is not None and service.build.auth.known_hosts is not None:
            yield ("services", name, "build", "auth", "known_hosts"), service.build.auth.known_hosts
    for index, file in enumerate(stack.ca_certificates):
        yield ("ca_certificates", index), file
    yield from edge.files(stack)
    yield from https.files(stack)
    yield from _of_databases(context)
    yield from _of_firewall(context)
    keys = [(name, index, key) for name, user in stack.users.items() for index, key in enumerate(user.keys)]
    yield from ((("users", name, "keys", index), key) for name, index, key in keys if names_a_file(key))


def _of_databases(context: Context) -> Iterator[tuple[Path, str]]:
    backups = context.stack.backups
    if backups is not None and backups.repository.known_hosts is not None:
        yield ("backups", "repository", "known_hosts"), backups.repository.known_hosts
    for name, database in context.stack.databases.items():
        if database.external is not None and database.external.ca is not None:
            yield ("databases", name, "external", "ca"), database.external.ca
        if database.template is not None:
            yield ("databases", name, "template"), database.template
        if database.source is not None and database.source.key is not None:
            yield ("databases", name, "source", "key"), database.source.key
        if database.backup is not None and database.backup.verify_sql is not None:
            yield ("databases", name, "backup", "verify_sql"), database.backup.verify_sql


def _of_firewall(context: Context) -> Iterator[tuple[Path, str]]:
    firewall = context.stack.firewall
    rules = {"allow": firewall.allow, "deny": firewall.deny} if firewall is not None else {}
    for kind, listed in rules.items():
        for index, rule in enumerate(listed):
            yield from ((("firewall", kind, index, "files", number), file) for number, file in enumerate(rule.files))


def _readable(context: Context, path: Path, name: str) -> None:
    file = resolved(context.stack.path, name)
    if file is None:
        return
    if not _is(file):
        context.complain(path, f"no file {file}")
        return
    try:
        # Keys are ssh's own business.
        size = len(read(file).encode()) if path[-1] != "key" else 0
    except ValueError as error:
        context.complain(path, str(error))
        return
    _fits(context, path, size)


def _fits(context: Context, path: Path, size: int) -> None:
    largest = _LARGEST.get(str(path[0]))
    if largest is None:
        return
    if size == 0:
        context.complain(path, "is empty; Swarm takes no empty secret or config")
    elif size > largest:
        context.complain(
            path, f"has {size} bytes; Swarm takes {largest}", "larger files belong in an image or a volume"
        )


def _is(path: FilePath, directory: bool = False) -> bool:
    try:
        return path.is_dir() if directory else path.is_file()
    except (OSError, ValueError):
        return False


def _environment(context: Context, name: str, index: int, file: str, required: bool) -> None:
    path: Path = ("services", name, "env_file", index)
    full = resolved(context.stack.path, file)
    if full is None or not _is(full):
        if required:
            context.complain(path, f"no file {full}")
        return
    try:
        values, wrong = parse(read(full))
    except ValueError as error:
        context.complain(path, str(error))
        return
    context.problems.extend(Problem(str(full), line, 1, "", message) for line, message in wrong)
    context.stack.services[name].add_environment(values)
