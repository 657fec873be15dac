# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that the stack file names are there; the ones that are needed now are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..env_file import parse
from ..problems import Problem
from ..servers import resolved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path as FilePath

    from .context import Context

Path = tuple[str | int, ...]


def check(context: Context) -> None:
    """Check every file; reads the services' env_file."""
    for path, name in _named(context):
        _readable(context, path, name)
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
    keys = [(name, index, key) for name, user in stack.users.items() for index, key in enumerate(user.keys)]
    # A key has blanks in it; a file that holds one has none in its name.
    yield from ((("users", name, "keys", index), key) for name, index, key in keys if " " not in key.strip())


def _readable(context: Context, path: Path, name: str) -> None:
    file = resolved(context.stack.path, name)
    if file is not None and not _is(file):
        context.complain(path, f"no file {file}")
    elif file is not None and path[0] in ("secrets", "configs") and file.stat().st_size == 0:
        context.complain(path, f"{file} is empty, which Swarm does not keep")


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
        values, wrong = parse(full.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        context.complain(path, f"{full} can't be read: {error}")
        return
    context.problems.extend(Problem(str(full), line, 1, "", message) for line, message in wrong)
    context.stack.services[name].add_environment(values)
