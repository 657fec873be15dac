# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps the firewall's rules in force: a unit that loads them before there is a network, and one that looks now
and then. Private to the collection. Pure.

Debian's own nftables.service is no help: its rules begin with ``flush ruleset``, which takes Docker's with them.
"""

from __future__ import annotations

from .firewall_render import NOTHING, TABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DIRECTORY = "/etc/longshore/firewall"
RULES = f"{DIRECTORY}/rules.nft"
SCRIPT = "/usr/lib/longshore/firewall/check"
UNIT = "longshore-firewall.service"
CHECK = "longshore-firewall-check"
# The timer that takes back what nobody confirmed, and what it runs.
REVERT = "longshore-firewall-revert"
LIST = f"nft --stateless --terse list table {TABLE}"
UNIT_DIRECTORY = "/etc/systemd/system"

_UNIT = f"""\
# Made by Longshore.
[Unit]
Description=Firewall of Longshore
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
# That one begins by taking away all tables: whatever happens to it happens to this one, and later.
After=local-fs.target systemd-sysctl.service nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
ConditionPathExists={RULES}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f {RULES}
ExecReload=/usr/sbin/nft -f {RULES}

[Install]
WantedBy=sysinit.target
"""
_CHECK_UNIT = f"""\
# Made by Longshore.
[Unit]
Description=Load the firewall's rules again if somebody changed them

[Service]
Type=oneshot
ExecStart={SCRIPT}
# Not a line for each time that all is well.
LogLevelMax=warning
"""
_CHECK_TIMER = """\
# Made by Longshore.
[Unit]
Description=See now and then whether the firewall's rules are in force

[Timer]
OnActiveSec=15s
OnUnitInactiveSec=15s
AccuracySec=1s

[Install]
WantedBy=timers.target
"""
# The rules are loaded into a network that nobody uses, to know how this version of nft lists them.
_SCRIPT = f"""\
#!/bin/sh
# Made by Longshore. Loads the firewall's rules again when others are in force.
set -eu
rules={RULES}
[ -f "$rules" ] || exit 0
# New ones are in force that are still to be confirmed.
if systemctl is-active --quiet {REVERT}.timer {REVERT}.service; then exit 0; fi
wanted=$(unshare --net sh -c "nft -f $rules && {LIST}")
[ "$({LIST} 2>/dev/null || true)" != "$wanted" ] || exit 0
echo '<4>somebody changed the rules that are in force: those of {RULES} are loaded again'
if nft -f "$rules" && [ "$({LIST})" = "$wanted" ]; then exit 0; fi
# Something of another shape is in its place.
{{ echo '{"; ".join(NOTHING.splitlines())}'; cat "$rules"; }} | nft -f -
"""


def files(text: str) -> list[dict[str, Any]]:
    """What is on a server that is protected, as ``host_state`` takes files; ``text``: the rules."""
    made = [
        (RULES, text, "0600"),
        (SCRIPT, _SCRIPT, "0755"),
        (f"{UNIT_DIRECTORY}/{UNIT}", _UNIT, "0644"),
        (f"{UNIT_DIRECTORY}/{CHECK}.service", _CHECK_UNIT, "0644"),
        (f"{UNIT_DIRECTORY}/{CHECK}.timer", _CHECK_TIMER, "0644"),
    ]
    return [
        {"path": path, "content": content, "mode": mode, "owner": "root", "group": "root", "triggers": []}
        for path, content, mode in made
    ]


def units(wanted: bool) -> list[dict[str, Any]]:
    """The units, as ``host_state`` takes them."""
    return [
        {
            "name": name,
            "enabled": wanted,
            "state": "started" if wanted else "stopped",
            "masked": False,
            "restart_on": [],
            "reload_on": [],
            "restart": "now",
            "unless_container": False,
        }
        # One that looks just now could load them once more.
        for name in (UNIT, f"{CHECK}.timer", *([] if wanted else [f"{CHECK}.service"]))
    ]
