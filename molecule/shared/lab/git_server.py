# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Git server: https (anonymous, and `private/` with a password) and SSH, filled from directories."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import tempfile
from pathlib import Path

from . import engine, hosts, image, ssh, tls
from .paths import REPOSITORIES
from .report import LabError, run, step
from .state import Lab

USER = "lab"  # for https://git.lab/private/…; its password is in `.lab/<name>/git.password`
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")


def kind(lab: Lab) -> hosts.Kind:
    """Describe the Git server of a lab."""
    places = [hosts.public(lab, "git"), hosts.private(lab, "git")]
    certificate, key = tls.certificate(lab.directory, "git.lab", [part for at in places for part in (at.v4, at.v6)])
    return hosts.Kind(
        image=image.ensure("git"),
        users=("root", "git"),
        files={
            "etc/apache2/git.crt": certificate.read_bytes(),
            "etc/apache2/git.key": key.read_bytes(),
            "etc/apache2/git.passwords": password_file(lab).encode(),
        },
    )


def password_file(lab: Lab) -> str:
    """Give the line of Apache's password file for the lab's one user; the password is made when asked for first."""
    path = lab.directory / "git.password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(18) + "\n")
    hashed = run(["openssl", "passwd", "-apr1", "-stdin"], data=path.read_text()).strip()
    return f"{USER}:{hashed}\n"


def fill(lab: Lab) -> None:
    """Push every sample repository that the server lacks."""
    container = engine.client().containers.get(lab.container("git"))
    there = set(container.exec_run(["ls", "/srv/git"]).output.decode().split())
    for directory in sorted(REPOSITORIES.iterdir()):
        if directory.is_dir() and f"{directory.name}.git" not in there:
            with step(f"repository {directory.name} pushed", quiet_below=0.5):
                push(lab, directory, directory.name)


def push(lab: Lab, directory: Path, name: str, *, private: bool = False) -> str:
    """Make the repository's branch main hold what `directory` holds; gives the commit's hash.

    A commit is added on top of what is there; none is added when nothing differs. `directory` is left untouched: its
    own `.git`, if any, plays no part.
    """
    if not NAME.fullmatch(name) or name.endswith(".git"):
        raise LabError(f"{name!r} cannot name a repository: small letters, digits, dots, hyphens; without .git")
    if not directory.is_dir():
        raise LabError(f"{directory} is no directory")
    target = f"/srv/git/{'private/' if private else ''}{name}.git"
    prepare(lab, target)
    with tempfile.TemporaryDirectory() as folder:
        remote = f"ssh://git@{hosts.public(lab, 'git').v4}{target}"
        who = {"NAME": "Longshore lab", "EMAIL": "lab@git.lab"}
        environment = {
            **os.environ,
            "GIT_DIR": f"{folder}/git",
            "GIT_WORK_TREE": str(directory.resolve()),
            "GIT_SSH_COMMAND": shlex.join(["ssh", *ssh.options(lab)]),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()},
        }
        environment.pop("GIT_INDEX_FILE", None)

        def git(*words: str) -> str:
            return run(["git", "-C", str(directory), *words], env=environment).strip()

        git("init", "-q", "-b", "main")
        git("add", "-A")
        tree = git("write-tree")
        if git("ls-remote", remote, "refs/heads/main"):
            git("fetch", "-q", remote, "main")
            head = git("rev-parse", "FETCH_HEAD")
            if git("rev-parse", f"{head}^{{tree}}") == tree:
                return head
            commit = git("commit-tree", tree, "-p", head, "-m", f"Update {name}")
        else:
            commit = git("commit-tree", tree, "-m", f"Begin {name}")
        git("push", "-q", remote, f"{commit}:refs/heads/main")
        return commit


def prepare(lab: Lab, target: str) -> None:
    """Make an empty bare repository, also reachable as ssh://git@git.lab/NAME.git, unless it is there."""
    container = engine.client().containers.get(lab.container("git"))
    made = container.exec_run(["git", "init", "-q", "--bare", "-b", "main", target], user="git")
    if made.exit_code:
        raise LabError(f"could not make {target}: {made.output.decode(errors='replace')}")
    container.exec_run(["ln", "-sfn", target, f"/{target.removeprefix('/srv/git/')}"])
