# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server becomes a member of etcd's cluster, against servers that answer as etcd's gateway does."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import etcd_membership as etcd
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.rest import RestError
from peers_bench import Clock, Peers, rest

SPEAKER = "127.0.0.1"


class Cluster:
    """A cluster of the started members ``name → address``."""

    def __init__(self, peers: Peers, monkeypatch: pytest.MonkeyPatch, **members: str) -> None:
        self.members = [
            {"ID": str(2**63 + number), "name": name, "peerURLs": [etcd.peer_url(address)]}
            for number, (name, address) in enumerate(members.items())
        ]
        self.asked: list[tuple[str, Any]] = []
        self.refusal: tuple[int, Any] | None = None
        self.health: Any = {"health": "true"}
        peers.serve(SPEAKER, self._answer)
        monkeypatch.setattr(etcd, "CLIENTS", peers.port)
        self.rest = rest(peers.files)

    def announced(self, address: str) -> None:
        """A member that is expected; etcd's JSON leaves an empty name out."""
        self.members.append({"ID": "77", "peerURLs": [etcd.peer_url(address)]})

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == "/health":
            return 200 if self.health == {"health": "true"} else 503, self.health
        assert method == "POST"
        order = path.removeprefix("/v3/cluster/member/")
        if order != "list":
            self.asked.append((order, body))
            if self.refusal is not None:
                return self.refusal
        if order == "add":
            self.members.append({"ID": "99", "peerURLs": body["peerURLs"]})
        if order == "remove":
            self.members = [each for each in self.members if each["ID"] != body["ID"]]
        return 200, {"header": {}, "members": self.members}


@pytest.fixture
def cluster(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Two members of three."""
    return Cluster(peers, monkeypatch, a="10.0.0.1", b="10.0.0.2")


@pytest.mark.parametrize(
    ("address", "url"), [("10.0.0.1", "https://10.0.0.1:2380"), ("fd00::1", "https://[fd00::1]:2380")]
)
def test_an_address_and_its_url(address: str, url: str) -> None:
    assert etcd.peer_url(address) == url
    assert etcd.address_of(url) == address


def test_a_server_that_nobody_knows_is_announced(cluster: Cluster) -> None:
    found = etcd.announce(cluster.rest, SPEAKER, "c", "fd00::3")
    assert cluster.asked == [("add", {"peerURLs": ["https://[fd00::3]:2380"]})]
    assert found == {"a": "10.0.0.1", "b": "10.0.0.2", "c": "fd00::3"}


def test_one_that_never_started_is_not_announced_twice(cluster: Cluster) -> None:
    cluster.announced("10.0.0.3")
    found = etcd.announce(cluster.rest, SPEAKER, "c", "10.0.0.3")
    assert cluster.asked == []
    assert found == {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.0.0.3"}


def test_one_that_lost_its_data_is_a_new_member(cluster: Cluster) -> None:
    lost = cluster.members[1]["ID"]
    found = etcd.announce(cluster.rest, SPEAKER, "b", "10.0.0.2")
    assert cluster.asked == [("remove", {"ID": lost}), ("add", {"peerURLs": ["https://10.0.0.2:2380"]})]
    assert found == {"a": "10.0.0.1", "b": "10.0.0.2"}


def test_another_server_that_is_only_announced_is_none_to_start_with(cluster: Cluster) -> None:
    cluster.announced("10.0.0.3")
    cluster.announced("10.0.0.4")
    found = etcd.announce(cluster.rest, SPEAKER, "c", "10.0.0.3")
    assert found == {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.0.0.3"}


def test_a_member_that_does_not_answer_is_forgotten(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(peers, monkeypatch, a=SPEAKER, b="127.0.0.2")
    lost = cluster.members[1]["ID"]
    assert etcd.forget(cluster.rest, SPEAKER, "b", True)
    assert cluster.asked == []
    assert etcd.forget(cluster.rest, SPEAKER, "b", False)
    assert cluster.asked == [("remove", {"ID": lost})]
    assert not etcd.forget(cluster.rest, SPEAKER, "b", False), "it is none any more"
    with pytest.raises(HostError, match="the etcd of a answers, so it is not lost"):
        etcd.forget(cluster.rest, SPEAKER, "a", False)


def test_a_refusal_is_told_in_etcds_words(cluster: Cluster) -> None:
    cluster.refusal = (503, {"error": "x", "message": "etcdserver: unhealthy cluster"})
    with pytest.raises(RestError, match="refuses member/add: etcdserver: unhealthy cluster") as raised:
        etcd.announce(cluster.rest, SPEAKER, "c", "10.0.0.3")
    assert raised.value.status == 503


def test_the_first_that_answers_is_asked(cluster: Cluster) -> None:
    speaker, members = etcd.first_answer(cluster.rest, ["127.0.0.2", SPEAKER])
    assert speaker == SPEAKER
    assert [each["name"] for each in members] == ["a", "b"]
    assert etcd.first_answer(cluster.rest, ["127.0.0.2"]) == ("", [])


def test_health_is_awaited(cluster: Cluster, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.health = {"health": "false", "reason": "NO LEADER"}
    clock.events = [(9.0, lambda: setattr(cluster, "health", {"health": "true"}))]
    etcd.await_health(cluster.rest, SPEAKER, clock, 10.0)
    assert 9.0 <= clock.now < 10.0
    cluster.health = {"health": "false", "reason": "NO LEADER"}
    monkeypatch.setattr(etcd, "attempt", lambda _words: (0, "one\nelection lost\n", ""))
    with pytest.raises(HostError, match=r"(?s)does not serve after 10 s: .*NO LEADER.*election lost"):
        etcd.await_health(cluster.rest, SPEAKER, clock, 10.0)
