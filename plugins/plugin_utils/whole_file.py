# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole configuration files for an engine, with Jinja2 in them: what they must not say, and where it stands."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.longshore.stack.plugins.module_utils.settings_text import OWN, is_server, postgresql, shown

_NAME = re.compile(r"\s*([A-Za-z_][\w./$-]*)")
# What would bring other files in, in the words of all engines.
_OTHER_FILES = re.compile(r"\s*(!include(dir)?|include(_dir|_if_exists)?)\b")
# The others keep the last one, Valkey the sum or the last one.
_OFTEN = ("redis",)


def places(source: str) -> dict[str, int]:
    """Name → the line of a template's text that begins with it; what a loop gives has none."""
    found: dict[str, int] = {}
    for number, line in enumerate(source.splitlines(), 1):
        name = _NAME.match(line)
        if name is not None:
            found.setdefault(name[1], number)
    return found


def problem(text: str, engine: str) -> tuple[str, str]:
    """What is wrong with what a template gave: the name of which that is so, and words; empty when nothing is.

    Versions of settings are kept of it, by name: without secrets, and each name once.
    """
    seen: set[tuple[bool, str]] = set()
    servers = True
    for line in text.splitlines():
        if engine == "mariadb" and line.lstrip().startswith("["):
            servers = is_server(line.strip("[] \t"))
        if OWN in line:
            return "", "says where the role's own lines begin, which is the role's to say"
        if _OTHER_FILES.match(line):
            return line.split()[0], "brings in another file, which nobody would check or keep; write what is in it"
        name = _NAME.match(line)
        if name is None:
            continue
        if not shown({name[1]: ""}):
            return name[1], "may be secret, and the file is kept; put it into `settings`, or leave it to the role"
        if engine == "postgresql" and not postgresql(line):
            return name[
                1
            ], "has no value, or one whose quotes don't fit: write name = value, with text in single quotes"
        plain = {"mariadb": name[1].replace("-", "_").lower(), "postgresql": name[1].lower()}.get(engine, name[1])
        if engine not in _OFTEN and (servers, plain) in seen:
            return name[1], "is said twice; say it once"
        seen.add((servers, plain))
    return "", ""


def named(path: str, name: str) -> str:
    """``books.cnf.j2:12``, or without a line where the template has none that begins so."""
    line = places(Path(path).read_text(encoding="utf-8")).get(name)
    return f"{path}:{line}" if line else path
