# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be right within one service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..normalize import has_fixed_port, mounts

if TYPE_CHECKING:
    from ..mounts import Mount
    from ..service import Build, Service
    from .context import Context

Path = tuple[str | int, ...]


def check(context: Context) -> None:
    """Check each service by itself."""
    for name, service in context.stack.services.items():
        base: Path = ("services", name)
        if context.kept(name, "image", "build"):
            _image(context, service, base)
        if context.kept(name, "healthcheck", "routes", "expose"):
            _healthcheck(context, service, base)
        if context.kept(name, "volumes", "tmpfs", "shm_size", "secrets", "configs"):
            _mounts(context, service, base)
        if service.mode == "global" and "replicas" in service.model_fields_set:
            context.complain((*base, "replicas"), "mode global runs one task on each server; leave out replicas")
        if service.update.order == "start-first" and has_fixed_port(service):
            context.complain(
                (*base, "update", "order"),
                "start-first can't be: the old task holds the port of the server",
                "leave out order, or publish through routes",
            )
        for label in service.labels:
            if label.startswith(("longshore.", "com.docker.")):
                context.complain(
                    (*base, "labels", label), "labels of this name are Longshore's and Docker's own", key=True
                )
        if service.logging is not None and service.logging.driver is None and service.logging.options:
            context.complain((*base, "logging", "options"), "options belong to a driver: name it")


def _image(context: Context, service: Service, base: Path) -> None:
    if service.build is None:
        if service.image is None:
            context.complain(base, "needs image or build")
        return
    if service.image is not None:
        context.complain((*base, "image"), "either image or build, not both", "a built image gets its name by itself")
    if (service.build.git is None) == (service.build.path is None):
        context.complain((*base, "build"), "needs exactly one of git and path")
    if service.build.path is not None and service.build.ref is not None:
        context.complain((*base, "build", "ref"), "belongs to git; a path is built as it is")
    _repository(context, service.build, (*base, "build"))
    for part in ("context", "dockerfile"):
        value = str(getattr(service.build, part))
        if value.startswith("/") or ".." in value.split("/"):
            context.complain((*base, "build", part), "must be a path within what is built")


def _repository(context: Context, build: Build, base: Path) -> None:
    address, auth = build.git or "", build.auth
    scheme = address.partition("://")[0] if "://" in address else ""
    if scheme in ("http", "https") and ":" in address.partition("://")[2].partition("/")[0].rpartition("@")[0]:
        context.complain((*base, "git"), "has a password in it, which everybody sees", "give it in auth")
    if auth is None:
        return
    if build.git is None:
        context.complain((*base, "auth"), "belongs to git; a path needs no login")
    elif auth.password is not None and scheme != "https":
        context.complain((*base, "auth", "password"), "a password goes over https:// only, not to this address")
    elif auth.ssh_key is not None and scheme in ("http", "https", "git"):
        context.complain((*base, "auth", "ssh_key"), f"a key is for SSH, not for {scheme}://")


def _healthcheck(context: Context, service: Service, base: Path) -> None:
    check = service.healthcheck
    if check is None:
        return
    path = (*base, "healthcheck")
    kinds = [
        name
        for name, there in (
            ("http", check.http is not None),
            ("tcp", check.tcp),
            ("test", check.test),
            ("disable", check.disable),
        )
        if there
    ]
    if len(kinds) != 1:
        given = f", not {' and '.join(kinds)}" if kinds else ""
        context.complain(path, f"needs exactly one of http, tcp, test and disable{given}")
    elif kinds[0] in ("http", "tcp") and check.port is None and service.port_to_check is None:
        context.complain(path, "needs port: there is no route and no single exposed port to take it from")


def _mounts(context: Context, service: Service, base: Path) -> None:
    taken: dict[str, str] = {}
    for index, mount in enumerate(service.volumes):
        path = (*base, "volumes", index)
        message = _mount(mount)
        if message:
            context.complain(path, message)
    for mount in mounts(service):
        target = mount.target.rstrip("/") or "/"
        if target in taken:
            context.complain((*base, "volumes"), f"two things are mounted at {target[:80]}", key=True)
        elif target == "/":
            context.complain((*base, "volumes"), "nothing can be mounted at /", key=True)
        taken[target] = target
    for kind, grants, directory in (("secrets", service.secrets, "/run/secrets/"), ("configs", service.configs, "/")):
        for index, grant in enumerate(grants):
            target = grant.target or grant.source
            target = target if target.startswith("/") else f"{directory}{target}"
            if target in taken:
                context.complain((*base, kind, index), f"something else is at {target[:80]} already")
            taken[target] = target


def _mount(mount: Mount) -> str:
    if mount.type == "tmpfs":
        return "a tmpfs has no source" if mount.source is not None else ""
    if mount.source is None:
        return "needs source"
    if mount.type == "bind" and not mount.source.startswith("/"):
        return (
            "a directory of the server is an absolute path; files of yours reach containers as configs, data as volumes"
        )
    if mount.tmpfs.model_fields_set:
        return "only a tmpfs has the options tmpfs"
    return ""
