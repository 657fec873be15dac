# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a lab between two commands: `.lab/<name>/` with its keys, certificates and state.json."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .addresses import Plan
from .paths import LABS
from .report import LabError, run

NAME = re.compile(r"[a-z][a-z0-9-]{0,15}")


@contextmanager
def locked(subject: str) -> Iterator[None]:
    """Let one process at a time do what `subject` names; others wait."""
    LABS.mkdir(exist_ok=True)
    with (LABS / f".{subject}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@dataclasses.dataclass
class Lab:
    """One lab. `servers` are the names app1 …, in order; `privileged` is how its containers were made."""

    name: str
    index: int
    servers: list[str]
    privileged: bool = False

    @property
    def directory(self) -> Path:
        """The lab's own files."""
        return LABS / self.name

    @property
    def key(self) -> Path:
        """The private key that opens every host of the lab."""
        return self.directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The host keys of every host of the lab."""
        return self.directory / "known_hosts"

    @property
    def plan(self) -> Plan:
        """The lab's addresses."""
        return Plan(self.index)

    def container(self, host: str) -> str:
        """Give the name of a host's container."""
        return f"longshore-{self.name}-{host}"

    def save(self) -> None:
        """Write state.json, whole or not at all."""
        self.directory.mkdir(parents=True, exist_ok=True)
        new = self.directory / "state.json.new"
        new.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")
        new.replace(self.directory / "state.json")

    def forget(self) -> None:
        """Remove the lab's own files."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def host_key(self, host: str) -> Path:
        """Give the private SSH host key of a host, made when it is asked for first."""
        return make_key(self.directory / "hosts" / host, host)


def make_key(path: Path, comment: str) -> Path:
    """Make an Ed25519 key pair without passphrase at `path` unless it is there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    return path


def load(name: str) -> Lab | None:
    """Read a lab's state; None if there is none."""
    if not NAME.fullmatch(name):
        raise LabError(f"{name!r} cannot name a lab: small letters, digits and hyphens, at most 16")
    try:
        return Lab(**json.loads((LABS / name / "state.json").read_text()))
    except FileNotFoundError:
        return None


def load_all() -> list[Lab]:
    """Read the state of every lab of this checkout."""
    found = (load(path.parent.name) for path in sorted(LABS.glob("*/state.json")))
    return [lab for lab in found if lab]
