# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server whose engine is dead is left out by the task that finds it; whatever else a module says is handed on."""

from __future__ import annotations

from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.longshore.stack.plugins.action import haproxy_config, image_present

DEAD = {"changed": False, "unable": "engine", "msg": "no Docker engine answers on this server"}

pytestmark = pytest.mark.parametrize("plugin", [haproxy_config, image_present], ids=lambda plugin: plugin.__name__)


def said(plugin: ModuleType, answer: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The task's result when its module answers ``answer``; what the module was given."""
    task = MagicMock(async_val=0, check_mode=True, diff=True, no_log=False, args={"required": False})
    task.action = f"longshore.stack.{plugin.__name__.rpartition('.')[2]}"
    action = plugin.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    given: dict[str, Any] = {}

    def execute(**how: Any) -> dict[str, Any]:
        given.update(how)
        return dict(answer)

    action._execute_module = execute
    return action.run(task_vars={"inventory_hostname": "app1"}), given


def test_a_dead_engine_counts_as_a_lost_connection(plugin: ModuleType) -> None:
    with pytest.raises(AnsibleConnectionFailure, match="no Docker engine answers on this server"):
        said(plugin, DEAD)


@pytest.mark.parametrize(
    "answer", [{**DEAD, "failed": True}, {"changed": True, "diff": [{"before": "", "after": "x"}]}]
)
def test_all_else_is_handed_on(plugin: ModuleType, answer: dict[str, Any]) -> None:
    result, given = said(plugin, answer)
    assert result == answer
    assert given["module_name"].endswith(plugin.__name__.rpartition(".")[2])
    assert given["module_args"] == {"required": False}
