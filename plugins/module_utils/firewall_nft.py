# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that are in force on a server: listed, tried, loaded, taken back. Private to the collection."""

from __future__ import annotations

import os
import shutil
import tempfile

from .firewall_render import NOTHING, TABLE
from .firewall_unit import LIST, REVERT
from .host_change import HostError, attempt, last_lines, run

PREVIOUS = "/run/longshore/firewall/previous.nft"


def installed() -> bool:
    """Whether there is a program for nftables."""
    return shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin") is not None


def live() -> str:
    """The rules in force as nft lists them, without counters and leases; empty when there is no table."""
    code, out, error = attempt(LIST.split())
    if code == 0:
        return out
    if "No such file or directory" in error:
        return ""
    raise HostError(f"the rules that are in force can't be listed: {last_lines(error)}")


def expected(text: str) -> str:
    """How nft lists ``text`` once it is in force. Raises ``HostError`` with what nft has against it.

    For that it is loaded into a network that nobody uses.
    """
    if not text:
        return ""
    with tempfile.TemporaryDirectory(prefix="longshore-firewall-") as directory:
        path = os.path.join(directory, "rules.nft")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        code, out, error = attempt(["unshare", "--net", "sh", "-c", f'nft -f "$1" && {LIST}', "sh", path])
    if code != 0:
        raise HostError(f"nft refuses the rules, nothing was changed: {last_lines(error)}")
    return out


def load(text: str, wanted: str, more: str = "") -> None:
    """Put ``text`` in force in one transaction, with ``more``; ``wanted`` is the ``expected`` listing of ``text``.

    Leases stay, unless what is there has another shape. Raises ``HostError``; the former rules are in force then.
    """
    fits = attempt(["nft", "-c", "-f", "-"], given=(text or NOTHING) + more)[0] == 0
    if fits:
        put(text + more)
    if not fits or live() != wanted:
        put(NOTHING + text + more)
        if live() != wanted:
            raise HostError(f"the table {TABLE} is not what was loaded: something else changes it")


def put(text: str) -> None:
    """Put ``text`` in force, without a look at what comes of it; empty takes the table away."""
    run(["nft", "-f", "-"], given=text or NOTHING)


def arm(previous: str, seconds: int) -> None:
    """Have the rules ``previous`` (empty: none) come back in so many seconds, whatever becomes of this run."""
    disarm()
    os.makedirs(os.path.dirname(PREVIOUS), mode=0o700, exist_ok=True)
    with open(PREVIOUS, "w", encoding="utf-8") as file:
        file.write(previous or NOTHING)
    run(
        [
            *("systemd-run", "--quiet", "--collect", f"--unit={REVERT}", f"--on-active={seconds}s"),
            *("--timer-property=AccuracySec=1s", "--description=Take unconfirmed rules of the firewall back"),
            *("nft", "-f", PREVIOUS),
        ]
    )


def armed() -> bool:
    """Whether rules are in force that wait to be confirmed."""
    return attempt(["systemctl", "is-active", "--quiet", f"{REVERT}.timer"])[0] == 0


def disarm() -> None:
    """Have nothing taken back any more; what is on the way is waited for."""
    attempt(["systemctl", "stop", f"{REVERT}.timer", f"{REVERT}.service"])
    attempt(["systemctl", "reset-failed", f"{REVERT}.timer", f"{REVERT}.service"])
