# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values made once, and the internal authority with the real openssl."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.longshore.stack.plugins.filter.internal_login import internal_login
from ansible_collections.longshore.stack.plugins.module_utils import ca_openssl
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.host_credentials import (
    completed,
    further,
    store,
    stored,
    turned,
)

FORM = {"length": 32, "alphabet": "hex"}
TURNS = {**FORM, "turns": True}
SANS = ["DNS:registry.example", "IP:192.0.2.1", "IP:2001:db8::1"]


class TestCredentials:
    def test_made_once_and_kept(self, tmp_path: Path) -> None:
        directory = str(tmp_path / "cluster/keys")
        names = {"a.key": FORM, "b": {"length": 20, "alphabet": "alphanumeric"}}
        first = completed(names, stored(directory, names), {}, make=True)
        store(directory, first, 0o700)
        assert len(first["a.key"]) == 32
        assert stored(directory, names) == first
        assert completed(names, stored(directory, names), {}, make=True) == first
        assert stat.S_IMODE(Path(directory).stat().st_mode) == 0o700
        assert stat.S_IMODE((Path(directory) / "a.key").stat().st_mode) == 0o600

    def test_what_is_known_elsewhere_wins_over_new(self) -> None:
        assert completed({"a": FORM}, {}, {"a": "known"}, make=True) == {"a": "known"}

    def test_two_values_are_an_error(self) -> None:
        with pytest.raises(HostError, match="differs between servers"):
            completed({"a": FORM}, {"a": "1"}, {"a": "2"}, make=True)

    def test_a_turn_has_two_values_until_it_ends(self) -> None:
        names = {"a": TURNS}
        begun = turned(names, {"a": "first"}, {"a": "begun"})["a"]
        number, new, former = begun.split(":")
        assert (number, len(new), former) == ("1", 32, "first")
        assert turned(names, {"a": begun}, {"a": "begun"}) == {"a": begun}, "an interrupted one goes on"
        moved = turned(names, {"a": begun}, {"a": "moved"})
        assert moved == {"a": f"{begun}:moved"}
        assert turned(names, moved, {"a": "begun"}) == turned(names, moved, {"a": "moved"}) == moved
        assert turned(names, {"a": f"1:{new}"}, {"a": "moved"}) == {"a": f"1:{new}"}
        assert further("a", TURNS, begun, moved["a"]) == further("a", TURNS, moved["a"], begun) == moved["a"]
        assert further("a", TURNS, f"1:{new}", moved["a"]) == f"1:{new}"
        assert turned(names, moved, {"a": "ended"}) == {"a": f"1:{new}"}
        assert turned(names, {"a": begun}, {"a": "ended"}) == {"a": f"1:{new}"}
        assert turned(names, {"a": f"1:{new}"}, {"a": "ended"}) == {"a": f"1:{new}"}
        assert turned(names, {"a": f"1:{new}"}, {"a": "begun"})["a"].split(":")[::2] == ["2", new]

    @pytest.mark.parametrize(
        ("older", "newer"),
        [("first", "1:second:first"), ("1:second:first", "1:second"), ("first", "1:second"), ("9:x", "10:y:x")],
    )
    def test_a_server_that_was_away_gets_the_further_value(self, older: str, newer: str) -> None:
        for here, given in ((older, newer), (newer, older)):
            assert completed({"a": TURNS}, {"a": here}, {"a": given}, make=True) == {"a": newer}

    @pytest.mark.parametrize(("one", "other"), [("first", "second"), ("1:x", "1:y"), ("1:x:a", "1:y:a"), ("1:", "2:x")])
    def test_nobody_can_tell_which_is_further(self, one: str, other: str) -> None:
        with pytest.raises(HostError, match="differs between servers"):
            completed({"a": TURNS}, {"a": one}, {"a": other}, make=True)

    @pytest.mark.parametrize(
        ("text", "alternating", "used", "good"),
        [
            ("a", True, ("who", "a"), {"who": ["a"]}),
            ("1:b:a", True, ("who", "a"), {"who": ["a"], "who_2": ["b"]}),
            ("1:b:a:moved", True, ("who_2", "b"), {"who": ["a"], "who_2": ["b"]}),
            ("1:b", True, ("who_2", "b"), {"who_2": ["b"]}),
            ("1:b:a", False, ("who", "a"), {"who": ["b", "a"]}),
            ("1:b:a:moved", False, ("who", "b"), {"who": ["b", "a"]}),
            ("2:c", True, ("who", "c"), {"who": ["c"]}),
        ],
    )
    def test_what_runs_inside_uses_only_what_is_taken(
        self, text: str, alternating: bool, used: tuple[str, str], good: dict[str, list[str]]
    ) -> None:
        told = internal_login(text, "who", alternating)
        assert ((told["user"], told["password"]), told["good"]) == (used, good)
        assert told["unwanted"] == [each for each in ("who", "who_2") if alternating and each not in good]

    @pytest.mark.parametrize("text", ["1::a", "x:b", "1:b:a:else", "1:b:a:moved:more"])
    def test_a_damaged_one_is_told(self, text: str) -> None:
        with pytest.raises(AnsibleFilterError, match="who: a damaged credential"):
            internal_login(text, "who")

    def test_only_what_takes_turns_does(self) -> None:
        with pytest.raises(HostError, match="does not take turns"):
            turned({"a": FORM}, {"a": "x"}, {"a": "begun"})

    def test_nothing_is_made_unasked(self) -> None:
        assert completed({"a": FORM}, {}, {}, make=False) == {}

    def test_a_short_value_is_refused(self) -> None:
        with pytest.raises(HostError, match="can be guessed"):
            completed({"a": {"length": 8, "alphabet": "hex"}}, {}, {}, make=True)

    @pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden"])
    def test_names_stay_in_the_directory(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(HostError, match="not a credential's name"):
            stored(str(tmp_path), {name: FORM})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The authority's certificate file and its key."""
    directory = tmp_path_factory.mktemp("ca")
    key = ca_openssl.make_key()
    (directory / "ca.crt").write_text(ca_openssl.make_authority(key, "Test CA"))
    return directory / "ca.crt", key


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
class TestCertificates:
    def issue(self, where: Path, authority: tuple[Path, str], sans: list[str], days: int = 90) -> Path:
        request = ca_openssl.make_request(ca_openssl.make_key(), "registry.example")
        path = where / "tls.crt"
        path.write_text(ca_openssl.sign(request, sans, days, authority[1], authority[0].read_text()))
        return path

    def test_a_good_one(self, tmp_path: Path, authority: tuple[Path, str]) -> None:
        path = self.issue(tmp_path, authority, SANS)
        assert ca_openssl.problem(str(path), SANS, 30, str(authority[0])) == ""
        purpose = ["openssl", "verify", "-CAfile", str(authority[0]), "-purpose", "sslserver", str(path)]
        assert subprocess.run(purpose, check=False, capture_output=True).returncode == 0

    def test_names_in_another_spelling_are_the_same(self, tmp_path: Path, authority: tuple[Path, str]) -> None:
        path = self.issue(tmp_path, authority, SANS)
        spelled = ["IP:2001:0db8:0:0:0:0:0:1", "DNS:Registry.Example", "IP:192.0.2.1"]
        assert ca_openssl.problem(str(path), spelled, 30, str(authority[0])) == ""

    def test_other_names(self, tmp_path: Path, authority: tuple[Path, str]) -> None:
        path = self.issue(tmp_path, authority, SANS)
        assert "other names" in ca_openssl.problem(str(path), SANS[:2], 30, str(authority[0]))

    def test_near_its_end(self, tmp_path: Path, authority: tuple[Path, str]) -> None:
        path = self.issue(tmp_path, authority, SANS, days=29)
        assert "within 30 days" in ca_openssl.problem(str(path), SANS, 30, str(authority[0]))

    def test_of_another_authority(self, tmp_path: Path, authority: tuple[Path, str]) -> None:
        path = self.issue(tmp_path, authority, SANS)
        other = tmp_path / "other.crt"
        other.write_text(ca_openssl.make_authority(ca_openssl.make_key(), "Test CA"))
        assert "another authority" in ca_openssl.problem(str(path), SANS, 30, str(other))

    def test_none_or_broken(self, tmp_path: Path, authority: tuple[Path, str]) -> None:
        assert ca_openssl.problem(str(tmp_path / "none"), SANS, 30, str(authority[0])) == "there is none"
        (tmp_path / "broken").write_text("x")
        assert "cannot be read" in ca_openssl.problem(str(tmp_path / "broken"), SANS, 30, str(authority[0]))

    @pytest.mark.parametrize("san", ["registry.example", "DNS:a\nbasicConstraints=CA:TRUE", "DNS:a,DNS:b"])
    def test_names_cannot_smuggle_extensions(self, authority: tuple[Path, str], san: str) -> None:
        request = ca_openssl.make_request(ca_openssl.make_key(), "x")
        with pytest.raises(HostError, match="neither DNS:name nor IP:address"):
            ca_openssl.sign(request, [san], 1, authority[1], authority[0].read_text())
