# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When etcd's leader goes elsewhere, and where; tests/databases/test_faults.py tries it with real ones."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from programs import program


@pytest.fixture(scope="module")
def leader() -> Any:
    return program("roles/etcd/files/leader.py")


class Etcd:
    """Three members, of which ``led`` leads; the first one is asked. ``keys`` are what is in it."""

    def __init__(self, led: str, keys: Mapping[str, str], ill: tuple[str, ...] = ()) -> None:
        self.numbers = {name: str(index) for index, name in enumerate(("a", "b", "c"), 10)}
        self.led, self.keys, self.ill = led, keys, ill

    def ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if path.endswith("/status"):
            return {"header": {"member_id": self.numbers["a"]}, "leader": self.numbers[self.led]}
        if path.endswith("/list"):
            started = [
                {"ID": number, "name": name, "clientURLs": [f"https://{name}:2379"]}
                for name, number in self.numbers.items()
            ]
            return {
                "members": [*started, {"ID": "13"}, {**started[1], "ID": "14", "name": "learns", "isLearner": True}]
            }
        if path.endswith("/range"):
            first, end = (base64.b64decode(body[name]).decode() for name in ("key", "range_end"))
            those = {key: value for key, value in self.keys.items() if first <= key < end}
            return {"kvs": [{"key": encoded(key), "value": encoded(value)} for key, value in those.items()]}
        self.led = next(name for name, number in self.numbers.items() if number == body["targetID"])
        return {}

    def well(self, url: str) -> bool:
        return url not in {f"https://{name}:2379" for name in self.ill}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def patroni(**primaries: str) -> dict[str, str]:
    return {f"/longshore/{name}/leader": server for name, server in primaries.items()}


def test_it_goes_where_no_primary_is(leader: Any) -> None:
    books = {"/longshore/mariadb/books/leader": json.dumps({"name": "b", "term": 3})}
    etcd = Etcd("a", {**patroni(main="a"), **books, "/longshore/main/members/c": "{}", "/other/x/leader": "c"})
    assert leader.look(etcd) == "c"
    assert etcd.led == "c"


@pytest.mark.parametrize(
    ("led", "primaries"),
    [("b", {"main": "a"}), ("a", {}), ("a", {"main": "b"}), ("a", {"x": "a", "y": "b", "z": "c"})],
    ids=["another leads", "there is no primary", "none is here", "all have one"],
)
def test_it_stays(leader: Any, led: str, primaries: dict[str, str]) -> None:
    etcd = Etcd(led, patroni(**primaries))
    assert leader.look(etcd) == ""
    assert etcd.led == led


@pytest.mark.parametrize("ill", ["b", "c"])
def test_it_stays_while_one_is_away_whose_lease_may_run_out(leader: Any, ill: str) -> None:
    etcd = Etcd("a", patroni(x="a", y="b"), ill=(ill,))
    assert leader.look(etcd) == ""
    assert etcd.led == "a"


def test_the_fewest_primaries_come_first(leader: Any) -> None:
    assert leader.look(Etcd("a", patroni(x="a", y="a", z="b"))) == "c"
    assert leader.look(Etcd("a", patroni(x="a", y="a", z="b", w="c"))) == "b"
