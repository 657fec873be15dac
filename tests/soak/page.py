# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``docs/figures/databases.md``, made of what the campaigns of the databases wrote down."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).resolve().parents[2] / "docs/figures"
PAGE = "databases.md"
# Campaign -> what is done, in the order of the page.
FAULTS = {
    "switchover": "`longshore db switchover`",
    "crash": "`kill -9` of the database's process",
    "agents": "`kill -9` of what looks after it",
    "lost": "the primary's server loses its power",
    "cut": "the primary's server is cut off",
    "half-cut": "it is heard, but hears nothing",
}
ENGINES = {"postgresql": "PostgreSQL", "mariadb": "MariaDB", "redis": "Redis"}
HEAD = """# Databases under faults

<!-- Made by `make soak`; do not edit. -->

Three data servers, containers on one machine, in synchronous mode, and a client that commits numbered rows as fast as
it can. Seconds are those in which nothing was acknowledged. `python tests/soak -k "primaries and lost"` measures one of
them again. A Redis answers before its replicas have what was written, so a lost server may take the last of it along.

| fault | engine | times | acknowledged | of them lost | median | longest | measured |
|---|---|---|---|---|---|---|---|
"""


def page(figures: Path = FIGURES) -> str:
    """The page's text; what was not measured yet is left out."""
    lines = []
    for name, words in FAULTS.items():
        found = _read(figures / f"soak-databases-{name}.json")
        lines += [
            f"| {words} | {title} | {each['faults']} | {each['acknowledged']:,} | {each['lost']} "
            f"| {each['median_seconds_without_writes']} s | {each['longest_seconds_without_writes']} s "
            f"| {found['date']}, {found['cores']} cores |\n"
            for engine, title in ENGINES.items()
            if (each := found.get(engine))
        ]
    return HEAD + "".join(lines) + _others(figures)


def _others(figures: Path) -> str:
    text = ""
    if found := _read(figures / "soak-databases-replica.json"):
        text += (
            f"\nA replica of 1 GB is added while pgbench commits {found['rate']} transactions a second: "
            f"{found['failed']} failed, {found['dip_percent']} % fewer in the worst five seconds (`-k replica`).\n"
        )
    if found := _read(figures / "soak-databases-backup.json"):
        text += (
            f"\nA whole backup of {found['megabytes']} MB takes {found['backup_over_bare']} times as long as bare "
            f"pgBackRest does ({found['backup_seconds']} s), a restore {found['restore_over_bare']} times "
            f"({found['restore_seconds']} s; `-k large`).\n"
        )
    return text


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return found


if __name__ == "__main__":
    sys.stdout.write(f"{FIGURES / PAGE}\n")
    (FIGURES / PAGE).write_text(page(), "utf-8")
