# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How HAProxy's configuration is written: words, times, sections, pages. Private to the collection. Pure."""

from __future__ import annotations

import hashlib

CONFIG_DIR = "/etc/longshore/haproxy"
STATE_DIR = "/var/lib/longshore/haproxy"
# A line of the configuration holds 64 words.
_MOST_WORDS = 40


def hashed(text: str) -> str:
    """What tells one text from another (12 hex digits)."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def quoted(text: str) -> str:
    """``text`` as one word of HAProxy's configuration, whatever is in it (control characters excepted)."""
    return "'" + text.replace("'", "'\\''") + "'"


def literal(text: str) -> str:
    """``text`` as one word where HAProxy would read a format: every % stands for itself."""
    return quoted(text.replace("%", "%%"))


def milliseconds(seconds: float) -> str:
    """A time as HAProxy writes it."""
    return f"{round(seconds * 1000)}ms"


def section(head: str, *lines: str) -> str:
    """A section with its lines."""
    return "\n".join([head, *(f"    {line}" for line in lines), ""])


def page(status: int, title: str, text: str) -> str:
    """An error page of our own, as the arguments of ``http-error`` and ``http-request return``."""
    html = f"<!doctype html><html lang=en><title>{title}</title><h1>{title}</h1><p>{text}</p></html>"
    return f'status {status} content-type "text/html; charset=utf-8" string {quoted(html)}'


class Files:
    """The files that haproxy.cfg refers to, named by what is in them: name below ``CONFIG_DIR`` → text."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def add(self, kind: str, text: str, ending: str = "map") -> str:
        """Keep a file; gives its path."""
        name = f"maps/{kind}.{hashed(text)}.{ending}"
        self.texts[name] = text
        return f"{CONFIG_DIR}/{name}"

    def sources(self, networks: list[str]) -> str:
        """A condition's pattern for addresses: the words themselves, or a file when there are many."""
        if len(networks) <= _MOST_WORDS:
            return " ".join(networks)
        return "-f " + self.add("networks", "".join(f"{network}\n" for network in networks))
