# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is banned by fail2ban, and who tried what. Private to the collection."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import sqlite3
import time

from .host_change import HostError, attempt, run
from .run import Run
from .waiting import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

DATABASE = "/var/lib/fail2ban/fail2ban.sqlite3"
# The jail of the role fail2ban for bans by hand.
BY_HAND = "manual"
# Seconds in which fail2ban writes a ban down.
WRITTEN = 10.0
# Of who was banned before, it tells each attempt a second time, with what that counts ("192.0.2.7, bad").
_TOLD = re.compile(r"\[(?P<jail>[^]]+)\] (?P<what>Found|Ban) (?P<address>[0-9a-fA-F.:/]+)(?: - .*)?$")
_HOST = re.compile(r'"host": "((?:[^"\\]|\\.)*)"')


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """An address, or a network, as a network. Raises ``HostError`` for what is neither."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise HostError(f"{text!r} is neither an IP address nor a network such as 192.0.2.0/24: {error}") from error


def spelled(asked: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    """As fail2ban writes it."""
    return str(asked.network_address if asked.num_addresses == 1 else asked)


def answers() -> bool:
    """Whether fail2ban runs here."""
    try:
        return attempt(["fail2ban-client", "ping"])[0] == 0
    except HostError:
        return False


def known() -> list[dict[str, Any]]:
    """Who is banned now: ``address``, ``jail``, ``since`` and ``until`` (seconds since 1970; None: for ever)."""
    found = []
    for jail in _jails():
        lines = run(["fail2ban-client", "get", jail, "banip", "--with-time"]).splitlines()
        found += [{**each, "jail": jail} for each in map(_ban, lines) if each is not None]
    return sorted(found, key=lambda each: (each["since"], each["address"]))


def _jails() -> list[str]:
    listed = run(["fail2ban-client", "status"]).rpartition("Jail list:")[2]
    return [name for name in re.split(r"[,\s]+", listed) if name]


def _ban(line: str) -> dict[str, Any] | None:
    # "192.0.2.7 \t2026-01-31 08:00:00 + 600 = 2026-01-31 08:10:00", in the server's own time.
    address, _tab, rest = line.partition("\t")
    since, _plus, more = rest.partition(" + ")
    if not more:
        return None
    begun = time.mktime(time.strptime(since.strip(), "%Y-%m-%d %H:%M:%S"))
    seconds = int(float(more.split()[0]))
    return {
        "address": address.strip(),
        "since": int(begun),
        "until": int(begun) + seconds if seconds >= 0 else None,
    }


def refuse_spared(asked: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> None:
    """Raise ``HostError`` for an address that is never to be banned, or a network with one in it."""
    text = run(["fail2ban-client", "get", BY_HAND, "ignoreip"])
    # "|- 192.0.2.0/24"; names, which others may have given, are not looked up.
    spared = [network(word) for word in re.findall(r"^[|`]- ([0-9a-fA-F.:]+(?:/[0-9]+)?)$", text, re.MULTILINE)]
    for each in asked:
        for other in spared:
            if each.version == other.version and each.overlaps(other):
                raise HostError(f"{spelled(each)}: {spelled(other)} is never banned here; nothing was changed")


def ban(address: str, seconds: int) -> None:
    """Ban an address or a network for so many seconds; -1 for ever. One that is banned so already begins anew."""
    run(["fail2ban-client", "set", BY_HAND, "unbanip", address])
    # What is written down takes the jail's own time, so that has to stay until it is.
    run(["fail2ban-client", "set", BY_HAND, "bantime", str(seconds)])
    run(["fail2ban-client", "set", BY_HAND, "banip", address])
    until(lambda: _written(address) == seconds, WRITTEN, Run())


def _written(address: str) -> int | None:
    with sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True) as database:
        row = database.execute("select bantime from bips where jail = ? and ip = ?", (BY_HAND, address)).fetchone()
    return None if row is None else int(row[0])


def unban(address: str) -> None:
    """Lift all bans of an address, and forget that it had any."""
    run(["fail2ban-client", "unban", address])


def attacks(hours: int) -> list[dict[str, Any]]:
    """Who tried what in these hours: ``address``, ``target``, ``attempts``, ``bans``, ``first`` and ``last``.

    A target is ``ssh``, or the host names behind HAProxy that were asked for, as far as they led to a ban.
    """
    argv = ["journalctl", "--quiet", "--no-pager", "--output=json", "--output-fields=MESSAGE", f"--since=-{hours}h"]
    counted = tally(_messages(run([*argv, "--unit=fail2ban.service"], timeout=60.0)))
    hosts = _hosts(time.time() - hours * 3600)
    for each in counted:
        each["target"] = _target(each["jail"], hosts.get((each["jail"], each["address"]), ()))
    return counted


def _messages(text: str) -> Iterator[tuple[float, str]]:
    for line in text.splitlines():
        entry = json.loads(line)
        if isinstance(entry.get("MESSAGE"), str):
            yield int(entry["__REALTIME_TIMESTAMP"]) / 1e6, entry["MESSAGE"]


def tally(messages: Iterable[tuple[float, str]]) -> list[dict[str, Any]]:
    """What fail2ban logged, counted by jail and address, the most attempts first."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for moment, message in messages:
        # A ban that is restored at a start is none of its own, nor is one by hand or for other bans an attack.
        told = _TOLD.match(message)
        if told is None or told["jail"] in (BY_HAND, "recidive"):
            continue
        entry = found.setdefault(
            (told["jail"], told["address"]),
            {"address": told["address"], "jail": told["jail"], "attempts": 0, "bans": 0, "first": int(moment)},
        )
        entry["attempts" if told["what"] == "Found" else "bans"] += 1
        entry["last"] = int(moment)
    return sorted(found.values(), key=lambda entry: (-entry["attempts"], entry["address"]))


def _hosts(since: float) -> Mapping[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    if not os.path.exists(DATABASE):
        return found
    with sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True) as database:
        rows = database.execute("select jail, ip, data from bans where timeofban >= ?", (int(since),)).fetchall()
    for jail, address, data in rows:
        text = data.decode(errors="replace") if isinstance(data, bytes) else str(data or "{}")
        for match in json.loads(text).get("matches") or []:
            line = "".join(map(str, match)) if isinstance(match, list) else str(match)
            if host := _HOST.search(line):
                found.setdefault((jail, address), set()).add(host[1])
    return found


def _target(jail: str, hosts: Iterable[str]) -> str:
    kind = {"sshd": "ssh"}.get(jail, jail)
    return f"{kind}: {', '.join(sorted(hosts))}" if hosts else kind
