# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure parts of packages, users, kernel settings and identity."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from ansible_collections.longshore.stack.plugins.module_utils import (
    host_packages,
    host_sysctl,
    host_units,
    host_users,
)
from ansible_collections.longshore.stack.plugins.module_utils.host_change import Host, HostError

ROOT = Path(__file__).resolve().parents[3]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAMc+g9vEPAMyDVEOJbqK3kI9PvKc9k9nQw+1n9wyh5m anna@example"
POLICY = """docker.io:
  Installed: (none)
  Candidate: 26.1.5+dfsg1-9
nosuch:
  Installed: (none)
  Candidate: (none)
"""


class TestPackages:
    def test_candidates(self) -> None:
        assert host_packages.candidates(POLICY) == {"docker.io"}

    def test_newer_versions(self) -> None:
        text = "".join(
            f"{name}:\n  Installed: {installed}\n  Candidate: {candidate}\n  Version table:\n *** {installed} 100\n"
            for name, installed, candidate in (
                ("a", "1", "2"),
                ("b", "2", "2"),
                ("c", "(none)", "3"),
                ("d", "4", "(none)"),
            )
        )
        assert host_packages.newer(text) == {"a": ("1", "2")}

    def test_alternatives(self) -> None:
        assert host_packages.alternatives("a1 | b2:arm64") == ["a1", "b2:arm64"]

    @pytest.mark.parametrize("name", ["--reinstall", "a;b", "A b", ""])
    def test_what_is_no_name_never_reaches_apt(self, name: str) -> None:
        with pytest.raises(HostError, match="not a package"):
            host_packages.alternatives(name)

    @pytest.mark.parametrize(("state", "installed"), [("ii ", True), ("hi ", True), ("iF ", False), ("rc ", False)])
    def test_half_configured_is_not_installed(self, state: str, installed: bool) -> None:
        assert host_packages.is_installed(state) is installed


class Apt:
    """A stand-in for dpkg and apt: what is installed, what the package lists offer, and what an update finds."""

    def __init__(self, installed: set[str], offered: set[str], archive: set[str]) -> None:
        self.installed, self.offered, self.archive = installed, offered, archive

    def attempt(self, argv: Sequence[str], **_more: object) -> tuple[int, str, str]:
        if argv[0] == "dpkg-query":
            return 1, "".join(f"{name} ii \n" for name in argv if name in self.installed), ""
        if "update" in argv:
            self.offered = self.archive
            return 0, "", ""
        names = set(argv[argv.index("install") + 1 :])
        self.installed |= names & self.offered
        return (0, "", "") if names <= self.offered else (100, "", "Unable to locate package")

    def run(self, argv: Sequence[str], **_more: object) -> str:
        return "".join(f"{name}:\n  Candidate: {'1' if name in self.offered else '(none)'}\n" for name in argv[2:])


