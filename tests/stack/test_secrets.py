# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret value is found where somebody could read it."""

from __future__ import annotations

from pathlib import Path

from .support import Lab, StackFile, longshore

CREDENTIAL = "/etc/longshore/shop/credentials/session_key"
CREDENTIALS = (CREDENTIAL, "/etc/longshore/cluster/registry.password", "/etc/longshore/cluster/cluster.key")


def test_secret_is_nowhere_but_in_the_container(lab: Lab, shop: StackFile) -> None:
    values = [lab.on("app1", "cat", path).stdout.strip() for path in CREDENTIALS]
    assert [len(value) for value in values] == [32, 40, 64]

    def hidden(text: str) -> bool:
        return not any(value in text for value in values)

    outcome = longshore(shop, "up", "-vvv", "--json")
    assert outcome.code == 0
    assert hidden(outcome.everything)
    for state in (Path.home() / ".local/state/longshore").rglob("*"):
        assert not state.is_file() or hidden(state.read_text(errors="replace")), state
    for server in ("app1", "app2", "app3"):
        script = (
            "docker ps -aq | xargs -r docker inspect; docker info -f '{{.Swarm.ControlAvailable}}' | grep -q true && "
            "{ docker service ls -q | xargs -r docker service inspect; "
            "docker config ls -q | xargs -r docker config inspect; "
            "docker secret ls -q | xargs -r docker secret inspect; }; ps -eo args; journalctl --no-pager -q; "
            "cat /proc/[0-9]*/cmdline"
        )
        seen = lab.on(server, "sh", "-c", script, check=False).stdout
        assert "shop_web" in seen
        assert hidden(seen), server
        assert set(lab.on(server, "stat", "-c", "%a", *CREDENTIALS).stdout.split()) == {"600"}


def test_the_container_has_its_secret(lab: Lab, shop: StackFile) -> None:
    value = lab.on("app1", "cat", CREDENTIAL).stdout.strip()
    seen = longshore(shop, "exec", "web", "--", "sh", "-c", "echo $SESSION_KEY")
    assert seen.output.strip() == value, seen.end
