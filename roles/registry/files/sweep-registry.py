# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove from the registry the built images that no kept release needs, and what nothing refers to any more.

A stack writes the images of its kept releases, one reference a line, to /var/lib/longshore/<stack>/images on every
server that runs containers. What is not certain stays: repositories of stacks without such a file here, images whose
tag Longshore has not made, the newest of each repository, and everything while somebody may be pushing.

The registry remembers what it has, so it is stopped while things go, mostly for a second or two. Running containers
don't need it; who pulls tries again.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

LISTS = Path("/var/lib/longshore")
CONFIG = "/etc/longshore/registry/config.yml"
UNIT = "docker-registry.service"
TAG = re.compile(r"[0-9a-f]{12}-[0-9a-f]{8}")
DAY = 86400.0


def kept(lists: Path) -> dict[str, set[str]]:
    """By stack, the digests that its kept releases name; without the stacks of which nothing is known."""
    found = {}
    for path in sorted(lists.glob("*/images")):
        digests = {line.rpartition("@")[2] for line in path.read_text().split() if "@" in line}
        if digests:
            found[path.parent.name] = digests
    return found


def parts(storage: Path, digest: str) -> set[str]:
    """The manifests that a manifest consists of, when it is one for several platforms."""
    number = digest.rpartition(":")[2]
    try:
        content = json.loads((storage / "blobs/sha256" / number[:2] / number / "data").read_text())
    except (OSError, ValueError):
        return set()
    return {part["digest"] for part in content.get("manifests") or []}


def tags(repository: Path) -> dict[str, set[str]]:
    """By digest, the tags that it has or had."""
    found: dict[str, set[str]] = {}
    for path in repository.glob("_manifests/tags/*/index/sha256/*"):
        found.setdefault(f"sha256:{path.name}", set()).add(path.parents[2].name)
    return found


def due(repository: Path, keep: set[str], before: float, newest: int) -> list[str]:
    """The digests of a repository that may go: ours, needed by nobody, pushed before a time (epoch seconds)."""
    links = repository.glob("_manifests/revisions/sha256/*/link")
    pushed = {f"sha256:{path.parent.name}": path.stat().st_mtime for path in links}
    known = tags(repository)
    ours = {digest for digest in pushed if known.get(digest) and all(map(TAG.fullmatch, known[digest]))}
    latest = sorted(ours, key=lambda digest: pushed[digest], reverse=True)[:newest]
    return sorted(digest for digest in ours - keep - set(latest) if pushed[digest] < before)


def remove(repository: Path, digest: str) -> None:
    """Take a manifest and its tags out of a repository; what it consisted of goes with the next collection."""
    number = digest.rpartition(":")[2]
    for path in list(repository.glob(f"_manifests/tags/*/index/sha256/{number}")):
        tag = path.parents[2]
        current = tag / "current/link"
        shutil.rmtree(tag if not current.exists() or current.read_text().strip() == digest else path)
    shutil.rmtree(repository / "_manifests/revisions/sha256" / number)


def last_push(repositories: Path) -> float:
    """When something last changed, in epoch seconds."""
    return max((path.lstat().st_mtime for path in repositories.rglob("*")), default=0.0)


def find(storage: Path, lists: Path, before: float, newest: int) -> list[tuple[Path, str]]:
    """What may go, as repository and digest."""
    by_stack = kept(lists)
    named = set().union(*by_stack.values())
    keep = named.union(*(parts(storage, digest) for digest in named))
    repositories = storage / "repositories"
    return [
        (path.parent, digest)
        for stack in by_stack
        for path in sorted(repositories.glob(f"{stack}/*/_manifests"))
        for digest in due(path.parent, keep, before, newest)
    ]


def systemctl(*words: str) -> int:
    return subprocess.run(["systemctl", *words, UNIT], check=False, stdout=subprocess.DEVNULL).returncode


def collect(unneeded: list[tuple[Path, str]], config: str) -> None:
    """Remove what is not needed, with the registry stopped; it runs again whatever happens."""
    if systemctl("stop") != 0:
        raise SystemExit(f"{UNIT} could not be stopped; nothing was removed")
    try:
        for repository, digest in unneeded:
            remove(repository, digest)
            sys.stdout.write(f"removed {repository.parent.name}/{repository.name}@{digest}\n")
        done = subprocess.run(
            ["docker-registry", "garbage-collect", config], capture_output=True, check=False, text=True
        )
    finally:
        started = systemctl("start")
    if done.returncode != 0 or started != 0:
        raise SystemExit(
            f"{done.stderr[-2000:]}\ngarbage-collect ended with {done.returncode}, the start with {started}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="Remove images from the registry that no kept release needs.")
    parser.add_argument("--days", type=float, required=True, help="what was pushed in this time stays")
    parser.add_argument("--newest", type=int, default=3, help="so many of each repository stay; default: %(default)s")
    parser.add_argument("--quiet", type=float, default=900, help="seconds without a push; default: %(default)s")
    parser.add_argument("--data", type=Path, required=True, help="the registry's directory")
    parser.add_argument("--config", default=CONFIG)
    parser.add_argument("--lists", type=Path, default=LISTS)
    options = parser.parse_args()
    # So that the registry is started again when systemd ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    storage, now = options.data / "docker/registry/v2", time.time()
    unneeded = find(storage, options.lists, now - options.days * DAY, options.newest)
    if not unneeded or systemctl("is-active", "--quiet") != 0:
        return 0
    if now - last_push(storage / "repositories") < options.quiet:
        sys.stdout.write("something was pushed just now: the next time\n")
        return 0
    collect(unneeded, options.config)
    return 0


if __name__ == "__main__":
    sys.exit(main())
