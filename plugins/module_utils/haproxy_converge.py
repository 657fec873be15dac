# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's HAProxy made as the fragments of its stacks say: look, plan, change. Private to the collection.

What is live is decided by the rename of ``haproxy.cfg`` and the reload after it. A run that is killed between two
steps is finished by the next: every step looks at what is really there, the reload at what the worker has loaded.
"""

from __future__ import annotations

import os
import re
import time

from . import haproxy_docker as engine
from . import haproxy_files as files
from . import haproxy_process as process
from . import haproxy_ready as ready
from .docker_api import Docker
from .haproxy_bundles import Bundles, no_longer_kept
from .haproxy_model import HaproxyError, conflicts, networks_of, ports_of, settings_of
from .haproxy_pages import MAINTENANCE_MAP
from .haproxy_render import maxconn_for, render
from .haproxy_text import CONFIG_DIR, STATE_DIR
from .haproxy_tls import has_tls
from .haproxy_unit import CONTAINER, NETWORK, NETWORKS_UNIT, UNIT, UNIT_LABEL, USER_ID, label_in, units_of
from .host_change import attempt
from .host_change import run as run_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .run import Run

_PASSWORD = re.compile(
    r'((?:insecure-)?password |"stats_password": (?!"")|^ {3}"[^"\n]*": "(?=\$))[^\n]*?(,?)$', re.MULTILINE
)
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
START_SECONDS = 30.0


class Present:
    """What is on the host now: engine, image, network, container, units, what the worker has loaded."""

    def __init__(self, docker: Docker | None, image: str) -> None:
        self.docker = docker
        self.image = docker is not None and engine.found(docker, f"/images/{image}/json") is not None
        self.network = engine.found(docker, f"/networks/{NETWORK}") if docker else None
        self.container = engine.found(docker, f"/containers/{CONTAINER}/json") if docker else None
        self.running = bool(self.container and self.container["State"]["Running"])
        label = self.container["Config"]["Labels"].get(UNIT_LABEL, "") if self.container else ""
        self.unit = label if self.running else ""
        self.joined = engine.networks_of_container(self.container)
        self.loaded = process.loaded_config() if self.running else ""
        self.active, self.enabled, self.outdated = _unit_state()

    @property
    def gone(self) -> bool:
        """Nothing of HAProxy is left."""
        paths = (CONFIG_DIR, STATE_DIR, UNIT_FILE, f"/etc/systemd/system/{NETWORKS_UNIT}")
        return not (self.network or self.container or any(map(os.path.exists, paths)))


def converge(
    stack: str,
    fragment: dict[str, Any] | None,
    check: bool,
    run: Run,
    *,
    interrupt: bool = True,
    without_engine: bool = True,
    serving: Sequence[str] = (),
    auth: Mapping[str, Mapping[str, str]] | None = None,
    bundles: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Make HAProxy serve ``fragment`` beside the other stacks' (None: without ``stack``), or say what would be done.

    ``auth`` has logins by registry, ``bundles`` the stack's own certificates (``haproxy_bundles.check``).

    Without ``interrupt`` nothing is done when an HAProxy that serves would have to be
    restarted. The last stack goes as far as it can ``without_engine``, or else not at all.

    ``serving`` are the services that are known to have healthy tasks: HAProxy has to know one of each.

    The answer has ``changed``, ``changes`` (words), ``diff``, ``warnings``, ``notices`` (what is served by nobody here,
    and by tasks elsewhere), ``restarted``, ``reloaded``, ``interrupts``. Raises
    ``HaproxyError`` (nothing is live then that was not before), of these ``NoEngineError`` when the engine is dead;
    ``DockerError``, ``HostError`` and ``Cancelled``.
    """
    with files.lock(check):
        others = files.read_fragments(stack)
        fragments = [*others, fragment] if fragment else others
        errors = conflicts(fragments)
        if errors:
            raise HaproxyError(errors)
        docker = Docker.connect()
        if docker is None and not check and (fragments or not without_engine):
            raise engine.NoEngineError("; the role docker_host installs one" if without_engine else "")
        with engine.needed(docker):
            if not fragments:
                return _remove(stack, Present(docker, settings_of([])["image"]), check)
            change = _Change(stack, fragment, fragments, docker, bundles)
            if change.interrupts and not interrupt:
                return _answer(interrupts=True)
            if not check:
                if change.words:
                    change.apply(run, auth or {})
                change.await_services(serving, run)
            return change.answer()


