# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data on disks of their own: what is not mounted is never made anew, and a move that is killed anywhere loses nothing.

Mounting and copying are imitated here; they are tried on real servers.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import data_place
from ansible_collections.longshore.stack.plugins.module_utils.data_file_system import Mounts, unfit
from ansible_collections.longshore.stack.plugins.module_utils.data_place import Place, unit_of
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.run import Run

WRITING = ("rename", "unlink", "rmdir", "makedirs")


class KilledError(BaseException):
    """What a run that is killed does no more."""


class Machine:
    """A server: its ``os`` and programs as far as a place uses them, which end at the call number ``last``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "lib/shop-main"
        self.running = False
        self.mounted = ""
        self.calls = 0
        self.last = 0
        (root / "mnt/fast").mkdir(parents=True)
        (root / "mnt/other").mkdir()

    def __getattr__(self, name: str) -> Any:
        if name in ("chown", "chmod", "sync"):
            return lambda *_words: None
        return self._counted(getattr(os, name)) if name in WRITING else getattr(os, name)

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*words: Any, **more: Any) -> Any:
            self.calls += 1
            if self.calls == self.last:
                raise KilledError
            return call(*words, **more)

        return counted

    def run(self, argv: list[str], **_more: Any) -> str:
        """A program."""
        return str(self._counted(self._run)(argv))

    def _run(self, argv: list[str]) -> str:
        if argv[:2] == ["systemctl", "stop"]:
            if argv[2].endswith(".mount"):
                self.unmount()
            self.running = False
        elif argv[:2] == ["systemctl", "start"]:
            self.mount()
        elif argv[0] == "rm":
            shutil.rmtree(argv[-1])
        return ""

    def mount(self) -> None:
        """What systemd does for the mount unit: a link stands for the mount."""
        lines = dict(
            line.split("=", 1)
            for line in (self.root / "units" / unit_of(str(self.data))).read_text().split("\n")
            if "=" in line
        )
        if not Path(lines["AssertPathExists"]).exists():
            raise HostError("assertion failed")
        self.data.rename(self.data.with_name("below"))
        self.data.symlink_to(lines["What"])
        self.mounted = lines["What"]

    def unmount(self) -> None:
        """The same backwards."""
        self.data.unlink()
        self.data.with_name("below").rename(self.data)
        self.mounted = ""

    def text_of(self, path: str) -> str:
        """What the kernel says is mounted."""
        if path != "/proc/self/mountinfo":
            return ""
        own = f"2 1 0:1 / {self.data} rw - ext4 /dev/sdb rw\n" if self.mounted else ""
        return f"1 0 0:1 / / rw - ext4 /dev/sda rw\n{own}"

    def restart(self) -> str:
        """A restart of the server: what the instance finds when it is started; empty when it may not start."""
        if self.mounted:
            self.unmount()
        if any((self.root / "notes").glob("*.switching")):
            return ""
        if (self.root / "units" / unit_of(str(self.data))).exists():
            try:
                self.mount()
            except HostError:
                return ""
        return (self.data / "rows").read_text() if (self.data / "rows").exists() else "nothing"

    def place(self) -> Place:
        """What a run knows of it."""
        return Place("postgresql", "shop-main", Run(), "17", Mounts(self.text_of))

    def start(self) -> None:
        """What has the instance start."""
        if self.calls != self.last:
            self.running = True

    def up(self, directory: str) -> list[str]:
        """What a run does."""
        place = self.place()
        changes = list(place.present(directory, check=False))
        if place.due(directory):
            changes.append("move")
            place.move(directory, lambda: None, self.start)
        self.running = True
        return changes


class Copied:
    """Stands for the copying."""

    def __init__(self, source: str, target: str, _work: Run) -> None:
        self.source, self.target = source, target

    def running(self) -> None:
        """A half copy."""
        (Path(self.target) / "rows").write_text("ha")

    def last(self) -> None:
        """A whole one."""
        shutil.copytree(self.source, self.target, dirs_exist_ok=True)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A server without data."""
    made = Machine(tmp_path)
    kinds = {"postgresql": (str(tmp_path / "lib/{name}"), "postgresql-{version}", ("patroni@{name}.service",))}
    for name, value in (
        ("UNITS", str(tmp_path / "units")),
        ("NOTES", str(tmp_path / "notes")),
        ("KINDS", kinds),
        ("Copy", Copied),
        ("run", made.run),
        ("os", made),
        ("replace", lambda path, content, *_rest: written(Path(path), content)),
        ("room", lambda _directory: {"free": 1 << 40}),
    ):
        monkeypatch.setattr(data_place, name, value)
    return made


