# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret value is found where somebody could read it, whatever it comes from and in whatever form."""

from __future__ import annotations

import base64
import json
import re
import secrets
import subprocess
import sys
import zlib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from .sampling import processes, shown
from .support import Lab, StackFile, ansible_playbook, longshore

SERVERS = ("app1", "app2", "app3")
DIRECTORY = "/etc/longshore/shop/credentials"
# Made by Longshore: value, length.
GENERATED = {
    "session_key": (f"{DIRECTORY}/session_key", 32),
    "fresh": (f"{DIRECTORY}/fresh", 24),
    "registry": ("/etc/longshore/cluster/registry.password", 40),
    "cluster": ("/etc/longshore/cluster/cluster.key", 64),
}
# What a server can tell of containers, services and what happened.
TOLD = (
    "docker ps -aq | xargs -r docker inspect; docker ps -aq | xargs -r -n 1 docker logs 2>&1; "
    "docker info -f '{{.Swarm.ControlAvailable}}' | grep -q true && "
    "{ docker service ls -q | xargs -r docker service inspect; "
    "docker secret ls -q | xargs -r docker secret inspect; }; "
    "journalctl --no-pager -q --all"
)


class Vaulted(str):
    """A text that stands in the stack file as ``!vault``."""


def represent(dumper: yaml.SafeDumper, text: Vaulted) -> yaml.Node:
    """Write one."""
    return dumper.represent_scalar("!vault", str(text), style="|")


yaml.SafeDumper.add_representer(Vaulted, represent)


def encrypted(value: str, password: Path) -> Vaulted:
    """The value as ``ansible-vault encrypt_string`` writes it."""
    program = str(Path(sys.executable).parent / "ansible-vault")
    words = [program, "encrypt_string", "--vault-password-file", str(password), "--stdin-name", "value"]
    done = subprocess.run(words, input=value, check=True, capture_output=True, text=True)
    lines = done.stdout.splitlines()[1:]
    return Vaulted("\n".join(line.strip() for line in lines) + "\n")


class Given:
    """Secrets of every kind that the operator gives, and a stack file that hands them to ``static``."""

    KINDS = ("env", "file", "vault", "direct", "lookup")

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # With signs that look otherwise in a URL.
        self.values = {kind: f"{secrets.token_hex(8)}/+={secrets.token_hex(8)}" for kind in self.KINDS}
        self.password, self.file = directory / "vault.password", directory / "licence.key"
        self.password.write_text(f"{secrets.token_hex(8)}\n")
        self.file.write_text(self.values["file"])
        monkeypatch.setenv("SHOP_MAIL", self.values["env"])
        monkeypatch.setenv("SHOP_LOOKUP", self.values["lookup"])

    def change(self, greeting: str) -> Callable[[dict[str, Any]], None]:
        """The change of the stack file."""

        def hand_over(content: dict[str, Any]) -> None:
            content["secrets"] |= {
                "fresh": {"generate": 24},
                "mail": {"env": "SHOP_MAIL"},
                "licence": {"file": str(self.file)},
                "api": encrypted(self.values["vault"], self.password),
            }
            content["services"]["static"]["secrets"] = ["licence"]
            content["services"]["static"]["environment"] = {
                "GREETING": greeting,
                "FRESH": "{{ secrets.fresh }}",
                "MAIL": "{{ secrets.mail }}",
                "API": "{{ secrets.api }}",
                "DIRECT": encrypted(self.values["direct"], self.password),
                "LOOKED_UP": "{{ lookup('env', 'SHOP_LOOKUP') }}",
            }

        return hand_over


def configs(lab: Lab) -> dict[str, str]:
    """What each config of the Swarm says; the parts of a release record together, unpacked."""
    listed = lab.on("app1", "sh", "-c", "docker config ls -q | xargs docker config inspect").stdout
    pieces: dict[str, dict[int, bytes]] = defaultdict(dict)
    for config in json.loads(listed):
        name = config["Spec"]["Name"]
        part = re.fullmatch(r"(.+\.release\.\d+)\.(\d+)", name)
        pieces[part[1] if part else name][int(part[2]) if part else 0] = base64.b64decode(config["Spec"]["Data"])
    found = {}
    for name, parts in pieces.items():
        content = b"".join(parts[part] for part in sorted(parts))
        found[name] = (zlib.decompress(content) if ".release." in name else content).decode(errors="replace")
    return found | {"inspect": listed}


def test_no_secret_shows_in_a_deploying_run(
    lab: Lab, shop: StackFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Given(tmp_path, monkeypatch)
    vault = ("--vault-password-file", str(given.password))
    with shop.changed(given.change("one")):
        with processes(lab) as seen:
            plain = ansible_playbook(shop, "longshore.stack.site", "-vvv", *vault)
        assert plain.code == 0, plain.end
        values = {name: lab.on("app1", "cat", path).stdout.strip() for name, (path, _) in GENERATED.items()}
        assert {name: len(value) for name, value in values.items()} == {n: size for n, (_, size) in GENERATED.items()}
        values |= given.values

        script = 'printf "%s\\n" "$FRESH" "$MAIL" "$API" "$DIRECT" "$LOOKED_UP"; cat /run/secrets/licence'
        arrived = longshore(shop, "exec", "static", "--", "sh", "-c", script)
        wanted = ("fresh", "env", "vault", "direct", "lookup", "file")
        assert arrived.output.splitlines() == [values[name] for name in wanted], arrived.end

    state = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    with shop.changed(given.change("two")), processes(lab) as seen_too:
        ours = longshore(shop, "up", "-vvv", "--json", *vault)
    assert ours.code == 0, ours.end
    assert [change["change"]["name"] for change in ours.json["changes"] if change["role"] == "services"] == ["static"]

    told = configs(lab)
    assert any(".release." in name and "GREETING" in text for name, text in told.items()), list(told)
    for name, text in told.items():
        assert shown(text, values) == [], name
    files = [path for path in state.rglob("*") if path.is_file()]
    assert files, "the run has left its events and its log"
    for path in files:
        assert shown(path.read_text(errors="replace"), values) == [], path
    assert "task path:" in plain.output, "it tells all that Ansible tells"
    for outcome in (plain, ours):
        assert shown(outcome.everything, values) == []
    for watched in (seen, seen_too):
        assert "ansible" in watched["controller"]
        for place, text in watched.items():
            assert shown(text, values) == [], place
    assert any("dockerd" in seen[server] for server in SERVERS)
    for server in SERVERS:
        text = lab.on(server, "sh", "-c", TOLD, check=False).stdout
        assert "shop_web" in text
        assert shown(text, values) == [], server
        paths = [path for path, _ in GENERATED.values()]
        assert set(lab.on(server, "stat", "-c", "%a", *paths).stdout.split()) == {"600"}
    assert longshore(shop, "deploy").code == 0
    # What was made once stays until somebody takes it away.
    for server in SERVERS:
        lab.on(server, "rm", GENERATED["fresh"][0])


def test_the_container_has_its_secret(lab: Lab, shop: StackFile) -> None:
    value = lab.on("app1", "cat", GENERATED["session_key"][0]).stdout.strip()
    seen = longshore(shop, "exec", "web", "--", "sh", "-c", "echo $SESSION_KEY")
    assert seen.output.strip() == value, seen.end
