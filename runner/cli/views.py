# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown while a run goes on: a live screen, plain lines, or JSON."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TextIO

from longshore.cli.steps import Step, Steps, hosts, outcome, seconds
from longshore.runs.events import Cancelling, Event, Line, TaskFinished

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_MARKS = {"ok": "=", "changed": "+", "failed": "x", "unreachable": "!"}
_STYLES = {"ok": "dim", "changed": "green", "failed": "bold red", "unreachable": "yellow"}
_STAGES = {
    "marking": "Cancelling: telling the servers (Ctrl-C again ends at once)",
    "waiting": "Cancelling: waiting until the servers are at a safe point",
    "ending": "Cancelling: ending what still runs",
}
# More would push what matters from the screen.
_LINES_SHOWN = 6


class View(Protocol):
    """Shows events; a context manager, so that the screen is left tidy whatever happens."""

    def __enter__(self) -> View: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: Event) -> None:
        """Show one event."""


class JsonView:
    """Each event as a line of JSON; the last one holds the result."""

    def __init__(self, stream: TextIO, *, result_only: bool = False) -> None:
        self._stream = stream
        self._result_only = result_only

    def __enter__(self) -> JsonView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def show(self, event: Event) -> None:
        """Write one event."""
        told = event.to_dict()
        if not self._result_only or told["type"] == "run_finished":
            self._stream.write(json.dumps(told, default=str) + "\n")
            self._stream.flush()


class QuietView:
    """Warnings and errors alone, on standard error: for commands whose result is what matters."""

    def __enter__(self) -> QuietView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stderr.flush()

    def show(self, event: Event) -> None:
        """Write an error."""
        if isinstance(event, Line) and event.level == "error":
            sys.stderr.write(f"{event.text}\n")


class PlainView:
    """A line per finished step and per line of output: for logs and pipes."""

    def __init__(self, stream: TextIO, *, verbosity: int = 0, diff: bool = False) -> None:
        self._stream = stream
        self._steps = Steps()
        self._verbosity = verbosity
        self._diff = diff

    def __enter__(self) -> PlainView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def show(self, event: Event) -> None:
        """Write what there is to say about one event."""
        for step in self._steps.add(event):
            self._write(line(step))
        for text in remarks(event, self._verbosity, diff=self._diff):
            self._write(text)

    def _write(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()


class LiveView:
    """Finished steps above; below them, live, what runs where, since when, and the last lines of output."""

    def __init__(self, console: Console, *, verbosity: int = 0, diff: bool = False) -> None:
        from rich.live import Live  # noqa: PLC0415 - rich's 0.1 s only for a screen

        self._console = console
        self._steps = Steps()
        self._verbosity = verbosity
        self._diff = diff
        self._began = time.time()
        self._last: deque[str] = deque(maxlen=_LINES_SHOWN)
        self._stage = ""
        self._live = Live(console=console, refresh_per_second=8, transient=True, get_renderable=self._render)

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, event: Event) -> None:
        """Take one event; the screen follows by itself."""
        for step in self._steps.add(event):
            self._last.clear()
            self._console.print(line(step), style=_STYLES[outcome(step)], highlight=False, markup=False)
        if isinstance(event, Cancelling):
            self._stage = _STAGES[event.stage]
        elif isinstance(event, Line) and event.level == "output" and not self._verbosity:
            self._last.append(event.text)
        else:
            for text in remarks(event, self._verbosity, diff=self._diff):
                self._console.print(text, highlight=False, markup=False)

    def _render(self) -> RenderableType:
        from rich.console import Group  # noqa: PLC0415 - as above
        from rich.text import Text  # noqa: PLC0415 - as above

        now = time.time()
        rows: list[RenderableType] = []
        step = self._steps.current
        if step is not None and not step.quiet:
            rows.append(Text(f"… {step.title}  {seconds(now - step.began)}", style="bold", no_wrap=True))
            running = sorted(step.running.items())
            rows += [Text(f"    {host:<12} {seconds(now - since)}", no_wrap=True) for host, since in running[:8]]
            rest = [f"{len(running) - 8} more"] if len(running) > 8 else []
            rest += [f"done on {hosts(sorted(step.finished))}"] if step.finished and running else []
            rows += [Text(f"    {text}", style="dim", no_wrap=True) for text in rest]
        rows += [Text(f"  │ {text}", style="dim", no_wrap=True, overflow="ellipsis") for text in self._last]
        rows.append(Text(f"{self._stage or 'running'}  {seconds(now - self._began)}", style="dim"))
        return Group(*rows)


def line(step: Step) -> str:
    """One line about a finished step: ``+ server: Prepare the host  app1 app2  4.2 s``."""
    how = outcome(step)
    parts = [f"{_MARKS[how]} {step.title}", hosts(sorted(step.finished)), seconds(step.duration)]
    parts += [f"{status}: {hosts(names)}" for status in ("failed", "unreachable") if (names := step.servers(status))]
    changed = step.servers("changed")
    if changed:
        parts.append("changed" if len(changed) == len(step.finished) else f"changed: {hosts(changed)}")
    return "  ".join(parts)


def remarks(event: Event, verbosity: int, *, diff: bool) -> list[str]:
    """What else is to be said about an event, at once."""
    if isinstance(event, Line):
        return [event.text if event.level == "output" else f"{event.level}: {event.text}"]
    if isinstance(event, Cancelling):
        return [_STAGES[event.stage]]
    if isinstance(event, TaskFinished):
        told = []
        if event.status in ("failed", "unreachable"):
            told.append(f"{event.status}: {event.place.host}: {event.message}")
        if verbosity:
            told += [f"    {event.place.host}: {change.text}" for change in event.changes]
        if diff and event.diff:
            told.append(event.diff.rstrip("\n"))
        return told
    return []


def choose(*, as_json: bool, verbosity: int = 0, diff: bool = False, result_only: bool = False) -> View:
    """The view that fits: JSON when asked for, a live screen on a terminal, else plain lines on standard output."""
    if as_json:
        return JsonView(sys.stdout, result_only=result_only)
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - as above

        return LiveView(Console(), verbosity=verbosity, diff=diff)
    return PlainView(sys.stdout, verbosity=verbosity, diff=diff)
