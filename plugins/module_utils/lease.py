# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack's lock: a lease in Swarm's store, so that it ends by itself when its owner dies.

Private to the collection. The lock is a config object, since a name can exist only once. Its labels say who holds it
and until when; only the holder of the newest version can renew it (compare and set), which fences off the others.
"""

from __future__ import annotations

import base64
import threading
import time

from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run

TTL = 60.0
# So often that a second run learns soon whether the first is alive.
RENEW_EVERY = 5.0
# Managers' clocks may differ a little; the fence holds even where they differ much.
CLOCK_MARGIN = 2.0
LABEL = "longshore.lock."


class Locked(Exception):
    """Another run holds the lock: ``holder`` has ``owner``, ``run``, ``since``, ``reason`` and ``expires``."""

    def __init__(self, stack: str, holder: dict[str, Any]) -> None:
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(holder["since"]))
        super().__init__(f"{stack} is locked by {holder['owner'] or 'somebody'} (run {holder['run']}, since {since})")
        self.holder = holder


class LeaseLost(Exception):
    """This run's lock was taken over, broken, cancelled, or could not be renewed in time."""


def lock_name(stack: str) -> str:
    """The config object that is the stack's lock."""
    return f"{stack}.lock"


def read(docker: Docker, stack: str) -> dict[str, Any] | None:
    """The lock as the engine gives it, held or expired; None when there is none."""
    found = docker.get("/configs", filters={"name": [lock_name(stack)]})
    return next((config for config in found if config["Spec"]["Name"] == lock_name(stack)), None)


def holder(lock: dict[str, Any] | None) -> dict[str, Any] | None:
    """Who holds ``lock`` now: ``{run, owner, reason, since, expires}`` (times in seconds since 1970), or None."""
    if lock is None:
        return None
    labels = lock["Spec"].get("Labels") or {}
    found = {name: labels.get(LABEL + name, "") for name in ("run", "owner", "reason")}
    times = {name: float(labels.get(LABEL + name) or 0) for name in ("since", "expires")}
    return {**found, **times} if time.time() < times["expires"] + CLOCK_MARGIN else None


class Lease:
    """The lock of one stack for one run. Use ``take()``, ``check()`` before each write, and ``release()``."""

    def __init__(self, docker: Docker, stack: str, run: Run) -> None:
        self._docker = docker.clone()
        self._stack = stack
        self._run = run
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._id = ""
        self._version = 0
        self._since = 0.0
        self._expires = 0.0
        self._lost = ""
        self._kept = False
        self.note = ""

    def take(self, wait: float) -> None:
        """Take the lock; ``note`` then says what was waited for.

        A run that lives (it renews its lock) is waited for up to ``wait`` seconds. One that gives no sign of life is
        waited out, at most ``TTL``. Raises ``Locked`` when the other run lives and still holds it, ``Cancelled`` when
        this one is to stop.
        """
        began = time.monotonic()
        seen: dict[str, Any] | None = None
        lives = False
        while True:
            other = self._try()
            if other is None:
                break
            if seen is None or other["run"] != seen["run"]:
                self._run.progress(f"waiting: {Locked(self._stack, other)}")
            elif other["expires"] > seen["expires"]:
                lives = True
            seen = other
            if lives and time.monotonic() - began >= wait:
                raise Locked(self._stack, other)
            self._run.wait(0.5)
        if seen is not None and not self.note:
            self.note = (
                f"waited {time.monotonic() - began:.0f} s for run {seen['run']} of {seen['owner'] or 'somebody'}"
            )
        if self.note:
            self._run.progress(self.note)
        self._thread = threading.Thread(target=self._renew_until_stopped, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise when the run is to stop or the lock is no longer ours; called before every write."""
        self._run.check()
        if self._lost:
            raise LeaseLost(self._lost)
        if time.time() > self._expires:
            raise LeaseLost(f"the lock of {self._stack} could not be renewed in time")

    def release(self) -> None:
        """Give the lock back, unless it is no longer ours or an earlier step of this run had taken it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if not self._id or self._lost or self._kept:
            self._docker.close()
            return
        try:
            # Expired by compare and set first: a lock that somebody took over meanwhile isn't deleted.
            self._write(self._since, 0.0)
            self._docker.delete(f"/configs/{self._id}")
        except DockerError:
            return
        finally:
            self._docker.close()

    def leave(self) -> None:
        """Stop renewing and keep the lock: a later step of the same run takes it again before it ends."""
        self._kept = True
        self.release()

    def _try(self) -> dict[str, Any] | None:
        """Take the lock if it is free; else who holds it."""
        lock = read(self._docker, self._stack)
        now = time.time()
        created = lock is None
        if lock is None:
            body = {"Name": lock_name(self._stack), "Labels": self._labels(now, now + TTL), "Data": _DATA}
            try:
                self._docker.post("/configs/create", body)
            except DockerError as error:
                if error.status != 409:
                    raise
            lock = read(self._docker, self._stack)
            if lock is None:
                return self._try()
        other = holder(lock)
        if other is not None and other["run"] != self._run.id:
            return other
        # What an earlier step of this run took, a later step gives back.
        self._kept = other is not None and not created
        labels = lock["Spec"].get("Labels") or {}
        self._id, self._version = lock["ID"], lock["Version"]["Index"]
        expired = other is None and float(labels.get(LABEL + "expires") or 0) > 0
        try:
            self._write(other["since"] if other else now, now + TTL)
        except DockerError as error:
            if "out of sequence" in error.message or error.status == 404:
                return self._try()
            raise
        if expired:
            self.note = (
                f"took over the lock of run {labels.get(LABEL + 'run')} ({labels.get(LABEL + 'owner')}), which expired"
            )
        return None

    def _write(self, since: float, expires: float) -> None:
        spec = {"Name": lock_name(self._stack), "Labels": self._labels(since, expires), "Data": _DATA}
        self._docker.post(f"/configs/{self._id}/update", spec, version=self._version)
        found = self._docker.get(f"/configs/{self._id}")
        self._version = found["Version"]["Index"]
        if found["Spec"]["Labels"].get(LABEL + "run") != self._run.id:
            raise DockerError(409, "update out of sequence: another run took the lock")
        self._since, self._expires = since, expires

    def _labels(self, since: float, expires: float) -> dict[str, str]:
        values = {
            "run": self._run.id,
            "owner": self._run.owner,
            "reason": self._run.reason,
            "since": f"{since:.3f}",
            "expires": f"{expires:.3f}",
        }
        return {"longshore.stack": self._stack, **{LABEL + name: value for name, value in values.items()}}

    def _renew_until_stopped(self) -> None:
        while not self._stop.wait(RENEW_EVERY):
            try:
                with self._guard:
                    self._write(self._since, time.time() + TTL)
            except DockerError as error:
                if error.status == 404 or "out of sequence" in error.message:
                    self._lost = f"the lock of {self._stack} was taken over or broken by another run"
                    return
                # The managers may be choosing a leader; check() knows when it has been too long.


_DATA = base64.b64encode(b"held while a run changes the stack").decode()
