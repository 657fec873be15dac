# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that must lead somewhere: volumes, networks, secrets, configs, services, servers, and ``{{ … }}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..document import VaultValue
from ..problems import suggestion
from ..values import database_parts, has_reference, is_secret, references
from .databases import parts

if TYPE_CHECKING:
    from ..service import Service
    from .context import Context

Path = tuple[str | int, ...]

# Where Vault values and {{ … }} may stand.
SECRET_PLACES: tuple[tuple[str, ...], ...] = (
    ("services", "*", "environment", "*"),
    ("services", "*", "build", "auth", "username"),
    ("services", "*", "build", "auth", "password"),
    ("services", "*", "build", "auth", "ssh_key"),
    ("secrets", "*"),
    ("secrets", "*", "value"),
    ("registries", "*", "username"),
    ("registries", "*", "password"),
    ("load_balancer", "stats", "password"),
    ("load_balancer", "logins", "*", "*"),
    ("databases", "*", "external", "password"),
    ("backups", "repository", "access_key"),
    ("backups", "repository", "secret_key"),
    ("backups", "repository", "ssh_key"),
)
# Where {{ is text like any other.
FREE_TEXT: tuple[tuple[str, ...], ...] = (("configs", "*", "content"),)


def check(context: Context) -> None:
    """Check every reference of the file."""
    for name, service in context.stack.services.items():
        _service(context, name, service)
    for name, volume in context.stack.volumes.items():
        if volume.server is not None:
            context.expect("servers", volume.server, ("volumes", name, "server"), "server")
    for name in context.stack.services:
        if name in context.names("databases"):
            context.complain(
                ("services", name), "a database has the same name; both are names on the network", key=True
            )
    if "edge" in context.stack.networks:
        context.complain(("networks", "edge"), "the name is taken: load balancers reach services on it", key=True)
    _circles(context)
    _texts(context, context.root, ())


def _service(context: Context, name: str, service: Service) -> None:
    base: Path = ("services", name)
    for index, mount in enumerate(service.volumes):
        if mount.type == "volume" and mount.source is not None:
            context.expect("volumes", mount.source, (*base, "volumes", index), "volume")
    for section, grants in (("secrets", service.secrets), ("configs", service.configs)):
        for index, grant in enumerate(grants):
            context.expect(section, grant.source, (*base, section, index), section[:-1])
    reached = {known for each in context.stack.databases.values() for known in (each.name, each.reader)}
    for network, use in service.networks.items():
        context.expect("networks", network, (*base, "networks", network), "network", ["default"])
        for index, alias in enumerate(use.aliases):
            place = (*base, "networks", network, "aliases", index)
            if alias != name and alias in context.stack.services:
                context.complain(place, f"'{alias}' is another service's name")
            elif alias in reached:
                context.complain(place, f"'{alias}' is a database's name")
    _dependencies(context, name, service)


def _dependencies(context: Context, name: str, service: Service) -> None:
    for other in service.depends_on:
        path: Path = ("services", name, "depends_on", other)
        if context.expect("services", other, path, "service") and other in context.stack.services:
            healthy = service.depends_on[other].condition == "service_healthy"
            if healthy and context.kept(other, "routes", "healthcheck"):
                check = context.stack.services[other].normalized()["healthcheck"]
                if check is None or check["disable"]:
                    context.complain(path, f"'{other}' has no healthcheck, so nobody would know that it is healthy")


def _circles(context: Context) -> None:
    """One complaint for each circle of ``depends_on``, at the service where it was found."""
    needs = {name: list(service.depends_on) for name, service in context.stack.services.items()}
    done: set[str] = set()
    for start in needs:
        trail: list[str] = []
        on_trail: set[str] = set()
        work = [(start, False)]
        while work:
            name, leaving = work.pop()
            if leaving:
                on_trail.discard(trail.pop())
                done.add(name)
                continue
            if name in on_trail:
                circle = [*trail[trail.index(name) :], name]
                context.complain(
                    ("services", trail[-1], "depends_on", name), f"goes in a circle: {' → '.join(circle)[:200]}"
                )
                continue
            if name in done or name not in needs:
                continue
            trail.append(name)
            on_trail.add(name)
            work.append((name, True))
            work.extend((other, False) for other in reversed(needs[name]))


def _texts(context: Context, node: Any, path: Path) -> None:
    """Look at every text of the file for Vault values and references."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for part, value in items:
        if isinstance(value, str):
            if "{{" in value or value.__class__ is VaultValue:
                _text(context, value, (*path, part), isinstance(node, list))
        elif isinstance(value, dict | list):
            _texts(context, value, (*path, part))


def _text(context: Context, value: str, path: Path, in_list: bool) -> None:
    allowed = any(_fits(path, pattern) for pattern in SECRET_PLACES)
    if isinstance(value, VaultValue):
        if not allowed or in_list:
            context.complain(
                path, "a Vault value can't stand here", "it can in secrets, environment (as a mapping) and passwords"
            )
        return
    if not allowed:
        if has_reference(value) and not any(_fits(path, pattern) for pattern in FREE_TEXT):
            context.complain(
                path,
                "'{{ … }}' is not resolved here, only in environment, secrets and passwords",
                "write the value itself; braces themselves are {{ '{{' }}",
            )
        return
    _references(context, value, path)
    if path[0] == "services" and is_secret(value) and not in_list and not str(path[-1]).isidentifier():
        words = "a secret's variable is exported by a shell: its name is letters, digits and '_'"
        context.complain(path, words, key=True)


def _references(context: Context, value: str, path: Path) -> None:
    secrets, databases, wrong = references(value)
    for message in wrong:
        context.complain(
            path, message, "{{ secrets.NAME }}, {{ databases.NAME.url }} and {{ lookup('env', 'NAME') }} are known"
        )
    for name in sorted(secrets):
        context.expect("secrets", name, path, "secret")
    holding = context.stack.logical_databases() if databases else {}
    for name in sorted(databases):
        context.expect("databases", name, path, "database", holding)
    for name, part in sorted(database_parts(value)):
        known = parts(holding.get(name))
        if part not in known:
            context.complain(path, f"databases.{name} has no '{part[:40]}'", suggestion(part, known))


def _fits(path: Path, pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(wanted in ("*", part) for part, wanted in zip(path, pattern, strict=True))
