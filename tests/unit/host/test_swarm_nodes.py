# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patience with managers that choose a leader, or have just done so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import known_nodes, swarm_membership, swarm_nodes
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.lease import LeaseLost
from ansible_collections.longshore.stack.plugins.module_utils.run import Run
from ansible_collections.longshore.stack.plugins.module_utils.swarm_plan import SwarmError
from ansible_collections.longshore.stack.plugins.modules import swarm_node
from ansible_collections.longshore.stack.plugins.modules import swarm_nodes as module


def manager(number: int, reachability: str = "reachable") -> dict[str, Any]:
    """A manager as the engine describes it."""
    return {"ID": f"id{number}", "Spec": {"Role": "manager"}, "Description": {"Hostname": f"s{number}"},
            "Status": {"State": "ready"}, "ManagerStatus": {"Reachability": reachability}}  # fmt: skip


class Engine:
    """Stands for an engine; its answers to the question for the nodes, the last one for ever."""

    def __init__(self, *answers: DockerError | list[dict[str, Any]]) -> None:
        self.answers = list(answers)

    def get(self, path: str) -> list[dict[str, Any]]:
        assert path == "/nodes"
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, DockerError):
            raise answer
        return answer


class Instant(Run):
    """A run that does not sleep."""

    def wait(self, seconds: float) -> None:
        """Return at once."""


NO_LEADER = DockerError(500, "rpc error: The swarm does not have a leader")


def engine(*answers: DockerError | list[dict[str, Any]]) -> Docker:
    return cast("Docker", Engine(*answers))


def test_a_leader_is_waited_for() -> None:
    three = [manager(0), manager(1), manager(2)]
    found = swarm_nodes.nodes_once_led(engine(NO_LEADER, NO_LEADER, three), 5, Instant())
    assert [node["id"] for node in found] == ["id0", "id1", "id2"]
    with pytest.raises(DockerError, match="does not have a leader"):
        swarm_nodes.nodes_once_led(engine(NO_LEADER), 0, Instant())
    with pytest.raises(DockerError, match="no such"):
        swarm_nodes.nodes_once_led(engine(DockerError(404, "no such"), three), 5, Instant())


def test_who_calls_itself_no_manager_is_believed_after_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = DockerError(503, "This node is not a swarm manager. Worker nodes can't be used to view or modify")
    three = [manager(0)]
    assert len(swarm_nodes.nodes_once_led(engine(worker, three), 300, Instant())) == 1
    monkeypatch.setattr(swarm_nodes, "RETURN_TIMEOUT", 0)
    with pytest.raises(DockerError, match="not a swarm manager"):
        swarm_nodes.nodes_once_led(engine(worker, three), 300, Instant())


def test_a_forgotten_node_leaves_without_waiting_for_its_managers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def report(_docker: Docker, *, as_it_is: bool = False) -> dict[str, Any]:
        asked.append(as_it_is)
        return {"active": True}

    monkeypatch.setattr(swarm_node, "report", report)
    for state in ("left", "reported"):
        given = SimpleNamespace(params={"state": state, "claim": False}, check_mode=False)
        swarm_node.look(engine(), cast("AnsibleModule", given), Run())
    assert asked == [True, False]


def test_the_manager_that_was_restarted_before_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [manager(0), manager(1), manager(2)]
    broken = [manager(0, "unreachable"), manager(1), manager(2)]
    swarm_nodes.wait_until_spared(engine(NO_LEADER, broken, whole), "id1", Instant())
    monkeypatch.setattr(swarm_nodes, "RETURN_TIMEOUT", 0)
    with pytest.raises(SwarmError, match=r"its engine is not restarted: .* bring s0 back"):
        swarm_nodes.wait_until_spared(engine(broken), "id1", Instant())


