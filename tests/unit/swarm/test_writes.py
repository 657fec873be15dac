# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes to a Swarm whose managers lose answers, and records that a killed run has left half."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import releases, swarm_state
from ansible_collections.longshore.stack.plugins.module_utils.converge import Converger
from ansible_collections.longshore.stack.plugins.module_utils.desired import Desired
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.lease import LeaseLost
from ansible_collections.longshore.stack.plugins.module_utils.plan import Plan
from ansible_collections.longshore.stack.plugins.module_utils.run import Run
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State
from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer

from .test_records import large

NO_LEADER = DockerError(500, "rpc error: code = Unknown desc = The swarm does not have a leader")


class Swarm(Docker):
    """Objects by kind and name; the next ``lost`` answers to creations are lost after they were carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, dict[str, dict[str, Any]]] = {}
        self.lost = 0
        self.removed: list[str] = []

    def get(self, path: str, **query: Any) -> Any:
        kind = path.split("/")[1]
        wanted = query["filters"]["name"][0]
        return [one for name, one in self.objects.get(kind, {}).items() if wanted in name]

    def post(self, path: str, body: Any = None, *_words: Any, **_query: Any) -> Any:
        kind = path.split("/")[1]
        known = self.objects.setdefault(kind, {})
        if body["Name"] in known:
            raise DockerError(409, f"{body['Name']} already exists")
        identifier = f"id-{body['Name']}"
        one = {"Id": identifier, **body} if kind == "networks" else {"ID": identifier, "Spec": dict(body)}
        known[body["Name"]] = one
        if self.lost:
            self.lost -= 1
            raise NO_LEADER
        return {key: identifier for key in ("ID", "Id") if key in one}

    def delete(self, path: str, **_query: Any) -> Any:
        _, kind, identifier = path.split("/")
        del self.objects[kind][identifier[3:]]
        self.removed.append(identifier[3:])


@pytest.fixture
def swarm(monkeypatch: pytest.MonkeyPatch) -> Swarm:
    monkeypatch.setattr(swarm_state.time, "sleep", lambda _seconds: None)
    return Swarm()


def writer(swarm: Swarm) -> Writer:
    return Writer(swarm, "shop", lambda: None, {})


SERVICE = {
    "Name": "shop_web",
    "Labels": {"longshore.release": "7"},
    "TaskTemplate": {"ContainerSpec": {"Image": "web:1"}},
}


def test_creation_that_was_carried_out_without_an_answer_is_ours(swarm: Swarm) -> None:
    makes = [
        lambda: writer(swarm).create_network("shop_default", {"attachable": True}),
        lambda: writer(swarm).create_object("secret", "shop_key.0a", b"value"),
        lambda: writer(swarm).create_object("config", "shop_page.0a", b"value"),
        lambda: writer(swarm).create_service(SERVICE),
    ]
    for make in makes:
        swarm.lost = 1
        assert make().startswith("id-shop_")


def test_what_somebody_else_made_under_the_name_is_not_ours(swarm: Swarm) -> None:
    Writer(swarm, "blog", lambda: None, {}).create_object("config", "shop_page.0a", b"value")
    with pytest.raises(DockerError, match="already exists"):
        writer(swarm).create_object("config", "shop_page.0a", b"value")
    swarm.objects.clear()
    writer(swarm).create_object("config", "shop_page.0a", b"other")
    with pytest.raises(DockerError, match="already exists"):
        writer(swarm).create_object("config", "shop_page.0a", b"value")


def test_every_attempt_asks_the_fence(swarm: Swarm) -> None:
    asked = []

    def fence() -> None:
        asked.append(True)
        if len(asked) > 1:
            raise LeaseLost("taken over")

    swarm.lost = 1
    with pytest.raises(LeaseLost):
        Writer(swarm, "shop", fence, {}).create_object("config", "shop_page.0a", b"value")


def test_half_written_record_makes_room_for_the_next_of_its_number(swarm: Swarm) -> None:
    record = large()
    releases.write(writer(swarm), record, [])
    configs = swarm.objects["configs"]
    assert len(configs) > 1
    # Killed before the head, which is written last.
    del configs["shop.release.7"]
    other = {**record, "owner": "bob"}
    releases.write(writer(swarm), other, list(configs.values()))
    assert releases.read("shop", configs.values()) == {7: other}


def test_pruning_removes_heads_first_and_parts_without_a_head(swarm: Swarm) -> None:
    for number in (7, 8, 9):
        releases.write(writer(swarm), {**large(), "number": number}, [])
    configs = swarm.objects["configs"]
    del configs["shop.release.8"]
    releases.prune(writer(swarm), "shop", list(configs.values()), [9])
    assert {releases.parse_name("shop", name)[0] for name in configs} == {9}
    assert swarm.removed[0] == "shop.release.7"


def test_records_go_before_what_only_they_mount(swarm: Swarm, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored: list[Any] = []
    monkeypatch.setattr(releases, "mirror", lambda _stack, records: mirrored.append(records))
    write = writer(swarm)
    write.create_object("secret", "shop_key.0a", b"value")
    for number in (1, 2):
        releases.write(write, {"stack": "shop", "number": number, "services": {}}, [])
    state = State("shop", configs=swarm.objects["configs"].copy(), secrets=swarm.objects["secrets"].copy())
    state.records = releases.read("shop", state.configs.values())
    plan = Plan("shop", number=2, remove_secrets=["shop_key.0a"], keep_records=[2])
    Converger(swarm, write, Run(), state=state, desired=Desired("shop"), plan=plan).apply()
    assert swarm.removed == ["shop.release.1", "shop_key.0a"]
    assert mirrored == [{2: state.records[2]}]


def test_mirror_becomes_what_the_store_holds(tmp_path: Path) -> None:
    records = {number: {"number": number} for number in (1, 2)}
    releases.mirror("shop", records, str(tmp_path))
    # A manager that no run went through for a while, or of a stack that was removed and made anew.
    releases.mirror("shop", {2: {"number": 2, "owner": "bob"}, 3: {"number": 3}}, str(tmp_path))
    directory = tmp_path / "shop" / "releases"
    assert sorted(file.name for file in directory.iterdir()) == ["2.json", "3.json"]
    assert json.loads((directory / "2.json").read_text())["owner"] == "bob"
    assert (directory / "3.json").stat().st_mode & 0o777 == 0o600
