# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes are named, credentials go to their registry, and nothing else does."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import image_engine
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.image_engine import (
    Credentials,
    configuration,
    explain,
    free_space,
    is_final,
    no_room_for_pushes,
    too_little,
)
from ansible_collections.longshore.stack.plugins.module_utils.image_reference import Reference

OURS = Credentials(
    [
        {"registry": "https://registry.example:5000/", "username": "me", "password": "s3cret"},
        {"registry": "docker.io", "username": "hub", "password": "h0b"},
    ]
)


def header(name: str) -> dict[str, str]:
    value = OURS.header(Reference.parse(name))["X-Registry-Auth"]
    decoded: dict[str, str] = json.loads(base64.urlsafe_b64decode(value))
    return decoded


def test_each_registry_gets_its_own_credentials() -> None:
    assert header("registry.example:5000/x")["password"] == "s3cret"
    assert header("redis")["username"] == "hub"
    assert header("registry.example/x") == {}
    assert header("other.example:5000/x") == {}


def test_the_client_finds_them_too() -> None:
    auths = OURS.client_configuration()["auths"]
    assert base64.b64decode(auths["registry.example:5000"]["auth"]) == b"me:s3cret"
    assert set(auths) == {"registry.example:5000", "https://index.docker.io/v1/"}


@pytest.mark.parametrize(
    ("status", "message", "cause", "final"),
    [
        (404, "manifest unknown: manifest unknown", "there is no such image at docker.io", True),
        (500, "unauthorized: authentication required", "no access at docker.io", True),
        (500, 'Head "https://x/v2/": no basic auth credentials', "no access at docker.io", True),
        (500, "pull access denied for x, repository does not exist", "no access at docker.io", True),
        (500, "dial tcp: lookup registry-1.docker.io: no such host", "docker.io cannot be reached", False),
        (500, "connect: connection refused", "docker.io cannot be reached", False),
        (500, "net/http: TLS handshake timeout", "docker.io cannot be reached", False),
        (500, "tls: failed to verify certificate: x509: unknown authority", "is not trusted", True),
        (0, "received unexpected HTTP status: 500 Internal Server Error", "docker.io failed; the disk of its", False),
        (0, "write /var/lib/docker/tmp/x: no space left on device", "the disk is full", True),
    ],
)
def test_the_cause_is_named(status: int, message: str, cause: str, final: bool) -> None:
    error = DockerError(status, message)
    text = explain(Reference.parse("redis:8"), error, OURS)
    assert text.startswith("redis:8: ")
    assert cause in text
    assert message in text
    assert is_final(error) is final


def test_it_is_said_whether_there_were_credentials() -> None:
    error = DockerError(401, "unauthorized")
    assert "with the given credentials" in explain(Reference.parse("redis"), error, OURS)
    assert "no credentials are given" in explain(Reference.parse("registry.other/x"), error, OURS)


def test_an_image_without_any_words_of_its_own() -> None:
    said = configuration({"Config": None})
    assert said["Entrypoint"] is None
    assert said["Env"] == []


def test_free_space_of_what_is_not_there() -> None:
    assert free_space("/nosuch") is None
    assert (free_space("/") or 0) > 0


def test_a_full_disk_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_engine, "free_space", lambda directory: 100 << 20 if directory == "/full" else None)
    assert too_little("/full", 200 << 20) == "only 100 MiB are free at /full, and 200 MiB must be"
    assert not too_little("/full", 100 << 20)
    # The registry is on another server.
    assert not no_room_for_pushes("/nosuch")
    assert "only 100 MiB are free at /full" in no_room_for_pushes("/full")
    assert "longshore-registry-sweep" in no_room_for_pushes("/full")
