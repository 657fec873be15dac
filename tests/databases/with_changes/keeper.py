# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that is none of the stack's and keeps its backups: here the client, by SFTP."""

from __future__ import annotations

import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stack.support import Lab

VARIABLE = "KEEPERS_KEY"  # of the environment, with the key


@dataclass
class Keeper:
    """A user of the client's, with an empty directory. ``folder``: an empty one, for the key and the known hosts."""

    lab: Lab
    folder: Path
    key: str = field(init=False)
    # Another one each time: a backup server remembers where it has made a repository.
    path: str = field(default_factory=lambda: f"/home/keeper/backups-{secrets.token_hex(4)}")

    def __post_init__(self) -> None:
        """Make the user and the key that lets in."""
        path = self.folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        self.key = path.read_text()
        script = (
            "id keeper >/dev/null 2>&1 || useradd -m keeper; rm -rf /home/keeper/*; "
            f"install -d -o keeper -m 700 /home/keeper/.ssh {self.path}; "
            f"echo '{(self.folder / 'key.pub').read_text().strip()}' > /home/keeper/.ssh/authorized_keys; "
            "cat /etc/ssh/ssh_host_ed25519_key.pub"
        )
        kind, key = self.lab.on("client", "sh", "-c", script).stdout.split()[:2]
        (self.folder / "known_hosts").write_text(f"{self.lab.address('client')} {kind} {key}\n")

    @property
    def section(self) -> dict[str, Any]:
        """``repository`` of the stack file, for it."""
        return {
            "type": "sftp",
            "host": self.lab.address("client"),
            "user": "keeper",
            "ssh_key": f"{{{{ lookup('env', '{VARIABLE}') }}}}",
            "known_hosts": str(self.folder / "known_hosts"),
            "path": self.path,
        }

    @property
    def other(self) -> dict[str, Any]:
        """The same, with another directory that is not there yet."""
        return {**self.section, "path": f"{self.path}-copied"}
