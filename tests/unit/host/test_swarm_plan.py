# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Swarm's nodes are to become, and when a manager may go."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.swarm_plan import (
    RESTARTING,
    SwarmError,
    differences,
    managers_after,
    notes,
    overlaps,
    quorum_after_removal,
    quorum_during_restart,
    routes,
    ties,
    with_settings,
)
from hypothesis import assume, given
from hypothesis import strategies as st

PREFIX = "longshore.shop."
SETTINGS = {"heartbeat": 2.0, "task_history": 5}
Node = dict[str, Any]
ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010011AC	0003	0	0	0	00000000	0	0	0
eth0	0001A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
eth1	00000D0A	00000000	0001	0	0	0	0000FFFF	0	0	0
docker0	000014AC	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""


def node(number: int, role: str = "worker", labels: dict[str, str] | None = None, reachability: str = "") -> Node:
    return {"id": f"id{number}", "hostname": f"s{number}", "role": role, "availability": "active", "state": "ready",
            "reachability": reachability or ("reachable" if role == "manager" else ""), "address": "",
            "labels": labels or {}}  # fmt: skip


def server(number: int, role: str = "worker", **labels: str) -> dict[str, Any]:
    own = {f"{PREFIX}server": f"s{number}", **{f"{PREFIX}{name}": value for name, value in labels.items()}}
    return {"id": f"id{number}", "name": f"s{number}", "labels": own, "role": role, "known_role": "worker", "data": {}}


def done(nodes: list[Node], todo: list[dict[str, Any]]) -> list[Node]:
    """The nodes after what is to be done was done."""
    after = {each["id"]: dict(each) for each in nodes}
    for change in todo:
        if "settings" in change:
            continue
        one = after[change["node"]]
        if "labels" in change:
            one["labels"] = change["labels"]
        elif "role" in change:
            one["role"] = change["role"]
        else:
            one["labels"] = {name: value for name, value in one["labels"].items() if name != RESTARTING}
    return list(after.values())


def four(first: dict[str, str] | None = None, second: dict[str, str] | None = None) -> list[Node]:
    """Three managers and a worker, with labels of other stacks on the first two."""
    labels = [first or {}, second or {}, {}, {}]
    return [
        node(number, "manager" if number < 3 else "worker", {**labels[number], f"{PREFIX}server": f"s{number}"})
        for number in range(4)
    ]


def wants(*roles: str) -> list[dict[str, Any]]:
    return [server(number, role) for number, role in enumerate(roles)]


def changes(
    wanted: list[dict[str, Any]], first: dict[str, str] | None = None, second: dict[str, str] | None = None
) -> list[str]:
    """What is to be done with ``four`` servers of which three should be managers."""
    todo = differences(four(first, second), SETTINGS, wanted, PREFIX, SETTINGS, managers=3)
    return [each["what"] for each in todo]


LABELS = st.dictionaries(st.sampled_from([f"{PREFIX}a", f"{PREFIX}b", "longshore.other.a", RESTARTING]), st.just("x"))
ROLES = st.sampled_from(["manager", "worker"])


@given(st.lists(st.tuples(ROLES, LABELS), min_size=1, max_size=5), st.lists(ROLES, min_size=5, max_size=5))
def test_after_what_is_to_be_done_nothing_is_to_be_done(
    found: list[tuple[str, dict[str, str]]], roles: list[str]
) -> None:
    nodes = [node(number, role, labels) for number, (role, labels) in enumerate(found)]
    wanted = [server(number, role) for number, role in enumerate(roles[: len(nodes)])]
    managers = [each["id"] for each in wanted if each["role"] == "manager"]
    assume(not managers or any(each["role"] == "manager" and each["id"] in managers for each in nodes))
    after = done(nodes, differences(nodes, SETTINGS, wanted, PREFIX, SETTINGS, managers=len(managers)))
    assert differences(after, SETTINGS, wanted, PREFIX, SETTINGS, managers=len(managers)) == []
    for before, now in zip(nodes, after):
        assert now["role"] == ("manager" if now["id"] in managers else before["role"] if not managers else "worker")
        assert now["labels"].get("longshore.other.a") == before["labels"].get("longshore.other.a")


