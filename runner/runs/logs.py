# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of a stack's containers, from all servers at once, in the order of their times.

Straight over SSH: one connection per server, on which a small script follows every container of the stack, those too
that appear later. The script ends with the connection, so nothing is left on the servers.
"""

from __future__ import annotations

import heapq
import queue
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

# Lines from several servers arrive up to this much out of order; clocks differ by as much anyway.
WINDOW = 0.5
# What Docker takes for a time: a duration, a date and time, seconds since 1970.
SINCE = re.compile(
    r"(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+|\d{4}-\d\d-\d\d(?:T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?"
    r"|\d{9,}(?:\.\d+)?",
    re.ASCII,
)

# Arguments: follow or not, all containers or running ones, --tail, --since, then the label filters, one service each.
# A container whose log can't be read gives Docker's words, then a line of '!'; not one that has gone meanwhile.
# The last line ties all that was started to the connection: its end closes standard input.
_SCRIPT = r"""
follow=$1 all=$2 tail=$3 since=$4; shift 4
show() {
    name=$(docker inspect --format '{{index .Config.Labels "com.docker.swarm.task.name"}}' "$1" 2>/dev/null) || return
    if [ "$follow" = yes ]; then set -- "$1" "$2" --follow; fi
    { docker logs --timestamps ${since:+--since "$since"} --tail "$2" ${3:+"$3"} "$1" 2>&1 || gone "$1" || echo '!'; } |
        sed -u "s/^/$name /"
}
gone() {
    case $(docker inspect --format '{{.State.Status}}' "$1" 2>&1) in *'o such'*|removing|dead) ;; *) false ;; esac
}
listed() {
    for label; do
        docker ps --quiet --no-trunc $([ "$all" = yes ] && echo --all) --filter "label=$label" || return 1
    done
}
if [ "$follow" = yes ]; then
    for label; do
        docker events --filter type=container --filter event=start --filter "label=$label" --format '{{.Actor.ID}}' |
            while read -r id; do show "$id" all & done &
    done
fi
ids=$(listed "$@") || { [ "$follow" = no ] || { trap '' TERM; kill -TERM 0; }; exit 1; }
for id in $ids; do show "$id" "$tail" & done
if [ "$follow" = yes ]; then cat >/dev/null; trap '' TERM; kill -TERM 0; else wait; fi
"""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which lines: ``labels`` (of containers, any of them), ``since`` as Docker takes it, the last ``tail`` lines per
    container (``all`` for all), ``ended`` containers too, and whether to go on for ever."""

    labels: Sequence[str]
    since: str = ""
    tail: str = "all"
    ended: bool = False
    follow: bool = False

    def words(self) -> list[str]:
        """The command to run on a server."""
        flags = ["yes" if self.follow else "no", "yes" if self.ended else "no", self.tail, self.since]
        return ["sh", "-c", _SCRIPT, "logs", *flags, *self.labels]


@dataclass(frozen=True, order=True)
class LogLine:
    """One line of one container. ``time`` is Docker's (RFC 3339, UTC), ``task`` such as ``web.1``."""

    time: str
    sequence: int
    server: str = field(compare=False)
    task: str = field(compare=False)
    text: str = field(compare=False)


class Merger:
    """Brings lines into the order of their times, holding each back for ``window`` seconds. Pure."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._heap: list[tuple[LogLine, float]] = []

    def add(self, line: LogLine, now: float) -> None:
        """Take a line that arrived at ``now``."""
        heapq.heappush(self._heap, (line, now))

    def due(self, now: float) -> Iterator[LogLine]:
        """The lines that have been held back long enough, the oldest first."""
        while self._heap and self._heap[0][1] + self._window <= now:
            yield heapq.heappop(self._heap)[0]

    def rest(self) -> Iterator[LogLine]:
        """All that are left."""
        while self._heap:
            yield heapq.heappop(self._heap)[0]


def parse(server: str, stack: str, raw: str, sequence: int) -> LogLine | None:
    """A line of the script's output; None for what is none of a container (Docker's own words about an ended one)."""
    name, _, rest = raw.rstrip("\r\n").partition(" ")
    stamp, _, text = rest.partition(" ")
    if not stamp.endswith("Z") or "T" not in stamp:
        return None
    service, slot, *_ = [*name.removeprefix(f"{stack}_").split("."), ""]
    return LogLine(_sortable(stamp), sequence, server, f"{service}.{slot}" if slot.isdigit() else service, text)


def _sortable(stamp: str) -> str:
    # Docker leaves out trailing zeros of the fraction.
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return f"{whole}.{fraction:0<9}Z"


class Streams:
    """The output of one command per server, merged. A context manager: leaving it ends all of them."""

    def __init__(self, commands: Mapping[str, Sequence[str]], stack: str, *, window: float = WINDOW) -> None:
        self._stack = stack
        self._window = window
        self._queue: queue.Queue[LogLine | None] = queue.Queue()
        self._sequence = 0
        self._lock = threading.Lock()
        self.failed: dict[str, str] = {}
        self.unread: dict[str, str] = {}
        self.going = True
        self._processes: dict[str, subprocess.Popen[str]] = {}
        for server, command in commands.items():
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._processes[server] = process
            threading.Thread(target=self._read, args=(server, process), daemon=True).start()

    def __enter__(self) -> Streams:
        return self

    def __exit__(self, *_error: object) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait()

    def stop(self) -> None:
        """End ``lines()``, from a signal's handler too; ``going`` is false then."""
        self.going = False

    def lines(self) -> Iterator[LogLine]:
        """The lines in the order of their times, until every command has ended.

        ``failed`` then says why servers gave no answer, ``unread`` why containers' logs could not be read.
        """
        merger = Merger(self._window)
        open_ = len(self._processes)
        while open_ and self.going:
            try:
                line = self._queue.get(timeout=self._window / 2)
                if line is None:
                    open_ -= 1
                else:
                    merger.add(line, time.monotonic())
            except queue.Empty:
                pass
            yield from merger.due(time.monotonic())
        yield from merger.rest()

    def _read(self, server: str, process: subprocess.Popen[str]) -> None:
        words: dict[str, str] = {}
        for raw in process.stdout or ():
            with self._lock:
                self._sequence += 1
                line = parse(server, self._stack, raw, self._sequence)
            if line is not None:
                self._queue.put(line)
                continue
            name, _, said = raw.rstrip("\r\n").partition(" ")
            if said == "!":
                self.unread[f"{name.rpartition('.')[0]}@{server}"] = words.get(name, "its log can't be read")
            words[name] = said
        errors = process.stderr.read() if process.stderr else ""
        if process.wait() > 0:
            self.failed[server] = (errors.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        self._queue.put(None)
