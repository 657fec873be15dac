# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When rules are in force, when they are on disk, and what becomes of them when nobody confirms them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import firewall_converge
from ansible_collections.longshore.stack.plugins.module_utils.firewall_model import FirewallError, normalize
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.run import Run
from ansible_collections.longshore.stack.plugins.modules import host_state

SHOP = normalize("shop", {"allow": [{"ports": ["22"]}]}, {})
MORE = normalize("shop", {"allow": [{"ports": ["22", "80"]}]}, {})


class Server:
    """A server in a directory, whose nft lists rules as they were written."""

    def __init__(self, root: Path) -> None:
        self.root, self.rules = root, root / "firewall/rules.nft"
        self.live = ""
        # What the timer would bring back; None when there is no timer.
        self.timer: str | None = None
        self.refuses = False
        self.more = ""

    def installed(self) -> bool:
        return True

    def expected(self, text: str) -> str:
        return text

    def put(self, text: str) -> None:
        self.live = text

    def load(self, text: str, wanted: str, more: str = "") -> None:
        assert text == wanted
        self.more = more
        if self.refuses:
            raise HostError("no")
        self.live = text

    def arm(self, previous: str, seconds: int) -> None:
        assert seconds == 45
        self.timer = previous

    def armed(self) -> bool:
        return self.timer is not None

    def disarm(self) -> None:
        self.timer = None

    def time_out(self) -> None:
        """The timer does what it is there for."""
        assert self.timer is not None
        self.live, self.timer = self.timer, None

    def write(self, wanted: Mapping[str, Any], check: bool, work: Run) -> dict[str, Any]:  # noqa: ARG002 - as it is called
        """What ``host_converge`` does, of files alone."""
        changes = []
        for file in wanted["files"]:
            path = (
                self.root / Path(file["path"]).relative_to(self.root)
                if file["path"].startswith(str(self.root))
                else None
            )
            if path is not None and (not path.exists() or path.read_text() != file["content"]):
                changes.append(f"file {path.name}")
                if not check:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(file["content"])
        for name in wanted["absent"]:
            if name.startswith(str(self.root)) and Path(name).exists():
                changes.append(f"{name} removed")
                if not check:
                    Path(name).unlink()
        return {"changed": bool(changes), "changes": changes, "diff": []}

    def converge(
        self, fragment: dict[str, Any] | None, *, confirm: bool = False, check: bool = False
    ) -> dict[str, Any]:
        return firewall_converge.converge("shop", fragment, check, Run(), revert_after=45, confirm=confirm)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server(tmp_path)
    for name in ("installed", "expected", "put", "load", "arm", "armed", "disarm"):
        monkeypatch.setattr(firewall_converge.nft, name, getattr(made, name))
    monkeypatch.setattr(firewall_converge.nft, "live", lambda: made.live)
    monkeypatch.setattr(firewall_converge.known, "here", lambda: "those of before")
    monkeypatch.setattr(firewall_converge, "converge_host", made.write)
    monkeypatch.setattr(firewall_converge, "BASE", str(tmp_path))
    monkeypatch.setattr(firewall_converge, "RULES", str(made.rules))
    monkeypatch.setattr(
        firewall_converge,
        "files",
        lambda text: [{"path": str(made.rules), "content": text, "mode": "0600", "triggers": []}],
    )
    return made


def settle(server: Server, fragment: dict[str, Any]) -> None:
    assert server.converge(fragment)["pending"]
    assert server.converge(fragment, confirm=True)["confirmed"]


def test_new_rules_are_in_force_before_they_are_on_disk(server: Server) -> None:
    told = server.converge(SHOP)
    assert told["pending"]
    assert told["changes"] == ["load the rules", "file firewall.json", "file rules.nft"]
    assert "dport 22 " in server.live
    assert server.timer == ""
    assert server.more == "those of before"
    assert not server.rules.exists()
    done = server.converge(SHOP, confirm=True)
    assert (done["confirmed"], done["pending"], server.timer) == (True, False, None)
    assert server.rules.read_text() == server.live
    assert server.converge(SHOP) == {"changed": False, "changes": [], "diff": [], "pending": False}


