# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole plans carried out on an engine in memory: what goes wrong on the way, and what the stack is then."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import (
    converge,
    one_off,
    rollout,
    sight,
    spec_diff,
    standing,
    swarm_state,
    swarm_write,
)
from ansible_collections.longshore.stack.plugins.module_utils.converge import ConvergeFailed, Converger
from ansible_collections.longshore.stack.plugins.module_utils.plan import make
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State
from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer
from ansible_collections.longshore.stack.plugins.modules import stack_run, stack_services

from .conftest import desired, service
from .engine import Clock, Controller, Engine, Image

ABOUT = {"run": "r1", "owner": "ann", "reason": "", "time": "2026-01-01T00:00:00Z"}
PORT = {"target": 80, "published": 8080, "protocol": "tcp", "mode": "host"}


class Shop:
    """A stack on an engine in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        for module in (rollout, sight, one_off, standing, swarm_state, swarm_write):
            monkeypatch.setattr(module, "time", self.clock)
        # Records are not what is tried here.
        monkeypatch.setattr(converge.releases, "write", lambda _writer, record, _configs: self.records.append(record))
        for rest in ("prune", "mirror"):
            monkeypatch.setattr(converge.releases, rest, lambda *_words: None)
        self.records: list[dict[str, Any]] = []
        self.engine = Engine(self.clock, "app1", "app2", "app3")
        self.run = Controller(self.clock)
        monkeypatch.setattr(converge, "read_state", lambda _docker, _stack: self.state())
        self.converger: Converger

    def state(self) -> State:
        """The stack as the engine has it."""
        state = State("shop", nodes=self.engine.get("/nodes"))
        state.networks = {
            name: {"Id": f"id-{name}", "Name": name, "Labels": {"longshore.stack": "shop"}, "Attachable": True}
            for name in ("shop_default", "shop_edge")
        }
        state.networks["shop_default"]["Attachable"] = False
        for found in self.engine.get("/services"):
            labels = found["Spec"]["Labels"]
            if labels.get("longshore.service"):
                state.services[labels["longshore.service"]] = found
            else:
                state.jobs[found["Spec"]["Name"]] = found
        state.tasks = self.engine.get("/tasks")
        state.records = {record["number"]: record for record in self.records}
        return state

    def deploy(self, *services: dict[str, Any], **changes: Any) -> float:
        """Deploy; how long it took."""
        began = self.clock.now
        state = self.state()
        wanted = desired(*services, **changes)
        plan = make(state, wanted, ABOUT)
        writer = Writer(self.engine, "shop", self.run.check, {})  # type: ignore[arg-type]
        self.converger = Converger(
            self.engine,  # type: ignore[arg-type]
            writer,
            self.run,
            state=state,
            desired=wanted,
            plan=plan,
        )
        self.converger.apply()
        return self.clock.now - began

    def refused(self, *services: dict[str, Any], **changes: Any) -> str:
        """Deploy what fails; what it says."""
        with pytest.raises(ConvergeFailed) as failure:
            self.deploy(*services, **changes)
        return str(failure.value)

    def forget(self, name: str) -> None:
        """Let Swarm forget the tasks of a service that wait: somebody writes to it, and leaves it as it was."""
        live = self.engine.get(f"/services/shop_{name}")
        for step in (1, -1):
            live["Spec"]["UpdateConfig"]["Delay"] += step
            self.engine.post(f"/services/{live['ID']}/update", live["Spec"])

    def spec(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.engine.get(f"/services/shop_{name}")["Spec"]
        return found

    def clean(self, *services: dict[str, Any]) -> bool:
        """Whether another deploy would change nothing."""
        return make(self.state(), desired(*services), ABOUT).touched == []


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(monkeypatch)


def v2(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "image": one["image"].replace(":1", ":2")}


def test_first_deploy_update_and_nothing_to_do(shop: Shop) -> None:
    web = service(replicas=3)
    shop.deploy(web)
    assert len(shop.engine.up("web", "web:1")) == 3
    took = shop.deploy(v2(web))
    assert len(shop.engine.up("web", "web:2")) == 3
    assert 5 < took < 20
    assert shop.clean(v2(web))


class TestRefused:
    def test_a_refused_network_begins_nothing(self, shop: Shop) -> None:
        shop.engine.refuse = lambda _method, path, _body: "no address left" if path == "/networks/create" else None
        said = shop.refused(service(networks={"back": {"aliases": []}}))
        assert "no address left\nThe release did not begin." in said
        assert shop.engine.services == {}

    def test_a_refused_update_is_named_and_takes_the_others_back(self, shop: Shop) -> None:
        web, api = service(replicas=3), service("api", replicas=3)
        shop.deploy(web, api)
        other = next(one["ID"] for one in shop.engine.services.values() if one["Spec"]["Name"] == "shop_web")
        shop.engine.refuse = lambda method, path, body: (
            "port '8080' is already in use"
            if method == "POST" and other in path and body["TaskTemplate"]["ContainerSpec"]["Image"] == "web:2"
            else None
        )
        said = shop.refused(v2(api), v2(web))
        assert "service web: the Docker engine refused it" in said
        assert "port '8080' is already in use" in said
        assert "Gone back: api, web run as before." in said
        assert len(shop.engine.up("api", "api:1")) == 3
        shop.engine.settle(120)
        assert len(shop.engine.up("api", "api:1")) == 3, "nothing rolls on later"

    def test_a_refused_creation_is_named_and_leaves_nothing(self, shop: Shop) -> None:
        shop.engine.refuse = lambda _method, path, _body: "invalid mount" if path == "/services/create" else None
        said = shop.refused(service())
        assert "service web: the Docker engine refused it\n  why: invalid mount" in said
        assert shop.engine.services == {}

    def test_what_cannot_be_read_hides_no_cause(self, shop: Shop) -> None:
        web = service(replicas=3)
        shop.deploy(web)
        shop.engine.images["web:2"] = Image(crash=lambda _task: 2.0)
        failing = {"on": False}

        def refuse(method: str, path: str, _body: Any) -> str | None:
            failing["on"] = failing["on"] or any(task["Status"]["State"] == "failed" for task in shop.engine.tasks)
            return "store is busy" if failing["on"] and method == "GET" and path == "/nodes" else None

        shop.engine.refuse = refuse
        said = shop.refused(v2(web))
        assert "ended with exit code 3" in said
        assert "store is busy" not in said.split("\n")[0]

    def test_one_that_cannot_go_back_does_not_keep_the_others(self, shop: Shop) -> None:
        web, api = service(replicas=3), service("api", replicas=3)
        shop.deploy(web, api)
        shop.engine.images["web:2"] = Image(crash=lambda _task: 2.0)
        broken = next(one["ID"] for one in shop.engine.services.values() if one["Spec"]["Name"] == "shop_web")
        shop.engine.refuse = lambda method, path, body: (
            "no longer possible"
            if method == "POST" and broken in path and body["TaskTemplate"]["ContainerSpec"]["Image"] == "web:1"
            else None
        )
        said = shop.refused(v2(web), v2(api))
        assert "ended with exit code 3" in said
        assert "THE OLD VERSION OF web COULD NOT BE BROUGHT BACK: no longer possible" in said
        assert "Gone back: api runs as before." in said
        assert len(shop.engine.up("api", "api:1")) == 3


def test_cancelling_while_going_back_still_tells_the_cause(shop: Shop) -> None:
    web = service(replicas=3)
    shop.deploy(web)
    shop.engine.images["web:2"] = Image(crash=lambda _task: 2.0)
    shop.run.progress = lambda line: setattr(shop.run, "cancel", "going back" in line)  # type: ignore[method-assign]
    with pytest.raises(Cancelled, match="ended with exit code 3"):
        shop.deploy(v2(web))


class TestLostServers:
    def test_a_global_service_does_without_a_server_that_dies_meanwhile(self, shop: Shop) -> None:
        web = service(mode="global", update={"order": "stop-first"})
        shop.deploy(web)
        shop.engine.at(1.0, lambda: shop.engine.kill("app3"))
        shop.deploy(v2(web))
        assert len(shop.engine.up("web", "web:2")) == 2
        assert "app3" in shop.converger.lacking["web"]

    @pytest.mark.parametrize("server", ["app1", "app3"], ids=["with the first to be replaced", "with the last"])
    def test_what_has_no_place_since_a_server_is_away_is_degraded(self, shop: Shop, server: str) -> None:
        web = service(replicas=3, placement={"max_per_server": 1}, update={"order": "stop-first"})
        shop.deploy(web)
        shop.engine.kill(server)
        shop.engine.settle()
        took = shop.deploy(v2(web))
        assert took < 120
        assert len(shop.engine.up("web", "web:2")) == 2
        assert f"1 of its tasks waits for a server that is away ({server})" in shop.converger.lacking["web"]
        assert shop.clean(v2(web))
        shop.engine.boot(server)
        shop.engine.settle()
        assert len(shop.engine.up("web", "web:2")) == 3

    def test_a_server_that_is_back_during_the_run_gets_the_task_that_waited(self, shop: Shop) -> None:
        web = service(replicas=3, placement={"max_per_server": 1}, update={"order": "stop-first"})
        shop.deploy(web)
        shop.engine.kill("app1")
        shop.engine.settle()
        shop.engine.at(14.0, lambda: shop.engine.boot("app1"))
        shop.deploy(v2(web))
        shop.engine.settle()
        assert len(shop.engine.up("web", "web:2")) == 3
        assert shop.clean(v2(web))

    def test_going_back_leaves_no_task_behind_that_swarm_forgets(self, shop: Shop) -> None:
        web = service(replicas=3, placement={"max_per_server": 1}, update={"order": "stop-first"})
        shop.deploy(web)
        shop.engine.kill("app1")
        shop.engine.settle()
        shop.engine.images["web:2"] = Image(crash=lambda _task: 1.0)
        assert "web runs as before" in shop.refused(v2(web))
        shop.engine.boot("app1")
        shop.engine.settle()
        assert len(shop.engine.up("web", "web:1")) == 3

    def test_a_command_whose_server_is_lost_has_ended(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stack_run, "time", shop.clock)
        shop.deploy(service())
        spec = stack_run.job(shop.state(), "web", ["true"])
        shop.engine.images["web:1"] = Image(job=3600.0)
        identifier = shop.engine.post("/services/create", spec)["ID"]
        shop.engine.at(10.0, lambda: [shop.engine.kill(name) for name in ("app1", "app2", "app3")])
        code, why, _ = stack_run.watch(shop.engine, shop.run, identifier, 86400.0)  # type: ignore[arg-type]
        assert (code, why) == (-1, "its server was lost, and with it how it ended")

    @pytest.mark.parametrize("others", [[], ["app1"], ["app2"], ["app1", "app2"]])
    def test_a_task_that_swarm_has_forgotten_is_a_change(self, shop: Shop, others: list[str]) -> None:
        """It stays one until all that wait are queued again; then it is none, however long they wait."""
        web = service(replicas=3, placement={"max_per_server": 1}, update={"order": "stop-first"})
        shop.deploy(web)
        shop.engine.kill("app3")
        shop.engine.settle()
        assert shop.clean(web)
        shop.forget("web")
        for server in others:
            shop.engine.kill(server)
        shop.engine.settle()
        assert not shop.clean(web)
        shop.deploy(web)
        shop.engine.settle()
        assert shop.clean(web)
        assert "web" in shop.converger.lacking
        for server in ("app3", *others):
            shop.engine.boot(server)
        shop.engine.settle()
        assert len(shop.engine.up("web")) == 3

    def test_the_only_task_that_was_forgotten_is_watched_when_it_is_made_anew(self, shop: Shop) -> None:
        shop.engine.nodes = shop.engine.nodes[:1]
        shop.deploy(service())
        shop.engine.kill("app1")
        shop.engine.settle()
        shop.forget("web")
        shop.engine.settle()
        shop.engine.boot("app1")
        shop.engine.settle()
        assert shop.engine.up("web") == []
        shop.engine.images["web:1"] = Image(crash=lambda _task: 0.5)
        assert "exit code 3" in shop.refused(service())

    def test_a_cancelled_run_leaves_the_number_of_tasks_as_it_was(self, shop: Shop) -> None:
        web = service(replicas=3, placement={"max_per_server": 1}, update={"order": "stop-first"})
        shop.deploy(web)
        shop.engine.kill("app1")
        shop.engine.settle()

        def cancel() -> None:
            shop.run.cancel = shop.run.cancel or shop.spec("web")["Mode"] == {"Replicated": {"Replicas": 2}}

        shop.engine.each_step = cancel
        shop.deploy(v2(web))
        assert shop.run.cancel
        assert shop.spec("web")["Mode"] == {"Replicated": {"Replicas": 3}}

    def test_a_serving_task_is_not_taken_with_one_that_waits_beside_it(self, shop: Shop) -> None:
        web = service()
        shop.deploy(web)
        [task] = shop.engine.up("web")
        waiting = {"State": "pending", "Err": "no suitable node"}
        shop.engine.tasks.append({**task, "ID": "spare", "CreatedAt": "", "NodeID": "", "Status": waiting})
        assert shop.clean(web)

    def test_a_server_that_is_away_does_not_let_the_next_batch_through(self, shop: Shop) -> None:
        web = service(
            replicas=3, placement={"max_per_server": 1}, update={"order": "stop-first", "parallelism": 2, "monitor": 20}
        )
        shop.deploy(web)
        shop.engine.kill("app1")
        shop.engine.settle()
        shop.engine.images["web:2"] = Image(crash=lambda _task: 17.0)
        serving: list[int] = []
        shop.engine.each_step = lambda: serving.append(len(shop.engine.up("web")))
        shop.refused(v2(web))
        assert min(serving) == 1

    def test_tasks_on_their_way_when_a_server_is_back_are_let_come_up(self, shop: Shop) -> None:
        web = service(replicas=3, placement={"max_per_server": 1}, update={"order": "stop-first"})
        shop.deploy(web)
        shop.engine.kill("app1")
        shop.engine.settle()
        shop.engine.images["web:2"] = Image(start=20.0)
        shop.engine.at(14.0, lambda: shop.engine.boot("app1"))
        serving: list[int] = []
        shop.engine.each_step = lambda: serving.append(len(shop.engine.up("web")))
        shop.deploy(v2(web))
        assert min(serving) == 1
        assert len(shop.engine.up("web", "web:2")) == 3

    def test_what_has_no_place_on_servers_that_are_all_there_fails(self, shop: Shop) -> None:
        web = service(replicas=3, placement={"max_per_server": 1}, update={"order": "stop-first"})
        shop.deploy(web)
        said = shop.refused({**v2(web), "replicas": 4})
        assert "no server takes it" in said
        assert len(shop.engine.up("web", "web:1")) == 3

    def test_a_serving_task_is_not_given_up_for_one_without_a_place(self, shop: Shop) -> None:
        web = service(replicas=2, placement={"max_per_server": 1})
        shop.deploy(web)
        for task in shop.engine.up("web"):
            assert task["NodeID"] != "n-app3"
        shop.engine.kill("app3")
        said = shop.refused(v2(web))
        assert "servers that would fit but are down or drained: app3" in said
        assert len(shop.engine.up("web", "web:1")) == 2

    def test_stopping_does_not_wait_for_what_a_dead_server_last_said(self, shop: Shop) -> None:
        shop.deploy(service(replicas=3))
        shop.engine.kill("app1")
        took = shop.deploy(service(replicas=0))
        assert took < 20

    def test_the_end_of_a_task_that_was_lost_is_no_failure(self, shop: Shop) -> None:
        web = service(replicas=3, placement={"max_per_server": 2}, update={"monitor": 10.0})
        shop.deploy(web)
        shop.engine.at(4.0, lambda: shop.engine.kill("app1"))
        shop.engine.at(9.0, lambda: shop.engine.boot("app1"))
        shop.deploy(v2(web))
        assert len(shop.engine.up("web", "web:2")) == 3

    def test_an_update_does_not_wait_for_a_task_on_a_server_that_died(self, shop: Shop) -> None:
        web = service(replicas=4)
        shop.deploy(web)
        shop.engine.images["web:2"] = Image(start=3.0)

        def kill() -> None:
            tasks = [task for task in shop.engine.tasks if task["Status"]["State"] == "starting"]
            shop.engine.kill(tasks[0]["NodeID"].removeprefix("n-"))

        shop.engine.at(11.0, kill)
        assert shop.deploy(v2(web)) < 100
        assert len(shop.engine.up("web", "web:2")) == 4
        assert shop.clean(v2(web))

    def test_a_server_that_dies_during_the_run_makes_the_rest_degraded_and_not_broken(self, shop: Shop) -> None:
        shop.deploy(service(replicas=3, placement={"max_per_server": 1}))
        state = shop.state()
        shop.engine.kill("app3")
        broken, lacking = standing.unsettled(shop.engine, shop.run, state, ["web"])  # type: ignore[arg-type]
        assert broken == {}
        assert "app3" in lacking["web"]

    def test_what_an_older_version_has_done_is_not_done_by_this_one(self, shop: Shop) -> None:
        shop.deploy(service(restart={"condition": "none"}))
        # Swarm starts no other.
        shop.clock.after = lambda: None
        [task] = shop.engine.tasks
        live = shop.engine.services[task["ServiceID"]]
        task["Status"]["State"], task["DesiredState"] = "complete", "shutdown"
        second = {**task["Spec"], "ContainerSpec": {**task["Spec"]["ContainerSpec"], "Image": "web:2"}}
        broken, _ = standing.unsettled(shop.engine, shop.run, shop.state(), ["web"])  # type: ignore[arg-type]
        assert broken == {}
        live["Spec"]["TaskTemplate"] = second
        failed = {"State": "failed", "Err": "task: non-zero exit (3)", "Timestamp": ""}
        shop.engine.tasks.append({**task, "ID": "new", "Spec": second, "Status": failed})
        broken, _ = standing.unsettled(shop.engine, shop.run, shop.state(), ["web"])  # type: ignore[arg-type]
        assert "web" in broken

    def test_a_new_leader_that_has_not_heard_from_servers_changes_nothing(self, shop: Shop) -> None:
        web = service(mode="global", update={"order": "stop-first"})
        shop.deploy(web)
        shop.engine.at(4.0, lambda: shop.engine.say("unknown"))
        shop.engine.at(9.0, lambda: shop.engine.say("ready"))
        shop.deploy(v2(web))
        assert len(shop.engine.up("web", "web:2")) == 3
        assert shop.converger.lacking == {}


def test_a_global_service_that_fits_nowhere_fails(shop: Shop) -> None:
    said = shop.refused(service(mode="global", placement={"tags": ["gpu"]}, update={"order": "stop-first"}))
    assert "no server takes it" in said
    assert "no server has tag gpu" in said


def test_a_service_whose_constraints_no_single_server_meets_fails(shop: Shop) -> None:
    for server, color in (("app1", "red"), ("app2", "blue")):
        shop.engine.node(server)["Spec"]["Labels"]["color"] = color
        shop.engine.node(server)["Spec"]["Labels"][f"is{color}"] = "yes"
    where = ["node.labels.color==red", "node.labels.isblue==yes"]
    said = shop.refused(service(mode="global", placement={"constraints": where}, update={"order": "stop-first"}))
    assert "no server meets all of: node.labels.color==red, node.labels.isblue==yes" in said


@pytest.mark.parametrize("replicas", [1, 3])
def test_tasks_that_meet_another_placement_already_stay(shop: Shop, replicas: int) -> None:
    web = service(replicas=replicas)
    shop.deploy(web)
    before = {task["ID"] for task in shop.engine.up("web")}
    other = service(replicas=replicas, placement={"tags": ["app"], "max_per_server": 3})
    assert shop.deploy(other) < 30
    shop.engine.settle(2)
    assert {task["ID"] for task in shop.engine.up("web")} == before
    assert shop.clean(other)


def test_an_old_task_may_take_its_grace_to_free_what_it_holds(shop: Shop) -> None:
    shop.engine.nodes = shop.engine.nodes[:1]
    shop.engine.images["web:1"] = Image(stop=25.0)
    web = service(ports=[PORT], stop_grace_period=30.0, update={"order": "stop-first"})
    shop.deploy(web)
    shop.deploy(v2(web))
    assert len(shop.engine.up("web", "web:2")) == 1


def test_an_update_that_swarm_paused_without_a_failure_goes_on(shop: Shop) -> None:
    web = service(replicas=3)
    shop.deploy(web)
    shop.engine.at(6.0, lambda: shop.engine.pause("web"))
    assert shop.deploy(v2(web)) < 60
    assert len(shop.engine.up("web", "web:2")) == 3
    assert shop.clean(v2(web))


def test_an_update_that_spare_tasks_leave_no_room_is_set_going_again(shop: Shop) -> None:
    """Swarm takes the spare task of a slot away, and so makes room, when the update is given to it again."""
    web = service(replicas=3)
    shop.deploy(web)
    writes: list[str] = []

    def write(method: str, path: str, _body: Any) -> None:
        if method != "POST" or not path.endswith("/update"):
            return
        writes.append(path)
        # The first write lets the first batch through, the second one the rest.
        shop.engine.full = {"n-app1", "n-app2", "n-app3"} if len(writes) == 2 else set()
        if len(writes) == 2:
            shop.engine.at(0.0, spare)

    def spare() -> None:
        [first, *_] = shop.engine.up("web", "web:2")
        shop.engine.tasks.append({**first, "ID": "spare"})

    shop.engine.refuse = write
    shop.deploy(v2(web))
    assert len(writes) > 2
    assert {task["Spec"]["ContainerSpec"]["Image"] for task in shop.engine.up("web")} == {"web:2"}


class TestNewServices:
    def test_each_place_may_crash_twice(self, shop: Shop) -> None:
        crashed: set[int] = set()

        def crash(task: dict[str, Any]) -> float | None:
            first = task["Slot"] not in crashed
            crashed.add(task["Slot"])
            task.setdefault("Dies", first)
            return 0.5 if task["Dies"] else None

        shop.engine.images["web:1"] = Image(crash=crash)
        shop.deploy(service(replicas=6))
        assert len(shop.engine.up("web")) == 6

    def test_one_that_always_crashes_fails(self, shop: Shop) -> None:
        shop.engine.images["web:1"] = Image(crash=lambda _task: 0.5)
        assert "ended with exit code 3" in shop.refused(service(replicas=2))


class TestSpread:
    def places(self, shop: Shop) -> list[str]:
        return sorted({task["NodeID"] for task in shop.engine.up("web")})

    def test_a_server_that_came_back_gets_tasks_whatever_happened_meanwhile(self, shop: Shop) -> None:
        web = service(replicas=6)
        shop.deploy(web)
        shop.engine.kill("app3")
        shop.engine.settle()
        shop.deploy(v2(web))
        shop.engine.boot("app3")
        shop.engine.settle()
        assert self.places(shop) == ["n-app1", "n-app2"]
        assert not shop.clean(v2(web))
        shop.deploy(v2(web))
        assert self.places(shop) == ["n-app1", "n-app2", "n-app3"]
        assert len(shop.engine.up("web")) == 6
        assert shop.clean(v2(web))

    def test_a_server_without_room_is_tried_once(self, shop: Shop) -> None:
        web = service(replicas=4, update={"order": "stop-first"})
        shop.engine.full = {"n-app3"}
        shop.deploy(web)
        assert self.places(shop) == ["n-app1", "n-app2"]
        # Left so, it stays so, even when there would be room: until a task is another one.
        assert shop.clean(web)
        shop.engine.full = set()
        assert shop.clean(web)
        shop.engine.crash(shop.engine.up("web")[0])
        shop.engine.full = {"n-app3"}
        shop.engine.settle()
        assert not shop.clean(web)
        shop.deploy(web)
        assert shop.clean(web)


class TestGate:
    def at_the_gate(self, shop: Shop, web: dict[str, Any]) -> None:
        """Version 1 runs, and a run was cancelled while version 2 stood at the gate."""
        shop.deploy(web)
        shop.engine.at(3.0, lambda: setattr(shop.run, "cancel", True))
        with pytest.raises(Cancelled) as stopped:
            shop.deploy(v2(web))
        assert "Swarm goes on by itself, watched by nobody, with web" in str(stopped.value)
        shop.run.cancel = False
        assert len(shop.engine.up("web", "web:2")) == 1

    @pytest.mark.parametrize("replicas", [1, 3])
    def test_is_kept_by_the_run_that_goes_on(self, shop: Shop, replicas: int) -> None:
        web = service(replicas=replicas)
        shop.engine.images["web:2"] = Image(crash=lambda _task: 6.0)
        self.at_the_gate(shop, web)
        assert "ended with exit code 3" in shop.refused(v2(web))
        assert len(shop.engine.up("web", "web:1")) == replicas

    @pytest.mark.parametrize("replicas", [1, 3])
    def test_opens_for_the_run_that_goes_on(self, shop: Shop, replicas: int) -> None:
        web = service(replicas=replicas)
        self.at_the_gate(shop, web)
        assert shop.deploy(v2(web)) < 20
        assert len(shop.engine.up("web", "web:2")) == replicas
        assert shop.clean(v2(web))

    def test_stands_before_a_single_task_without_routes(self, shop: Shop) -> None:
        web = service()
        shop.deploy(web)
        shop.engine.images["web:2"] = Image(crash=lambda _task: 4.0)
        least: list[int] = []
        shop.engine.each_step = lambda: least.append(len(shop.engine.up("web", "web:1")))
        shop.refused(v2(web))
        assert min(least) >= 1


def test_pause_keeps_the_failed_one_and_takes_back_what_was_on_its_way(shop: Shop) -> None:
    web = service(replicas=3, update={"on_failure": "pause"})
    api = service("api", replicas=3, update={"monitor": 30.0})
    shop.deploy(web, api)
    shop.engine.images["web:2"] = Image(crash=lambda _task: 2.0)
    said = shop.refused(v2(web), v2(api))
    assert "The update of web is paused as it is" in said
    assert "Gone back: api runs as before." in said
    shop.engine.settle(120)
    assert spec_diff.readable(shop.spec("web"))["image"] == "web:2"
    assert len(shop.engine.up("api", "api:1")) == 3


class TestBeforeDeploy:
    def pair(self, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """``web`` runs a command before it is touched, and depends on ``api``."""
        web = service(
            depends_on={"api": {"condition": "service_started"}}, before_deploy=["migrate"], replicas=2, **changes
        )
        return web, service("api", replicas=3)

    def test_the_others_are_watched_while_it_runs(self, shop: Shop) -> None:
        web, api = self.pair()
        shop.deploy(web, api)
        shop.engine.images["web:2"] = Image(job=200.0)
        shop.engine.images["api:2"] = Image(crash=lambda _task: 3.0)
        began = shop.clock.now
        said = shop.refused(v2(web), v2(api))
        assert "service api" in said
        assert shop.clock.now - began < 100
        assert len(shop.engine.up("api", "api:1")) == 3
        assert "shop_web--before" not in [one["Spec"]["Name"] for one in shop.engine.services.values()]

    def test_it_runs_before_the_service_and_leaves_nothing(self, shop: Shop) -> None:
        web, api = self.pair()
        shop.deploy(web, api)
        assert "web: before_deploy done" in shop.run.lines
        assert {one["Spec"]["Name"] for one in shop.engine.services.values()} == {"shop_web", "shop_api"}

    def test_its_failure_takes_the_others_back(self, shop: Shop) -> None:
        web, api = self.pair()
        shop.deploy(web, api)
        shop.engine.images["web:2"] = Image(code=4)
        said = shop.refused(v2(web), v2(api))
        assert "web (before_deploy)" in said
        assert len(shop.engine.up("api", "api:1")) == 3
        assert len(shop.engine.up("web", "web:1")) == 2

    def running(self, shop: Shop) -> int:
        return sum("Job" in task and task["Status"]["State"] == "running" for task in shop.engine.tasks)

    def test_never_twice_at_a_time_though_the_old_one_takes_its_grace(self, shop: Shop) -> None:
        web = service(before_deploy=["migrate"], update={"deadline": 20.0})
        shop.deploy(web)
        shop.engine.images["web:2"] = Image(job=1e6, stop=9.0)
        most: list[int] = []
        shop.engine.each_step = lambda: most.append(self.running(shop))
        # It hangs, and its job is removed; the next one begins only when it has ended.
        assert "before_deploy" in shop.refused(v2(web))
        shop.engine.images["web:3"] = Image(job=15.0)
        shop.deploy({**web, "image": "web:3"})
        assert max(most) == 1
        assert len(shop.engine.up("web", "web:3")) == 1

    def test_cancelling_ends_it(self, shop: Shop) -> None:
        shop.engine.images["web:1"] = Image(job=100.0)
        shop.engine.at(5.0, lambda: setattr(shop.run, "cancel", True))
        with pytest.raises(Cancelled):
            shop.deploy(service(before_deploy=["migrate"]))
        assert shop.engine.services == {}

    def test_what_dead_runs_left_is_swept_when_it_has_ended(self, shop: Shop) -> None:
        web = service()
        shop.deploy(web)
        for kind in ("before_deploy", "run"):
            spec = one_off.job_spec("shop", f"old-{kind}", shop.spec("web"), {"Command": ["x"], "Args": None}, "")
            spec["Labels"][one_off.JOB] = kind
            shop.engine.post("/services/create", spec)
        state = shop.state()
        assert stack_services.must_write(state, make(state, desired(web), ABOUT), shop.run)
        shop.engine.settle(1)
        shop.engine.images["web:1"] = Image(job=10.0)
        shop.deploy(web)
        assert len(shop.engine.services) == 3, "they still run"
        shop.engine.settle(20)
        shop.deploy(web)
        assert sorted(one["Spec"]["Name"] for one in shop.engine.services.values()) == [
            "shop_old-run--before",
            "shop_web",
        ]
        shop.engine.settle(300)
        shop.deploy(web)
        assert [one["Spec"]["Name"] for one in shop.engine.services.values()] == ["shop_web"]
