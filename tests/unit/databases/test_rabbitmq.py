# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided from a RabbitMQ's answers; that its queues survive a server is tried on real ones."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import rabbitmq_api, rabbitmq_node, rabbitmq_users
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.run import Run

EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}


def stored(password: str) -> str:
    """As RabbitMQ keeps it."""
    return base64.b64encode(b"salt" + hashlib.sha256(b"salt" + password.encode()).digest()).decode()


@pytest.mark.parametrize(
    ("kept", "good"), [(stored("secret"), True), (stored("other"), False), ("", False), ("no base64!", False)]
)
def test_a_password_is_known_by_its_hash(kept: str, good: bool) -> None:
    assert rabbitmq_api.is_hash_of(kept, "secret") is good


@pytest.mark.parametrize("tags", ["monitoring,administrator", ["administrator", "monitoring"]])
def test_tags_are_a_list_or_a_text(tags: Any) -> None:
    assert rabbitmq_api.tags_of({"tags": tags}) == ["administrator", "monitoring"]
    assert rabbitmq_api.tags_of({"tags": ""}) == []


class Answers:
    """A management: path → what is there."""

    def __init__(self, there: dict[str, Any]) -> None:
        self.there = there
        self.changes: list[tuple[str, str, Any]] = []
        self.healthy = True

    def get(self, *parts: str) -> Any:
        """What is there."""
        return self.there.get("/".join(parts))

    def change(self, method: str, *parts: str, body: Any = None) -> None:
        """Write it down."""
        self.changes.append((method, "/".join(parts), body))

    def good(self, _check: str) -> bool:
        """Whether a check passes."""
        return self.healthy


PLACE = {
    "vhost": "queue",
    "queue_type": "quorum",
    "users": {
        "queue_2": {"password": "new", "tags": [], "permissions": EVERYTHING},
        "monitor": {"password": "seen", "tags": ["monitoring"], "permissions": {}},
    },
    "unwanted": ["queue"],
}
AS_WANTED = {
    "vhosts/queue": {"name": "queue", "default_queue_type": "quorum"},
    "users/queue_2": {"name": "queue_2", "tags": [], "password_hash": stored("new")},
    "users/monitor": {"name": "monitor", "tags": ["monitoring"], "password_hash": stored("seen")},
    "permissions/queue/queue_2": {"user": "queue_2", "vhost": "queue", **EVERYTHING},
    "nodes": [{"name": "q@a", "running": True}],
    "feature-flags": [{"name": "khepri_db", "state": "disabled", "stability": "experimental"}],
}


def planned(there: dict[str, Any]) -> tuple[list[str], list[tuple[str, str, Any]]]:
    """What would be done, in words, and what is sent then."""
    answers = Answers(there)
    changes = list(rabbitmq_users.plan(answers, PLACE))
    assert not answers.changes, "planning changed something"
    for change in changes:
        change.apply()
    return [change.what for change in changes], answers.changes


def test_what_is_as_wanted_needs_nothing() -> None:
    assert planned(AS_WANTED) == ([], [])


def test_a_blank_one_gets_its_host_and_users() -> None:
    words, sent = planned({})
    assert words == ["virtual host queue", "user queue_2", "permissions of queue_2", "user monitor"]
    assert sent[1] == ("PUT", "users/queue_2", {"password": "new", "tags": ""})
    assert sent[2] == ("PUT", "permissions/queue/queue_2", EVERYTHING)
    assert not [word for word in words if "new" in word]


@pytest.mark.parametrize(
    ("path", "there", "words"),
    [
        ("users/queue", {"name": "queue", "tags": []}, ["no user queue"]),
        ("users/queue_2", {"tags": [], "password_hash": stored("old")}, ["user queue_2"]),
        ("users/queue_2", {"tags": ["administrator"], "password_hash": stored("new")}, ["user queue_2"]),
        ("permissions/queue/queue_2", {**EVERYTHING, "write": ""}, ["permissions of queue_2"]),
        ("vhosts/queue", {"default_queue_type": "classic"}, ["virtual host queue"]),
        ("feature-flags", [{"name": "new", "state": "disabled", "stability": "stable"}], ["feature new"]),
    ],
)
def test_what_differs_is_mended(path: str, there: Any, words: list[str]) -> None:
    assert planned({**AS_WANTED, path: there})[0] == words


def test_a_feature_waits_until_all_servers_are_there() -> None:
    flags = [{"name": "new", "state": "disabled", "stability": "stable"}]
    assert planned({**AS_WANTED, "feature-flags": flags, "nodes": [{"name": "q@a", "running": False}]})[0] == []


def node(there: dict[str, Any], name: str = "a", reached: tuple[str, ...] = ()) -> rabbitmq_node.Node:
    """The instance of a server, whose management answers so."""
    made = rabbitmq_node.Node("q", Run())
    made.own = name
    made._place = {"servers": ["a", "b", "c"]}
    made._reached = list(reached)
    made.management = Answers(there)
    return made


def nodes(**running: bool) -> list[dict[str, Any]]:
    """Server → whether it runs."""
    return [{"name": f"q@{name}", "running": there} for name, there in running.items()]


def quorum(*members: str, name: str = "jobs") -> dict[str, Any]:
    """A queue on these servers."""
    return {"name": name, "vhost": "v", "type": "quorum", "members": [f"q@{member}" for member in members]}


