# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fail2ban says, as it is told to people. Whether it bans is for the lab's servers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import fail2ban_bans
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.modules import bans

ANSWERS = {
    ("ping",): "Server replied: pong\n",
    ("status",): "Status\n|- Number of jail:\t2\n`- Jail list:\tmanual, sshd\n",
    ("get", "sshd", "banip", "--with-time"): "192.0.2.7 \t2026-01-31 08:00:00 + 600 = 2026-01-31 08:10:00\n",
    ("get", "manual", "banip", "--with-time"): "2001:db8::/64 \t2026-01-31 07:00:00 + -1 = 9999-12-31 23:59:59\n",
    (
        "get",
        "manual",
        "ignoreip",
    ): "These IP addresses/networks are ignored:\n|- 127.0.0.0/8\n|- ::1\n`- 198.51.100.9\n",
}


class Fail2ban:
    """Answers as fail2ban-client does; ``asked`` is what else it was told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, ...]] = []
        monkeypatch.setattr(fail2ban_bans, "run", self.run)
        monkeypatch.setattr(fail2ban_bans, "attempt", lambda argv: (0, "", "") if argv else (1, "", ""))
        monkeypatch.setattr(fail2ban_bans, "_written", lambda _address: 3600)

    def run(self, argv: list[str], **_more: Any) -> str:
        words = tuple(argv[1:])
        if words not in ANSWERS:
            self.asked.append(words)
        return ANSWERS.get(words, "")


@pytest.fixture
def fail2ban(monkeypatch: pytest.MonkeyPatch) -> Fail2ban:
    return Fail2ban(monkeypatch)


def asked(action: str, *addresses: str) -> dict[str, Any]:
    return {"action": action, "addresses": list(addresses), "seconds": 3600, "hours": 24}


@pytest.mark.usefixtures("fail2ban")
def test_bans_are_told_with_their_end() -> None:
    first, second = bans.work(asked("list"), check=False)["bans"]
    assert (first["address"], first["jail"], first["until"]) == ("2001:db8::/64", "manual", None)
    assert (second["address"], second["jail"]) == ("192.0.2.7", "sshd")
    assert second["until"] - second["since"] == 600


def test_a_ban_waits_until_it_is_written_down(fail2ban: Fail2ban) -> None:
    result = bans.work(asked("add", "203.0.113.0/24"), check=False)
    assert result["changes"] == ["ban 203.0.113.0/24"]
    assert fail2ban.asked == [
        ("set", "manual", "unbanip", "203.0.113.0/24"),
        ("set", "manual", "bantime", "3600"),
        ("set", "manual", "banip", "203.0.113.0/24"),
    ]


@pytest.mark.parametrize("address", ["198.51.100.9", "198.51.100.0/24", "127.0.0.1", "::1"])
def test_who_is_spared_is_not_banned_by_hand(fail2ban: Fail2ban, address: str) -> None:
    with pytest.raises(HostError, match="is never banned here; nothing was changed"):
        bans.work(asked("add", "203.0.113.1", address), check=False)
    assert fail2ban.asked == []


def test_only_who_is_banned_is_forgiven(fail2ban: Fail2ban) -> None:
    assert bans.work(asked("remove", "203.0.113.1"), check=False)["changed"] is False
    assert bans.work(asked("remove", "192.0.2.7"), check=True)["changes"] == ["lift the bans of 192.0.2.7"]
    assert fail2ban.asked == []
    bans.work(asked("remove", "192.0.2.7"), check=False)
    assert fail2ban.asked == [("unban", "192.0.2.7")]


def test_nonsense_is_refused() -> None:
    with pytest.raises(HostError, match="neither an IP address nor a network"):
        fail2ban_bans.network("192.0.2.1/24")


def test_attempts_and_bans_are_counted_by_address_and_jail() -> None:
    found = fail2ban_bans.tally(
        [
            (10.5, "[sshd] Found 192.0.2.7 - 2026-01-31 08:00:00"),
            (11.0, "[sshd] Found 192.0.2.7 - 2026-01-31 08:00:01"),
            (11.1, "[sshd] Found 192.0.2.7, bad - 2026-01-31 08:00:01, 1 # -> 2.0"),
            (11.2, "[sshd] Ban 192.0.2.7"),
            (11.3, "[recidive] Found 192.0.2.7 - 2026-01-31 08:00:01"),
            (12.0, "[sshd] Restore Ban 192.0.2.7"),
            (12.0, "[manual] Ban 192.0.2.9"),
            (13.0, "[web-logins] Found 2001:db8::7 - 2026-01-31 08:00:03"),
            (14.0, "[sshd] Ignore 192.0.2.1 by ip"),
        ]
    )
    assert found == [
        {"address": "192.0.2.7", "jail": "sshd", "attempts": 2, "bans": 1, "first": 10, "last": 11},
        {"address": "2001:db8::7", "jail": "web-logins", "attempts": 1, "bans": 0, "first": 13, "last": 13},
    ]
