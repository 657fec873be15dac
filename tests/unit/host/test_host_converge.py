# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One concern of a host, from outside: real files, and a stand-in for systemd that keeps its units in a directory."""

from __future__ import annotations

import contextlib
import getpass
import grp
import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.longshore.stack.plugins.module_utils import host_converge, host_files
from ansible_collections.longshore.stack.plugins.module_utils import run as run_module
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.host_converge import converge
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run
from ansible_collections.longshore.stack.plugins.modules import host_state

if TYPE_CHECKING:
    from pathlib import Path

LISTS = ("repositories", "packages", "packages_absent", "packages_held", "groups", "users", "directories", "files",
         "blocks", "absent", "sweep", "tidy", "commands", "units", "units_former")  # fmt: skip
# A unit is the file units/NAME with its invocation; what it was told stands in `log`.
SYSTEMCTL = """#!/bin/sh
cd "$STAND_IN" || exit 1
verb=$1; shift
case $verb in
show)
    for name in "$@"; do
        case $name in --*) continue ;; esac
        state=inactive; [ -e "running/$name" ] && state=active
        echo LoadState=loaded; echo UnitFileState=enabled; echo NeedDaemonReload=no
        printf 'ActiveState=%s\\nInvocationID=%s\\n\\n' "$state" "$(cat "running/$name" 2>/dev/null)"
    done ;;
start|restart) echo "$verb $1" >>log; wc -l <log >"running/$1" ;;
*) echo "$verb $*" >>log ;;
esac
"""


class Server:
    """A directory that stands for a server."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.owned = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}

    def run(self, *, check: bool = False, work: Run | None = None, **wanted: Any) -> dict[str, Any]:
        """Converge with these parameters; all others are empty."""
        nothing: dict[str, Any] = {name: [] for name in LISTS}
        nothing.update(
            packages_refused={},
            paths_refused={},
            name="test",
            cluster=None,
            hostname="",
            timezone="",
            sysctl=None,
            sysctl_ignore_unsupported=False,
        )
        return converge({**nothing, **wanted}, check, str(self.root / "memory"), work)

    def file(self, name: str, content: str, **more: Any) -> dict[str, Any]:
        """A wanted file."""
        return {"path": str(self.root / name), "content": content, "mode": "0640", "triggers": [], **self.owned, **more}

    def unit(self, **more: Any) -> dict[str, Any]:
        """The wanted unit a.service."""
        return {"name": "a.service", "enabled": True, "state": "started", "masked": False, "restart_on": ["a"],
                "reload_on": ["soft"], "restart": "now", "unless_container": False, **more}  # fmt: skip

    @property
    def log(self) -> list[str]:
        """What systemd was told."""
        path = self.root / "log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    (tmp_path / "bin").mkdir()
    (tmp_path / "running").mkdir()
    program = tmp_path / "bin/systemctl"
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN", str(tmp_path))
    return Server(tmp_path)


class TestFormerUnits:
    @pytest.fixture
    def units(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The directory with the units of three backups of ours, one of them with a log, and one of another stack."""
        directory = server.root / "systemd"
        directory.mkdir()
        for name in ("backup-shop-main", "backup-shop-books", "log-shop-books", "backup-shop-eu-main"):
            stack = "shop-eu" if "eu" in name else "shop"
            more = "[Install]\n" if "log" in name else ""
            (directory / f"{name}.service").write_text(f"ExecStart=keeper /etc/longshore/{stack}/x.json\n{more}")
            if "log" not in name:
                (directory / f"{name}.timer").write_text("[Timer]\n[Install]\n")
        monkeypatch.setattr(host_converge, "UNIT_DIRECTORY", str(directory))
        monkeypatch.setattr(host_files, "UNIT_DIRECTORIES", (str(directory),))
        return directory

    def wanted(self, server: Server) -> list[dict[str, Any]]:
        """Only that of ``main`` is wanted."""
        own = {"containing": " /etc/longshore/shop/", "keep": ["backup-shop-main.service"]}
        return [
            {"pattern": f"{kind}-shop-*.service", "data": [str(server.root / "data"), "/none"], "files": [], **own}
            for kind in ("backup", "log")
        ]

    def test_they_end_and_what_they_made_stays(self, server: Server, units: Path) -> None:
        (server.root / "data").mkdir()
        for name in ("backup-shop-books.timer", "log-shop-books.service", "backup-shop-main.timer"):
            (server.root / "running" / name).write_text("1")
        before = sorted(path.name for path in units.iterdir())
        foreseen = server.run(units_former=self.wanted(server), check=True)
        assert sorted(path.name for path in units.iterdir()) == before
        done = server.run(units_former=self.wanted(server))
        assert foreseen["changes"] == done["changes"]
        assert done["kept"] == foreseen["kept"] == [str(server.root / "data")]
        gone = {"backup-shop-books.service", "backup-shop-books.timer", "log-shop-books.service"}
        assert set(before) - {path.name for path in units.iterdir()} == gone
        ended = ["disable backup-shop-books.timer", "stop backup-shop-books.timer"]
        ended += ["disable log-shop-books.service", "stop log-shop-books.service"]
        assert [line for line in server.log if "reload" not in line] == ended
        assert "daemon-reload " in server.log, "systemd knows them no more"

    @pytest.mark.usefixtures("units")
    def test_a_second_run_changes_nothing(self, server: Server) -> None:
        server.run(units_former=self.wanted(server))
        again = server.run(units_former=self.wanted(server))
        assert (again["changed"], again["kept"]) == (False, [])

    def test_what_is_only_for_them_goes_first(self, server: Server, units: Path) -> None:
        for name in ("books", "main", "eu-main"):
            (server.root / f"{name}.login").write_text("secret")
        (backup, _log) = self.wanted(server)
        done = server.run(units_former=[{**backup, "files": [f"{server.root}/{{}}.login"]}])
        assert sorted(path.name for path in server.root.glob("*.login")) == ["eu-main.login", "main.login"]
        removed = [each for each in done["changes"] if each.endswith("removed")]
        assert removed[0] == f"{server.root}/books.login removed"
        assert len(removed) == 1 + len(["backup-shop-books.service", "backup-shop-books.timer"])
        assert not (units / "backup-shop-books.service").exists()


