# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of an upgrade, and one that was ended in the middle. The whole of it runs on real servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import postgresql_major
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.run import Run

OLD, NEW = {"initialize": "old", "config": "{}", "sync": "db1"}, {"initialize": "new", "config": "{}"}


class Keys:
    """What is in etcd."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known

    def all(self) -> dict[str, str]:
        """All of it."""
        return dict(self.known)

    def put(self, name: str, value: str) -> None:
        """One."""
        self.known[name] = value

    def replace(self, wanted: dict[str, str]) -> None:
        """All."""
        self.known = dict(wanted)


class Programs:
    """PostgreSQL's, of which one thing is asked."""

    def __init__(self, version: str, _before: Any = ()) -> None:
        self.version = version

    def stop(self, _data: str) -> None:
        """It does not run."""

    def control(self, _data: str) -> dict[str, str]:
        """Whose data they are."""
        return {"Database system identifier": "old" if self.version == "15" else "new"}


class Server:
    """A directory that stands for a server, with data of both versions as they are after the switch."""

    def __init__(self, root: Path, servers: tuple[str, ...]) -> None:
        self.root, self.done = root, []
        given = {
            "member": "db1",
            "authority": "/a",
            "certificate": "/b",
            "key": "/c",
            "etcd": [],
            "patience": 1,
            "deadline": 1,
            "instance": {
                "name": "shop-main",
                "version": "17",
                "port": 5432,
                "health_port": 8008,
                "text": "new",
                "servers": [{"name": name, "address": "192.0.2.1"} for name in servers],
            },
        }
        self.member: Any = postgresql_major.Member(given, Run("r"))
        self.member.keys, self.member.said = Keys(dict(NEW)), Keys({})
        self.member.config = str(root / "patroni.yml")
        self.member.is_primary = lambda: False
        self.member.group.await_member = lambda *words: self.done.append(f"await {words[0]}")
        self.old, self.new = root / "15/shop-main", root / "17/shop-main"
        self.kept = root / "15/shop-main.before-17"
        for place in (self.kept, self.new):
            (place / "global").mkdir(parents=True)
            (place / "PG_VERSION").write_text(place.parent.name)

    def state(self, mode: str, stage: str = "installed", **more: Any) -> dict[str, Any]:
        """What was written down."""
        state = {"stage": stage, "from": "15", "mode": mode, "config": "former", "etcd": OLD, **more}
        self.member.remember(state)
        return state


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "locks").mkdir()

    def written(path: str, content: bytes, *_more: Any) -> None:
        Path(path).write_bytes(content)

    monkeypatch.setattr(postgresql_major, "BASE", str(tmp_path))
    monkeypatch.setattr(postgresql_major, "STATES", str(tmp_path / "states"))
    monkeypatch.setattr(postgresql_major, "run", lambda *_words, **_more: "")
    monkeypatch.setattr(postgresql_major, "replace", written)
    monkeypatch.setattr(postgresql_major, "getgrnam", lambda _name: type("Group", (), {"gr_gid": 0}))
    monkeypatch.setattr(postgresql_major.pg_upgrade, "Programs", Programs)
    return tmp_path


@pytest.mark.parametrize(("mode", "started"), [("copy", True), ("link", False)])
def test_the_way_back_puts_data_keys_and_file_where_they_were(root: Path, mode: str, started: bool) -> None:
    server = Server(root, ("db1", "db2"))
    (server.kept / "global/pg_control.old").write_text("control")
    server.member.back(server.state(mode, started=started))
    assert (server.old / "PG_VERSION").read_text() == "15"
    assert (server.old / "global/pg_control").read_text() == "control"
    assert not server.new.exists()
    assert not server.kept.exists()
    assert server.member.keys.known == OLD
    assert (root / "patroni.yml").read_text() == "former"
    assert server.member.state() == {}
    assert server.member.said.known == {"stage": "back"}


def test_data_that_were_linked_and_started_are_not_started_again(root: Path) -> None:
    alone = Server(root / "alone", ("db1",))
    postgresql_major.BASE = str(root / "alone")
    with pytest.raises(HostError, match="restore a backup"):
        alone.member.back(alone.state("link", started=True))
    assert alone.new.exists()
    postgresql_major.BASE = str(root / "group")
    group = Server(root / "group", ("db1", "db2"))
    group.member.back(group.state("link", started=True))
    assert not group.old.exists(), "they are copied from the replica that takes the lead"
    assert group.kept.exists()
    assert group.member.keys.known == OLD


def test_what_serves_already_is_not_given_up(root: Path) -> None:
    server = Server(root, ("db1",))
    server.member.is_primary = lambda: True
    with pytest.raises(HostError, match="may have been written to"):
        server.member.back(server.state("copy", started=True))
    assert server.new.exists()
    assert server.member.state()


def test_one_that_has_only_paused_is_not_stopped(root: Path) -> None:
    server = Server(root, ("db1", "db2"))
    server.member.keys.known = {**OLD, "config": '{"pause": true}', "leader": "db1"}
    server.member.back(server.state("link", stage="ready"))
    assert server.member.keys.known == {**OLD, "leader": "db1"}
    assert server.done == []


def test_a_replica_goes_back_only_with_its_primary(root: Path) -> None:
    server = Server(root, ("db2", "db1"))
    state = {"stage": "stopped", "from": "15", "config": "former"}
    server.member.remember(state)
    server.member.return_(state, waiting=False)
    assert server.kept.exists(), "the primary has come to the new version: they are kept"
    assert server.member.state() == {}
    server.member.keys.known = dict(OLD)
    server.member.return_(state, waiting=True)
    assert (server.old / "PG_VERSION").read_text() == "15"
    assert server.done == ["await db1"]


def test_what_was_ended_in_the_middle_is_told_first(root: Path) -> None:
    server = Server(root, ("db1",))
    server.state("copy")
    assert server.member.look() == {"from": "15", "stage": "installed", "primary": True, "mode": ""}
    server.member.remember({})
    assert server.member.look() == {"from": "", "stage": "", "primary": False, "mode": ""}
