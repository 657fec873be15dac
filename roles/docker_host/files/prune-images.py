# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove images that no kept release or container has needed for some days. Volumes are never touched.

A stack writes the images of its kept releases, one reference a line, to /var/lib/longshore/<stack>/images on every
server. Without such a file nobody knows what a rollback needs, and only images without any name go. Since when an
image is not needed is kept here: the engine knows neither that nor when an image was pulled by digest.

Not `docker image prune`: it takes images that have no tag but a digest for nameless ones, and kept releases are
pulled by digest.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

KEPT = Path("/var/lib/longshore")


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, check=True, text=True).stdout


def containers() -> list[str]:
    return docker("container", "ls", "--all", "--quiet", "--no-trunc").split()


def kept(directory: Path) -> set[str] | None:
    """The references that kept releases name; None when no stack has written any."""
    lists = sorted(directory.glob("*/images"))
    if not lists:
        return None
    return {line.strip() for path in lists for line in path.read_text().splitlines() if line.strip()}


def is_kept(image: dict, keep: set[str]) -> bool:
    """Whether a kept release names the image, by tag, digest or id."""
    digests = {reference.rpartition("@")[2] for reference in keep if "@" in reference}
    own = image.get("RepoDigests") or []
    names = {*(image.get("RepoTags") or []), *own, image["Id"]}
    return bool(names & keep) or any(reference.rpartition("@")[2] in digests for reference in own)


def is_nameless(image: dict) -> bool:
    """Whether neither a tag nor a digest leads to the image, as when a newer one took its tag."""
    return not image.get("RepoTags") and not image.get("RepoDigests")


def due(unneeded: list[str], since: dict[str, float], now: float, days: int) -> tuple[list[str], dict[str, float]]:
    """The images that nobody has needed for ``days``, and since when each of the unneeded ones is; in epoch seconds."""
    remembered = {identifier: since.get(identifier, now) for identifier in unneeded}
    return [identifier for identifier, start in remembered.items() if now - start >= days * 86400], remembered


def remove(name: str) -> None:
    # Without --force the engine refuses what a container uses, running or not.
    done = subprocess.run(["docker", "image", "rm", name], capture_output=True, check=False, text=True)
    if done.returncode == 0:
        sys.stdout.write(f"removed {name}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Remove images that no kept release or container needs.")
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--build-cache", type=int, help="bytes that the cache of builds keeps; default: all")
    parser.add_argument("--directory", type=Path, default=KEPT)
    options = parser.parse_args()
    if options.build_cache is not None:
        # What was used least recently goes first; what a running build uses stays.
        docker("builder", "prune", "--force", "--keep-storage", str(options.build_cache))
    keep = kept(options.directory)
    identifiers = sorted(set(docker("image", "ls", "--quiet", "--no-trunc").split()))
    if not identifiers:
        return 0
    known = containers()
    used = set(docker("container", "inspect", "--format", "{{.Image}}", *known).split()) if known else set()
    images = {image["Id"]: image for image in json.loads(docker("image", "inspect", *identifiers))}
    unneeded = [name for name, image in images.items() if name not in used and not is_kept(image, keep or set())]
    for identifier in unneeded:
        if is_nameless(images[identifier]):
            remove(identifier)
    if keep is None:
        return 0
    memory = options.directory / "host" / "unneeded-images.json"
    since = json.loads(memory.read_text()) if memory.exists() else {}
    named = [name for name in unneeded if not is_nameless(images[name])]
    old, remembered = due(named, since, time.time(), options.days)
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text(json.dumps(remembered))
    for identifier in old:
        for name in [*(images[identifier].get("RepoTags") or []), *(images[identifier].get("RepoDigests") or [])]:
            remove(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