class TestFiles:
    def test_made_once(self, server: Server) -> None:
        wanted = [server.file("deep/a.conf", "x = 1\n")]
        assert server.run(files=wanted, check=True)["changes"] == [f"file {server.root}/deep/a.conf"]
        assert not (server.root / "deep").exists()
        assert server.run(files=wanted)["changed"]
        assert not server.run(files=wanted)["changed"]
        path = server.root / "deep/a.conf"
        assert path.read_text() == "x = 1\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def test_drift_in_mode_and_content(self, server: Server) -> None:
        wanted = [server.file("a", "1\n")]
        server.run(files=wanted)
        (server.root / "a").chmod(0o777)
        assert server.run(files=wanted)["changed"]
        (server.root / "a").write_text("2\n")
        result = server.run(files=wanted)
        assert result["diff"][0]["before"] == "2\n"
        assert result["diff"][0]["after"] == "1\n"
        assert stat.S_IMODE((server.root / "a").stat().st_mode) == 0o640

    def test_a_refused_file_changes_nothing(self, server: Server) -> None:
        server.run(files=[server.file("a", "good\n")])
        with pytest.raises(HostError, match="left as it is"):
            server.run(files=[server.file("a", "bad\n", validate=["grep", "-q", "good", "%s"], triggers=["a"])])
        assert (server.root / "a").read_text() == "good\n"
        # Nor is anything restarted for it afterwards.
        command = {"argv": ["false"], "triggers": ["a"]}
        assert not server.run(files=[server.file("a", "good\n")], commands=[command])["changed"]
        assert sorted(path.name for path in server.root.iterdir() if path.is_file()) == ["a"]

    def test_secrets_stay_out_of_differences(self, server: Server) -> None:
        result = server.run(files=[server.file("a", "hunter2\n", secret=True)])
        assert "hunter2" not in repr(result)

    def test_a_link_is_replaced_and_its_target_kept(self, server: Server) -> None:
        (server.root / "other").write_text("theirs\n")
        (server.root / "a").symlink_to(server.root / "other")
        server.run(files=[server.file("a", "ours\n")])
        assert (server.root / "other").read_text() == "theirs\n"
        assert (server.root / "a").read_text() == "ours\n"

    def test_source_that_comes_later_in_check_mode(self, server: Server) -> None:
        copy = {**server.file("copy", ""), "content": None, "source": str(server.root / "original")}
        with pytest.raises(HostError, match="does not exist"):
            server.run(files=[copy])
        # Something else would have changed before, and may bring it.
        changed = server.run(files=[server.file("first", "1"), copy], check=True)["changes"]
        assert changed == [f"file {server.root}/first", f"file {server.root}/copy"]

    def test_block_leaves_the_rest_byte_for_byte(self, server: Server) -> None:
        path = server.root / "hosts"
        path.write_bytes(b"127.0.0.1 localhost\n# caf\xe9\nno newline")
        block = {"path": str(path), "name": "shop", "content": "192.0.2.1 a\n", "triggers": []}
        assert server.run(blocks=[block])["changed"]
        assert not server.run(blocks=[block])["changed"]
        assert b"192.0.2.1 a\n" in path.read_bytes()
        server.run(blocks=[{**block, "content": "192.0.2.2 b\n"}])
        assert b"192.0.2.1" not in path.read_bytes()
        server.run(blocks=[{**block, "content": ""}])
        assert path.read_bytes() == b"127.0.0.1 localhost\n# caf\xe9\nno newline\n"

    def test_sweep_removes_what_nobody_wants(self, server: Server) -> None:
        for name in ("x-1.crt", "x-2.crt", "y.crt"):
            (server.root / name).write_text("")
        sweep = [{"pattern": str(server.root / "x-*.crt"), "triggers": []}]
        server.run(files=[server.file("x-1.crt", "")], sweep=sweep)
        assert sorted(path.name for path in server.root.glob("*.crt")) == ["x-1.crt", "y.crt"]

    def test_directories_that_became_empty_go(self, server: Server) -> None:
        for name in ("a/b/x", "c/y"):
            (server.root / name).parent.mkdir(parents=True)
            (server.root / name).write_text("")
        (server.root / "c/theirs").write_text("")
        wanted: dict[str, Any] = {
            "sweep": [{"pattern": str(server.root / "a/b/*"), "triggers": []}],
            "absent": [str(server.root / "c/y")],
            "tidy": [str(server.root / name) for name in ("a/b", "a", "c")],
        }
        predicted, done = server.run(check=True, **wanted), server.run(**wanted)
        assert predicted["changes"] == done["changes"]
        assert sorted(path.name for path in server.root.iterdir() if path.name in "abc") == ["c"]
        assert server.run(**wanted)["changed"] is False

    def test_a_directory_that_holds_something_is_not_removed(self, server: Server) -> None:
        (server.root / "data").mkdir()
        (server.root / "data/kept").write_text("")
        with pytest.raises(HostError, match="not empty"):
            server.run(absent=[str(server.root / "data")])
        assert (server.root / "data/kept").exists()

    @pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
    def test_data_of_somebody_else_keeps_its_owner(self, server: Server) -> None:
        wanted = {"path": str(server.root / "data"), "mode": "0750", "owner": "4711", "group": "4711",
                  "keep_owner_of_data": True}  # fmt: skip
        (server.root / "data").mkdir()
        server.run(directories=[wanted])
        assert (server.root / "data").stat().st_uid == 4711
        (server.root / "data/kept").write_text("")
        assert not server.run(directories=[wanted])["changed"]
        with pytest.raises(HostError, match="holds data of 4711:4711"):
            server.run(directories=[{**wanted, "owner": "4712"}])

    @pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
    def test_what_is_wanted_of_a_new_directory_alone_is_left_to_its_user(self, server: Server) -> None:
        data = server.root / "data"
        wanted = {"path": str(data), "mode": "0755", "owner": "root", "group": "root", "keep_owner_of_data": True,
                  "initial": ["owner", "mode"]}  # fmt: skip
        assert server.run(directories=[wanted])["changed"]
        assert (data.stat().st_uid, stat.S_IMODE(data.stat().st_mode)) == (0, 0o755)
        # As the images of databases do.
        (data / "kept").write_text("")
        os.chown(data, 999, 999)
        data.chmod(0o700)
        assert not server.run(directories=[wanted])["changed"]
        # The mode is asked for, the owner is not.
        server.run(directories=[{**wanted, "mode": "0750", "initial": ["owner"]}])
        assert (data.stat().st_uid, stat.S_IMODE(data.stat().st_mode)) == (999, 0o750)