FOUR = nodes(a=True, b=True, c=True, d=True)


@pytest.mark.parametrize(
    ("there", "why"),
    [
        ({"nodes": nodes(a=True, b=True, d=True)}, "would be 2 servers"),
        ({"nodes": nodes(a=True, b=True, c=False, d=True)}, "c does not run"),
        ({"nodes": FOUR, "queues": [quorum("d", "a")]}, "no majority of its servers without d"),
        ({"nodes": FOUR, "queues": [quorum("d")]}, "no majority of its servers without d"),
        (
            {"nodes": FOUR, "queues": [{"name": "old", "vhost": "v", "type": "classic", "node": "q@d"}]},
            "of type classic",
        ),
    ],
)
def test_nobody_leaves_with_what_would_be_lost(there: dict[str, Any], why: str) -> None:
    with pytest.raises(HostError, match=why):
        node(there).release("d", lost=False, check=False)


def test_who_is_lost_may_leave_too_few_but_must_not_run() -> None:
    left = nodes(a=True, b=True, d=False)
    one = node({"nodes": left, "queues": [quorum("a", "b", "d")]})
    one.release("d", lost=True, check=False)
    path = "queues/quorum/v/jobs/replicas"
    assert one.management.changes == [("DELETE", f"{path}/delete", {"node": "q@d"})]  # type: ignore[attr-defined]
    with pytest.raises(HostError, match="the RabbitMQ of d runs, so it is not lost"):
        node({"nodes": nodes(a=True, b=True, d=True)}).release("d", lost=True, check=False)


def test_who_leaves_is_replaced_in_its_queues_first() -> None:
    copied = {**quorum("d", "a", "b", "c"), "online": ["q@c"]}
    there = {"nodes": FOUR, "queues": [quorum("a", "b", "d"), quorum("a", "b", "c")], "queues/v/jobs": copied}
    one = node(there)
    one.release("d", lost=False, check=True)
    assert one.management.changes == []  # type: ignore[attr-defined]
    one.release("d", lost=False, check=False)
    path = "queues/quorum/v/jobs/replicas"
    assert one.management.changes == [  # type: ignore[attr-defined]
        ("POST", f"{path}/add", {"node": "q@c"}),
        ("DELETE", f"{path}/delete", {"node": "q@d"}),
    ]


def test_who_is_gone_needs_no_release() -> None:
    node({"nodes": nodes(a=True, b=True)}).release("d", lost=False, check=False)


@pytest.mark.parametrize(
    ("running", "healthy", "able"),
    [
        ({"a": True, "b": True, "c": True}, True, True),
        ({"a": True, "b": True, "c": False}, True, False),
        ({"a": True, "b": True, "c": True}, False, False),
    ],
)
def test_one_is_restarted_where_the_others_are_a_majority(
    running: dict[str, bool], healthy: bool, able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq_node, "SPARING", 0.0)
    one = node({"nodes": nodes(**running)})
    one.management.healthy = healthy  # type: ignore[attr-defined]
    if able:
        one._spare()
    else:
        with pytest.raises(HostError, match="without a majority"):
            one._spare()


def test_one_of_the_servers_tells_of_strangers() -> None:
    there = {"nodes": nodes(a=True, b=True, c=True, old=True)}
    assert node(there, reached=("a", "b")).strangers() == ["old"]
    assert node(there, "b", reached=("a", "b")).strangers() == []


def test_another_server_in_the_file_needs_no_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{rabbitmq_node.CONFIG}/q.conf": "heartbeat = 60\ncluster_formation.classic_config.nodes.1 = q@a\n"}
    monkeypatch.setattr(rabbitmq_node, "text", lambda path: files.get(path, ""))
    one = node({})
    before = one.digest()
    files[f"{rabbitmq_node.CONFIG}/q.conf"] += "cluster_formation.classic_config.nodes.2 = q@b\n"
    assert one.digest() == before
    files[f"{rabbitmq_node.CONFIG}/q.conf"] += "frame_max = 1\n"
    assert one.digest() != before


@pytest.mark.parametrize(("running", "whole"), [({"a", "b"}, True), ({"a"}, False), (set(), False)])
def test_a_queue_has_a_majority_of_its_servers(running: set[str], whole: bool) -> None:
    assert rabbitmq_node.has_majority(quorum("a", "b", "c"), running) is whole
    assert rabbitmq_node.has_majority({"node": "q@a"}, running) is ("a" in running)


def test_status_tells_what_is_wrong() -> None:
    own = {"name": "q@a", "running": True, "mem_alarm": True, "partitions": ["q@b"], "mem_used": 7, "fd_total": 99}
    led = {**quorum("a", "b", "c"), "leader": "q@a"}
    there = {
        "nodes": [own, {"name": "q@b", "running": False}, {"name": "q@c", "running": False}],
        "overview": {"rabbitmq_version": "4.0.5"},
        "queues": [led],
        "connections": [{"node": "q@a"}, {"node": "q@b"}],
    }
    assert node(there).status() == {
        "role": "member",
        "server": "a",
        "state": "memory alarm, partition",
        "alarms": ["memory"],
        "partitions": ["b"],
        "version": "4.0.5",
        "size": 7,
        "connections": 1,
        "connections_limit": 99,
        "queues": 1,
        "leads": 1,
        "without_quorum": ["jobs"],
    }
