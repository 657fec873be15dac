# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every worker would load by itself, loaded once before there are any (docs/decisions/0004).

Ansible forks a worker for each task and host. A worker in which a filter is used loads all of Ansible's filters,
and ends: 30 ms of processor time, also for a task that is skipped. What the process has that forks them, they all have.
"""

from __future__ import annotations

import gc

from ansible.plugins import loader


def prepare(filters: tuple[str, ...] = ()) -> None:
    """Load what workers need, and ``filters``: those of a collection are not among all."""
    list(loader.filter_loader.all())
    list(loader.test_loader.all())
    for name in filters:
        loader.filter_loader.get(name)
    loader.action_loader.get("ansible.builtin.normal", class_only=True)
    loader.connection_loader.get("ansible.builtin.ssh", class_only=True)
    loader.shell_loader.get("ansible.builtin.sh", class_only=True)
    loader.lookup_loader.get("ansible.builtin.template", class_only=True)
    # Else the collector of each worker looks through all of this, and by that copies it.
    gc.freeze()
