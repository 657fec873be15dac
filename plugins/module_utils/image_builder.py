# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds of one stack: what has to be built, build it, push it, say how it went.

Private to the collection.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time

from .docker_api import DockerError
from .image_buildlog import BuildLog
from .image_definition import command, image_name, repository
from .image_engine import (
    ImageError,
    configuration,
    explain,
    is_final,
    local,
    no_room_for_pushes,
    push,
    remote_digest,
)
from .image_process import Overdue, Stopped
from .image_reference import Reference
from .image_source import GitSource, SourceError, inside, unpack, write_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from .docker_api import Docker
    from .image_definition import Build
    from .image_engine import Credentials
    from .image_process import Processes
    from .run import Run

ROOT = "/var/lib/longshore"
# Seconds in which a Git server has to say what a branch is.
LOOKUP = 120.0
# Logs that are kept of each service.
LOGS = 20


class BuildError(Exception):
    """A build that failed.

    Attributes: ``service``, ``step`` (of the Dockerfile, may be empty), ``exit_code`` (of the step's command, or None),
    ``lines`` (the last of its output), ``log`` (file with all of it, may be empty).
    """

    def __init__(
        self,
        service: str,
        cause: str,
        *,
        step: str = "",
        exit_code: int | None = None,
        lines: Sequence[str] = (),
        log: str = "",
    ) -> None:
        super().__init__(f"{service}: {cause}")
        self.service = service
        self.step = step
        self.exit_code = exit_code
        self.lines = list(lines)
        self.log = log


class NoRegistry(BuildError):
    """The registry does not answer."""


class Planned:
    """What is known before building. Without Git, which a check doesn't install, ``commit`` is empty and ``image``
    has no tag; ``digest`` is empty when the image has to be built."""

    def __init__(self, build: Build, commit: str, image: str, digest: str) -> None:
        self.build = build
        self.commit = commit
        self.image = image
        self.digest = digest

    @property
    def content(self) -> tuple[str, str, str]:
        """What decides the image's content: services that have the same here have the same image."""
        return self.build.git, self.commit, self.build.inputs

    def result(self, digest: str, built: bool, seconds: float) -> dict[str, Any]:
        """The answer for one service; ``seconds`` is how long it took."""
        pinned = Reference.parse(self.image).pinned(digest) if digest else self.image
        return {
            "image": pinned,
            "digest": digest,
            "commit": self.commit,
            "built": built,
            "seconds": round(seconds, 1),
        }