class TestUnits:
    def test_started_after_its_file_and_not_restarted(self, server: Server) -> None:
        wanted = {"files": [server.file("a", "1", triggers=["a"])], "units": [server.unit()]}
        predicted = server.run(**wanted, check=True)["changes"]
        assert server.log == []
        assert server.run(**wanted)["changes"] == predicted == [f"file {server.root}/a", "a.service: start"]
        assert not server.run(**wanted)["changed"]
        assert server.log == ["start a.service"]

    def test_restarted_when_its_file_changes(self, server: Server) -> None:
        server.run(units=[server.unit()])
        server.run(files=[server.file("a", "2", triggers=["a"])], units=[server.unit()])
        assert server.log[-1] == "restart a.service"

    def test_soft_keys_only_reload(self, server: Server) -> None:
        soft = {"triggers": ["a"], "soft_keys": ["mirrors"], "soft_triggers": ["soft"]}
        server.run(files=[server.file("a", '{"mirrors": [], "log": 1}', **soft)], units=[server.unit()])
        server.run(files=[server.file("a", '{"mirrors": ["x"], "log": 1}', **soft)], units=[server.unit()])
        assert server.log[-1] == "reload a.service"
        server.run(files=[server.file("a", '{"mirrors": [], "log": 2}', **soft)], units=[server.unit()])
        assert server.log[-1] == "restart a.service"

    def test_an_interrupted_run_is_finished_by_the_next(self, server: Server) -> None:
        server.run(units=[server.unit()])
        first = server.file("a", "2", triggers=["a"])
        refused = server.file("b", "x", validate=["false"])
        with pytest.raises(HostError):
            server.run(files=[first, refused], units=[server.unit()])
        assert server.log == ["start a.service"]
        assert server.run(files=[first], units=[server.unit()], check=True)["changes"] == ["a.service: restart"]
        result = server.run(files=[first], units=[server.unit()])
        assert result["resumed"]
        assert server.log == ["start a.service", "restart a.service"]
        assert not server.run(files=[first], units=[server.unit()])["changed"]

    def test_commands_owed_by_an_interrupted_run(self, server: Server) -> None:
        command = {"argv": ["touch", str(server.root / "ran")], "triggers": ["a"]}
        first, refused = server.file("a", "1", triggers=["a"]), server.file("b", "x", validate=["false"])
        with pytest.raises(HostError):
            server.run(files=[first, refused], commands=[command])
        server.run(files=[first], commands=[command])
        assert (server.root / "ran").exists()

    def test_a_delegated_restart_is_due_until_somebody_did_it(self, server: Server) -> None:
        unit = server.unit(restart="delegated")
        server.run(units=[unit])
        changed = {"files": [server.file("a", "2", triggers=["a"])], "units": [unit]}
        assert server.run(**changed, check=True)["restart_needed"] == ["a.service"]
        assert server.run(**changed)["restart_needed"] == ["a.service"]
        again = server.run(**changed)
        assert (again["changed"], again["restart_needed"]) == (False, ["a.service"])
        assert server.log == ["start a.service"]
        (server.root / "running/a.service").write_text("another invocation")
        assert server.run(**changed)["restart_needed"] == []
        assert not list((server.root / "memory").iterdir())

    def test_a_unit_that_does_not_start_says_why(self, server: Server) -> None:
        (server.root / "bin/systemctl").write_text(
            SYSTEMCTL.replace("start|restart)", "start) echo broken >&2; exit 1 ;;\nrestart)")
        )
        with pytest.raises(HostError, match=r"systemctl start a\.service failed: broken"):
            server.run(units=[server.unit()])


