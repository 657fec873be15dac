# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a build's source comes from: a commit of a Git repository, or an archive of a directory.

Private to the collection. Credentials reach Git through its environment and files in memory, never its arguments.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .image_definition import Build
    from .image_process import Processes

GIT_AUTH_SPEC: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "host": {"type": "str", "default": ""},
        "services": {"type": "list", "elements": "str", "default": []},
        "username": {"type": "str", "default": ""},
        "password": {"type": "str", "default": "", "no_log": True},
        "ssh_key": {"type": "str", "default": "", "no_log": True},
        "known_hosts": {"type": "str", "default": ""},
    },
}
# Shorter lines of a key say nothing, and may stand anywhere.
SHORT = 20
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# Git asks this for a password; it answers from its environment, and only for the host it is configured for.
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n"'
    ' "$LONGSHORE_GIT_USERNAME" "$LONGSHORE_GIT_PASSWORD"; }; f'
)


class SourceError(Exception):
    """The source cannot be had; the message names the repository and the cause."""


def secrets(builds: Sequence[Build], git_auth: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must not be shown."""
    passwords = [build.password for build in builds] + [each["password"] for each in git_auth]
    # Output is looked through line by line.
    return passwords + [line for each in git_auth for line in each["ssh_key"].splitlines() if len(line) > SHORT]


def login(build: Build, git_auth: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The login of a build: one given for its service, else one for its server; empty when there is none."""
    hosts = (build.host, build.host.partition(":")[0])
    own = [each for each in git_auth if build.service in each["services"] and each["host"] in ("", *hosts)]
    shared = [each for each in git_auth if not each["services"] and each["host"] and each["host"] in hosts]
    return next(iter(own + shared), {})


class GitSource:
    """One build's repository.

    ``directory``: where it is kept between runs; ``private``: a directory in memory for this run's keys; ``until``: a
    time of ``time.monotonic()``.
    """

    def __init__(
        self,
        build: Build,
        git_auth: Sequence[Mapping[str, Any]],
        processes: Processes,
        *,
        directory: str,
        private: str,
        until: float,
    ) -> None:
        self._build = build
        self._processes = processes
        self._until = until
        self._repository = os.path.join(directory, "repository")
        self._tree = os.path.join(directory, "tree")
        auth = login(build, git_auth)
        self._learned = "" if auth.get("known_hosts") else _learned(directory)
        self._environment = environment(build, auth, directory, private)

    def resolve(self) -> str:
        """The commit that the build's ``ref`` means now, as a full hash. Raises ``SourceError``."""
        ref = self._build.ref
        if COMMIT.fullmatch(ref):
            return ref
        names = [ref] if ref == "HEAD" else [ref, f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/tags/{ref}^{{}}"]
        found = choose(self._git("ls-remote", "--", self._build.git, *names), ref)
        if not found:
            hint = "; a commit is given with all its digits" if re.fullmatch(r"[0-9a-f]{7,63}", ref) else ""
            raise SourceError(f"{self._build.git} has no branch or tag {ref!r}{hint}")
        return found

    def checkout(self, commit: str) -> str:
        """Bring the commit's files to the disk; gives their directory. Raises ``SourceError``."""
        shutil.rmtree(self._tree, ignore_errors=True)
        os.makedirs(self._tree, mode=0o700)
        os.makedirs(self._repository, mode=0o700, exist_ok=True)
        self._git("init", "--quiet", "--template=")
        self._git("config", "remote.origin.url", self._build.git)
        if not (self._has(commit) or self._fetches(commit)):
            # Some servers give only what a branch or tag points at: take all of them.
            heads = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
            self._git("fetch", "--quiet", "--force", "--no-tags", "--", self._build.git, *heads)
            if not self._has(commit):
                raise SourceError(f"{self._build.git} has no commit {commit}")
        self._git("read-tree", commit)
        self._git("checkout-index", "--all", "--force")
        if os.path.exists(os.path.join(self._tree, ".gitmodules")):
            self._git("submodule", "--quiet", "sync", "--recursive")
            self._git("submodule", "--quiet", "update", "--init", "--recursive", "--force", "--depth=1")
            _remove_git_files(self._tree)
        return self._tree

    def _has(self, commit: str) -> bool:
        return self._try("cat-file", "-e", f"{commit}^{{tree}}")[0] == 0

    def _fetches(self, commit: str) -> bool:
        words = ("fetch", "--quiet", "--force", "--no-tags", "--depth=1", "--", self._build.git, commit)
        return self._try(*words)[0] == 0

    def _git(self, *words: str) -> str:
        code, output = self._try(*words)
        if code != 0:
            raise SourceError(f"{self._build.git}: git {words[0]} ended with {code}: {blame(output, self._learned)}")
        return output

    def _try(self, *words: str) -> tuple[int, str]:
        located = {"GIT_DIR": self._repository, "GIT_WORK_TREE": self._tree} if words[0] != "ls-remote" else {}
        return self._processes.run_for_output(
            ["git", *words],
            environment={**self._environment, **located},
            until=self._until,
            directory=self._tree if located else "/",
        )


def choose(listing: str, ref: str) -> str:
    """The commit of ``ref`` in the output of ``git ls-remote``; empty when it is not there. Tags go before branches."""
    found = {}
    for line in listing.splitlines():
        commit, tab, name = line.partition("\t")
        if tab and COMMIT.fullmatch(commit):
            found[name] = commit
    for name in (ref, f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}"):
        if name in found:
            # An annotated tag is an object of its own; the commit is behind it.
            return found.get(f"{name}^{{}}", found[name])
    return ""


def blame(output: str, learned: str = "") -> str:
    """The lines of Git's output that say why, as one. ``learned``: the file of the SSH keys that were learned, empty
    when some were given."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"(fatal|error|remote|ERROR|ssh|git@)\b", line) or "denied" in line]
    text = " | ".join((telling or lines)[-4:]) or "no reason given"
    if "could not read Username" in text or "terminal prompts disabled" in text:
        text += " (the server asks for a password: give it in the build's auth)"
    elif "Permission denied (publickey" in text:
        text += " (the server asks for a key: give it in the build's auth)"
    elif "Host key verification failed" in output:
        text = f"{_stranger(output, learned)} | {text}"
    return text


def _stranger(output: str, learned: str) -> str:
    """What is wrong with a host's key, and where, from ssh's output."""
    found = re.search(r"host key (?:for|is known for) (\S+)", output, re.IGNORECASE)
    where = learned or "the build's auth.known_hosts"
    cure = (
        f"if it was changed on purpose, remove the old lines from {learned}" if learned else "put the right one there"
    )
    return f"the SSH key of {found[1] if found else 'the host'} is not in {where}: {cure}"


def environment(build: Build, auth: Mapping[str, Any], directory: str, private: str) -> dict[str, str]:
    """Git's environment: no question is asked, nothing of the server's users is used, credentials for one host."""
    settings = [("credential.helper", ""), ("core.hooksPath", "/dev/null"), ("gc.autoDetach", "false")]
    # A transfer of less than 1000 bytes a second over 30 s is dead.
    settings += [("http.lowSpeedLimit", "1000"), ("http.lowSpeedTime", "30"), ("advice.detachedHead", "false")]
    variables = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ALLOW_PROTOCOL": "https:http:ssh:git",
        "GIT_ASKPASS": "/bin/false",
        "GIT_LFS_SKIP_SMUDGE": "0",
        "GIT_SSH_COMMAND": _ssh(build, auth, directory, private),
    }
    username = build.user or auth.get("username", "")
    password = build.password or auth.get("password", "")
    if password and build.git.startswith("http"):
        scheme = build.git.partition("://")[0]
        settings.append((f"credential.{scheme}://{build.host}.helper", _HELPER))
        variables["LONGSHORE_GIT_USERNAME"] = username or "git"
        variables["LONGSHORE_GIT_PASSWORD"] = password
    variables["GIT_CONFIG_COUNT"] = str(len(settings))
    for index, (key, value) in enumerate(settings):
        variables[f"GIT_CONFIG_KEY_{index}"] = key
        variables[f"GIT_CONFIG_VALUE_{index}"] = value
    return variables


def _ssh(build: Build, auth: Mapping[str, Any], directory: str, private: str) -> str:
    hosts = _learned(directory)
    settings = _first_use(hosts)
    if auth.get("known_hosts"):
        hosts = write_private(os.path.join(private, f"{build.service}.hosts"), auth["known_hosts"])
        settings = "StrictHostKeyChecking yes"
    config = write_private(os.path.join(private, f"{build.service}.ssh"), settings)
    words = ["ssh", "-F", config, "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=15"]
    if auth.get("ssh_key"):
        key = write_private(os.path.join(private, f"{build.service}.key"), auth["ssh_key"])
        words += ["-i", key, "-o", "IdentitiesOnly=yes"]
    return shlex.join([*words, "-o", f"UserKnownHostsFile={hosts}"])


def _learned(directory: str) -> str:
    return os.path.join(os.path.dirname(directory), "known_hosts")


def _first_use(learned: str) -> str:
    """Settings of ssh by which a host's key is learned at its first use and checked ever after.

    `accept-new` alone takes any key of a kind that isn't in the file yet, of a host that is.
    """
    lines = []
    if os.path.exists(learned):
        with open(learned) as file:
            lines = [line.split()[0] for line in file if line.strip() and line[0] not in "#@|"]
    names = sorted({re.sub(r"\[(.+)\]:\d+", r"\1", name) for line in lines for name in line.split(",")})
    known = f"Host {' '.join(names)}\n  StrictHostKeyChecking yes\n" if names else ""
    return f"{known}Host *\n  StrictHostKeyChecking accept-new"


def write_private(path: str, content: str) -> str:
    """Write a file that only root reads; gives its path."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(content.rstrip("\n") + "\n")
    return path


def unpack(archive: str, directory: str, processes: Processes, until: float) -> str:
    """Unpack a directory's archive; gives where. Raises ``SourceError``."""
    tree = os.path.join(directory, "tree")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree, mode=0o700)
    words = ["tar", "--extract", "--gzip", "--no-same-owner", f"--file={archive}", f"--directory={tree}"]
    code, output = processes.run_for_output(words, environment={}, until=until)
    if code != 0:
        raise SourceError(f"the directory could not be unpacked: {output}")
    return tree


def inside(tree: str, path: str) -> str:
    """The absolute path of ``path`` in ``tree``. Raises ``SourceError`` when it leads out, through a link for one."""
    root = os.path.realpath(tree)
    found = os.path.realpath(os.path.join(root, path))
    if found != root and not found.startswith(root + os.sep):
        raise SourceError(f"{path} leads out of the source")
    if not os.path.exists(found):
        raise SourceError(f"the source has no {os.path.normpath(path)}")
    return found


def _remove_git_files(tree: str) -> None:
    for folder, folders, files in os.walk(tree):
        if ".git" in files:
            os.unlink(os.path.join(folder, ".git"))
        if ".git" in folders:
            shutil.rmtree(os.path.join(folder, ".git"))
            folders.remove(".git")
