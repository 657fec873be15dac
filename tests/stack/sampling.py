# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What processes show while something happens, and the forms in which a secret may show in it."""

from __future__ import annotations

import base64
import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from .support import Lab

# Arguments of every process that there is, until standard input ends; with a word also the environment, but not of
# processes in containers: those have it to use it.
SAMPLER = """
import os, pathlib, select, sys
home, seen = os.readlink("/proc/self/ns/pid"), set()
while not select.select([sys.stdin], [], [], 0.05)[0]:
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cmdline").read_bytes()
            if sys.argv[1:] and os.readlink(process / "ns/pid") == home:
                text += b" " + (process / "environ").read_bytes()
        except OSError:
            continue
        if text not in seen:
            seen.add(text)
            sys.stdout.buffer.write(text + bytes([10]))
"""


@contextlib.contextmanager
def processes(lab: Lab) -> Iterator[dict[str, str]]:
    """Watch while the block runs; the yielded dict then has what was seen on each server and on the ``controller``."""
    python = {"controller": [sys.executable, "-c", SAMPLER]}
    for server in ("app1", "app2", "app3"):
        container = lab.described["hosts"][server]["container"]
        python[server] = ["docker", "exec", "-i", container, "python3", "-c", SAMPLER, "environment"]
    pipe = subprocess.PIPE
    watching = {place: subprocess.Popen(command, stdin=pipe, stdout=pipe) for place, command in python.items()}
    collected: dict[str, bytes] = {}

    def collect(place: str) -> None:
        stdout = watching[place].stdout
        assert stdout
        collected[place] = stdout.read()

    threads = [threading.Thread(target=collect, args=(place,)) for place in watching]
    for thread in threads:
        thread.start()
    seen: dict[str, str] = {}
    try:
        yield seen
    finally:
        for process in watching.values():
            assert process.stdin
            process.stdin.close()
        for thread in threads:
            thread.join()
        for process in watching.values():
            process.wait()
        seen.update({place: text.decode(errors="replace").replace("\0", " ") for place, text in collected.items()})


def forms(value: str) -> set[str]:
    """A value as it is, quoted for a URL, and encoded by base64 as a part of anything longer."""
    found = {value, quote(value, safe="")}
    for shift, skipped in enumerate((0, 2, 3)):
        # The characters at both ends depend on what stands beside the value.
        encoded = base64.b64encode(b"\0" * shift + value.encode()).decode().rstrip("=")[skipped:-1]
        found |= {encoded, encoded.replace("+", "-").replace("/", "_")}
    return found


def shown(text: str, values: Mapping[str, str]) -> list[str]:
    """The names of the values that ``text`` shows in any form."""
    return [name for name, value in values.items() if any(form in text for form in forms(value))]