class TestStopping:
    @pytest.fixture
    def mark(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The mark of the cancelled run r1; a file that is checked with ``touch MARK`` cancels it in the middle."""
        (server.root / "cancel").mkdir()
        monkeypatch.setattr(run_module, "CANCEL_MARKS", str(server.root / "cancel"))
        return server.root / "cancel/r1"

    def test_what_is_under_way_is_finished_and_nothing_more_begun(self, server: Server, mark: Path) -> None:
        server.run(units=[server.unit()])
        first = server.file("a", "2", triggers=["a"], validate=["touch", str(mark)])
        wanted = {"files": [first, server.file("b", "1")], "units": [server.unit()]}
        with pytest.raises(Cancelled, match="by the operator"):
            server.run(**wanted, work=Run("r1"))
        assert (server.root / "a").read_text() == "2"
        assert not (server.root / "b").exists()
        assert server.log == ["start a.service"]

        result = server.run(**wanted, work=Run("r2"))
        assert result["resumed"]
        assert result["changes"] == [f"file {server.root}/b", "a.service: restart"]
        assert server.log == ["start a.service", "restart a.service"]
        assert not server.run(**wanted)["changed"]
        assert not list((server.root / "memory").iterdir())

    @pytest.mark.parametrize("restart", ["now", "delegated"])
    def test_what_a_change_calls_for_is_owed_by_the_next_run(self, server: Server, mark: Path, restart: str) -> None:
        server.run(units=[server.unit()])
        changed = server.file("a", "2", triggers=["a"], validate=["touch", str(mark)])
        command = {"argv": ["touch", str(server.root / "ran")], "triggers": ["a"]}
        wanted = {"files": [changed], "commands": [command], "units": [server.unit(restart=restart)]}
        with pytest.raises(Cancelled):
            server.run(**wanted, work=Run("r1"))
        assert not (server.root / "ran").exists()
        result = server.run(**wanted)
        assert (server.root / "ran").exists()
        if restart == "now":
            assert server.log[-1] == "restart a.service"
        else:
            assert result["restart_needed"] == ["a.service"]

    def test_a_change_that_was_not_made_is_owed_nothing(self, server: Server, mark: Path) -> None:
        mark.touch()
        wanted = {"files": [server.file("a", "2", triggers=["a"])], "units": [server.unit()]}
        with pytest.raises(Cancelled):
            server.run(**wanted, work=Run("r1"))
        assert not (server.root / "memory").exists()
        assert server.run(**wanted, work=Run("r1"), check=True)["changed"]

    def test_it_stops_without_a_run_when_nobody_reads_its_answer(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(run_module, "_reader_is_gone", lambda _descriptor: True)
        with pytest.raises(Cancelled, match="controller has gone"):
            server.run(files=[server.file("a", "2")])
        assert not (server.root / "a").exists()

    def test_the_module_hands_its_run_over(
        self, server: Server, mark: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        mark.touch()
        monkeypatch.setattr(host_state, "held", lambda _name, _work: contextlib.nullcontext())
        wanted = {"path": str(server.root / "a"), "content": "1", **server.owned}
        asked = {"name": "of a test", "files": [wanted], "run": {"id": "r1", "owner": "me@here"}}
        with patch_module_args(asked), pytest.raises(SystemExit):
            host_state.main()
        answer = json.loads(capsys.readouterr().out)
        assert (answer["failed"], answer["cancelled"]) == (True, True)
        assert answer["msg"] == "stopped: cancelled by the operator"
        assert not (server.root / "a").exists()


@pytest.mark.parametrize("mode", ["rw-r--r--", "0x1ff", ""])
def test_modes_are_octal(server: Server, mode: str) -> None:
    with pytest.raises(HostError, match="not an octal mode"):
        server.run(files=[server.file("a", "", mode=mode)])
