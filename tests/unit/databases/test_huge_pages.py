# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Huge pages: as many as PostgreSQL needs, of all instances together, and none when nobody wants them any more.

A kernel's own are those of the whole machine, which the lab's servers share: so they are imitated here.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import host_sysctl, huge_pages
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.huge_pages import HugePages


class Server:
    """A kernel with so many free pages at most, and instances by port: what each needs, and whether it uses them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.live = root / "vm/nr_hugepages"
        self.live.parent.mkdir()
        self.live.write_text("0\n")
        self.most = 1000
        self.needs = {5432: "70", 5433: "30"}
        self.uses = {5432: False, 5433: False}

    def answer(self, port: int, text: str) -> str:
        """What PostgreSQL says."""
        return self.needs[port] if text.endswith("in_huge_pages") else "on" if self.uses[port] else "off"

    def meminfo(self) -> bytes:
        """What the kernel says."""
        used = sum(int(self.needs[port]) for port, uses in self.uses.items() if uses)
        return f"MemTotal: 9 kB\nHugePages_Free: {min(int(self.live.read_text()), self.most) - used}\n".encode()

    def up(self, name: str, port: int, wanted: bool) -> list[str]:
        """What a run does."""
        changes = []
        for change in HugePages(name, port).plan(wanted, check=False):
            changes.append(change.what)
            change.apply()
        return changes


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server(tmp_path)

    class Instance:
        def __init__(self, port: int) -> None:
            self.port = port

        def sql(self, text: str) -> str:
            return made.answer(self.port, text)

    def read(path: str) -> bytes | None:
        if path == "/proc/meminfo":
            return made.meminfo()
        return Path(path).read_bytes() if Path(path).exists() else None

    monkeypatch.setattr(huge_pages, "Instance", Instance)
    monkeypatch.setattr(huge_pages, "NOTES", str(tmp_path))
    monkeypatch.setattr(huge_pages, "read", read)
    monkeypatch.setattr(huge_pages, "replace", lambda path, content, *_rest: Path(path).write_bytes(content))
    monkeypatch.setattr(host_sysctl, "LIVE", str(tmp_path))
    # The file that keeps them is written like every other one of the kernel's settings.
    monkeypatch.setattr(host_sysctl, "plan_files", lambda _files, _host: [])
    monkeypatch.setattr(host_sysctl, "plan_absent", lambda _paths, _host: [])
    return made


def test_those_of_all_instances_are_reserved_and_given_back(server: Server) -> None:
    assert server.up("shop-main", 5432, wanted=False) == []
    assert server.up("shop-main", 5432, wanted=True) == ["huge pages: 70", "sysctl vm.nr_hugepages"]
    assert server.up("shop-main", 5432, wanted=True) == []
    assert server.up("blog-main", 5433, wanted=True) == ["huge pages: 30", "sysctl vm.nr_hugepages"]
    assert server.live.read_text() == "100\n"
    server.needs[5432] = "80"
    server.up("shop-main", 5432, wanted=True)
    assert server.live.read_text() == "110\n"
    assert server.up("shop-main", 5432, wanted=False) == ["huge pages: none", "sysctl vm.nr_hugepages"]
    assert server.live.read_text() == "30\n"
    server.up("blog-main", 5433, wanted=False)
    assert server.live.read_text() == "0\n"


def test_a_restart_is_due_once_they_are_there_and_only_then(server: Server) -> None:
    pages = HugePages("shop-main", 5432)
    assert not pages.due(wanted=True)
    server.up("shop-main", 5432, wanted=True)
    assert pages.due(wanted=True)
    assert not pages.due(wanted=False)
    assert pages.notice(wanted=True) == ""
    server.uses[5432] = True
    assert not pages.due(wanted=True)
    assert pages.notice(wanted=True) == ""


def test_what_the_kernel_has_not_is_told_and_restarts_nothing(server: Server) -> None:
    server.most = 60
    server.up("shop-main", 5432, wanted=True)
    pages = HugePages("shop-main", 5432)
    assert not pages.due(wanted=True)
    assert "the kernel has 60 that are free, and it needs 70. Restart the server" in pages.notice(wanted=True)


def test_those_of_somebody_else_and_a_kernel_without_are_refused(server: Server) -> None:
    server.live.write_text("512\n")
    with pytest.raises(HostError, match="somebody else has reserved 512 huge pages"):
        server.up("shop-main", 5432, wanted=True)
    server.live.write_text("0\n")
    server.needs[5432] = "-1"
    with pytest.raises(HostError, match="knows no huge pages"):
        server.up("shop-main", 5432, wanted=True)
