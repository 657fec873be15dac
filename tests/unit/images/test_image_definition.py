# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is built decides the name of the image, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.image_definition import Build, command, image_name

COMMIT = "0a1b2c3d4e5f67890a1b2c3d4e5f67890a1b2c3d"
REGISTRY = "registry.longshore.internal:5000"


def name(**build: Any) -> str:
    return image_name(REGISTRY, "shop", Build("web", {"git": "https://git.example/shop.git", **build}), COMMIT)


def test_the_name_says_stack_service_and_commit() -> None:
    assert name().startswith(f"{REGISTRY}/shop/web:0a1b2c3d4e5f-")


@pytest.mark.parametrize(
    "change", [{"context": "web"}, {"dockerfile": "Other"}, {"target": "base"}, {"args": {"A": "1"}}]
)
def test_what_decides_the_content_changes_the_name(change: dict[str, Any]) -> None:
    assert name(**change) != name()


def test_what_does_not_decide_the_content_keeps_the_name() -> None:
    assert name(ref="main") == name(ref="v1") == name(ref=None, context=None, target=None, args=None)
    assert name(args={"A": "1", "B": 2}) == name(args={"B": "2", "A": 1})


def test_a_password_in_the_address_is_taken_out_of_it() -> None:
    build = Build("web", {"git": "https://me:s3cret@git.example:8443/shop.git"})
    assert (build.git, build.host) == ("https://git.example:8443/shop.git", "git.example:8443")
    assert (build.user, build.password) == ("me", "s3cret")


def test_ssh_addresses_keep_their_user() -> None:
    assert Build("web", {"git": "git@git.example:shop.git"}).host == "git.example"
    assert Build("web", {"git": "ssh://git@git.example:2222/shop.git"}).git == "ssh://git@git.example:2222/shop.git"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ({}, "either from 'git' or from 'path'"),
        ({"git": "https://x/y", "path": "z"}, "either from 'git' or from 'path'"),
        ({"git": "https://x/y", "contxt": "z"}, "no key contxt"),
        ({"git": "file:///etc"}, "no address of a Git repository"),
        ({"git": "ext::sh -c id"}, "no address of a Git repository"),
        ({"git": "--upload-pack=id"}, "no address of a Git repository"),
        ({"git": "https://x/y", "ref": "--exec=id"}, "no branch, tag or commit"),
        ({"git": "https://x/y", "context": "../.."}, "leads out"),
        ({"git": "https://x/y", "context": "/etc"}, "not relative"),
        ({"git": "https://x/y", "context": "a", "dockerfile": "../../Dockerfile"}, "leads out"),
    ],
)
def test_what_cannot_be_built_is_refused(build: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Build("web", build)


def test_a_dockerfile_may_stand_beside_its_context() -> None:
    assert Build("web", {"git": "https://x/y", "context": "a/b", "dockerfile": "../Dockerfile"}).dockerfile


def test_a_refused_address_does_not_show_its_password() -> None:
    with pytest.raises(ValueError, match="no address") as raised:
        Build("web", {"git": "ftp://me:s3cret@host/x"})
    assert "s3cret" not in str(raised.value)


def test_the_command_ends_with_the_context() -> None:
    build = Build("web", {"git": "https://x/y", "target": "run", "args": {"DEBUG": True, "EMPTY": None}})
    argv = command(build, "name:1", "/t/Dockerfile", "/t", ["--pull"])
    assert argv[-1] == "/t"
    assert {"--target=run", "--build-arg=DEBUG=true", "--build-arg=EMPTY=", "--pull", "--tag=name:1"} <= set(argv)
