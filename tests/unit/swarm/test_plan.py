# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan finds, from one state of a stack to the next."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import overrides, spread
from ansible_collections.longshore.stack.plugins.module_utils.desired import Desired, from_record
from ansible_collections.longshore.stack.plugins.module_utils.plan import Plan, make
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import binding

from .conftest import KEY, SERVICE, Cluster, desired, service

ABOUT = {"run": "r1", "owner": "ann", "reason": "", "time": "2026-01-01T00:00:00Z"}
ROUTE = {"host": "a.example", "path": "/", "port": 3000, "sticky": False}


def deploy(cluster: Cluster, wanted: Desired) -> Plan:
    plan = make(cluster.state, wanted, ABOUT)
    cluster.take(plan, wanted)
    return plan


def told(plan: Plan) -> list[tuple[str, str, str]]:
    return [(one["kind"], one["name"], one["action"]) for one in plan.changes()]


def test_first_deploy_creates_and_second_changes_nothing(cluster: Cluster) -> None:
    wanted = desired(
        service(
            secret_environment=["PASSWORD"],
            secrets=[{"source": "k", "target": "/run/secrets/k", "uid": "0", "gid": "0", "mode": 0o400}],
            configs=[{"source": "c", "target": "/c", "uid": "0", "gid": "0", "mode": 0o444}],
            routes=[ROUTE],
            volumes=[{"type": "tmpfs", "source": None, "target": "/t", "read_only": False, "size": 1, "mode": 0o777}],
        ),
        secrets={"k": "v1"},
        configs={"c": "x"},
        environments={"web": {"PASSWORD": "hidden"}},
    )
    first = deploy(cluster, wanted)
    assert ("service", "web", "create") in told(first)
    assert ("network", "shop_edge", "create") in told(first)
    assert first.number == 1
    second = deploy(cluster, wanted)
    assert second.changes() == []
    assert second.record is None
    assert second.touched == []


def test_fields_are_named_in_the_words_of_the_stack_file(cluster: Cluster) -> None:
    deploy(cluster, desired(service(environment={"A": "1", "B": "2"})))
    plan = deploy(cluster, desired(service(environment={"A": "9", "B": "2"}), images={"web": "web:2"}))
    assert plan.services["web"].fields == [
        {"path": "environment.A", "before": "1", "after": "9"},
        {"path": "image", "before": "web:1", "after": "web:2"},
    ]


def test_change_by_hand_is_found(cluster: Cluster) -> None:
    wanted = desired(service(environment={"A": "1"}))
    deploy(cluster, wanted)
    container = cluster.state.services["web"]["Spec"]["TaskTemplate"]["ContainerSpec"]
    container["Env"] = ["A=1", "EVIL=yes"]
    container["User"] = "root"
    plan = deploy(cluster, wanted)
    assert {field["path"] for field in plan.services["web"].fields} == {"environment.EVIL", "user"}
    assert plan.record is None, "a repair is no release"
    assert make(cluster.state, wanted, ABOUT).touched == []


def test_secret_values_appear_nowhere(cluster: Cluster) -> None:
    wanted = desired(
        service(
            secret_environment=["PASSWORD"],
            secrets=[{"source": "k", "target": "/run/secrets/k", "uid": "0", "gid": "0", "mode": 0o400}],
        ),
        secrets={"k": "very-secret-file"},
        environments={"web": {"PASSWORD": "very-secret-value"}},
    )
    plan = make(cluster.state, wanted, ABOUT)
    everything = f"{plan.changes()} {plan.diff()} {plan.record}"
    assert "very-secret" not in everything
    assert "value: ****" in everything