class TestReport:
    """What a manager tells of the Swarm is what its leader knows, not what it has not heard yet."""

    def report(self, monkeypatch: pytest.MonkeyPatch, *states: str) -> tuple[list[str], float]:
        """The nodes' states as reported, when the leader says ``states`` in turn; and the seconds waited."""
        waited = [0.0]
        clock = SimpleNamespace(
            monotonic=lambda: waited[0], sleep=lambda seconds: waited.__setitem__(0, waited[0] + seconds)
        )
        monkeypatch.setattr(known_nodes, "time", clock)
        answers = {
            "/info": {"Swarm": {"LocalNodeState": "active", "NodeID": "id0", "ControlAvailable": True}},
            "/swarm": {
                "ID": "c",
                "Spec": {
                    "Dispatcher": {"HeartbeatPeriod": 2_000_000_000},
                    "Orchestration": {"TaskHistoryRetentionLimit": 5},
                },
            },
        }
        nodes = Engine(*[[{**manager(0), "Status": {"State": state}}] for state in states])
        docker = SimpleNamespace(get=lambda path: answers.get(path) or nodes.get(path))
        found = swarm_membership.report(cast("Docker", docker))
        return [node["state"] for node in found["nodes"]], waited[0]

    def test_a_new_leader_has_to_hear_of_the_nodes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.report(monkeypatch, "ready") == (["ready"], 0.0)
        assert self.report(monkeypatch, "down") == (["down"], 0.0)
        assert self.report(monkeypatch, "unknown", "unknown", "ready") == (["ready"], 1.0)

    def test_it_is_not_waited_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        states, waited = self.report(monkeypatch, "unknown")
        assert states == ["unknown"]
        assert 20 <= waited < 22


@pytest.mark.parametrize(("condition", "wait"), [("any", True), ("on-failure", False), ("none", False)])
def test_a_drain_waits_for_what_is_started_elsewhere(condition: str, wait: bool) -> None:
    spec = {
        "Name": "shop_once",
        "Mode": {"Replicated": {"Replicas": 1}},
        "TaskTemplate": {"RestartPolicy": {"Condition": condition}},
    }
    answers = {"/nodes/id1": manager(1), "/services/once": {"Spec": spec}, "/tasks": []}
    drained = cast("Docker", SimpleNamespace(get=lambda path, **_query: answers[path]))
    if wait:
        with pytest.raises(SwarmError, match="have not moved: shop_once"):
            swarm_nodes.wait_until_drained(drained, "id1", ["once"], 0, Instant())
    else:
        assert swarm_nodes.wait_until_drained(drained, "id1", ["once"], 0, Instant()) == []


def test_an_engine_that_has_just_started_finds_its_managers_first(monkeypatch: pytest.MonkeyPatch) -> None:
    states = ["pending", "pending", "active", "pending"]

    def info(_path: str) -> dict[str, Any]:
        return {"Swarm": {"LocalNodeState": states.pop(0), "NodeID": "n", "ControlAvailable": False}}

    monkeypatch.setattr(swarm_membership, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _seconds: None))
    asked = cast("Docker", SimpleNamespace(get=info))
    assert swarm_membership.report(asked)["state"] == "active"
    assert swarm_membership.report(asked, as_it_is=True)["state"] == "pending"


def test_a_change_of_a_node_waits_for_a_leader() -> None:
    answers: list[DockerError | None] = [NO_LEADER, None]
    written: list[dict[str, Any]] = []

    def post(_path: str, spec: dict[str, Any], version: int) -> None:
        if (error := answers.pop(0)) is not None:
            raise error
        written.append({**spec, "version": version})

    node = {"Spec": {"Role": "worker"}, "Version": {"Index": 7}}
    swarm_nodes.update_node(
        cast("Docker", SimpleNamespace(get=lambda _path: node, post=post)), "id1", {"Role": "manager"}
    )
    assert written == [{"Role": "manager", "version": 7}]


def test_a_run_that_lost_its_lock_changes_no_other_node(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Lock:
        def check(self) -> None:
            if done:
                raise LeaseLost("another run has it")

    @contextlib.contextmanager
    def held(*_words: Any) -> Iterator[Lock]:
        yield Lock()

    two = [{"what": name, "before": "", "after": ""} for name in ("one", "two")]
    monkeypatch.setattr(module.cluster_lock, "held", held)
    monkeypatch.setattr(module, "nodes", lambda _docker: [])
    monkeypatch.setattr(module, "settings_of", lambda _cluster: {})
    monkeypatch.setattr(module, "differences", lambda *_words, **_more: two)
    monkeypatch.setattr(module, "apply", lambda _docker, difference, _run: done.append(difference["what"]))
    manager_ = cast("Docker", SimpleNamespace(get=lambda _path: {"Swarm": {"ControlAvailable": True}}))
    given = {"nodes": [], "heartbeat": 2.0, "task_history": 5, "label_prefix": "", "managers": 0, "timeout": 0}
    with pytest.raises(LeaseLost):
        module.converge(manager_, given, False, Instant())
    assert done == ["one"]
