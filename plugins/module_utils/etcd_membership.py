# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of an etcd cluster: who is one, how a server becomes one, one at a time.

Private to the collection. etcd's own rules (its runtime reconfiguration guide): a new cluster is started by all its
members at once; to one that runs, a member is announced first and then started; one at a time, since each that is
announced and not there counts for the majority.
"""

from __future__ import annotations

import os
import time

from .host_change import HostError, attempt, run
from .host_files import replace
from .rest import Rest, RestError, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .run import Run

UNIT = "etcd.service"
CLIENTS, PEERS = 2379, 2380
DATA = "/var/lib/etcd/longshore"
INITIAL = "/etc/longshore/etcd/initial.env"
# An election takes two seconds here, and what was lost meanwhile comes back within a few more. Seconds.
PATIENCE = 60.0
# Whoever is there says so within this time. Seconds.
PRESENT = 3.0


def peer_url(address: str) -> str:
    """How the other members reach the one at ``address``."""
    return f"https://{place(address, PEERS)}"


def address_of(peer: str) -> str:
    """The address in such a URL."""
    return peer.removeprefix("https://").rsplit(":", 1)[0].strip("[]")


def joined(data: str = DATA) -> bool:
    """Whether this server holds a member's data."""
    return os.path.isdir(os.path.join(data, "member"))


def running() -> bool:
    """Whether etcd runs here, or is about to."""
    code, out, _error = attempt(["systemctl", "is-active", UNIT])
    return code == 0 or out.strip() == "activating"


def enabled() -> bool:
    """Whether the member starts with its server."""
    return attempt(["systemctl", "is-enabled", UNIT])[1].strip() == "enabled"


def members(rest: Rest, address: str) -> list[dict[str, str]]:
    """The members as the one at ``address`` knows them, each with ``id``, ``name`` (empty before its first start) and
    ``peer``, its URL for the others. Raises ``RestError``."""
    answer = _call(rest, address, "member/list", {"linearizable": False})
    return [
        {"id": str(each["ID"]), "name": each.get("name", ""), "peer": (each.get("peerURLs") or [""])[0]}
        for each in answer.get("members") or []
    ]


def first_answer(rest: Rest, addresses: Sequence[str]) -> tuple[str, list[dict[str, str]]]:
    """The first of ``addresses`` that answers, and the members that it knows; an empty address when none does."""
    for address in addresses:
        try:
            return address, members(rest, address)
        except RestError:
            continue
    return "", []


def start(initial: Mapping[str, str], state: str) -> None:
    """Start the member of this server for the first time.

    ``initial`` is name → address of all members, ``state`` ``new`` or ``existing``.
    """
    lines = [
        "# Read at the first start only.",
        f"ETCD_INITIAL_CLUSTER={','.join(f'{name}={peer_url(address)}' for name, address in initial.items())}",
        f"ETCD_INITIAL_CLUSTER_STATE={state}",
    ]
    replace(INITIAL, "".join(f"{line}\n" for line in lines).encode(), 0o644, (0, 0))
    run(["systemctl", "enable", UNIT])
    # The unit counts as started when a majority is there; the others are started by tasks of their own.
    run(["systemctl", "start", "--no-block", UNIT])


def announce(rest: Rest, speaker: str, name: str, address: str) -> dict[str, str]:
    """Have the cluster expect this server; gives name → address of all members, itself included.

    One that was announced before and never started is not announced twice. One that was a member and has lost its data
    is a new one: it may have voted for what it forgot.
    """
    known = members(rest, speaker)
    for each in known:
        if each["peer"] == peer_url(address) and each["name"]:
            _call(rest, speaker, "member/remove", {"ID": each["id"]})
            known = members(rest, speaker)
    if not any(each["peer"] == peer_url(address) for each in known):
        _call(rest, speaker, "member/add", {"peerURLs": [peer_url(address)]})
        known = members(rest, speaker)
    return {
        each["name"] or name: address_of(each["peer"])
        for each in known
        if each["name"] or each["peer"] == peer_url(address)
    }


def forget(rest: Rest, speaker: str, name: str, check: bool) -> bool:
    """Have the cluster count a member no more that is lost for good; whether it was one.

    Raises ``HostError`` when it answers, and ``RestError`` where etcd refuses it: the others are no majority.
    """
    found = [each for each in members(rest, speaker) if each["name"] == name]
    for each in found:
        try:
            rest.ask((address_of(each["peer"]), CLIENTS), "GET", "/health", timeout=PRESENT)
        except RestError:
            pass
        else:
            raise HostError(f"the etcd of {name} answers, so it is not lost")
        if not check:
            _call(rest, speaker, "member/remove", {"ID": each["id"]})
    return bool(found)


def await_health(rest: Rest, address: str, work: Run, patience: float = PATIENCE) -> None:
    """Wait until the member at ``address`` serves. Raises ``HostError`` with what etcd says when it does not."""
    until = time.monotonic() + patience
    while True:
        try:
            status, answer = rest.ask((address, CLIENTS), "GET", "/health")
            if status == 200 and str((answer or {}).get("health")) == "true":
                return
            why = f"it says {answer}"
        except RestError as error:
            why = str(error)
        if time.monotonic() >= until:
            _code, log, _error = attempt(["journalctl", "-u", UNIT, "-n", "5", "-o", "cat", "--no-pager"])
            raise HostError(f"etcd does not serve after {patience:.0f} s: {why}. Its log ends: {log.strip()[-800:]}")
        work.wait(0.3)


def _call(rest: Rest, address: str, path: str, body: Any) -> dict[str, Any]:
    status, answer = rest.ask((address, CLIENTS), "POST", f"/v3/cluster/{path}", body)
    if status != 200 or not isinstance(answer, dict):
        words = (answer or {}).get("message") or (answer or {}).get("error") or f"HTTP {status}"
        raise RestError(f"etcd at {address} refuses {path}: {words}", status)
    return answer
