# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of PostgreSQL → the packages that they need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# SQL's name → what Debian's package is called after postgresql-VERSION-. All others come with PostgreSQL itself (its
# manual, "Additional Supplied Modules and Extensions").
EXTENSIONS = {
    "hll": "hll",
    "ip4r": "ip4r",
    "orafce": "orafce",
    "pg_cron": "cron",
    "pg_partman": "partman",
    "pg_repack": "repack",
    "pgaudit": "pgaudit",
    "pglogical": "pglogical",
    "pgrouting": "pgrouting",
    "plpgsql_check": "plpgsql-check",
    "postgis": "postgis-3",
    "postgis_raster": "postgis-3",
    "postgis_topology": "postgis-3",
    "rum": "rum",
    "semver": "semver",
    "vector": "pgvector",
}


def postgresql_packages(instances: Iterable[Mapping[str, Any]]) -> list[str]:
    """The server of each version, and the extensions that are no part of it; each once."""
    found: dict[str, None] = {}
    for instance in instances:
        server = f"postgresql-{instance['version']}"
        found[server] = None
        for name in instance.get("extensions") or []:
            if name in EXTENSIONS:
                found[f"{server}-{EXTENSIONS[name]}"] = None
    return list(found)


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"postgresql_packages": postgresql_packages}