class _Change:
    def __init__(
        self,
        stack: str,
        fragment: dict[str, Any] | None,
        fragments: list[dict[str, Any]],
        docker: Docker | None,
        bundles: Mapping[str, str] | None = None,
    ) -> None:
        self.services = ready.services_of(fragment)
        self.silent: list[str] = []
        self.notices: list[str] = []
        self.settings = settings_of(fragments)
        self.image = self.settings["image"]
        try:
            self.maxconn = maxconn_for(self.settings["maxconn"], engine.open_files_limit())
        except ValueError as error:
            raise HaproxyError([str(error)]) from error
        self.ipv6 = self.settings["ipv6"] and engine.host_has_ipv6()
        self.config = render(fragments, self.settings, self.maxconn, self.ipv6)
        published = ports_of(fragments) + ([self.settings["https_port"]] if has_tls(fragments) else [])
        self.units = units_of(self.settings, self.maxconn, published)
        self.bundles = Bundles(stack, fragments, bundles or {})
        self.networks = networks_of(fragments)
        self.own = set(networks_of([fragment])) if fragment else set()
        self.now = Present(docker, self.image)
        wanted = files.wanted_files(
            fragment, self.config, self.units, self.networks, {each["stack"] for each in fragments}
        )
        self.files = [file for file in wanted if file.differs()]
        self.directories = files.wrong_directories()
        self.stale = files.stale_maps(self.config)
        old_fragment = files.fragment_path(stack)
        self.unwanted = old_fragment if fragment is None and os.path.exists(old_fragment) else ""
        self._plan()

    def _plan(self) -> None:
        now = self.now
        self.digest = process.description_in(self.config["haproxy.cfg"])
        self.renew_network = not engine.network_fits(now.network, self.ipv6, self.settings["ipv6_subnet"])
        self.restart = self.renew_network or not now.active or now.unit != label_in(self.units[UNIT_FILE])
        self.interrupts = self.restart and now.active
        self.reload = not self.restart and now.loaded != self.digest
        joined = set() if self.restart else now.joined
        self.to_join = sorted(self.own - joined)
        self.to_leave = sorted(joined - set(self.networks))
        # Another stack's networks are for its own run to join, and for the networks' unit after a start: that stack may
        # be gone, removed while this server was away.
        self.missed = sorted(set(self.networks) - self.own - now.joined) if now.running else []
        self.words = self._changes()
        self.diff = self._diff()

    def answer(self) -> dict[str, Any]:
        warnings = [_missed(network) for network in self.missed]
        if self.now.docker and self.ipv6 and engine.ipv6_hidden(self.now.docker):
            warnings.append(
                "IPv6 clients will all appear under one address: set experimental and ip6tables in daemon.json"
            )
        warnings += [_uncovered(host) for host in self.bundles.uncovered]
        if self.silent:
            warnings.append(f"no task answers yet behind {', '.join(self.silent)}")
        told = _answer(self.words, self.diff, warnings=warnings, restarted=self.restart, reloaded=self.reload)
        return {**told, "notices": self.notices}

    def _changes(self) -> list[str]:
        changes = [f"pull {self.image}"] if not self.now.image else []
        if self.renew_network:
            changes.append(f"{'make anew' if self.now.network else 'create'} network {NETWORK}")
        changes += [f"set up {path}" for path, _mode, _user, _group in self.directories]
        changes += [f"write {file.path}" for file in self.files]
        changes += self.bundles.words(self.restart or self.reload)
        changes += [f"remove {path}" for path in [self.unwanted, *self.stale] if path]
        if not self.now.enabled:
            changes.append(f"enable {UNIT}")
        if self.restart:
            changes.append(f"{'restart' if self.now.active else 'start'} {UNIT}")
        elif self.reload:
            changes.append("reload HAProxy")
        changes += [f"join {network}" for network in self.to_join]
        return changes + [f"leave {network}" for network in self.to_leave]

    def _diff(self) -> list[dict[str, str]]:
        entries = [(file.path, files.read(file.path), file.text) for file in self.files if "/maps/" not in file.path]
        entries += self.bundles.diff()
        entries += [(path, files.read(path), "") for path in [self.unwanted] if path]
        kinds = [
            (kind, _map_text(kind, files.read(f"{CONFIG_DIR}/haproxy.cfg") or ""), text)
            for kind, text in sorted((name[5:].partition(".")[0], text) for name, text in self.config.items())
            if kind in ("hosts", "wildcards", "routes")
        ]
        entries += [(f"{CONFIG_DIR}/maps/{kind}", old, text) for kind, old, text in kinds if old != text]
        now = self.now
        after = set(self.networks) - set(self.missed)
        entries.append((CONTAINER, _state(now.running, now.joined), _state(True, after)))
        return [
            {"before_header": name, "after_header": name, "before": _shown(before), "after": _shown(after)}
            for name, before, after in entries
            if before != after
        ]

    def _engine(self) -> Docker:
        if self.now.docker is None:
            raise RuntimeError("converge() refuses to apply anything without an engine")
        return self.now.docker

    def apply(self, run: Run, auth: Mapping[str, Mapping[str, str]]) -> None:
        docker = self._engine()
        run.check()
        if not self.now.image:
            run.progress(f"pulling {self.image}")
            engine.pull(docker, self.image, auth, run)
        for path, mode, user, group in self.directories:
            os.makedirs(path, mode=0o755, exist_ok=True)
            os.chmod(path, mode)
            os.chown(path, user, group)
        undo = _Undo([*[file.path for file in self.files], *([self.unwanted] if self.unwanted else [])])
        try:
            self.bundles.write()
            self._check_config()
            run.check()
            if not self.restart:
                for network in self.to_join:
                    engine.join(docker, network)
            self._write()
            self._go_live(docker)
        except Exception:
            self.bundles.restore()
            self._go_back(undo)
            raise
        self.bundles.finish()
        if self.restart:
            for network in self.to_join:
                engine.join(docker, network)
            self.missed = [name for name in self.networks if name not in self.own and not _joined(docker, name)]
        for network in self.to_leave:
            engine.leave(docker, network)
        for path in self.stale:
            os.unlink(path)

    def await_services(self, serving: Sequence[str], run: Run) -> None:
        """Wait until a task is known behind each route: after a change of all, else of those of ``serving``."""
        served = {name for name, service in self.services.items() if service in serving}
        silent = ready.wait(self.services if self.words else served, run)
        if silent and Docker.connect() is None:
            raise engine.NoEngineError(" any more")
        self.silent = [name for name in silent if name not in served]
        unserved = ready.wait([name for name in silent if name in served], run, patience=ready.SURE)
        self.notices = [_unknown(service) for service in sorted({self.services[name] for name in unserved})]

    def _check_config(self) -> None:
        maps = [file for file in self.files if "/maps/" in file.path or file.path == MAINTENANCE_MAP]
        config = [file for file in self.files if file.path == files.CONFIG_FILE]
        for file in maps:
            file.write()
        if not (config or self.reload or self.restart):
            return
        candidate = files.Wanted(f"{CONFIG_DIR}/candidate.cfg", self.config["haproxy.cfg"], 0o640, USER_ID)
        try:
            candidate.write()
            process.check_config(self.image, self.maxconn, "candidate.cfg")
        finally:
            if os.path.exists(candidate.path):
                os.unlink(candidate.path)

    def _write(self) -> None:
        for file in self.files:
            file.write()
        if self.unwanted:
            files.forget(self.unwanted)
        if self.now.outdated or any(file.path.startswith("/etc/systemd/") for file in self.files):
            run_program(["systemctl", "daemon-reload"])
        if not self.now.enabled:
            run_program(["systemctl", "enable", "--quiet", UNIT])

    def _go_live(self, docker: Docker) -> None:
        if self.reload:
            process.reload_worker()
        elif not self.restart:
            self.bundles.exchange()
        if not self.restart:
            return
        if self.renew_network:
            attempt(["systemctl", "stop", UNIT])
            if self.now.network:
                docker.delete(f"/networks/{NETWORK}")
            engine.create_network(docker, self.ipv6, self.settings["ipv6_subnet"])
        self._start()

    def _start(self) -> None:
        began = time.time()
        run_program(["systemctl", "restart", UNIT])
        until = time.monotonic() + START_SECONDS
        while process.loaded_config() != self.digest:
            if time.monotonic() > until:
                since = f"--since=@{int(began)}"
                _code, out, _error = attempt(["journalctl", "-u", UNIT, "-o", "cat", "-n", "20", since])
                raise HaproxyError([f"HAProxy did not start within {START_SECONDS:.0f} s: {process.said(out)}"])
            time.sleep(0.1)

    def _go_back(self, undo: _Undo) -> None:
        if self.restart and not self.now.running:
            attempt(["systemctl", "disable", "--now", "--quiet", UNIT])
        undo.restore()
        attempt(["systemctl", "daemon-reload"])
        if self.restart and self.now.running and self.now.loaded != process.loaded_config():
            attempt(["systemctl", "restart", UNIT])