class Builder:
    """Builds for one stack on this server. ``settings``: the module's parameters; ``private``: a directory in memory
    that only root reads and that the caller removes."""

    def __init__(
        self,
        docker: Docker | None,
        run: Run,
        settings: Mapping[str, Any],
        *,
        credentials: Credentials,
        processes: Processes,
        private: str,
    ) -> None:
        self._docker = docker
        self._run = run
        self._settings = settings
        self._credentials = credentials
        self._processes = processes
        self._private = private
        self._root = os.path.join(ROOT, settings["stack"], "builds")
        os.makedirs(os.path.join(private, "docker"), mode=0o700)
        content = json.dumps(credentials.client_configuration())
        write_private(os.path.join(private, "docker", "config.json"), content)

    def plan(self, build: Build) -> Planned:
        """What the build's source is now, and whether the registry has its image. Raises ``BuildError``."""
        commit = build.content
        if build.git:
            if not shutil.which("git"):
                if self._settings["check"]:
                    image = repository(self._settings["registry"], self._settings["stack"], build)
                    return Planned(build, "", image, "")
                raise BuildError(build.service, "git is not installed on this server")
            if not self._settings["check"]:
                os.makedirs(os.path.join(self._root, build.service), mode=0o700, exist_ok=True)
            try:
                until = time.monotonic() + LOOKUP
                commit = self._source(build, until).resolve()
            except SourceError as error:
                raise BuildError(build.service, str(error)) from error
            except Overdue:
                raise BuildError(build.service, f"{build.git} gave no answer in time") from None
        image = image_name(self._settings["registry"], self._settings["stack"], build, commit)
        return Planned(build, commit, image, self._known(build, image))

    def perform(self, planned: Planned, archive: str, same: str = "") -> dict[str, Any]:
        """Build and push; ``archive`` is that of a directory, empty for Git. ``same`` is an image on this server that
        has the content already. Raises ``BuildError``."""
        build, begun = planned.build, time.monotonic()
        directory = os.path.join(self._root, build.service)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        log = os.path.join(directory, f"{Reference.parse(planned.image).tag}.log")
        with self._alone(directory):
            # Another run may have built it while this one waited.
            digest = self._known(build, planned.image)
            if digest:
                return planned.result(digest, False, time.monotonic() - begun)
            until = time.monotonic() + self._settings["deadline"]
            try:
                if not (same and self._tag(same, planned.image)):
                    self._make(planned, archive, directory, log, until)
                digest = self._push(planned)
            except SourceError as error:
                raise BuildError(build.service, str(error)) from error
            except ImageError as error:
                raise BuildError(build.service, str(error), log=log if os.path.exists(log) else "") from error
            except Overdue:
                limit = f"{self._settings['deadline']:.0f} s"
                raise BuildError(build.service, f"it took longer than {limit} and was ended", log=log) from None
            finally:
                shutil.rmtree(os.path.join(directory, "tree"), ignore_errors=True)
                _forget_old_logs(directory)
        return planned.result(digest, True, time.monotonic() - begun)

    def _make(self, planned: Planned, archive: str, directory: str, log: str, until: float) -> None:
        build = planned.build
        self._say(build, f"source {planned.commit[:12]}")
        if build.git:
            tree = self._source(build, until).checkout(planned.commit)
            names = (build.context, os.path.join(build.context, build.dockerfile))
        else:
            tree = unpack(archive, directory, self._processes, until)
            names = ("context", "Dockerfile")
        self._build(planned, inside(tree, names[0]), inside(tree, names[1]), log, until)

    def _tag(self, same: str, image: str) -> bool:
        """Give an image another name; False when it is not on this server, since another run has built it elsewhere."""
        if self._docker is None:
            return False
        known, wanted = Reference.parse(same), Reference.parse(image)
        try:
            self._docker.clone().post(f"/images/{known.exact}/tag", repo=wanted.name, tag=wanted.tag)
        except DockerError as error:
            if error.status == 404:
                return False
            raise ImageError(f"{wanted}: it could not be named: {error.message}") from error
        return True

    def configuration(self, result: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the image of a result says of how to run it; None when it is not on this server."""
        if self._docker is None or not result["digest"]:
            return None
        image = local(self._docker, Reference.parse(result["image"]))
        return configuration(image) if image else None

    def _known(self, build: Build, image: str) -> str:
        if self._docker is None or self._settings["rebuild"]:
            return ""
        reference = Reference.parse(image)
        try:
            return remote_digest(self._docker.clone(), reference, self._credentials)
        except DockerError as error:
            if self._settings["check"] or "unknown" in error.message:
                return ""
            kind = BuildError if is_final(error) else NoRegistry
            raise kind(build.service, explain(reference, error, self._credentials)) from error

    def _build(self, planned: Planned, context: str, dockerfile: str, log: str, until: float) -> None:
        build, parsed = planned.build, BuildLog()
        options = ["--pull"] if self._settings["pull"] else []
        if self._settings["rebuild"]:
            options.append("--no-cache")
        if self._settings["cgroup_parent"]:
            options.append(f"--cgroup-parent={self._settings['cgroup_parent']}")
        argv = command(build, planned.image, dockerfile, context, options)
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:

            def take(line: str) -> None:
                parsed.feed(line)
                file.write(line + "\n")
                file.flush()
                if line.strip():
                    self._say(build, line)

            code = self._processes.run(argv, take, environment=self._client(), until=until)
        if code != 0:
            raise BuildError(
                build.service,
                parsed.cause,
                step=parsed.step,
                exit_code=parsed.exit_code,
                lines=parsed.last_lines,
                log=log,
            )

    def _push(self, planned: Planned) -> str:
        if self._docker is None:
            raise ImageError("no Docker engine answers on this server")
        reference = Reference.parse(planned.image)
        problem = no_room_for_pushes()
        if problem:
            raise ImageError(f"the image was built but not pushed: {problem}")

        def step() -> None:
            if self._processes.stopped.is_set():
                raise ImageError("ended while it was pushed")

        self._say(planned.build, f"pushing {reference}")
        digest = push(self._docker.clone(), reference, self._credentials, step)
        self._say(planned.build, f"pushed {reference}@{digest[:19]}")
        return digest

    def _client(self) -> dict[str, str]:
        """The environment of Docker's client: its configuration is in memory, for this run only."""
        return {"DOCKER_CONFIG": os.path.join(self._private, "docker"), "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}

    def _source(self, build: Build, until: float) -> GitSource:
        directory = os.path.join(self._root, build.service)
        return GitSource(
            build, self._settings["git_auth"], self._processes, directory=directory, private=self._private, until=until
        )

    def _say(self, build: Build, line: str) -> None:
        self._run.progress(f"{build.service} | {line}")

    @contextlib.contextmanager
    def _alone(self, directory: str) -> Iterator[None]:
        with open(os.path.join(directory, ".lock"), "w") as lock:
            while True:
                if self._processes.stopped.is_set():
                    raise Stopped
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.2)
            yield


def _forget_old_logs(directory: str) -> None:
    logs = [os.path.join(directory, name) for name in os.listdir(directory) if name.endswith(".log")]
    for path in sorted(logs, key=os.path.getmtime, reverse=True)[LOGS:]:
        os.unlink(path)
