# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports are dialled from here, and compared with what the rules let in."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

import pytest
from longshore.cli import firewall_text
from longshore.definition import load
from longshore.runs import doors
from longshore.runs.probe import State, probe, source

STACK = """
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 127.0.0.1, tags: [app]}
  db1: {address: 127.0.0.2, tags: [db], ssh: {gateway: app1}}
firewall: {ssh: [192.0.2.1, 127.0.0.1], allow: [{port: 8000}]}
"""


def test_who_listens_who_refuses_and_what_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as other:
        number, closed = listening.getsockname()[1], other.getsockname()[1]
        other.close()
        targets = [("127.0.0.1", number), ("127.0.0.1", closed), ("no-such-name.invalid", 80), ("127.0.0.1", number)]
        found = probe(targets, patience=5.0, at_once=2)
    assert found == {targets[0]: State.OPEN, targets[1]: State.CLOSED, targets[2]: State.SILENT}


def test_the_address_that_this_machine_has_for_a_server() -> None:
    assert source("127.0.0.1") == "127.0.0.1"
    assert source("no-such-name.invalid") == ""


def test_what_is_open_is_compared_with_what_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # From the address of a server Swarm's ports are open too.
    answers = {
        22: State.OPEN,
        2377: State.OPEN,
        7946: State.OPEN,
        8000: State.CLOSED,
        6379: State.OPEN,
        5432: State.CLOSED,
    }

    def answered(targets: Iterable[tuple[str, int]]) -> dict[tuple[str, int], State]:
        return {target: answers.get(target[1], State.SILENT) for target in targets}

    monkeypatch.setattr(doors, "probe", answered)
    (tmp_path / "stack.yml").write_text(STACK)
    definition = load(tmp_path / "stack.yml", None)
    found = doors.compare(definition, ["app1", "db1"], [60000])
    assert {each["server"] for each in found} == {"app1"}, "nobody can dial who is behind a gateway"
    known = {each["port"]: each for each in found}
    assert (known[22]["allowed"], known[22]["wrong"]) == (True, "")
    assert (known[8000]["allowed"], known[8000]["wrong"]) == (True, "")
    assert known[60000]["wrong"] == ""
    assert "is open, though no rule" in known[6379]["wrong"]
    assert "is let through" in known[5432]["wrong"]
    elsewhere = {each["port"]: each["wrong"] for each in doors.compare(definition, ["app1"], seen_as="203.0.113.9")}
    assert "is open, though no rule" in elsewhere[22]
    told = firewall_text.probed(found)
    assert told.startswith("app1: 5432/tcp is let through")
    assert told.endswith(f"{len(found)} ports of 1 server were dialled, 2 wrong")


def test_leases_and_rules_are_told_in_few_words() -> None:
    lease = {"from": "any", "port": 22, "protocol": "tcp", "seconds": 3725}
    assert "any  22/tcp  1h2m5s" in firewall_text.leases({"app1": [lease]})
    assert firewall_text.leases({"app1": []}) == "no lease"
    many = [f"192.0.2.{number}" for number in range(6)]
    rules = [
        {"name": "shop: SSH", "from": ["0.0.0.0/0", "::/0"], "ports": ["22"], "protocol": "tcp"},
        {"name": "shop: firewall.allow[0]", "from": many, "ports": [], "protocol": "any"},
    ]
    told = firewall_text.rules({"app1": {"allow": rules, "deny": []}})
    assert "everybody outside  " in told
    assert "192.0.2.3, 2 more  everything" in told