def written(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def with_rows(machine: Machine) -> Machine:
    """One whose instance has data below /var/lib."""
    machine.data.mkdir(parents=True)
    (machine.data / "rows").write_text("all")
    machine.running = True
    return machine


def test_a_new_instance_has_its_place_and_a_second_run_changes_nothing(machine: Machine) -> None:
    fast = str(machine.root / "mnt/fast")
    assert machine.up(fast) == [f"make {fast}/shop-main/postgresql-17"]
    (machine.data / "rows").write_text("all")
    assert (machine.root / "mnt/fast/shop-main/postgresql-17/rows").read_text() == "all"
    assert machine.up(fast) == []
    assert machine.restart() == "all"


def test_what_is_not_mounted_is_neither_started_nor_made_anew(machine: Machine) -> None:
    fast = machine.root / "mnt/fast"
    machine.up(str(fast))
    (machine.data / "rows").write_text("all")
    fast.rename(machine.root / "mnt/away")
    fast.mkdir()
    assert machine.restart() == ""
    for check in (True, False):
        with pytest.raises(HostError, match="Nothing was made in its place"):
            list(machine.place().present(str(fast), check))
    assert [*fast.iterdir(), *machine.data.iterdir()] == []
    # Wherever the file would have them now.
    with pytest.raises(HostError, match="Nothing was made in its place"):
        list(machine.place().present("", check=False))
    fast.rmdir()
    (machine.root / "mnt/away").rename(fast)
    assert machine.up(str(fast)) == [f"mount {machine.data}"]
    assert (machine.data / "rows").read_text() == "all"


def test_data_move_there_on_and_back_and_the_former_are_kept(machine: Machine) -> None:
    fast, other = (str(machine.root / "mnt" / name) for name in ("fast", "other"))
    with_rows(machine)
    for directory in (fast, other, ""):
        assert machine.up(directory) == ["move"]
        assert machine.place().current == directory
        assert machine.up(directory) == []
        assert machine.restart() == "all"
        assert machine.up(directory) == []
    kept = [path.parent for path in machine.root.rglob("*.moved-*/rows") if path.read_text() == "all"]
    assert sorted(path.parent.name for path in kept) == ["lib", "shop-main", "shop-main"]
    assert not list(machine.root.glob("notes/*"))
    assert not [path for path in machine.root.glob("units/**/*") if path.is_file()]


@pytest.mark.parametrize("way", ["there", "on", "back"])
def test_a_move_that_is_killed_anywhere_is_finished_by_the_next_run(machine: Machine, way: str, tmp_path: Path) -> None:
    """Whatever was done by then: who starts finds all rows or does not start, and the next run ends what was begun."""
    fast, other = (str(machine.root / "mnt" / name) for name in ("fast", "other"))
    before, after = {"there": ("", fast), "on": (fast, other), "back": (fast, "")}[way]
    with_rows(machine)
    machine.up(before)
    kept = tmp_path.with_name(f"before-{way}")
    shutil.copytree(tmp_path, kept, symlinks=True)
    mounted = machine.mounted
    for last in range(1, 100):
        shutil.rmtree(tmp_path)
        shutil.copytree(kept, tmp_path, symlinks=True)
        machine.calls, machine.last, machine.mounted, machine.running = 0, last, mounted, True
        try:
            machine.up(after)
        except KilledError:
            machine.last = 0
        else:
            break
        assert machine.restart() in ("all", ""), f"killed at call {last}"
        machine.up(after)
        assert machine.place().current == after
        assert (machine.data / "rows").read_text() == "all"
        assert machine.restart() == "all"
    assert 8 < last < 99


def test_a_disk_that_goes_in_the_middle_of_a_move_leaves_nothing_to_start(machine: Machine) -> None:
    fast = machine.root / "mnt/fast"
    with_rows(machine)
    for last in range(1, 100):
        machine.calls, machine.last = 0, last
        try:
            machine.up(str(fast))
        except KilledError:
            if list((machine.root / "notes").glob("*.switching")):
                break
        machine.running = True
    machine.last = 0
    fast.rename(machine.root / "mnt/away")
    fast.mkdir()
    assert machine.restart() == ""
    with pytest.raises(HostError, match="not mounted"):
        machine.up(str(fast))
    assert machine.restart() == ""
    assert not any(fast.iterdir())
    fast.rmdir()
    (machine.root / "mnt/away").rename(fast)
    machine.up(str(fast))
    assert machine.restart() == "all"


def test_what_somebody_else_has_mounted_stays_his(machine: Machine) -> None:
    with_rows(machine)
    machine.mounted = "/dev/sdc"
    with pytest.raises(HostError, match="a mount of somebody else's"):
        machine.up(str(machine.root / "mnt/fast"))


def test_a_move_that_is_not_wanted_any_more_is_given_up(machine: Machine) -> None:
    fast = str(machine.root / "mnt/fast")
    with_rows(machine)
    place = machine.place()

    def refused() -> None:
        raise HostError("nobody can take over")

    with pytest.raises(HostError, match="nobody"):
        place.move(fast, refused, machine.start)
    assert machine.running
    assert machine.up("") == [f"give up the move to {fast}"]
    assert not any(Path(fast, "shop-main").iterdir())
    assert machine.restart() == "all"


def test_a_copy_that_differs_leaves_the_instance_where_it_was(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_rows(machine)

    def differs(_self: Copied) -> None:
        raise HostError("the copy differs")

    monkeypatch.setattr(Copied, "last", differs)
    with pytest.raises(HostError, match="differs"):
        machine.up(str(machine.root / "mnt/fast"))
    assert machine.running
    assert machine.restart() == "all"


def test_too_little_room_and_foreign_data_are_refused_before_anything_is_touched(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = machine.root / "mnt/fast"
    with_rows(machine)
    (fast / "shop-main").mkdir()
    (fast / "shop-main/photos").mkdir()
    with pytest.raises(HostError, match="holds photos, which is not known"):
        machine.up(str(fast))
    (fast / "shop-main/photos").rmdir()
    monkeypatch.setattr(data_place, "room", lambda _directory: {"free": 1000})
    with pytest.raises(HostError, match="has room for 0 MB; nothing was moved"):
        machine.up(str(fast))
    assert not any((fast / "shop-main").iterdir())
    assert machine.running


def test_unit_names() -> None:
    assert unit_of("/var/lib/postgresql/17/shop-main") == "var-lib-postgresql-17-shop\\x2dmain.mount"
    assert unit_of("/srv/a_b/.c d") == "srv-a_b-.c\\x20d.mount"


MOUNTINFO = r"""
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:20 / /mnt/memory rw - tmpfs tmpfs rw
23 21 8:17 / /mnt/my\040disk rw - xfs /dev/sdb1 rw
24 21 0:30 / /mnt/share rw - nfs4 nas:/share rw
"""
FSTAB = """
# /dev/sdz1 /mnt/unused ext4 defaults 0 2
/dev/sdb1 /mnt/my\\040disk xfs defaults 0 2
/dev/sdc1 /mnt/away xfs defaults,nofail 0 2
"""


@pytest.mark.parametrize(
    ("directory", "words"),
    [
        ("/mnt/memory/fast", "in memory"),
        ("/mnt/share", "over a network"),
        ("/mnt/away/fast", "/mnt/away is in /etc/fstab, and not mounted"),
        ("/mnt/my disk/fast", ""),
        ("/mnt/unused", ""),
    ],
)
def test_a_file_system_that_is_not_fit_for_data(monkeypatch: pytest.MonkeyPatch, directory: str, words: str) -> None:
    mounts = Mounts(lambda path: MOUNTINFO if path == "/proc/self/mountinfo" else FSTAB)
    monkeypatch.setattr(os.path, "isdir", lambda _path: True)
    monkeypatch.setattr(os, "statvfs", lambda _path: type("Found", (), {"f_flag": 0}))
    found = unfit(directory, mounts, write=False)
    assert words in found
    assert bool(found) == bool(words)


def test_a_directory_that_is_not_there_or_a_link_is_refused(tmp_path: Path) -> None:
    mounts = Mounts(lambda path: "1 0 8:1 / / rw - ext4 /dev/sda rw" if path == "/proc/self/mountinfo" else "")
    assert "no such directory" in unfit(str(tmp_path / "nothing"), mounts, write=True)
    (tmp_path / "link").symlink_to(tmp_path)
    assert f"leads to {tmp_path}" in unfit(str(tmp_path / "link"), mounts, write=True)
