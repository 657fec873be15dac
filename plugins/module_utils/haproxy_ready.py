# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a running HAProxy has found the services behind its routes: their addresses come by DNS, a moment later.

Private to the collection.
"""

from __future__ import annotations

import csv
import time

from . import haproxy_process as process
from .haproxy_plan import kind_of
from .haproxy_tcp import SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Any

    from .run import Run

# A network's addresses are known after some 100 ms, the resolver asks every 500 ms; busy servers take longer. Seconds.
PATIENCE = 20.0
# What is known to be served is worth more: that nobody serves it is an alarm, and may be a busy server's only.
SURE = 60.0


def services_of(fragment: dict[str, Any] | None) -> dict[str, str]:
    """The backends of a stack's routes whose servers are found by DNS, as HAProxy's statistics name them → service."""
    if fragment is None:
        return {}
    routed = {(route["backend"], kind_of(route)) for route in fragment["routes"]}
    routed |= {(port["backend"], SUFFIX) for port in fragment.get("ports", [])}
    found = {name: its["service"] for name, its in fragment["backends"].items() if "service" in its}
    return {f"{fragment['stack']}.{name}{kind}": found[name] for name, kind in routed if name in found}


def without_server(names: Iterable[str], statistics: str) -> list[str]:
    """Those of ``names`` that have no server in use, by the answer to ``show stat``."""
    rows = csv.DictReader(statistics.removeprefix("# ").splitlines())
    up = {row["pxname"] for row in rows if row.get("svname") == "BACKEND" and row.get("status") == "UP"}
    return sorted(set(names) - up)


def wait(
    names: Collection[str], run: Run, ask: Callable[[], str] = process.statistics, patience: float | None = None
) -> list[str]:
    """Wait until each of the backends ``names`` has a server, at most ``PATIENCE``; gives those that have none."""
    until = time.monotonic() + (PATIENCE if patience is None else patience)
    while names and (left := without_server(names, ask())):
        if time.monotonic() > until:
            return left
        run.wait(0.1)
    return []
