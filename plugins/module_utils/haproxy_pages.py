# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's own error pages, and its page for the time of maintenance. Private to the collection. Pure.

Normalized: ``{"503": "<html>…", "maintenance": "<html>…"}``. Whether a stack is under maintenance stands in a map that
is changed while HAProxy runs, and which a new worker reads: neither a reload nor a restart forgets it.
"""

from __future__ import annotations

from .haproxy_given import integer, mapping, networks, unknown
from .haproxy_text import CONFIG_DIR, page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .haproxy_text import Files

MAINTENANCE_MAP = f"{CONFIG_DIR}/maintenance.map"
MAINTENANCE = "maintenance"
# What HAProxy answers by itself. (https://docs.haproxy.org/3.0/configuration.html, http-error)
STATUSES = (
    "400",
    "401",
    "403",
    "404",
    "405",
    "407",
    "408",
    "410",
    "413",
    "425",
    "429",
    "500",
    "501",
    "502",
    "503",
    "504",
)
# An answer of HAProxy's own has to fit into its buffer of 16 KiB, headers included.
RETRY_AFTER = 300
LONGEST = 14 * 1024
_HTML = 'content-type "text/html; charset=utf-8"'


def normalize(value: Any, errors: list[str]) -> dict[str, str]:
    """The pages; what is wrong goes to ``errors``."""
    given = mapping("pages", value, "statuses and HTML", errors)
    unknown("pages", given, (*STATUSES, MAINTENANCE), errors)
    made = {}
    for name, text in sorted(given.items()):
        if not str(text).strip():
            errors.append(f"pages.{name}: is empty")
        if len(str(text).encode()) > LONGEST:
            errors.append(
                f"pages.{name}: has more than {LONGEST} bytes; let it load pictures and styles from elsewhere"
            )
        made[name] = str(text)
    return made


def maintenance(value: Any, errors: list[str]) -> dict[str, Any]:
    """Who gets in all the same (``allow``), and after how many seconds others should ask again (``retry_after``)."""
    given = mapping(MAINTENANCE, value, "allow and retry_after", errors)
    unknown(MAINTENANCE, given, ("allow", "retry_after"), errors)
    made: dict[str, Any] = {}
    allow = networks(f"{MAINTENANCE}.allow", given.get("allow"), errors)
    if allow:
        made["allow"] = allow
    if given.get("retry_after") not in (None, "", RETRY_AFTER):
        made["retry_after"] = integer(f"{MAINTENANCE}.retry_after", given["retry_after"], 1, 86400, errors)
    return made


def error_lines(fragment: Mapping[str, Any], files: Files) -> list[str]:
    """Lines of each of the stack's backends: its pages instead of HAProxy's."""
    pages = fragment.get("pages", {})
    lines = []
    for status in (name for name in STATUSES if name in pages):
        again = " hdr retry-after 5" if status == "503" else ""
        path = files.add(f"page-{status}", pages[status], "html")
        lines.append(f"http-error status {status} {_HTML} file {path}{again}")
    return lines


def maintenance_line(fragment: Mapping[str, Any], files: Files) -> str:
    """The line that answers instead of the stack while it is under maintenance."""
    rules = fragment.get(MAINTENANCE, {})
    text = fragment.get("pages", {}).get(MAINTENANCE)
    answer = page(503, "Under maintenance", "This site is being worked on. Please come back soon.")
    if text:
        answer = f"status 503 {_HTML} file {files.add('page-maintenance', text, 'html')}"
    except_for = f" !{{ src {files.sources(rules['allow'])} }}" if rules.get("allow") else ""
    again = rules.get("retry_after", RETRY_AFTER)
    return (
        f"http-request return {answer} hdr retry-after {again} hdr cache-control no-store "
        f"if {{ str({fragment['stack']}),map_str({MAINTENANCE_MAP}) -m found }}{except_for}"
    )