class TestAlternatives:
    """The client, which newer distributions have in a package of its own."""

    ENGINE = ("docker.io", "docker-cli | docker.io")

    def installed(self, apt: Apt, monkeypatch: pytest.MonkeyPatch, directory: Path) -> list[str]:
        """What a run installs."""
        monkeypatch.setattr(host_packages, "attempt", apt.attempt)
        monkeypatch.setattr(host_packages, "run", apt.run)
        monkeypatch.setattr(host_packages, "POLICY", str(directory / "policy-rc.d"))
        before = set(apt.installed)
        wanted = {"packages": self.ENGINE, "packages_absent": [], "packages_held": []}
        for change in host_packages.plan(wanted, Host(check=False)):
            change.apply()
        return sorted(apt.installed - before)

    @pytest.mark.parametrize("archive", [{"docker.io", "docker-cli"}, {"docker.io"}])
    @pytest.mark.parametrize("lists_are_there", [True, False])
    def test_all_that_the_distribution_has(
        self, archive: set[str], lists_are_there: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        apt = Apt(set(), archive if lists_are_there else set(), archive)
        assert self.installed(apt, monkeypatch, tmp_path) == sorted(archive)
        assert self.installed(apt, monkeypatch, tmp_path) == []

    def test_what_a_killed_run_left_out_is_installed(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        archive = {"docker.io", "docker-cli"}
        assert self.installed(Apt({"docker.io"}, archive, archive), monkeypatch, tmp_path) == ["docker-cli"]

    def test_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(host_packages, "attempt", Apt({"docker-ce"}, set(), set()).attempt)
        host_packages.refuse({"docker.io": "why"})
        with pytest.raises(HostError, match="docker-ce is installed: why"):
            host_packages.refuse({"docker.io": "", "docker-ce": "why"})


class TestUsers:
    def test_keys_of_others_stay(self) -> None:
        text = host_users.key_text([KEY], "ssh-rsa THEIRS x\n", exclusive=False)
        assert text.startswith("ssh-rsa THEIRS x\n")
        assert KEY in text
        assert host_users.key_text([], text, exclusive=False) == "ssh-rsa THEIRS x\n"

    def test_exclusive(self) -> None:
        assert host_users.key_text([KEY], "ssh-rsa THEIRS x\n", exclusive=True) == f"{KEY}\n"

    @pytest.mark.parametrize(
        "key", ["", "anna", "~/.ssh/id.pub", f"{KEY}\nssh-rsa more", "-----BEGIN PRIVATE KEY-----"]
    )
    def test_what_is_no_key_is_refused(self, key: str) -> None:
        with pytest.raises(HostError, match="not a public key"):
            host_users.key_text([key], "", exclusive=False)

    def test_options_before_a_key(self) -> None:
        assert 'from="192.0.2.0/24"' in host_users.key_text([f'from="192.0.2.0/24" {KEY}'], "", exclusive=False)

    def test_days(self) -> None:
        # shadow(5): days since 1970-01-01
        assert host_users.days("1970-02-01") == "31"
        assert host_users.days("") == ""
        with pytest.raises(HostError, match="not a date"):
            host_users.days("tomorrow")

    def test_creation(self) -> None:
        wanted = {"name": "anna", "shell": "/bin/sh", "system": False, "uid": 1200, "home": None, "expires": None,
                  "groups": ["sudo", "docker"]}  # fmt: skip
        argv = host_users.creation(wanted)
        assert argv[0] == "useradd"
        assert argv[-1] == "anna"
        assert argv[argv.index("--groups") + 1] == "sudo,docker"
        assert "--create-home" in argv

    @pytest.mark.parametrize(
        ("more", "expected"),
        [
            ({"state": "absent"}, "is not removed"),
            ({"expires": "2020-01-31"}, "does not expire on 2020-01-31"),
            ({}, "does not lose sudo"),
        ],
    )
    def test_nobody_locks_himself_out(
        self, more: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SUDO_USER", "ops")
        monkeypatch.setattr(host_users, "SUDOERS", str(tmp_path))
        (tmp_path / "longshore-ops").touch()
        wanted = {"name": "ops", "state": "present", "expires": None, "sudo": "", "shell": "/bin/bash", **more}
        with pytest.raises(HostError, match=f"ops {expected}"):
            host_users.refuse_lockout([{**wanted, "name": "other"}, wanted])
        # Who isn't here, and sudo that was given by somebody else, are not ours to take away.
        host_users.refuse_lockout(
            [{**wanted, "name": "other"}, {**wanted, "state": "present", "sudo": "ALL", "expires": ""}]
        )
        (tmp_path / "longshore-ops").unlink()
        host_users.refuse_lockout([{**wanted, "state": "present", "expires": "2999-01-01"}])

    @pytest.mark.parametrize(
        ("shell", "expected"),
        [
            ("missing", "is not on this server: .*Install it first, or keep /bin/bash. Nothing on this server was"),
            ("text", "cannot be executed: .*Install it first"),
            ("nologin", "is not in .*shells: .*Choose one that is, such as /bin/bash. Nothing on this server was"),
            ("zsh", ""),
        ],
    )
    def test_a_shell_that_lets_nobody_in(
        self, shell: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, mode in (("text", 0o644), ("nologin", 0o755), ("zsh", 0o755)):
            (tmp_path / name).touch(mode)
        (tmp_path / "shells").write_text(f"# login shells\n{tmp_path}/zsh\n{tmp_path}/text\n{tmp_path}/missing\n")
        account = pwd.struct_passwd(("ops", "x", 1200, 1200, "", str(tmp_path), "/bin/bash"))
        monkeypatch.setenv("SUDO_USER", "ops")
        monkeypatch.setattr(host_users, "SHELLS", str(tmp_path / "shells"))
        monkeypatch.setattr(host_users.pwd, "getpwnam", lambda _name: account)
        wanted = {"name": "ops", "state": "present", "expires": None, "sudo": "ALL", "shell": f"{tmp_path}/{shell}"}
        # What the others may have is their own matter, and who came in with a shell can do so again.
        host_users.refuse_lockout([{**wanted, "name": "other"}, {**wanted, "shell": "/bin/bash"}])
        if not expected:
            host_users.refuse_lockout([wanted])
            return
        with pytest.raises(HostError, match=f"ops does not get the shell {tmp_path}/{shell}, which {expected}"):
            host_users.refuse_lockout([wanted])

    @pytest.mark.parametrize("known", [True, False])
    def test_nobody_gets_a_shell_that_is_not_there(
        self, known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = pwd.struct_passwd(("anna", "x", 1200, 1200, "", str(tmp_path), "/bin/bash"))
        monkeypatch.setattr(host_users.pwd, "getpwnam", {"anna" if known else "": account}.__getitem__)
        wanted = {"name": "anna", "state": "present", "uid": None, "home": None, "shell": f"{tmp_path}/zsh", "keys": [],
                  "keys_exclusive": False, "expires": None, "sudo": "", "groups": [], "system": False}  # fmt: skip
        with pytest.raises(HostError, match="zsh of anna is not on this server: install it first"):
            next(host_users.plan_users([wanted], Host(check=False), str(tmp_path)))
        # The package that brings it would be installed by now.
        expected = "shell of anna" if known else "user anna"
        assert next(host_users.plan_users([wanted], Host(check=True), str(tmp_path))).what == expected

    def test_only_groups_that_were_given_are_taken_away(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        members = {"adm": ["anna"], "docker": [], "sudo": []}

        def run(argv: Sequence[str]) -> str:
            for group, users in members.items():
                if argv[0] == "usermod" and group in argv[3].split(","):
                    users.append("anna")
                elif argv[0] == "gpasswd" and argv[-1] == group:
                    users.remove("anna")
            return ""

        account = pwd.struct_passwd(("anna", "x", 1200, 1200, "", str(tmp_path), "/bin/bash"))
        monkeypatch.setattr(host_users, "run", run)
        monkeypatch.setattr(host_users.pwd, "getpwnam", lambda _name: account)
        monkeypatch.setattr(
            host_users.grp, "getgrnam", lambda group: grp.struct_group((group, "x", 1, list(members[group])))
        )

        def converge(groups: list[str]) -> list[str]:
            wanted = {"name": "anna", "state": "present", "uid": None, "home": None, "shell": "/bin/bash", "keys": [],
                      "keys_exclusive": False, "expires": None, "sudo": "", "groups": groups}  # fmt: skip
            done = []
            for change in host_users.plan_users([wanted], Host(check=False), str(tmp_path / "memory")):
                change.apply()
                done.append(change.what)
            return done

        assert converge(["adm", "docker"]) == ["groups of anna"]
        assert converge([]) == ["group docker of anna taken away"]
        assert members == {"adm": ["anna"], "docker": [], "sudo": []}
        assert converge([]) == []
        # What was given, and then taken away and given again by others, is theirs.
        converge(["sudo"])
        members["sudo"].clear()
        assert converge([]) == []
        members["sudo"].append("anna")
        assert converge([]) == []


class TestSysctl:
    @pytest.mark.parametrize(
        ("key", "path"),
        [
            ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            ("net/ipv4/conf/eth0.5/rp_filter", "/proc/sys/net/ipv4/conf/eth0.5/rp_filter"),
            ("net.ipv4.conf.eth0/5.rp_filter", "/proc/sys/net/ipv4/conf/eth0.5/rp_filter"),
        ],
    )
    def test_paths_as_sysctl_reads_them(self, key: str, path: str) -> None:
        assert host_sysctl.live_path(key) == path

    def test_the_kernel_separates_by_tabs(self) -> None:
        assert host_sysctl.normal("4096\t87380\t6291456\n") == host_sysctl.normal("4096 87380  6291456")

    @pytest.mark.parametrize("port", [15672, 16379, 25672, 26379, 27017, 28015])
    def test_no_connection_takes_the_port_of_a_service(self, port: int) -> None:
        settings = yaml.safe_load((ROOT / "roles/server/vars/main.yml").read_text())["__server_sysctl_defaults"]
        first, last = map(int, settings["net.ipv4.ip_local_port_range"].split())
        assert not first <= port <= last


def test_answers_of_systemctl_show() -> None:
    text = "LoadState=loaded\nActiveState=active\n\nLoadState=not-found\nActiveState=inactive\n"
    assert host_units.parse(text) == [
        {"LoadState": "loaded", "ActiveState": "active"},
        {"LoadState": "not-found", "ActiveState": "inactive"},
    ]
