# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A memcached: what it can't have, and its settings, which are options of its command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..problems import suggestion

if TYPE_CHECKING:
    from ..databases import Database
    from .context import Context

Path = tuple[str | int, ...]

_NUMBER = r"[1-9][0-9]{0,9}"
_FLAG = r"true|false"
# Option → what its value looks like. Those that are not here are ours, or need more rights than the unit has.
_OPTIONS = {
    "memory-limit": _NUMBER,
    "conn-limit": _NUMBER,
    "threads": _NUMBER,
    "max-item-size": rf"{_NUMBER}[km]?",
    "slab-growth-factor": r"[0-9]+(?:\.[0-9]+)?",
    "slab-min-size": _NUMBER,
    "max-reqs-per-event": _NUMBER,
    "listen-backlog": _NUMBER,
    "disable-evictions": _FLAG,
    "disable-cas": _FLAG,
    "disable-flush-all": _FLAG,
    "disable-dumping": _FLAG,
    "disable-watch": _FLAG,
    # Those of TLS are ours; the others name files, which the unit may not read.
    "extended": r"(?!.*(?:ssl_|proxy_|ext_path))[a-z0-9_=.:,]+",
}


def check(context: Context, database: Database, base: Path) -> None:
    """Check what is particular to this engine."""
    if database.backup is not None:
        words = "a memcached has nothing to back up: its values are in memory alone, and gone with its process"
        context.complain((*base, "backup"), words, "take it out")
    if database.synchronous:
        words = (
            "servers of a memcached know nothing of each other: each holds a part of the keys, and clients say which"
        )
        context.complain((*base, "synchronous"), words, "take it out")
    if database.witnesses:
        context.complain((*base, "witnesses"), "a memcached has no primary on which to agree", "take them out")
    if database.exporter:
        words = "Debian has no exporter of a memcached's figures: not supported yet"
        context.complain((*base, "exporter"), words, "take it out; longshore db status tells how full it is")
    if database.listens + len(database.servers) > 65536:
        context.complain((*base, "port"), "each server has a port of its own from here on; they go beyond 65535")
    for name, value in database.settings.items():
        _setting(context, name, value, (*base, "settings", name))


def _setting(context: Context, name: str, value: str, path: Path) -> None:
    pattern = _OPTIONS.get(name)
    if pattern is None:
        hint = suggestion(name, _OPTIONS) or f"there are: {', '.join(_OPTIONS)}"
        context.complain(path, f"'{name[:40]}' is no setting of a memcached, or not for a stack file to say", hint)
    elif not re.fullmatch(pattern, value):
        kind = {_FLAG: "true or false", _NUMBER: "a whole number"}.get(pattern, "as memcached --help has it")
        context.complain(path, f"must be {kind}")
