# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the load balancers' keeper renews a certificate, who does, and what the others take."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from programs import program

NAME = "shop.web.pem"
DAY = 86400.0


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The program, with a store of its own and the clock at day 0 of a certificate of ninety days."""
    found = program("roles/certificates/files/keeper.py")
    monkeypatch.setattr(found, "STORE", tmp_path)
    monkeypatch.setattr(found, "STATE", tmp_path / "state.json")
    monkeypatch.setattr(found.served, "write", lambda path, text, *_: Path(path).write_text(text))
    monkeypatch.setattr(found, "publish", lambda _settings: [])
    certificate = SimpleNamespace(names=["shop.example"], begins=0.0, ends=90 * DAY, sha256="A", issuer="CN=x")
    monkeypatch.setattr(found, "leaf", lambda text: certificate if text else None)
    return found


def settings(keeper: Any, base: Path, **more: Any) -> Any:
    one = {
        "stack": "shop", "email": "a@shop.example", "server": "https://ca.example/dir", "ca": "",
        "member": "b", "address": "192.0.2.2", "port": 8405, "peers": {"a": "192.0.2.1", "c": "192.0.2.3"},
        "authority": "", "certificate": "", "key": "",
        "certificates": [{"name": "web", "names": ["shop.example"]}], **more,
    }  # fmt: skip
    (base / "shop").mkdir(exist_ok=True)
    (base / "shop/acme.json").write_text(json.dumps(one))
    return keeper.Settings(base)


def test_a_third_of_the_time_before_its_end_it_is_due_and_not_all_at_one_moment(keeper: Any, tmp_path: Path) -> None:
    wanted = {"names": ["shop.example"]}
    assert keeper.why_due(NAME, wanted, 0.0) == "there is none"
    moments = set()
    for name in (NAME, "shop.api.pem", "blog.web.pem"):
        (tmp_path / name).write_text("x")
        due = [hour for hour in range(90 * 24) if keeper.why_due(name, wanted, hour * 3600.0)]
        # From 51 days, which is a tenth before two thirds, to 60.
        assert 51 * 24 <= due[0] <= 60 * 24
        moments.add(due[0])
    assert len(moments) == 3
    assert keeper.why_due(NAME, {"names": ["other.example"]}, 0.0) == "it is for other names"


def test_what_failed_waits_longer_each_time_and_not_when_somebody_asks(
    keeper: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = settings(keeper, tmp_path)
    clock = [1000.0]
    monkeypatch.setattr(keeper.time, "time", lambda: clock[0])

    def refuse(*_: Any) -> None:
        raise keeper.Failed("no such name")

    monkeypatch.setattr(keeper, "issue", refuse)
    waits = []
    for _round in range(7):
        assert keeper.attempt(NAME, known.wanted[NAME]) is False
        waits.append(keeper.failures()[NAME]["next"] - clock[0])
    assert waits == [1800, 3600, 7200, 14400, 28800, 43200, 43200]
    assert keeper.Round(known, hurry=False, force=False).due() == []
    clock[0] += 1
    assert keeper.Round(known, hurry=True, force=False).due() == [NAME]
    told = keeper.status(known)[0]
    assert (told["error"], told["alarm"], told["due"]) == ("no such name", True, "there is none")


def test_the_lease_is_asked_for_in_one_order_and_given_back_when_one_refuses(
    keeper: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = settings(keeper, tmp_path)
    log: list[tuple[str, str]] = []
    answers: dict[str, Any] = {"192.0.2.1": (200, ""), "192.0.2.2": None, "192.0.2.3": (409, "")}

    def asked(_settings: Any, address: str, method: str, _path: str) -> Any:
        log.append((method, address))
        return answers[address]

    monkeypatch.setattr(keeper, "asked", asked)
    assert keeper.Lease(known).take() is False
    assert log[:3] == [("POST", "192.0.2.1"), ("POST", "192.0.2.2"), ("POST", "192.0.2.3")]
    assert [method for method, _address in log[3:]] == ["DELETE"] * 3
    answers["192.0.2.3"] = None
    assert keeper.Lease(known).take() is True


def test_a_lease_is_one_holders_until_it_ends(keeper: Any) -> None:
    server = keeper.Server.__new__(keeper.Server)
    server.lock, server.holder, server.until = keeper.threading.Lock(), "", 0.0
    assert server.grant("a", 60)
    assert not server.grant("b", 60)
    assert server.grant("a", 0)
    assert server.grant("b", 60)


def test_what_another_has_newer_is_taken_if_it_can_be_served(
    keeper: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = settings(keeper, tmp_path, peers={"a": "192.0.2.1"})
    (tmp_path / NAME).write_text("old")
    theirs = {"names": ["shop.example"], "begins": 5.0, "ends": 95 * DAY, "sha256": "B"}
    index = {"certificates": {NAME: theirs, "other.web.pem": theirs}, "failures": {}}
    served = {"/index": json.dumps(index), f"/certificate?name={NAME}": "new"}
    monkeypatch.setattr(keeper, "asked", lambda _s, _a, _m, path: (200, served[path]))
    monkeypatch.setattr(keeper.served, "tidy", lambda text: text)
    monkeypatch.setattr(keeper.served, "problems", lambda _text, _now: ["the key is another's"])
    keeper.take(known)
    assert (tmp_path / NAME).read_text() == "old"
    monkeypatch.setattr(keeper.served, "problems", lambda _text, _now: [])
    keeper.take(known)
    assert (tmp_path / NAME).read_text() == "new"
    assert not (tmp_path / "other.web.pem").exists()


def test_the_thumbprint_is_that_of_rfc_7638(keeper: Any) -> None:
    text = keeper.served.openssl(["ecparam", "-name", "prime256v1", "-genkey", "-noout"])
    numbers = load_pem_private_key(text.encode(), None).public_key().public_numbers()  # type: ignore[union-attr]
    x, y = (base64.urlsafe_b64encode(part.to_bytes(32, "big")).rstrip(b"=").decode() for part in (numbers.x, numbers.y))
    canonical = json.dumps({"crv": "P-256", "kty": "EC", "x": x, "y": y}, separators=(",", ":"), sort_keys=True)
    expected = base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
    assert keeper.served.thumbprint(text) == expected