class _Undo:
    """What files held before, so that a failure leaves them as they were."""

    def __init__(self, paths: list[str]) -> None:
        self._old: list[tuple[str, str | None, int, int]] = []
        for path in paths:
            text = files.read(path)
            found = os.stat(path) if text is not None else None
            self._old.append((path, text, (found.st_mode & 0o7777) if found else 0, found.st_gid if found else 0))

    def restore(self) -> None:
        for path, text, mode, group in self._old:
            if text is not None:
                files.Wanted(path, text, mode, group).write()
            elif os.path.exists(path):
                os.unlink(path)


def _answer(
    changes: Sequence[str] = (), diff: Sequence[dict[str, str]] = (), warnings: Sequence[str] = (), **done: bool
) -> dict[str, Any]:
    return {
        "changed": bool(changes),
        "changes": list(changes),
        "diff": list(diff),
        "warnings": list(warnings),
        **{name: done.get(name, False) for name in ("restarted", "reloaded", "interrupts")},
    }


def _joined(docker: Docker, network: str) -> bool:
    """Put HAProxy on another stack's network; whether it is on it now."""
    try:
        engine.join(docker, network)
    except HaproxyError:
        return False
    return True


def _uncovered(host: str) -> str:
    """What to do about a host that only plain requests reach."""
    return f"no certificate is for {host}: clients that come by https get a wrong one; give one, or name it in one"


