# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first task of every playbook: is there a stack, and can its servers be reached well enough to be safe?

Ansible takes an inventory source that it cannot parse for a warning, says "no hosts matched" and ends with 0.
This action reads the sources again and fails with the definition's own errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.longshore.stack.plugins.plugin_utils import reachability, stack_file

if TYPE_CHECKING:
    from collections.abc import Mapping


class ActionModule(ActionBase):
    """Runs on the controller alone, and changes nothing."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fail with what is wrong; else return ``unreachable_servers`` (names)."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        known = task_vars or {}
        _options, given = self.validate_argument_spec(
            argument_spec={
                "groups": {"type": "list", "elements": "str", "default": []},
                "quorum": {"type": "bool", "default": True},
            }
        )
        sources = [str(source) for source in known.get("ansible_inventory_sources") or []]
        _read(sources)
        groups: Mapping[str, list[str]] = known["groups"]
        for group in ("longshore", *given["groups"]):
            if not groups.get(group):
                raise AnsibleActionFail(
                    f"no server is in the group '{group}' (inventory: {', '.join(sources) or 'none'}): "
                    "give a stack file with -i; its first key is 'plugin: longshore.stack.stack'"
                )
        missing = reachability.unreachable({name: known["hostvars"][name] for name in groups["longshore"]})
        result["changed"] = False
        result["unreachable_servers"] = sorted(missing)
        if given["quorum"]:
            problem = reachability.unsafe(groups, missing)
            if problem:
                raise AnsibleActionFail(f"{problem}; nothing was touched", result=result)
        return result


def _read(sources: list[str]) -> None:
    stacks = stack_file.among(sources)
    if len(stacks) > 1:
        message = f"a run is about one stack, but these are {len(stacks)}, nothing was touched: {', '.join(stacks)}"
        raise AnsibleActionFail(f"{message}. Give one of them with -i", result={"bad_input": True})
    try:
        for source in stacks:
            stack_file.read(source)
    except ValueError as error:
        message = f"the stack file was refused, nothing was touched:\n{error}"
        raise AnsibleActionFail(message, result={"bad_input": True}) from error
