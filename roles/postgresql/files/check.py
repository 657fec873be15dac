# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether PostgreSQL takes settings: its own program reads them all, and starts nothing.

Written by the role longshore.stack.postgresql.

    postgresql-check FILE

The file has ``version`` and ``settings`` as JSON. Settings of libraries, such as ``pg_cron.host``, are read only by a
server that has loaded them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# What PostgreSQL says besides: of a file that only a server of its own would have, and that something was wrong.
_BESIDE = re.compile("skipping missing configuration file|contains errors")
# What says where a line of the file is that only this program has seen.
_PLACE = re.compile(r' in file "[^"]*" line \d+')


def text_of(settings: Mapping[str, str]) -> str:
    """A postgresql.conf."""
    lines = []
    for name, value in settings.items():
        escaped = str(value).replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{escaped}'\n")
    return "".join(lines)


def wrong(version: str, settings: Mapping[str, str]) -> str:
    """What PostgreSQL says against these settings; empty when it takes them."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "postgresql.conf")
        path.write_text(text_of(settings), encoding="utf-8")
        # The first option: then it may be root who asks (its manual, "postgres", -C).
        argv = [f"/usr/lib/postgresql/{version}/bin/postgres", "-C", "port", "-D", directory, f"--config-file={path}"]
        done = subprocess.run(
            argv,
            cwd="/",
            env={"LC_ALL": "C.UTF-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode == 0:
        return ""
    lines = [_PLACE.sub("", line.partition(":  ")[2] or line) for line in done.stdout.splitlines()]
    said = [line for line in lines if not _BESIDE.search(line)]
    return "\n".join(said[-6:]) or f"postgres ended with {done.returncode}"


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if told := wrong(given["version"], given["settings"]):
        sys.exit(told)


if __name__ == "__main__":
    main()
