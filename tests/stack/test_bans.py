# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bans and strict SSH servers of a stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from . import support
from .support import Lab, StackFile, longshore, until

HOST = ("-H", "Host: shop.example")


def protected(content: dict[str, Any]) -> None:
    content["bans"] = {"logins": {"paths": ["/"], "statuses": [404]}}
    content["sshd"] = True


def unprotected(content: dict[str, Any]) -> None:
    content["bans"] = content["sshd"] = False


@pytest.fixture(scope="module")
def guarded(shop: StackFile) -> Iterator[StackFile]:
    """The running stack, with bans and strict SSH servers while these tests run."""
    with shop.changed(protected):
        done = longshore(shop, "up", "--json")
        assert done.code == 0, done.end
        yield shop
    with shop.changed(unprotected):
        done = longshore(shop, "up", "--json")
        assert done.code == 0, done.end
    # What the file says no more, no other stack has to agree with.
    done = longshore(shop, "up", "--json")
    assert done.code == 0, done.end


def bans(stack: StackFile, *words: str) -> list[tuple[str, dict[str, Any]]]:
    """What ``longshore bans`` says, by server."""
    done = longshore(stack, "bans", *words, "--json")
    assert done.code == 0, done.end
    what = "attacks" if words[0] == "attacks" else "bans"
    return [(server, each) for server, found in done.json["bans"].items() for each in found[what]]


def test_a_second_run_changes_nothing(guarded: StackFile) -> None:
    assert longshore(guarded, "plan").code == 0


def test_who_attacks_is_banned_told_and_forgiven(guarded: StackFile, lab: Lab) -> None:
    url, client = f"http://{lab.address('app1')}/no-such-page", lab.address("client")
    for _each in range(25):
        lab.get(url, *HOST, "-m", "1")
    found = until(lambda: [each for each in bans(guarded, "list") if each[1]["address"] == client], 20, "a ban")
    assert [(server, each["jail"]) for server, each in found] == [("app1", "web-logins")]
    assert lab.get(f"http://{lab.address('app1')}/", *HOST, "-m", "1")[0] == 0
    server, attack = next(each for each in bans(guarded, "attacks") if each[1]["address"] == client)
    assert (server, attack["target"], attack["bans"]) == ("app1", "web-logins: shop.example", 1)
    assert attack["attempts"] >= 20
    assert client not in [each["address"] for _server, each in bans(guarded, "remove", client)]
    assert lab.get(f"http://{lab.address('app1')}/", *HOST)[0] == 200


def test_a_ban_by_hand_is_for_all_servers_and_never_for_them(guarded: StackFile, lab: Lab) -> None:
    client = lab.address("client")
    added = bans(guarded, "add", client, "--for", "2h")
    assert {server for server, each in added if each["address"] == client} == set(guarded.content["servers"])
    assert {each["until"] - each["since"] for _server, each in added if each["address"] == client} == {7200}
    assert lab.get(f"http://{lab.address('app2')}/", *HOST, "-m", "1")[0] == 0
    assert not [each for _server, each in bans(guarded, "remove", client) if each["address"] == client]
    refused = longshore(guarded, "bans", "add", lab.address("app2"))
    assert refused.code == 3
    assert "is a server of the stack" in refused.everything


def test_only_keys_open_the_ssh_servers(guarded: StackFile, lab: Lab) -> None:
    told = lab.on("app1", "sshd", "-T").stdout
    assert "passwordauthentication no" in told
    assert support.longshore(guarded, "status").code == 0
