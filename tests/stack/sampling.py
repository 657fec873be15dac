# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What shows while something happens: processes' arguments, names of tasks, and the forms that a secret may take."""

from __future__ import annotations

import base64
import contextlib
import json
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

# Addresses that the engine's resolver gives for a name to HAProxy's container, and when each was given last, until
# standard input ends.
RESOLVER = """
import json, os, select, socket, struct, subprocess, sys, time
inspect = ["docker", "inspect", "-f", "{{.State.Pid}}", "longshore-haproxy"]
pid = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()
with open(f"/proc/{pid}/ns/net") as space:
    os.setns(space.fileno(), os.CLONE_NEWNET)
parts = [bytes([len(part)]) + part.encode() for part in sys.argv[1].split(".")]
question = b"".join(parts) + struct.pack(">BHH", 0, 1, 1)
resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
resolver.settimeout(0.5)
resolver.connect(("127.0.0.11", 53))
last, number = {}, 0
while not select.select([sys.stdin], [], [], 0.05)[0]:
    number = number % 65535 + 1
    resolver.send(struct.pack(">HHHHHH", number, 0x100, 1, 0, 0, 0) + question)
    try:
        answer = resolver.recv(4096)
    except TimeoutError:
        continue
    if struct.unpack(">H", answer[:2])[0] == number:
        at = 12 + len(question)
        for _ in range(struct.unpack(">H", answer[6:8])[0]):
            # A name in full, or a pointer to one.
            while answer[at] not in (0, 0xC0):
                at += answer[at] + 1
            at += 1 if answer[at] == 0 else 2
            last[socket.inet_ntoa(answer[at + 10 : at + 14])] = time.time()
            at += 14
json.dump(last, sys.stdout)
"""


@contextlib.contextmanager
def names(lab: Lab, servers: tuple[str, ...], name: str) -> Iterator[dict[str, float]]:
    """Watch a name while the block runs; the yielded dict then has by address when any server gave it last (Unix s)."""
    pipe = subprocess.PIPE
    watching = []
    for server in servers:
        container = lab.described["hosts"][server]["container"]
        command = ["docker", "exec", "-i", container, "python3", "-c", RESOLVER, name]
        watching.append(subprocess.Popen(command, stdin=pipe, stdout=pipe))
    last: dict[str, float] = {}
    try:
        yield last
    finally:
        for process in watching:
            found: dict[str, float] = json.loads(process.communicate()[0])
            last.update({address: max(at, last.get(address, 0)) for address, at in found.items()})


def task_addresses(lab: Lab, service: str) -> dict[str, list[str]]:
    """The addresses of the running tasks of a service, by their containers' names."""
    listing = f"docker ps -q -f label=com.docker.swarm.service.name={service} | xargs -r docker inspect"
    return {
        container["Name"].removeprefix("/"): [
            network["IPAddress"] for network in container["NetworkSettings"]["Networks"].values()
        ]
        for server in ("app1", "app2", "app3")
        for container in json.loads(lab.on(server, listing).stdout or "[]")
    }


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
