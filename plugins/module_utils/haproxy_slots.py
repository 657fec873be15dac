# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For how many tasks of a service HAProxy has room. Private to the collection. Pure."""

from __future__ import annotations

# All addresses of a service come in one DNS answer, which a datagram bounds; each takes the service's name, of at most
# 71 bytes, and 14 more.
DNS_ANSWER = 65507
MOST_TASKS = 750


def slots(maximum: int) -> int:
    """Room made for a service that is expected to have at most ``maximum`` tasks."""
    return max(16, 2 * maximum)


def surge(replicas: int, parallelism: int) -> int:
    """Tasks beyond ``replicas`` while a start-first update replaces ``parallelism`` at a time (0: all at once)."""
    return min(parallelism, replicas) if parallelism else replicas


def fitting(replicas: int, parallelism: int | None) -> int:
    """To what number a service whose file says ``replicas`` can be scaled; ``parallelism`` is None for stop-first."""

    def most(number: int) -> int:
        return number + (0 if parallelism is None else surge(number, parallelism))

    room = min(slots(most(replicas)), MOST_TASKS)
    return max(number for number in range(room + 1) if most(number) <= room)