class TestDifferences:
    def test_left_out_is_left_alone(self) -> None:
        nodes = [node(1, labels={f"{PREFIX}server": "s1"}), node(2, "manager", {f"{PREFIX}server": "s2"})]
        assert differences(nodes, SETTINGS, [server(1)], PREFIX, SETTINGS) == []

    def test_a_server_of_another_swarm(self) -> None:
        with pytest.raises(SwarmError, match="s2 belongs to another Swarm"):
            differences([node(1)], SETTINGS, [server(1), server(2)], PREFIX, SETTINGS)

    def test_a_server_that_was_made_anew_attracts_alone(self) -> None:
        nodes = [node(1), node(9, labels={f"{PREFIX}server": "s1", "longshore.other.a": "x"})]
        after = done(nodes, differences(nodes, SETTINGS, [server(1)], PREFIX, SETTINGS))
        assert after[0]["labels"] == {f"{PREFIX}server": "s1"}
        assert after[1]["labels"] == {"longshore.other.a": "x"}

    def test_servers_that_are_to_join_are_predicted(self) -> None:
        wanted = [{**server(1), "id": ""}, {**server(2, "manager"), "id": ""}]
        words = [each["what"] for each in differences([], SETTINGS, wanted, PREFIX, SETTINGS)]
        assert words == ["labels of s1", "labels of s2", "s2 promoted to manager"]

    def test_a_reordered_file_demotes_the_former_manager_last(self) -> None:
        assert changes(wants("worker", "manager", "manager", "manager")) == [
            "s3 promoted to manager",
            "s0 demoted to worker",
        ]

    @pytest.mark.parametrize(
        ("labels", "elsewhere", "stays"),
        [
            ({"longshore.blog.server": "x", "longshore.blog.manager": "true"}, {}, True),
            ({"longshore.blog.server": "x"}, {"longshore.blog.server": "y", "longshore.blog.manager": "true"}, False),
            ({"longshore.blog.server": "x"}, {"longshore.blog.server": "y"}, True),
        ],
        ids=["another stack wants it", "another stack wants others", "another stack has not said"],
    )
    def test_a_manager_of_another_stack_stays(
        self, labels: dict[str, str], elsewhere: dict[str, str], stays: bool
    ) -> None:
        told = changes(wants("worker", "manager", "manager", "manager"), labels, elsewhere)
        assert ("s0 demoted to worker" not in told) is stays

    def test_nobody_is_demoted_while_a_wanted_manager_is_missing(self) -> None:
        wanted = wants("worker", "manager", "manager", "manager")
        assert changes(wanted[:-1]) == []
        down = [{**each, "state": "down"} if each["id"] == "id3" else each for each in four()]
        told = [each["what"] for each in differences(down, SETTINGS, wanted, PREFIX, SETTINGS, managers=3)]
        assert "s0 demoted to worker" not in told

    def test_all_managers_at_once_are_not_exchanged(self) -> None:
        with pytest.raises(SwarmError, match="keep one of s0, s1, s2 as a manager"):
            changes(wants("worker", "worker", "worker", "manager"))

    def test_settings(self) -> None:
        todo = differences([], {"heartbeat": 5.0, "task_history": 5}, [], PREFIX, SETTINGS)
        assert [each["settings"] for each in todo] == [SETTINGS]

    def test_settings_keep_the_rest_of_the_spec(self) -> None:
        spec = with_settings({"Name": "default", "Raft": {"ElectionTick": 10}}, SETTINGS)
        assert spec["Raft"] == {"ElectionTick": 10}
        assert spec["Dispatcher"]["HeartbeatPeriod"] == 2_000_000_000


class TestData:
    """The volume moves from s1 to s2 in the stack file."""

    LABEL = f"{PREFIX}volume.data"

    def nodes(self, former: str = "s1") -> list[Node]:
        return [node(0, "manager"), node(1, "worker", {f"{PREFIX}server": former, self.LABEL: "true"}), node(2)]

    def wanted(self, *held: bool) -> list[dict[str, Any]]:
        """The servers that were looked at, from s0 on, and whether the volume's directory holds anything there."""
        servers = [
            {**server(number), "data": {self.LABEL: {"path": "/data", "held": is_held}}}
            for number, is_held in enumerate(held)
        ]
        servers[2]["labels"][self.LABEL] = "true"
        return servers

    def test_its_label_goes_along_only_when_nothing_is_left_behind(self) -> None:
        with pytest.raises(SwarmError, match=r"data is to be on s2, but its data is on s1 in /data.*move what is in"):
            differences(self.nodes(), SETTINGS, self.wanted(False, True, False), PREFIX, SETTINGS)
        todo = differences(self.nodes(), SETTINGS, self.wanted(False, False, True), PREFIX, SETTINGS)
        after = {each["id"]: each["labels"] for each in done(self.nodes(), todo)}
        assert self.LABEL not in after["id1"]
        assert self.LABEL in after["id2"]

    def test_nor_from_a_server_that_could_not_be_looked_at(self) -> None:
        wanted = self.wanted(False, False, False)
        with pytest.raises(SwarmError, match=r"may be on s1 .*`longshore server remove s1`"):
            differences(self.nodes(), SETTINGS, [wanted[0], wanted[2]], PREFIX, SETTINGS)

    def test_a_server_that_was_made_anew_keeps_its_volumes(self) -> None:
        wanted = self.wanted(False, False, False)
        todo = differences(self.nodes("s2"), SETTINGS, [wanted[0], wanted[2]], PREFIX, SETTINGS)
        assert "labels of the former node of s2" in [each["what"] for each in todo]

    def test_where_it_is_it_stays(self) -> None:
        wanted = self.wanted(False, True, False)
        wanted[1]["labels"][self.LABEL] = wanted[2]["labels"].pop(self.LABEL)
        assert (
            self.LABEL in done(self.nodes(), differences(self.nodes(), SETTINGS, wanted, PREFIX, SETTINGS))[1]["labels"]
        )