def test_what_nobody_confirms_is_gone(server: Server) -> None:
    settle(server, SHOP)
    before = server.live
    server.converge(MORE)
    assert server.more == "", "the kernel knows all of them by now"
    server.time_out()
    assert (server.live, server.rules.read_text()) == (before, before)
    with pytest.raises(HostError, match="it took too long"):
        server.converge(MORE, confirm=True)
    assert (server.live, server.rules.read_text()) == (before, before)


def test_a_confirmation_whose_answer_was_lost_is_given_again(server: Server) -> None:
    settle(server, SHOP)
    assert server.converge(SHOP, confirm=True)["confirmed"]
    assert "dport 22 " in server.live


def test_a_run_that_was_killed_counts_for_nothing(server: Server) -> None:
    settle(server, SHOP)
    before = server.live
    server.converge(MORE)
    told = server.converge(SHOP)
    assert not told["pending"]
    assert (server.live, server.timer) == (before, None)


def test_rules_that_do_not_go_in_force_leave_the_former(server: Server) -> None:
    settle(server, SHOP)
    before, server.refuses = server.live, True
    with pytest.raises(HostError):
        server.converge(MORE)
    assert (server.live, server.timer) == (before, None)


def test_what_was_confirmed_before_comes_back_without_being_asked_for_again(server: Server) -> None:
    settle(server, SHOP)
    before, server.live = server.live, "somebody's"
    told = server.converge(SHOP, check=True)
    assert (told["changes"], server.live) == (["load the rules"], "somebody's")
    assert server.converge(SHOP)["changes"] == ["load the rules"]
    assert (server.live, server.timer) == (before, None)


def test_who_wants_no_protection_has_none(server: Server) -> None:
    settle(server, SHOP)
    told = server.converge({**SHOP, "enabled": False})
    assert "let everything in" in told["changes"]
    assert (server.live, server.rules.exists()) == ("", False)
    assert (server.root / "shop/firewall.json").exists()
    assert server.converge(None)["changes"] == [f"{server.root}/shop/firewall.json removed"]


def test_another_stack_keeps_its_rules_and_is_never_cut_off(server: Server) -> None:
    settle(server, SHOP)
    before = server.live
    blog = server.root / "blog"
    blog.mkdir()
    (blog / "cluster.json").write_text("{}")
    with pytest.raises(FirewallError, match="would cut off the stack blog"):
        server.converge(MORE)
    (blog / "firewall.json").write_text(json.dumps(normalize("blog", {"allow": [{"ports": ["81"]}]}, {}, False)))
    settle(server, SHOP)
    assert {"tcp dport 22 accept", "tcp dport 81 accept"} <= set(map(str.strip, server.live.splitlines()))
    (blog / "firewall.json").write_text("{}")
    with pytest.raises(FirewallError, match=r"blog/firewall\.json is damaged"):
        server.converge(SHOP)
    (blog / "firewall.json").unlink()
    (blog / "cluster.json").unlink()
    settle(server, SHOP)
    assert server.live == before


def test_a_stack_that_goes_leaves_what_the_other_needs(server: Server) -> None:
    other = server.root / "blog/firewall.json"
    other.parent.mkdir()
    other.write_text(json.dumps(normalize("blog", {"allow": [{"ports": ["81"]}]}, {})))
    settle(server, SHOP)
    told = server.converge(None)
    assert (told["changed"], told["pending"]) == (True, True)
    assert server.converge(None, confirm=True)["confirmed"]
    assert "dport 81 " in server.live
    assert "dport 22 " not in server.live
    assert (server.rules.read_text(), other.exists()) == (server.live, True)
    assert not (server.root / "shop/firewall.json").exists()


def test_it_tells_all_that_a_host_is_asked_for() -> None:
    """What ``host_state`` learns to do is nothing here, and a key that is missing would fail on every server."""
    asked = set(host_state.ARGUMENT_SPEC) - {"run", "sysctl_ignore_unsupported"}
    assert set(firewall_converge._NOTHING) == asked
