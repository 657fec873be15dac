# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to running services by command (replicas, restart, stop, start): no release, but watched like one.

Private to the collection.
"""

from __future__ import annotations

from ansible_collections.longshore.stack.plugins.module_utils import spec_diff
from ansible_collections.longshore.stack.plugins.module_utils.converge import ConvergeFailed
from ansible_collections.longshore.stack.plugins.module_utils.object_ids import bound
from ansible_collections.longshore.stack.plugins.module_utils.rollout import Rollout, ServiceFailed
from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.lease import Lease
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State

# For a service whose last release says nothing about it: the stack file's own defaults; seconds.
_MONITOR, _DEADLINE = 10.0, 300.0


class Change:
    """New portable specs for some services of a stack."""

    def __init__(self, state: State, specs: Mapping[str, dict[str, Any]]) -> None:
        self._state = state
        self._specs = specs
        self.lacking: dict[str, str] = {}
        self._fields = {name: spec_diff.fields(state.spec(name), spec) for name, spec in specs.items()}

    def changes(self) -> list[dict[str, Any]]:
        """As a plan's: ``[{kind, name, action, fields}]``."""
        return [
            {
                "kind": "service",
                "name": name,
                "action": "update" if any(one["path"] == "restarts" for one in fields) else "scale",
                "fields": fields,
            }
            for name, fields in self._fields.items()
            if fields
        ]

    def diff(self) -> list[dict[str, str]]:
        """As Ansible's ``--diff`` shows it."""
        shown = []
        for name in (name for name, fields in self._fields.items() if fields):
            before = self._state.spec(name)
            shown.append(
                {
                    "before_header": f"service {name}",
                    "after_header": f"service {name}",
                    "before": spec_diff.as_text(spec_diff.readable(before) if before else None),
                    "after": spec_diff.as_text(spec_diff.readable(self._specs[name])),
                }
            )
        return shown

    def apply(self, docker: Docker, run: Run, lease: Lease) -> None:
        """Do it and wait. Raises ``ConvergeFailed`` after having gone back. Afterwards ``lacking`` says by service
        what only a server that is away keeps from running."""
        state = self._state
        writer = Writer(docker, state.stack, lease.check, {})
        rollout = Rollout(docker, writer, run, stack=state.stack, nodes=state.nodes)
        newest = state.records.get(state.newest, {}).get("services", {})
        for name in (name for name, fields in self._fields.items() if fields):
            before, after = state.spec(name), self._specs[name]
            kept = newest.get(name, {}).get("settings", {})
            rollout.add(
                name=name,
                live=state.services[name],
                spec=bound(after, *state.ids()),
                settings={
                    "monitor": kept.get("monitor", _MONITOR),
                    "deadline": kept.get("deadline", _DEADLINE),
                    "depends_on": {},
                },
                replaces=not spec_diff.same_task(before["TaskTemplate"] if before else None, after["TaskTemplate"]),
            )
        try:
            rollout.run_all()
            self.lacking = rollout.lacking
        except ServiceFailed as failure:
            baseline = {name: state.services[name]["Spec"] for name in rollout.started}
            raise ConvergeFailed(f"{failure}\n{rollout.go_back(baseline, [])}") from failure
