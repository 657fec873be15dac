# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack is removed as far as it can be, and what stays is named with the cure."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State
from ansible_collections.longshore.stack.plugins.modules import stack_remove

IN_USE = "rpc error: code = FailedPrecondition desc = network n1 is in use by task t1"


@pytest.fixture
def state() -> State:
    """A network and a secret."""
    labels = {"longshore.stack": "shop"}
    return State(
        "shop",
        networks={"shop_edge": {"Id": "n1", "Name": "shop_edge", "Labels": labels}},
        secrets={"shop_key": {"ID": "s1", "Spec": {"Name": "shop_key", "Labels": labels}}},
    )


def removed(state: State, node: str, message: str = IN_USE) -> list[str]:
    """What goes although the network does not."""
    gone: list[str] = []
    answers: dict[str, Any] = {
        "/tasks/t1": {"NodeID": "b"},
        "/nodes/b": {"Status": {"State": node}, "Description": {"Hostname": "app2"}},
    }

    def remove(path: str) -> None:
        if path == "/networks/n1":
            raise DockerError(409, message)
        gone.append(path)

    docker: Any = SimpleNamespace(get=answers.__getitem__)
    run: Any = SimpleNamespace(progress=lambda _line: None)
    with pytest.raises(ValueError, match=r"shop_edge stays, since app2, which is down, .* destroy again"):
        stack_remove.remove(docker, SimpleNamespace(remove=remove), run, state)  # type: ignore[arg-type]
    return gone


def test_a_server_that_is_down_keeps_its_network_and_nothing_else(state: State) -> None:
    assert removed(state, "down") == ["/secrets/s1"]


@pytest.mark.parametrize(("node", "message"), [("ready", IN_USE), ("down", "no route to host")])
def test_any_other_refusal_ends_it(state: State, node: str, message: str) -> None:
    with pytest.raises(DockerError):
        removed(state, node, message)
