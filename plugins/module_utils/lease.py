# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack's lock: a lease in Swarm's store, so that it ends by itself when its owner dies.

Private to the collection. The lock is a config object, since a name can exist once. Its labels say who holds it;
the holder writes it anew while it works (compare and set on the object's version), which fences off the others.

No two managers' clocks are compared. A holder counts ``TTL`` on its own steady clock from before each renewal, and
then writes no more. Whoever waits takes the lock when it

- was given back (removed, or marked as ended), at once;
- was last renewed from this same start of this same server, and that server's steady clock, whose reading stands in the
  lock, is past its end: at once too, the usual case after a run was killed;
- has otherwise not been renewed for ``TTL`` and a margin while this one looked. So a killed run is waited out for at
  most that long, wherever it ran.

The time of day at which a lock ends is written down too, for people.
"""

from __future__ import annotations

import base64
import threading
import time

from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import lock_name, patient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run

TTL = 60.0
# So often that a second run learns soon whether the first is alive.
RENEW_EVERY = 5.0
# Between a holder's last look at its clock and the end of the write that it allowed.
MARGIN = 2.0
# How old the store's word may be that the lock is ours, when something is written.
FRESH = 1.0
LABEL = "longshore.lock."
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Locked(Exception):
    """Another run holds the lock: ``holder`` has ``owner``, ``run``, ``since``, ``reason`` and ``expires``."""

    def __init__(self, stack: str, holder: dict[str, Any]) -> None:
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(holder["since"]))
        super().__init__(f"{stack} is locked by {holder['owner'] or 'somebody'} (run {holder['run']}, since {since})")
        self.holder = holder


class LeaseLost(Exception):
    """This run's lock was taken over, broken, or could not be renewed in time; the message says which."""


def read(docker: Docker, stack: str) -> dict[str, Any] | None:
    """The lock as the engine gives it, held or expired; None when there is none."""
    found = docker.get("/configs", filters={"name": [lock_name(stack)]})
    return next((config for config in found if config["Spec"]["Name"] == lock_name(stack)), None)


def holder(lock: dict[str, Any] | None) -> dict[str, Any] | None:
    """Who holds ``lock``, as far as one look tells: ``{run, owner, reason, since, expires}`` (seconds since 1970), or
    None. For people: where another server's clock was the last to renew it, a clock that differs misleads."""
    if lock is None:
        return None
    told = _told(lock)
    ended = _ended_here(lock)
    if ended is None:
        ended = time.time() > told["expires"] + MARGIN
    return None if ended else told


class Lease:
    """The lock of one stack for one run. Use ``take()``, ``check()`` before each write, and ``release()``."""

    def __init__(self, docker: Docker, stack: str, run: Run) -> None:
        self._docker = docker.clone()
        self._stack = stack
        self._run = run
        # Held by whoever speaks to the store: the work before a write, or the thread that renews.
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._id = ""
        self._version = 0
        self._since = 0.0
        # Of the steady clock: when it ends, and when the store last said that it is ours.
        self._until = 0.0
        self._confirmed = 0.0
        # While waiting: the version that was found, and since when it has stood.
        self._seen: tuple[str, int] = ("", 0)
        self._seen_at = 0.0
        self._lost = ""
        self._began = False
        self._kept = False
        self.note = ""

    def take(self, wait: float) -> None:
        """Take the lock; ``note`` then says what was waited for.

        A run that lives (it renews its lock) is waited for up to ``wait`` seconds. One that gives no sign of life is
        waited out. Raises ``Locked`` when the other run lives and still holds it, ``Cancelled`` when this one is to
        stop.
        """
        began = time.monotonic()
        other: dict[str, Any] | None = None
        lives = False
        while True:
            before, seen = other, self._seen
            other = patient(self._try)
            if other is None:
                break
            if before is None or other["run"] != before["run"]:
                self._run.progress(f"waiting: {Locked(self._stack, other)}")
            elif self._seen != seen:
                lives = True
            if lives and time.monotonic() - began >= wait:
                raise Locked(self._stack, other)
            self._run.wait(0.5)
        if before is not None and not self.note:
            self.note = f"waited {time.monotonic() - began:.0f} s for {_who(before)}"
        if self.note:
            self._run.progress(self.note)
        self._thread = threading.Thread(target=self._renew_until_stopped, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise when the run is to stop or the lock is no longer ours; called before every write."""
        self._run.check()
        with self._guard:
            if not self._lost and time.monotonic() - self._confirmed > FRESH:
                try:
                    self._confirm()
                except LeaseLost as error:
                    self._lost = str(error)
                except DockerError as error:
                    # Without a leader nobody takes it over, and nothing is written either.
                    self._run.progress(f"the lock of {self._stack} can't be read just now: {error.message}")
            if not self._lost and time.monotonic() > self._until:
                self._lost = f"the lock of {self._stack} could not be renewed in time"
        if self._lost:
            raise LeaseLost(self._lost)

    def release(self) -> None:
        """Give the lock back, unless it is no longer ours or an earlier step of this run had taken it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        try:
            if self._id and not self._lost and not self._kept:
                # Ended by compare and set first: a lock that somebody took over meanwhile isn't deleted.
                patient(lambda: self._write(self._since, 0.0))
                patient(lambda: self._docker.delete(f"/configs/{self._id}"))
        except (DockerError, LeaseLost):
            return
        finally:
            self._docker.close()

    def leave(self) -> None:
        """Stop renewing and keep the lock: a later step of the same run takes it again before it ends."""
        self._kept = True
        self.release()

    def _try(self) -> dict[str, Any] | None:
        """Take the lock if it is free; else who holds it. Harmless to repeat after any error."""
        while True:
            lock = read(self._docker, self._stack)
            if lock is None:
                self._create()
                continue
            told = _told(lock)
            version = (lock["ID"], lock["Version"]["Index"])
            if version != self._seen:
                self._seen, self._seen_at = version, time.monotonic()
            ours = told["run"] == self._run.id and told["expires"] > 0
            if not ours and not self._ended(lock):
                return told
            # What an earlier step of this run took, a later step gives back.
            self._kept = ours and not self._began
            self._began = self._began or not ours
            self._id, self._version = version
            try:
                self._write(told["since"] if ours else time.time(), TTL)
            except LeaseLost:
                # Another one was faster.
                continue
            if not ours and told["expires"] > 0:
                self.note = f"took over the lock of run {told['run']} ({told['owner']}), which expired"
            return None

    def _create(self) -> None:
        self._began = True
        spec = self._spec(time.time(), TTL)
        try:
            self._docker.post("/configs/create", spec)
        except DockerError as error:
            if error.status != 409:
                raise

    def _ended(self, lock: Mapping[str, Any]) -> bool:
        ended = _ended_here(lock)
        return time.monotonic() - self._seen_at > TTL + MARGIN if ended is None else ended

    def _write(self, since: float, seconds: float) -> None:
        """Make the lock ours for so many ``seconds``, or none. Raises ``LeaseLost`` when it is another's."""
        began = time.monotonic()
        spec = self._spec(since, seconds)
        path = f"/configs/{self._id}/update"
        try:
            self._docker.post(path, spec, version=self._version)
        except DockerError as error:
            if error.status == 404:
                raise LeaseLost(f"the lock of {self._stack} was broken") from error
            if "out of sequence" not in error.message:
                raise
            # Perhaps by ourselves: a write can be carried out and yet be answered with an error.
            self._confirm()
            self._docker.post(path, spec, version=self._version)
        self._since = since
        self._until = began + seconds
        self._confirm()

    def _confirm(self) -> None:
        """Read whether the lock is ours, and its version. Raises ``LeaseLost`` when it is not."""
        began = time.monotonic()
        try:
            found = self._docker.get(f"/configs/{self._id}")
        except DockerError as error:
            if error.status != 404:
                raise
            raise LeaseLost(f"the lock of {self._stack} was broken") from error
        told = _told(found)
        if told["run"] != self._run.id:
            raise LeaseLost(f"the lock of {self._stack} was taken over by {_who(told)}")
        self._version = found["Version"]["Index"]
        self._confirmed = began

    def _spec(self, since: float, seconds: float) -> dict[str, Any]:
        values = {
            "run": self._run.id,
            "owner": self._run.owner,
            "reason": self._run.reason,
            "since": f"{since:.3f}",
            "expires": f"{time.time() + seconds:.3f}" if seconds else "0",
            "boot": _boot(),
            "until": f"{time.monotonic() + seconds:.3f}",
        }
        labels = {"longshore.stack": self._stack, **{LABEL + name: value for name, value in values.items()}}
        return {"Name": lock_name(self._stack), "Labels": labels, "Data": _DATA}

    def _renew_until_stopped(self) -> None:
        while not self._stop.wait(RENEW_EVERY):
            with self._guard:
                try:
                    self._write(self._since, TTL)
                except LeaseLost as error:
                    self._lost = str(error)
                    return
                except DockerError:
                    # The managers may be choosing a leader; check() knows when it has been too long.
                    continue


_DATA = base64.b64encode(b"held while a run changes the stack").decode()


def _told(lock: Mapping[str, Any]) -> dict[str, Any]:
    labels = lock["Spec"].get("Labels") or {}
    found = {name: labels.get(LABEL + name, "") for name in ("run", "owner", "reason")}
    times = {name: float(labels.get(LABEL + name) or 0) for name in ("since", "expires")}
    return {**found, **times}


def _who(told: Mapping[str, Any]) -> str:
    return f"run {told['run']} of {told['owner'] or 'somebody'}"


def _ended_here(lock: Mapping[str, Any]) -> bool | None:
    """Whether the lock has ended, if that can be told without waiting."""
    labels = lock["Spec"].get("Labels") or {}
    if float(labels.get(LABEL + "expires") or 0) <= 0:
        return True
    if not _boot() or labels.get(LABEL + "boot") != _boot():
        return None
    return time.monotonic() > float(labels.get(LABEL + "until") or 0) + MARGIN


def _boot() -> str:
    """What tells this start of this server from all others; its steady clock is the same for all processes."""
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