class TestQuorum:
    @pytest.mark.parametrize(
        ("reachable", "unreachable", "refused"),
        [(1, 0, True), (2, 0, False), (3, 0, False), (2, 1, True), (3, 2, True), (4, 1, False)],
    )
    def test_a_living_manager_may_go_while_the_others_have_a_majority(
        self, reachable: int, unreachable: int, refused: bool
    ) -> None:
        nodes = [node(number, "manager") for number in range(reachable)]
        nodes += [node(100 + number, "manager", reachability="unreachable") for number in range(unreachable)]
        assert bool(quorum_after_removal(nodes, "id0")) is refused

    def test_a_dead_manager_of_three_may_go(self) -> None:
        nodes = [node(1, "manager"), node(2, "manager"), node(3, "manager", reachability="unreachable")]
        assert quorum_after_removal(nodes, "id3") == ""

    def test_a_worker_may_always_go(self) -> None:
        assert quorum_after_removal([node(1, "manager"), node(2)], "id2") == ""

    @pytest.mark.parametrize(
        ("reachable", "restarted", "silent"),
        [
            ([True], 0, ""),
            ([True, True], 0, ""),
            ([True, True, True], 0, ""),
            ([True, True, False], 0, "s2"),
            ([True, True, False], 2, ""),
            ([True, True, True, False], 0, "s3"),
            ([True, True, True, True, False], 0, ""),
            ([True, True, True, False, False], 0, "s3, s4"),
        ],
    )
    def test_an_engine_is_restarted_while_the_others_keep_what_majority_they_can(
        self, reachable: list[bool], restarted: int, silent: str
    ) -> None:
        nodes = [node(9), *(node(i, "manager", None, "" if up else "unreachable") for i, up in enumerate(reachable))]
        problem = quorum_during_restart(nodes, f"id{restarted}")
        assert bool(problem) == bool(silent)
        assert f"bring {silent} back" in problem or not silent
        assert not quorum_during_restart(nodes, "id9")

    def test_an_even_number_is_noted(self) -> None:
        assert notes([node(1, "manager"), node(2, "manager")])
        assert not notes([node(1, "manager"), node(2)])


class TestPools:
    def test_routes(self) -> None:
        assert routes(ROUTES) == ["192.168.1.0/24", "10.13.0.0/16"]

    def test_overlaps(self) -> None:
        assert overlaps(["10.0.0.0/8", "172.30.0.0/16"], routes(ROUTES)) == [("10.0.0.0/8", "10.13.0.0/16")]


class TestRemoval:
    def test_what_others_and_data_need_is_named(self) -> None:
        labels = {
            f"{PREFIX}server": "s1",
            f"{PREFIX}tag.volume": "true",
            "longshore.blog.server": "web1",
            "longshore.blog.manager": "true",
            "longshore.blog.volume.data.base": "true",
            "theirs.server": "x",
        }
        assert ties(labels, PREFIX) == [
            "the stack blog uses it too",
            "the volume data.base of blog is on it, so that its services can run nowhere else",
        ]
        assert ties({f"{PREFIX}server": "s1", f"{PREFIX}tag.app": "true", "theirs.server": "x"}, PREFIX) == []
        assert ties({f"{PREFIX}server": "s1", f"{PREFIX}volume.data": "true"}, PREFIX) != []


def test_managers_after_the_changes() -> None:
    nodes = [node(0, "manager"), node(1, "manager"), node(2)]
    todo = [{"node": "id1", "role": "worker"}, {"node": "id2", "role": "manager"}, {"node": "", "role": "manager"}]
    assert managers_after(nodes, todo) == ["id0", "id2"]
    assert managers_after(nodes, [{"node": "id2", "labels": {}}]) == ["id0", "id1"]
