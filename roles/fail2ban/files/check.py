# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by the role longshore.stack.fail2ban: changes are lost.
"""Whether fail2ban would take a jail file: ``fail2ban-check FILE``.

It reads a copy of its configuration with the file in its place, and each pattern is tried, which its own test leaves
to the reload.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIG = "/etc/fail2ban"
PLACE = "jail.d/longshore.local"


def settings(commands: str) -> list[tuple[str, str, list[str]]]:
    """Jail, command and values, of what ``fail2ban-client -d`` says would be set."""
    found = []
    for line in commands.splitlines():
        words = ast.literal_eval(line) if line.startswith("[") else []
        if len(words) > 3 and words[0] in ("set", "multi-set"):
            found.append((words[1], words[2], words[3] if isinstance(words[3], list) else [words[3]]))
    return found


def refusals(commands: str) -> list[str]:
    """Why patterns are no good."""
    sys.path.insert(0, "/usr/lib/python3/dist-packages")
    from fail2ban.server.failregex import FailRegex, Regex, RegexException  # noqa: PLC0415 - only servers have it

    before: dict[str, Regex] = {}
    wrong = []
    # What stands before each pattern is set first.
    for jail, command, values in sorted(settings(commands), key=lambda each: each[1] != "prefregex"):
        for pattern in values if command in ("prefregex", "addfailregex", "addignoreregex") else []:
            try:
                if command == "prefregex":
                    before[jail] = Regex(pattern, useDns="no")
                elif command == "addfailregex":
                    FailRegex(pattern, prefRegex=before.get(jail), useDns="no")
                else:
                    Regex(pattern, useDns="no")
            except RegexException as error:
                wrong.append(f"{jail}: {error}")
    return wrong


def main() -> None:
    """End with 1 and the reason for a file that is refused."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory, "fail2ban")
        shutil.copytree(CONFIG, copy)
        shutil.copyfile(sys.argv[1], copy / PLACE)
        for argument in ("-t", "-d"):
            done = subprocess.run(
                ["fail2ban-client", "-c", copy, argument], capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                sys.exit("\n".join(line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line))
        if wrong := refusals(done.stdout):
            sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
