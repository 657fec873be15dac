# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of images are read as Docker reads them."""

from __future__ import annotations

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.image_reference import Reference
from hypothesis import given
from hypothesis import strategies as st

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "domain", "path", "tag"),
    [
        ("python", "docker.io", "library/python", "latest"),
        ("python:3.13-slim", "docker.io", "library/python", "3.13-slim"),
        ("valkey/valkey:8", "docker.io", "valkey/valkey", "8"),
        ("docker.io/library/redis:8", "docker.io", "library/redis", "8"),
        ("index.docker.io/redis", "docker.io", "library/redis", "latest"),
        ("localhost/app", "localhost", "app", "latest"),
        ("registry.example:5000/shop/api:1.4", "registry.example:5000", "shop/api", "1.4"),
        ("10.0.0.1:5000/x", "10.0.0.1:5000", "x", "latest"),
        ("[fd77::1]:5000/x:2", "[fd77::1]:5000", "x", "2"),
        ("ghcr.io/a/b/c__d.e-f:v1", "ghcr.io", "a/b/c__d.e-f", "v1"),
    ],
)
def test_parts(text: str, domain: str, path: str, tag: str) -> None:
    parsed = Reference.parse(text)
    assert (parsed.domain, parsed.path, parsed.tag, parsed.digest) == (domain, path, tag, "")


@pytest.mark.parametrize(
    "text",
    ["", "Upper", "a//b", "a:b:c", "a@sha256:12", "a@", "a:", "-a", "a/-b", "regi stry/x", "x:" + "t" * 129, "../x"],
)
def test_what_no_image_can_be_called(text: str) -> None:
    with pytest.raises(ValueError, match="no name of an image"):
        Reference.parse(text)


def test_capital_letters_are_named_as_the_cause() -> None:
    with pytest.raises(ValueError, match="small letters"):
        Reference.parse("docker.io/Shop/API")


@pytest.mark.parametrize(
    ("text", "pinned"),
    [
        ("python:3.13-slim", f"python:3.13-slim@{DIGEST}"),
        ("docker.io/library/python", f"python:latest@{DIGEST}"),
        ("valkey/valkey:8", f"valkey/valkey:8@{DIGEST}"),
        ("registry.example:5000/a:1", f"registry.example:5000/a:1@{DIGEST}"),
    ],
)
def test_a_pinned_name_keeps_the_tag_for_people(text: str, pinned: str) -> None:
    assert Reference.parse(text).pinned(DIGEST) == pinned


def test_with_a_digest_the_tag_does_not_count() -> None:
    assert Reference.parse(f"redis:8@{DIGEST}").exact == f"redis@{DIGEST}"
    assert Reference.parse(f"redis@{DIGEST}").tag == ""
    assert Reference.parse("redis:8").exact == "redis:8"


NAMES = st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+)?(/[a-z0-9]+)?", fullmatch=True)


@given(NAMES, st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True), st.booleans())
def test_what_is_written_is_read_back(name: str, tag: str, pinned: bool) -> None:
    text = f"{name}:{tag}@{DIGEST}" if pinned else f"{name}:{tag}"
    once = Reference.parse(text)
    twice = Reference.parse(str(once))
    assert str(once) == str(twice)
    assert (once.domain, once.path, once.tag, once.digest) == (twice.domain, twice.path, twice.tag, twice.digest)
