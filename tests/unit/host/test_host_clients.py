# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that only a server knows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import host_clients


def wanted(tmp_path: Path, **more: Any) -> dict[str, Any]:
    asked = {"placeholder": "@spared@", "separator": ",", "listed": f"{tmp_path}/*/spared", "clients": ""}
    files = [{"path": "/etc/x.conf", "content": "ignore @spared@\n"}, {"path": "/etc/y.conf", "content": None}]
    return {"addresses": {**asked, **more}, "files": files, "absent": []}


def content(result: dict[str, Any], path: str) -> str:
    return next(str(file["content"]) for file in result["files"] if file["path"] == path)


def test_what_other_stacks_list_counts_too(tmp_path: Path) -> None:
    for name, text in (("blog", "192.0.2.1\n192.0.2.2\n"), ("shop", "192.0.2.9\n"), ("gone", "192.0.2.7\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spared").write_text(text)
    asked = wanted(tmp_path)
    asked["files"].append({"path": f"{tmp_path}/shop/spared", "content": "192.0.2.3\n192.0.2.1\n"})
    asked["absent"].append(f"{tmp_path}/gone/spared")
    result = host_clients.with_addresses(asked)
    assert content(result, "/etc/x.conf") == "ignore 192.0.2.1,192.0.2.2,192.0.2.3\n"


def test_where_runs_came_from_is_remembered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = tmp_path / "clients"
    known.write_text("192.0.2.1\nnonsense\n")
    monkeypatch.setattr(host_clients, "current", lambda: "2001:db8::5")
    for _each in range(2):
        result = host_clients.with_addresses(wanted(tmp_path, clients=str(known)))
        assert content(result, str(known)) == "192.0.2.1\n2001:db8::5\n"
        assert content(result, "/etc/x.conf") == "ignore 192.0.2.1,2001:db8::5\n"
        known.write_text(content(result, str(known)))


def test_only_the_newest_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = tmp_path / "clients"
    known.write_text("".join(f"192.0.2.{number}\n" for number in range(host_clients.MOST)))
    monkeypatch.setattr(host_clients, "current", lambda: "2001:db8::5")
    lines = content(host_clients.with_addresses(wanted(tmp_path, clients=str(known))), str(known)).split()
    assert len(lines) == host_clients.MOST
    assert lines[0] == "192.0.2.1"
    assert lines[-1] == "2001:db8::5"


@pytest.mark.parametrize(
    ("connection", "found"),
    [("2001:db8:0::5%eth0 1234 ::1 22", "2001:db8::5"), ("::ffff:192.0.2.1 1 2 22", "192.0.2.1"), ("", "")],
)
def test_a_process_far_below_the_login_knows_its_client(connection: str, found: str) -> None:
    program = (
        "from ansible_collections.longshore.stack.plugins.module_utils.host_clients import current; print(current())"
    )
    # As sudo does it: the variable is gone from the environment below.
    script = f"env -u SSH_CONNECTION {sys.executable} -c '{program}'; true"
    environment = {**os.environ, "SSH_CONNECTION": connection, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == found
