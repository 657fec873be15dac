# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the command line share."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

STACK: dict[str, Any] = {
    "plugin": "longshore.stack.stack",
    "name": "shop",
    "servers": {"app1": {"address": "127.0.0.1", "tags": ["app", "lb"]}},
    "services": {
        "web": {"image": "nginx:1", "routes": [{"host": "shop.example", "port": 80}]},
        "agent": {"image": "nginx:1", "mode": "global"},
    },
}


def write(path: Path, **changes: Any) -> Path:
    """A stack file with these top-level keys changed."""
    path.write_text(yaml.safe_dump(STACK | changes, sort_keys=False))
    return path


@dataclass
class Done:
    """What a command did."""

    returncode: int
    stdout: str
    stderr: str


def longshore(*words: str | Path, cwd: Path | None = None) -> Done:
    """Run the command line as a user does, in this process."""
    from longshore.cli.__main__ import main  # noqa: PLC0415 - what it imports is under test

    out, err = io.StringIO(), io.StringIO()
    before = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["longshore", *map(str, words)], io.StringIO()
    code: Any = 0
    try:
        with contextlib.chdir(cwd or Path.cwd()), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.argv, sys.stdin = before
    return Done(int(code or 0), out.getvalue(), err.getvalue())
