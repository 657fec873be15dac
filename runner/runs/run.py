# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is under way."""

from __future__ import annotations

import dataclasses
import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from longshore.runs import orphans, storage
from longshore.runs.events import Cancelling, Event, Line, RunFinished, RunStarted, TaskFinished, TaskStarted
from longshore.runs.job import Job
from longshore.runs.process import Process
from longshore.runs.result import Result, Tally
from longshore.runs.translate import translate

# What a cancellation may take: to tell the servers, and to wait for the modules to reach a safe point.
MARK_TIMEOUT = 20.0
SAFE_POINT_TIMEOUT = 30.0


class Run:
    """A run under way, in threads of its own. Use it as a context manager, or call ``wait()``.

    Leaving the context by an exception cancels the run and waits for its end.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.directory: Path = storage.create(job.id)
        self._queue: queue.Queue[Event | None] = queue.Queue()
        self._log = (self.directory / "events.jsonl").open("a") if job.log else None
        self._log_lock = threading.Lock()
        self._tally = Tally()
        self._process = Process(job, self.directory, self._raw)
        self._state = threading.Condition()
        self._running: set[tuple[str, str]] = set()
        self._reached_servers = False
        self._ended = False
        self._canceller: threading.Thread | None = None
        self._forced = False
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name=f"run-{job.id}", daemon=True)
        self._thread.start()

    @property
    def id(self) -> str:
        """The run's id, its name on the servers too."""
        return self.job.id

    def events(self) -> Iterator[Event]:
        """The events as they happen, the last being ``RunFinished``. Each event is given once."""
        while (event := self._queue.get()) is not None:
            yield event
        self._queue.put(None)

    def wait(self, timeout: float | None = None) -> Result:
        """The result, once the run has ended. Raises TimeoutError after ``timeout`` seconds (default: never)."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"the run {self.id} still goes on")
        if self._result is None:
            raise RuntimeError(f"the run {self.id} could not be started") from self._error
        return self._result

    def cancel(self, *, force: bool = False) -> None:
        """Stop at the next safe point, then end every process of the run, here and on the servers. Returns at once.

        The lock is released. With ``force`` (also in a second call) nothing is waited for: the processes are ended
        now, and the servers notice it by themselves; the lock runs out after at most 60 s.
        """
        with self._state:
            if self._ended:
                return
            if force:
                self._forced = True
                self._state.notify_all()
            if self._canceller is None:
                self._canceller = threading.Thread(target=self._cancel, name=f"cancel-{self.id}", daemon=True)
                self._canceller.start()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.cancel()
        self._thread.join()

    def _main(self) -> None:
        started = time.monotonic()
        self._emit(RunStarted(run=self.id, playbook=self.job.playbook, check=self.job.check))
        try:
            code = self._process.run()
            with self._state:
                self._ended = True
                self._state.notify_all()
                canceller = self._canceller
            if canceller is not None:
                canceller.join()
            if canceller is not None or code > 128:
                orphans.end(self.id)
            self._result = self._tally.result(
                run=self.id,
                check=self.job.check,
                cancelled=canceller is not None,
                code=code,
                duration=time.monotonic() - started,
                log=str(self.directory) if self.job.log else "",
            )
            self._emit(RunFinished(result=self._result))
        except BaseException as error:  # raised again in wait(), in the caller's thread
            self._error = error
            with self._state:
                self._ended = True
                self._state.notify_all()
            orphans.end(self.id)
        finally:
            (self.directory / "extravars.json").unlink(missing_ok=True)
            if self._log is not None:
                self._log.close()
            self._queue.put(None)

    def _emit(self, event: Event) -> None:
        if self._log is not None:
            with self._log_lock:
                self._log.write(json.dumps(event.to_dict(), default=str) + "\n")
                self._log.flush()
        self._queue.put(event)

    def _raw(self, raw: Mapping[str, Any]) -> None:
        if raw.get("event") == "playbook_on_stats":
            data = raw.get("event_data") or {}
            failed = data.get("failures") or {}
            self._tally.rescued({host for host in data.get("rescued") or {} if not failed.get(host)})
        for event in translate(raw):
            self._tally.add(event)
            self._follow(event)
            self._emit(event)

    def _follow(self, event: Event) -> None:
        if not isinstance(event, TaskStarted | TaskFinished):
            return
        with self._state:
            where = (event.place.host, event.place.id)
            if isinstance(event, TaskStarted):
                self._running.add(where)
                self._reached_servers = self._reached_servers or event.place.host != "localhost"
            else:
                self._running.discard(where)
                self._state.notify_all()

    def _cancel(self) -> None:
        try:
            if self._reached_servers and not self._forced:
                self._emit(Cancelling(stage="marking"))
                self._tell_servers("mark")
                self._emit(Cancelling(stage="waiting"))
                with self._state:
                    self._state.wait_for(self._at_safe_point, SAFE_POINT_TIMEOUT)
            self._emit(Cancelling(stage="ending"))
        finally:
            # Also when an event can't be written: nobody else would end it.
            self._process.end()
        with self._state:
            self._state.wait_for(lambda: self._ended)
        if self._reached_servers and not self._forced:
            self._tell_servers("release")

    def _at_safe_point(self) -> bool:
        return self._ended or self._forced or not self._running

    def _tell_servers(self, what: str) -> None:
        if self.job.cancel_playbook is None:
            return
        try:
            self._run_cancel_playbook(self.job.cancel_playbook, what)
        except Exception as error:
            # No matter what it is, the processes are still to be ended.
            text = f"the servers could not be told of the cancelling ({what}): {error.__cause__ or error}"
            self._emit(Line(text=text, level="warning"))

    def _run_cancel_playbook(self, playbook: str, what: str) -> None:
        telling = Run(
            dataclasses.replace(
                self.job,
                playbook=playbook,
                extra_variables={**self.job.variables(), "longshore_cancel": what},
                check=False,
                diff=False,
                limit=None,
                cancel_playbook=None,
                id=f"{self.id[:50]}.{what}",
            )
        )
        with self._state:
            # A second Ctrl-C must not have to wait for this either.
            until = time.monotonic() + MARK_TIMEOUT
            while telling._thread.is_alive() and not self._forced and time.monotonic() < until:
                self._state.wait(0.1)
        telling.cancel(force=True)
        result = telling.wait()
        for failure in result.failures:
            self._emit(Line(text=f"{failure.host}: {failure.message}", level="warning"))


def start(job: Job) -> Run:
    """Start a job. Raises FileExistsError when a run of its id was there before."""
    return Run(job)
