# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by the role longshore.stack.sshd: changes are lost.
"""Whether sshd would take new settings, and whether they would count: ``sshd-check FILE``.

It is asked about a copy of its configuration with the file in its place: each setting counts where it stands first.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIG = "/etc/ssh/sshd_config"
PARTS = "/etc/ssh/sshd_config.d"
PLACE = "00-longshore.conf"


def ask(config: Path, mode: str) -> str:
    """What sshd says; ends with its words when it refuses."""
    done = subprocess.run(["/usr/sbin/sshd", mode, "-f", config], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr.strip() or "sshd refuses the settings")
    return done.stdout


def switches(text: str) -> dict[str, str]:
    """The settings that are yes or no, by their names in lower case; the first one counts, and none after a Match."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        words = line.split()
        if words and words[0].lower() == "match":
            break
        if len(words) == 2 and words[1] in ("yes", "no"):
            found.setdefault(words[0].lower(), words[1])
    return found


def main() -> None:
    """End with 1 and the reason for settings that are refused, or that something else overrides."""
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    wanted = Path(sys.argv[1]).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as directory:
        parts, config = Path(directory, "parts"), Path(directory, "sshd_config")
        shutil.copytree(PARTS, parts)
        (parts / PLACE).write_text(wanted, encoding="utf-8")
        config.write_text(Path(CONFIG).read_text(encoding="utf-8").replace(PARTS, str(parts)), encoding="utf-8")
        ask(config, "-t")
        known = switches(ask(config, "-T"))
    if wrong := [name for name, value in switches(wanted).items() if known.get(name, value) != value]:
        sys.exit(f"{CONFIG}, or a file that it includes before {PARTS}/{PLACE}, says otherwise of {', '.join(wrong)}")


if __name__ == "__main__":
    main()
