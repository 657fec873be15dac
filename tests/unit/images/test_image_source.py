# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Git is asked with the right credentials, for the right host, and its answers are understood."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.image_definition import Build
from ansible_collections.longshore.stack.plugins.module_utils.image_process import Processes
from ansible_collections.longshore.stack.plugins.module_utils.image_source import (
    SourceError,
    blame,
    choose,
    environment,
    inside,
    login,
    unpack,
)

ONE, TWO, TAG = "1" * 40, "2" * 40, "3" * 40
LISTING = f"""\
{ONE}\tHEAD
{ONE}\trefs/heads/main
{TWO}\trefs/heads/release
{TAG}\trefs/tags/v1
{TWO}\trefs/tags/v1^{{}}
"""


@pytest.mark.parametrize(
    ("ref", "commit"),
    [("HEAD", ONE), ("main", ONE), ("release", TWO), ("v1", TWO), ("refs/heads/release", TWO), ("nosuch", "")],
)
def test_the_commit_of_a_ref(ref: str, commit: str) -> None:
    assert choose(LISTING, ref) == commit


def test_a_lightweight_tag() -> None:
    assert choose(f"{ONE}\trefs/tags/v2\n", "v2") == ONE


def test_the_telling_lines_of_git() -> None:
    text = "Cloning into 'x'...\nfatal: could not read Username for 'https://h': terminal prompts disabled\n"
    assert blame(text).startswith("fatal: could not read Username")
    assert "the build's auth" in blame(text)


def test_a_service_s_own_login_goes_before_that_of_the_server() -> None:
    build = Build("web", {"git": "git@git.example:shop/web.git"})
    shared, other = {"host": "git.example", "services": []}, {"host": "", "services": ["api"]}
    own = {"host": "", "services": ["web"]}
    elsewhere = {"host": "other.example", "services": ["web"]}
    assert login(build, [other, shared, own]) is own
    assert login(build, [other, elsewhere, shared]) is shared
    assert login(build, [other, elsewhere]) == {}


def credential(variables: dict[str, str], asked: str) -> str:
    """What Git itself finds for an address with these variables."""
    protocol, host = asked.split("://")
    done = subprocess.run(
        ["git", "credential", "fill"],
        input=f"protocol={protocol}\nhost={host}\n\n",
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    build = Build("web", {"git": "https://git.example/shop.git"})
    auth = {"host": "git.example", "username": "me", "password": "s3$cret\"'"}
    return environment(build, auth, str(tmp_path / "web"), str(tmp_path))


def test_git_gets_the_password_for_its_host(variables: dict[str, str]) -> None:
    assert "username=me\npassword=s3$cret\"'\n" in credential(variables, "https://git.example")


@pytest.mark.parametrize("other", ["https://git.example.evil", "http://git.example", "https://git.example:444"])
def test_no_other_host_gets_the_password(variables: dict[str, str], other: str) -> None:
    assert "s3$cret" not in credential(variables, other)


def test_keys_are_in_files_that_only_the_owner_reads(tmp_path: Path) -> None:
    build = Build("web", {"git": "git@git.example:shop.git"})
    auth = {"host": "git.example", "ssh_key": "the key", "known_hosts": "git.example ssh-ed25519 AAAA"}
    variables = environment(build, auth, str(tmp_path / "web"), str(tmp_path))
    assert "the key" not in " ".join(variables.values())
    key = tmp_path / "web.key"
    assert key.read_text() == "the key\n"
    assert key.stat().st_mode & 0o777 == 0o600
    assert policy(variables, "git.example") == policy(variables, "other.example") == "true"


def policy(variables: dict[str, str], host: str) -> str:
    """What ssh itself says of how it would check the host's key: "true" is "yes"."""
    words = [*shlex.split(variables["GIT_SSH_COMMAND"]), "-G", host]
    shown = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return next(line.split()[1] for line in shown.splitlines() if line.startswith("stricthostkeychecking "))


def test_without_known_hosts_the_key_is_learned_once(tmp_path: Path) -> None:
    learned = tmp_path / "builds/known_hosts"
    build = Build("web", {"git": "git@h:x"})
    first = environment(build, {}, str(tmp_path / "builds" / "web"), str(tmp_path))
    assert policy(first, "h") == "accept-new"
    assert f"UserKnownHostsFile={learned}" in first["GIT_SSH_COMMAND"]
    learned.parent.mkdir()
    learned.write_text("# hosts\n[h]:2222,10.0.0.1 ssh-ed25519 AAAA\n")
    # Now no other key of the host is taken, of no kind.
    again = environment(build, {}, str(tmp_path / "builds" / "web"), str(tmp_path))
    assert [policy(again, host) for host in ("h", "10.0.0.1", "submodules")] == ["true", "true", "accept-new"]


@pytest.mark.parametrize(
    "said",
    [
        "Host key for git.lab has changed and you have requested strict checking.",
        "No RSA host key is known for git.lab and you have requested strict checking.",
    ],
)
def test_a_host_with_another_key_is_named_with_the_file(said: str) -> None:
    file = "/var/lib/longshore/shop/builds/known_hosts"
    output = f"{said}\nHost key verification failed.\nfatal: Could not read from remote repository."
    assert f"the SSH key of git.lab is not in {file}: if it was changed on purpose, remove" in blame(output, file)
    assert "the SSH key of git.lab is not in the build's auth.known_hosts: put" in blame(output)


def test_a_link_does_not_lead_out_of_the_source(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "out").symlink_to("/etc")
    (tree / "in").mkdir()
    assert inside(str(tree), "in") == str(tree / "in")
    for path in ("out", "out/passwd", "../"):
        with pytest.raises(SourceError, match="leads out"):
            inside(str(tree), path)
    with pytest.raises(SourceError, match="has no nosuch"):
        inside(str(tree), "./nosuch")


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(b"no archive")
    with pytest.raises(SourceError, match="could not be unpacked"):
        unpack(str(tmp_path / "x.tar.gz"), str(tmp_path), Processes(), time.monotonic() + 10)
