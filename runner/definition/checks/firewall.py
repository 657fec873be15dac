# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall: names that lead nowhere, lists that can't be read, and rules that would keep everybody out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..file_text import read
from ..firewall import CONTAINERS, is_place, places
from ..problems import Problem, suggestion
from ..servers import resolved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..firewall import FirewallRule
    from .context import Context

Path = tuple[str | int, ...]


def check(context: Context) -> None:
    """Check the section ``firewall``."""
    firewall = context.stack.firewall
    if firewall is None or "firewall" in context.lost:
        return
    _sources(context, ("firewall", "ssh"), firewall.ssh)
    for kind, rules in (("allow", firewall.allow), ("deny", firewall.deny)):
        for index, rule in enumerate(rules):
            _rule(context, ("firewall", kind, index), rule)
    for index, rule in enumerate(firewall.deny):
        path: Path = ("firewall", "deny", index)
        if CONTAINERS in rule.source:
            context.complain((*path, "from"), "containers are kept out unless a rule lets them in")
        if not (rule.source or rule.files or rule.port):
            context.complain(path, "keeps everybody out of everything", "say from, files or port")
    for name in (name for name, server in context.stack.servers.items() if CONTAINERS in (name, *server.tags)):
        context.complain(
            ("servers", name),
            f"'{CONTAINERS}' are a server's own in rules of the firewall",
            "call it otherwise",
            key=True,
        )


def _rule(context: Context, path: Path, rule: FirewallRule) -> None:
    _sources(context, (*path, "from"), rule.source)
    known = _names(context)
    for name in rule.to:
        if name not in known:
            context.complain((*path, "to"), f"'{name[:64]}' is no server or tag", suggestion(name, known))
    for file in rule.files:
        _list(context, file)


def _sources(context: Context, path: Path, sources: Iterable[str]) -> None:
    known = _names(context)
    for each in sources:
        if each != CONTAINERS and each not in known and not is_place(each):
            context.complain(path, f"'{each[:64]}' is no address, network, server or tag", suggestion(each, known))


def _names(context: Context) -> set[str]:
    servers = context.stack.servers
    return {*context.names("servers"), *(tag for server in servers.values() for tag in server.tags)}


def _list(context: Context, file: str) -> None:
    full = resolved(context.stack.path, file)
    try:
        text = read(full) if full is not None and full.is_file() else ""
    except (OSError, ValueError):
        # That it can't be read is said where all files are looked at.
        return
    wrong = [(line, place) for line, place in places(text) if not is_place(place)]
    context.problems.extend(
        Problem(str(full), line, 1, "", f"'{place[:64]}' is neither an address nor a network") for line, place in wrong
    )