def test_new_secret_value_is_a_new_object_and_the_old_is_kept_for_rollback(cluster: Cluster) -> None:
    def wanted(value: str) -> Desired:
        return desired(service(secret_environment=["P"]), environments={"web": {"P": value}})

    deploy(cluster, wanted("one"))
    plan = deploy(cluster, wanted("two"))
    assert [kind for kind, _name, _action in told(plan)] == ["secret", "service"]
    assert len(cluster.state.secrets) == 2
    back = deploy(cluster, from_record(cluster.state.records[1]))
    assert told(back) == [("service", "web", "update")]
    assert back.number == 3


def test_a_release_comes_back_with_the_credential_of_now(cluster: Cluster) -> None:
    def wanted(password: str, image: str) -> Desired:
        one = service(secret_environment=["P"])
        environments = {"web": {"P": binding("main", "password")}}
        credentials = {"main": {"user": "main", "password": password}}
        return desired({**one, "image": image}, environments=environments, credentials=credentials)

    deploy(cluster, wanted("one", "web:1"))
    deploy(cluster, wanted("two", "web:2"))
    now = {"main": {"user": "main", "password": "two"}}
    back = from_record(cluster.state.records[1], now, KEY)
    assert told(deploy(cluster, back)) == [("service", "web", "update")]
    container = cluster.state.services["web"]["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert container["Image"] == "web:1"
    names = [
        each["SecretName"] for each in container["Secrets"] if each["SecretName"].startswith("shop.database.main.")
    ]
    assert names == [name for name in wanted("two", "web:1").secrets if name.startswith("shop.database.")]
    new = from_record(cluster.state.records[3], {"main": {"user": "main_2", "password": "three"}}, KEY)
    assert [kind for kind, _name, _action in told(deploy(cluster, new))] == ["secret", "service"]


def edge(port: int) -> dict[str, Any]:
    return {"routes": [{"host": "a.example", "backend": f"web_{port}"}], "backends": {f"web_{port}": {"port": port}}}


def test_routes_are_part_of_a_release_and_come_back_with_it(cluster: Cluster) -> None:
    wanted = desired(service())
    unsaid = deploy(cluster, wanted)
    wanted.edge = edge(1)
    assert make(cluster.state, wanted, ABOUT).record is None, "what was never said is no difference"
    cluster.state.records[unsaid.number]["edge"] = edge(1)
    assert make(cluster.state, wanted, ABOUT).record is None
    wanted.edge = edge(2)
    plan = deploy(cluster, wanted)
    assert (plan.number, plan.touched) == (2, [])
    back = from_record(cluster.state.records[1])
    assert back.edge == edge(1)
    assert deploy(cluster, back).number == 3
    assert cluster.state.records[3]["edge"] == edge(1)


def test_old_secrets_are_swept_with_the_release_that_needs_them(cluster: Cluster) -> None:
    for number in range(22):
        deploy(cluster, desired(service(secret_environment=["P"]), environments={"web": {"P": str(number)}}))
    assert sorted(cluster.state.records) == list(range(3, 23))
    assert len(cluster.state.secrets) == 20


def test_what_the_file_no_longer_names_is_removed_but_the_edge_network_stays(cluster: Cluster) -> None:
    deploy(cluster, desired(service(routes=[ROUTE]), service("old", networks={"back": {"aliases": []}})))
    plan = deploy(cluster, desired(service()))
    assert ("service", "old", "remove") in told(plan)
    assert ("network", "shop_back", "remove") in told(plan)
    assert not any(name == "shop_edge" for _kind, name, _action in told(plan))


def test_other_stacks_are_left_alone(cluster: Cluster) -> None:
    cluster.state.networks["blog_default"] = {"Id": "x", "Name": "blog_default", "Labels": {"longshore.stack": "blog"}}
    cluster.state.secrets["blog_k.0"] = {
        "ID": "y",
        "Spec": {"Name": "blog_k.0", "Labels": {"longshore.stack": "blog", "longshore.kind": "secret"}},
    }
    assert all(action == "create" for _kind, _name, action in told(deploy(cluster, desired(service()))))


def test_network_of_somebody_else_is_refused(cluster: Cluster) -> None:
    cluster.state.networks["shop_default"] = {"Id": "x", "Name": "shop_default", "Labels": {}}
    with pytest.raises(ValueError, match="not of this stack"):
        make(cluster.state, desired(service()), ABOUT)


def test_partial_deploy_removes_nothing_and_records_the_rest_as_it_was(cluster: Cluster) -> None:
    deploy(cluster, desired(service(), service("api")))
    plan = deploy(cluster, desired(service(replicas=3), service("api"), only=["web"]))
    assert told(plan) == [("service", "web", "scale")]
    assert set(cluster.state.records[2]["services"]) == {"web", "api"}


def test_unfinished_run_is_resumed_and_recorded(cluster: Cluster) -> None:
    deploy(cluster, desired(service()))
    wanted = desired(service(environment={"A": "1"}))
    deploy(cluster, wanted)
    # As after a kill between the update and the record.
    del cluster.state.records[2]
    plan = make(cluster.state, wanted, ABOUT)
    assert plan.changes() == []
    assert [change.name for change in plan.touched] == ["web"]
    assert plan.record is not None
    assert plan.number == 2


class TestOverrides:
    def scaled(self, cluster: Cluster, amount: str) -> dict[str, Any]:
        live = cluster.state.spec("web")
        assert live is not None
        spec = overrides.scaled(live, amount, "shop_edge")
        cluster.state.services["web"]["Spec"] = deepcopy(spec)
        return spec

    def replicas(self, cluster: Cluster) -> int:
        return int(cluster.state.services["web"]["Spec"]["Mode"]["Replicated"]["Replicas"])

    def test_deploy_keeps_the_number_until_the_file_changes_its_own(self, cluster: Cluster) -> None:
        deploy(cluster, desired(service(replicas=2)))
        self.scaled(cluster, "+3")
        assert self.replicas(cluster) == 5
        assert deploy(cluster, desired(service(replicas=2))).changes() == []
        deploy(cluster, desired(service(replicas=2, environment={"A": "1"})))
        assert self.replicas(cluster) == 5
        deploy(cluster, desired(service(replicas=3)))
        assert self.replicas(cluster) == 3
        assert "longshore.scale" not in cluster.state.services["web"]["Spec"]["Labels"]

    def test_records_hold_the_number_of_the_file(self, cluster: Cluster) -> None:
        deploy(cluster, desired(service(replicas=2)))
        self.scaled(cluster, "7")
        deploy(cluster, desired(service(replicas=2, environment={"A": "1"})))
        assert cluster.state.records[2]["services"]["web"]["spec"]["Mode"] == {"Replicated": {"Replicas": 2}}

    def test_stopped_stays_stopped_and_comes_back_with_its_number(self, cluster: Cluster) -> None:
        deploy(cluster, desired(service(replicas=2)))
        self.scaled(cluster, "4")
        live = cluster.state.spec("web")
        assert live is not None
        cluster.state.services["web"]["Spec"] = overrides.stopped(live, True)
        assert self.replicas(cluster) == 0
        assert deploy(cluster, desired(service(replicas=2))).changes() == []
        assert overrides.stopped(overrides.stopped(live, True), False) == live

    def test_no_more_tasks_than_the_load_balancers_have_room_for(self, cluster: Cluster) -> None:
        deploy(cluster, desired(service(replicas=2, routes=[ROUTE])))
        self.scaled(cluster, "15")
        assert self.replicas(cluster) == 15
        with pytest.raises(ValueError, match=r"16 replicas: the load balancers have room for 15, .* file says 2;"):
            self.scaled(cluster, "+1")
        assert self.replicas(cluster) == 15
        deploy(cluster, desired(service(replicas=20, routes=[ROUTE])))
        self.scaled(cluster, "41")
        deploy(cluster, desired(service(replicas=2)))
        self.scaled(cluster, "40")
        assert self.replicas(cluster) == 40, "nothing is routed to it"

    @pytest.mark.parametrize("amount", ["0", "-2", "x", "1.5", ""])
    def test_impossible_numbers(self, cluster: Cluster, amount: str) -> None:
        deploy(cluster, desired(service(replicas=2)))
        with pytest.raises(ValueError, match="replicas"):
            self.scaled(cluster, amount)

    def test_a_restart_brings_a_number_back_that_a_killed_run_left(self, cluster: Cluster) -> None:
        deploy(cluster, desired(service(replicas=3)))
        live = cluster.state.spec("web")
        assert live is not None
        live["Mode"] = {"Replicated": {"Replicas": 2}}
        assert overrides.restarted(live)["Mode"] == {"Replicated": {"Replicas": 3}}

    def test_changed_ports_mark_the_tasks_as_new(self, cluster: Cluster) -> None:
        deploy(cluster, desired(service()))
        port = {"target": 80, "published": 80, "protocol": "tcp", "mode": "host"}
        plan = deploy(cluster, desired(service(ports=[port])))
        assert plan.services["web"].replaces
        assert make(cluster.state, desired(service(ports=[port])), ABOUT).changes() == []


def machine(name: str, availability: str = "active") -> dict[str, Any]:
    return {
        "ID": name,
        "Spec": {"Role": "worker", "Availability": availability, "Labels": {"longshore.shop.member": "true"}},
        "Description": {"Hostname": name},
        "Status": {"State": "ready"},
    }


class TestSpread:
    """Tasks go to a server that has none, and where they don't go they stay, once that was tried."""

    def plan(
        self, cluster: Cluster, runs: str, noted: str = "", availability: str = "active", condition: str = "any"
    ) -> Plan:
        """With the nodes ``a`` and ``b``, tasks on the nodes of ``runs``; noted as left so were those of ``noted``."""
        wanted = desired(service(replicas=len(runs), restart={**SERVICE["restart"], "condition": condition}))
        deploy(cluster, wanted)
        live = cluster.state.services["web"]
        cluster.state.nodes = [machine("a"), machine("b", availability)]

        def tasks(nodes: str) -> list[dict[str, Any]]:
            return [
                {"ID": f"{nodes}{at}", "ServiceID": live["ID"], "NodeID": node, "DesiredState": "running"}
                for at, node in enumerate(nodes)
            ]

        if noted and (left := spread.uneven(tasks(noted), cluster.state.nodes, live["Spec"])):
            live["Spec"] = spread.with_note(live["Spec"], left)
        cluster.state.tasks = [*tasks(runs), {"ServiceID": live["ID"], "NodeID": "b", "DesiredState": "shutdown"}]
        return make(cluster.state, wanted, ABOUT)

    @pytest.mark.parametrize("noted", ["", "aaa"], ids=["never tried", "tried before those tasks"])
    def test_a_server_without_any_gets_tasks(self, cluster: Cluster, noted: str) -> None:
        plan = self.plan(cluster, "aaaa", noted)
        assert told(plan) == [("service", "web", "scale")]
        assert plan.services["web"].fields == [{"path": "tasks", "before": "4 on a, 0 on b", "after": "spread evenly"}]
        assert plan.services["web"].through == 6
        assert plan.record is None

    @pytest.mark.parametrize(
        ("runs", "changes"),
        [
            pytest.param("aaaa", {"noted": "aaaa"}, id="tried"),
            pytest.param("aaab", {}, id="has one"),
            pytest.param("a", {}, id="nothing to gain"),
            pytest.param("aaaa", {"availability": "drain"}, id="drained"),
            pytest.param("aaaa", {"condition": "none"}, id="done once"),
        ],
    )
    def test_else_nothing_is_moved(self, cluster: Cluster, runs: str, changes: dict[str, str]) -> None:
        plan = self.plan(cluster, runs, **changes)
        assert plan.changes() == []
