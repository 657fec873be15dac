# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of HAProxy's backends a route leads to, and what is done for it there. Private to the collection. Pure.

A backend of a fragment becomes as many of HAProxy's as there are ways in which visitors stay with a server
(``Variant``). A request carries the name of its route, ``<variant>`` or ``<variant>|<number>``; the number is there
where several routes lead to one variant, so that the rules of each hold for its own requests only.
"""

from __future__ import annotations

from typing import NamedTuple

from . import haproxy_pages, haproxy_rules, haproxy_snippets, haproxy_waf
from .haproxy_text import section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .haproxy_routes import Tries
    from .haproxy_text import Files

MARK = "|"
STICKY = ".sticky"
SOURCE = ".source"
_REDIRECTS = "redirects"
# Keys of a route that make lines in its backend.
_RULES = ("allow", "deny", "auth", "rewrite", "request_headers", "response_headers", "waf")


class Variant(NamedTuple):
    """One of HAProxy's backends: of which fragment's backend, and in which way visitors stay (``kind``)."""

    fragment: Mapping[str, Any]
    backend: str
    kind: str

    @property
    def name(self) -> str:
        """What HAProxy calls it."""
        return f"{self.fragment['stack']}.{self.backend}{self.kind}"


def kind_of(route: Mapping[str, Any]) -> str:
    """The variant that a route leads to."""
    return SOURCE if route["sticky"] == "source" else STICKY if route["sticky"] else ""


class Plan:
    """The routes of all fragments. ``entries``: (host, path, name, condition) of each."""

    def __init__(self, fragments: Sequence[Mapping[str, Any]]) -> None:
        self.entries: list[tuple[str, str, str, str]] = []
        self._of: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
        for fragment in fragments:
            self._add(fragment)

    def _add(self, fragment: Mapping[str, Any]) -> None:
        stack = fragment["stack"]
        for number, route in enumerate(fragment["routes"]):
            variant = _REDIRECTS if "redirect" in route else f"{stack}.{route['backend']}{kind_of(route)}"
            marked = "redirect" in route or any(rule in route for rule in _RULES)
            name = f"{variant}{MARK}{stack}.{number}" if marked else variant
            self._of.setdefault(variant, []).append((name, route))
            self.entries.append((route["host"], route["path"], name, haproxy_rules.condition(route.get("match", {}))))

    def variants(self, fragment: Mapping[str, Any], backend: str) -> list[Variant]:
        """The HTTP variants of a backend: those that routes lead to, or the plain one where nothing does."""
        found = [Variant(fragment, backend, kind) for kind in ("", STICKY, SOURCE)]
        used = [variant for variant in found if variant.name in self._of]
        tcp = any(port["backend"] == backend for port in fragment.get("ports", []))
        return used or ([] if tcp else found[:1])

    def tried(self, groups: Mapping[str, Tries]) -> list[str]:
        """Lines that find the route of a request for which conditions decide."""
        lines = []
        for group, tries in groups.items():
            here = f"{{ var(txn.route) -m str {group} }}"
            for condition, name in tries:
                lines.append(f"http-request set-var(txn.route) str({name}) if {here} {condition}".rstrip())
            if tries[-1][0]:
                lines.append(f"http-request unset-var(txn.route) if {here}")
        return lines

    def lines(self, variant: Variant, files: Files) -> list[str]:
        """What is done in a variant for its routes."""
        routes = self._of.get(variant.name, [])
        guards, judged, changes = [], [], []
        for name, route in routes:
            when = _when(name) if len(routes) > 1 else ""
            guards += haproxy_rules.guard(route, when, files)
            judged += haproxy_waf.lines(route, when)
            changes += haproxy_rules.changes(route, when, variant.fragment["stack"])
        return [
            *haproxy_pages.error_lines(variant.fragment, files),
            *guards,
            haproxy_pages.maintenance_line(variant.fragment, files),
            *judged,
            *changes,
            *haproxy_snippets.of_backend(variant.fragment, variant.backend),
        ]

    def redirects(self) -> list[str]:
        """The backend that answers with other addresses, if there are any."""
        routes = self._of.get(_REDIRECTS, [])
        lines = [line for name, route in routes for line in haproxy_rules.redirecting(route, _when(name))]
        return [section(f"backend {_REDIRECTS}", *lines)] if lines else []


def _when(name: str) -> str:
    return f"{{ var(txn.route) -m str {name} }} "
