# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reload writes nothing where an HAProxy that was taken over could have planted something."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import haproxy_files, haproxy_process
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import settings_of
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_render import STATE_FILE, render
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_unit import units_of

STATE = "1\n# be_id be_name\n"


def answers(asked: list[tuple[str, str]]) -> object:
    """A running HAProxy that notes what it is asked."""

    def ask(path: str, command: str, _timeout: float) -> str:
        asked.append((Path(path).name, command))
        return STATE if command == "show servers state" else "Success=1\n"

    return ask


def test_root_writes_only_where_haproxy_cannot() -> None:
    owners = {path: user for path, _mode, user, _group in haproxy_files.DIRECTORIES}
    directory = str(Path(STATE_FILE).parent)
    assert owners[directory] == 0
    text = render([], settings_of([]), 9000, True)["haproxy.cfg"]
    assert f"    server-state-file {STATE_FILE}\n" in text
    unit = units_of(settings_of([]), 9000)["/etc/systemd/system/longshore-haproxy.service"]
    assert f"ExecStartPre=-/bin/rm --force {STATE_FILE}\n" in unit
    assert f"--volume {directory}:{directory}:ro" in unit


@pytest.mark.parametrize("planted", ["servers", "servers.new"])
def test_a_planted_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str) -> None:
    target = tmp_path / "shadow"
    target.write_text("root's own")
    (tmp_path / planted).symlink_to(target)
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(haproxy_process, "STATE_FILE", str(tmp_path / "servers"))
    monkeypatch.setattr(haproxy_process, "_ask", answers(asked))
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    if planted == "servers":
        haproxy_process.reload_worker()
        assert asked == [("admin.sock", "show servers state"), ("master.sock", "reload")]
        assert not (tmp_path / "servers").is_symlink()
    else:
        with pytest.raises(haproxy_process.HaproxyError, match="did not answer"):
            haproxy_process.reload_worker()
    assert target.read_text() == "root's own"


def test_a_state_is_there_for_the_reload_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "servers"
    seen: list[str] = []

    def ask(_path: str, command: str, _timeout: float) -> str:
        if command == "reload":
            seen.append(file.read_text())
        return STATE if command != "reload" else "Success=0\nsays no\n"

    monkeypatch.setattr(haproxy_process, "STATE_FILE", str(file))
    monkeypatch.setattr(haproxy_process, "_ask", ask)
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    with pytest.raises(haproxy_process.HaproxyError, match="serves on with the old one: says no"):
        haproxy_process.reload_worker()
    assert seen == [STATE]
    assert list(tmp_path.iterdir()) == []