def _unknown(service: str) -> str:
    """What to do about a service that HAProxy doesn't find."""
    return (
        f"HAProxy of {os.uname().nodename} answers 503 for {service}, which has healthy tasks: its checks fail, or "
        f"this server's engine doesn't name them. 'journalctl -u {UNIT}' tells failed checks; for names, "
        f"'systemctl restart {UNIT}' joins the network and 'docker service update --force {service}' makes tasks anew"
    )


def _missed(network: str) -> str:
    """What to do about a network of another stack that HAProxy is not on."""
    stack = network.rpartition("_")[0]
    return (
        f"HAProxy is not on the network {network}, so the routes of the stack {stack} are answered with 503 here. "
        f"'longshore up' of {stack} joins it. If {stack} was removed while this server was away, 'longshore destroy' "
        f"of it once more takes its routes away, or without its stack file: rm {files.fragment_path(stack)}"
    )


def _map_text(kind: str, config: str) -> str:
    """The map of one kind to which a configuration refers."""
    marker = f"{CONFIG_DIR}/maps/{kind}."
    before, found, after = config.partition(marker)
    return files.read(f"{marker}{after.partition('.map')[0]}.map") or "" if found and before else ""


def _state(running: bool, networks: set[str]) -> str:
    lines = [f"state: {'running' if running else 'absent'}", *(f"network: {name}" for name in sorted(networks))]
    return "".join(f"{line}\n" for line in lines)


def _unit_state() -> tuple[bool, bool, bool]:
    """Whether the unit is active, enabled, and changed on disk since systemd read it."""
    names = ("ActiveState", "UnitFileState", "NeedDaemonReload")
    _code, out, _error = attempt(["systemctl", "show", UNIT, *(f"--property={name}" for name in names)])
    values = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    return (
        values.get("ActiveState") in ("active", "reloading"),
        values.get("UnitFileState") == "enabled",
        values.get("NeedDaemonReload") == "yes",
    )


def _remove(stack: str, now: Present, check: bool) -> dict[str, Any]:
    """The last stack is gone, and HAProxy with it: units, container, network, files. The image stays."""
    fragment = files.fragment_path(stack)
    states = {"before": _state(now.running, now.joined), "after": _state(False, set())}
    left = [path for path in [fragment, *no_longer_kept(stack, None)] if os.path.exists(path)]
    changed = bool(left) or not now.gone
    answer = _answer(
        [f"remove {path}" for path in left] + [f"remove {UNIT} and all that belongs to it"] * (not now.gone),
        [{"before_header": CONTAINER, "after_header": CONTAINER, **states}] if changed else [],
    )
    if check or not changed:
        return answer
    attempt(["systemctl", "disable", "--now", "--quiet", UNIT, NETWORKS_UNIT])
    if now.docker:
        engine.delete(now.docker, f"/containers/{CONTAINER}", force=True)
        engine.delete(now.docker, f"/networks/{NETWORK}")
    files.remove_all()
    attempt(["systemctl", "daemon-reload"])
    attempt(["systemctl", "reset-failed", UNIT, NETWORKS_UNIT])
    for path in reversed(left):
        files.forget(path)
    return answer


def _shown(text: str | None) -> str:
    """A file's text without the password of the statistics, be it the one that was or the one that will be: known by
    its place, since a file writes it with quotes and escapes of its own."""
    return _PASSWORD.sub(r"\1********\2", text or "")
