# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a directory counts, and when it is the same."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from ansible_collections.longshore.stack.plugins.plugin_utils.build_context import Directory, Ignore


@pytest.mark.parametrize(
    ("patterns", "path", "excluded"),
    [
        ("node_modules", "node_modules/a/b", True),
        ("node_modules", "web/node_modules", False),
        ("**/node_modules", "web/node_modules/x", True),
        ("**/node_modules", "node_modules", True),
        ("*.log", "a.log", True),
        ("*.log", "x/a.log", False),
        ("**/*.log", "x/y/a.log", True),
        ("*/temp*", "a/temporary", True),
        ("*/temp*", "a/b/temporary", False),
        ("temp?", "tempa", True),
        ("temp?", "temp", False),
        ("*.md\n!README.md", "README.md", False),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("/dist", "dist/x", True),
        ("dist/", "dist/x", True),
        ("# comment\n\n  a  ", "a", True),
        ("#a", "#a", False),
        ("[ab]c", "bc", True),
        ("[ab]c", "cc", False),
        ("[!a]c", "bc", False),
        ("[^a]c", "bc", True),
        ("**", "anything/at/all", True),
        ("docs/**/*.pdf", "docs/a/b/x.pdf", True),
        ("docs/**/*.pdf", "docs/x.pdf", True),
        ("a.c", "abc", False),
        ("dir\n!dir/keep", "dir/keep", False),
        ("dir\n!dir/keep", "dir/other", True),
    ],
)
def test_dockerignore(patterns: str, path: str, excluded: bool) -> None:
    assert Ignore(patterns).excludes(path) is excluded


@pytest.fixture
def app(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    (root / "src").mkdir(parents=True)
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / "src" / "run").write_text("#!/bin/sh\n")
    (root / "src" / "run").chmod(0o755)
    (root / "src" / "link").symlink_to("/etc/passwd")
    (root / "junk.log").write_text("x")
    (root / ".dockerignore").write_text("*.log\n")
    return root


def members(directory: Directory) -> dict[str, tarfile.TarInfo]:
    packed = io.BytesIO()
    directory.pack(packed)
    packed.seek(0)
    with tarfile.open(fileobj=packed) as archive:
        return {member.name: member for member in archive.getmembers()}


def test_the_archive_holds_what_counts(app: Path) -> None:
    found = members(Directory(str(app)))
    assert "context/junk.log" not in found
    assert {"Dockerfile", "context", "context/Dockerfile", "context/src/run"} <= set(found)
    assert found["context/src/run"].mode == 0o755
    assert found["context/src/link"].linkname == "/etc/passwd"


def test_the_same_content_is_the_same(app: Path) -> None:
    before = Directory(str(app)).digest()
    os.utime(app / "src" / "run", (1, 1))
    (app / "src" / "run").chmod(0o700)
    (app / "junk.log").write_text("other")
    assert Directory(str(app)).digest() == before
    assert Directory(str(app.parent), "app").digest() == before


@pytest.mark.parametrize("change", ["content", "mode", "name", "link", "ignore", "dockerfile"])
def test_other_content_is_other(app: Path, change: str) -> None:
    before = Directory(str(app)).digest()
    if change == "content":
        (app / "src" / "run").write_text("#!/bin/sh\necho\n")
    elif change == "mode":
        (app / "src" / "run").chmod(0o644)
    elif change == "name":
        (app / "src" / "run").rename(app / "src" / "walk")
    elif change == "link":
        (app / "src" / "link").unlink()
        (app / "src" / "link").symlink_to("/etc/shadow")
    elif change == "ignore":
        (app / ".dockerignore").write_text("")
    else:
        (app / "Dockerfile").write_text("FROM busybox\n")
    assert Directory(str(app)).digest() != before


def test_a_dockerfile_beside_the_context_and_its_own_list(app: Path) -> None:
    (app / "build").mkdir()
    (app / "build" / "Dockerfile").write_text("FROM busybox\n")
    (app / "build" / "Dockerfile.dockerignore").write_text("link\n")
    found = members(Directory(str(app), "src", "../build/Dockerfile"))
    assert set(found) == {"Dockerfile", "Dockerfile.dockerignore", "context", "context/run"}


def test_what_is_not_there_is_named(app: Path) -> None:
    with pytest.raises(ValueError, match=r"no directory .*nosuch"):
        Directory(str(app), "nosuch")
    with pytest.raises(ValueError, match=r"no file .*Other"):
        Directory(str(app), ".", "Other")
