# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Release records and the lease's pure parts, placement and registry names."""

from __future__ import annotations

import base64
import json
import random
import string
import time
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import lease, placement, releases
from ansible_collections.longshore.stack.plugins.module_utils.registry_auth import auth_header, registry_of


def configs_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    stack, number, parts = record["stack"], record["number"], releases.encode(record)
    return [
        {
            "ID": f"{number}-{part}",
            "Spec": {
                "Name": f"{stack}.release.{number}" + (f".{part}" if part else ""),
                "Labels": {"longshore.parts": str(len(parts))},
                "Data": base64.b64encode(content).decode(),
            },
        }
        for part, content in enumerate(parts)
    ]


def large() -> dict[str, Any]:
    letters = random.Random(1)
    text = "".join(letters.choices(string.printable, k=2_500_000))
    return {"stack": "shop", "number": 7, "services": {"web": text}}


def test_large_records_are_split_below_swarms_limit_and_come_back() -> None:
    record = large()
    configs = configs_of(record)
    assert len(configs) > 1
    assert all(len(base64.b64decode(config["Spec"]["Data"])) <= 1000 * 1000 for config in configs)
    assert releases.read("shop", reversed(configs)) == {7: record}


def test_half_written_records_do_not_count() -> None:
    configs = configs_of(large())
    assert releases.read("shop", configs[1:]) == {}
    assert releases.read("shop", configs[:-1]) == {}


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("shop.release.12", (12, 0)),
        ("shop.release.12.1", (12, 1)),
        ("shop2.release.1", (None, 0)),
        ("shop.lock", (None, 0)),
    ],
)
def test_names(name: str, parsed: Any) -> None:
    assert releases.parse_name("shop", name) == parsed


def lock(expires: float) -> dict[str, Any]:
    labels = {"run": "r1", "owner": "ann", "since": "100.0", "expires": str(expires)}
    return {"Spec": {"Labels": {f"longshore.lock.{name}": value for name, value in labels.items()}}}


def test_lock_is_held_until_it_expires() -> None:
    held = lease.holder(lock(time.time() + 30))
    assert held is not None
    assert (held["run"], held["owner"]) == ("r1", "ann")
    assert lease.holder(lock(time.time() - 30)) is None
    assert lease.holder(None) is None


def node(**labels: str) -> dict[str, Any]:
    return {
        "ID": "n1",
        "Spec": {"Role": "worker", "Availability": "active", "Labels": labels},
        "Description": {"Hostname": "Host1", "Platform": {"Architecture": "x86_64"}},
        "Status": {"State": "ready", "Addr": "10.0.0.1"},
    }


@pytest.mark.parametrize(
    ("constraint", "fits"),
    [
        ("node.labels.tag==app", True),
        ("node.labels.tag != app", False),
        ("node.labels.other==x", False),
        ("node.labels.other!=x", True),
        ("node.hostname==host1", True),
        ("node.role == manager", False),
        ("node.platform.arch==x86_64", True),
    ],
)
def test_constraints(constraint: str, fits: bool) -> None:
    assert placement.fits(node(tag="app"), [constraint]) is fits


def test_unmet_constraints_in_words() -> None:
    constraints = ["node.labels.longshore.shop.tag.gpu==true", "node.role==worker"]
    assert placement.unmet([node()], constraints) == ["tag gpu"]


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("nginx", "docker.io"),
        ("team/app:1", "docker.io"),
        ("localhost/app", "localhost"),
        ("registry.longshore.internal:5000/shop/web@sha256:00", "registry.longshore.internal:5000"),
    ],
)
def test_registry_of_an_image(image: str, registry: str) -> None:
    assert registry_of(image) == registry


def test_credentials_go_only_to_their_registry() -> None:
    auth = {"r.example": {"username": "u", "password": "p"}}
    sent = auth_header("r.example/app:1", auth)["X-Registry-Auth"]
    assert json.loads(base64.urlsafe_b64decode(sent)) == {
        "username": "u",
        "password": "p",
        "serveraddress": "r.example",
    }
    assert auth_header("other.example/app:1", auth) == {}
