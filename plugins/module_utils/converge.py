# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a plan: networks, secrets and configs, then the services in the order of their dependencies, all
watched in one loop; then what is no longer wanted goes, and the release is recorded. A failure brings the old specs
back.

Private to the collection.
"""

from __future__ import annotations

import contextlib

from ansible_collections.longshore.stack.plugins.module_utils import explain, one_off, overrides, releases
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.object_ids import bound
from ansible_collections.longshore.stack.plugins.module_utils.plan import used
from ansible_collections.longshore.stack.plugins.module_utils.rollout import Rollout, ServiceFailed
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import RELEASE, owned
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import read as read_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.desired import Desired
    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.plan import Plan, ServiceChange
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer


_UNTOUCHED = "Nothing was changed: the release did not begin."


class ConvergeFailed(Exception):
    """The stack did not become what it should; the message is the explanation, one screen."""


class Converger:
    """One plan's execution. ``secrets`` are all secret values, to be masked in what containers printed. Afterwards
    ``lacking`` says by service what only a server that is away keeps from running."""

    def __init__(
        self,
        docker: Docker,
        writer: Writer,
        run: Run,
        *,
        state: State,
        desired: Desired,
        plan: Plan,
        secrets: Iterable[str] = (),
    ) -> None:
        self._docker = docker
        self._writer = writer
        self._run = run
        self._state = state
        self._desired = desired
        self._plan = plan
        self._secrets = list(secrets)
        self._jobs: dict[str, one_off.Job] = {}
        self.lacking: dict[str, str] = {}

    def apply(self) -> None:
        """Do it all. Raises ``ConvergeFailed`` after having gone back, or what the fence and the engine raise."""
        try:
            self._objects()
        except DockerError as error:
            self._sweep_new()
            raise ConvergeFailed(f"the Docker engine said: {error.message}\nThe release did not begin.") from error
        # After the networks are there: the edge network may be new.
        self._rollout = Rollout(
            self._docker,
            self._writer,
            self._run,
            stack=self._state.stack,
            nodes=self._state.nodes,
            secrets=self._secrets,
        )
        try:
            self._roll()
        except Cancelled as error:
            for job in self._jobs.values():
                job.abandon()
            raise Cancelled(f"{error}{self._under_way()}") from error
        self.lacking = self._rollout.lacking
        self._remove()
        self._record()
        self._sweep(self._plan.remove_secrets, self._plan.remove_configs)
        if not self._desired.partial:
            one_off.sweep(self._docker, self._writer, self._run, self._state)

    def _record(self) -> None:
        """Write the new release and forget the oldest, before what only those mount goes."""
        records, keep = dict(self._state.records), self._plan.keep_records
        if self._plan.record:
            releases.write(self._writer, self._plan.record, self._state.configs.values())
            records[self._plan.number] = self._plan.record
            self._run.progress(f"release {self._plan.number} recorded")
        releases.prune(self._writer, self._state.stack, self._state.configs.values(), keep)
        releases.mirror(self._state.stack, {number: records[number] for number in keep})

    def _roll(self) -> None:
        touched = self._plan.touched
        self._before_deploys([change for change in touched if not self._waits_for_changed(change)])
        for change in touched:
            self._enlist(change)
        try:
            self._rollout.run_all(self._ready)
        except (ServiceFailed, one_off.BeforeDeployFailed) as failure:
            for job in self._jobs.values():
                job.abandon()
            try:
                text = self._go_back(str(failure))
            except Cancelled as error:
                raise Cancelled(f"{error}, while going back since\n{failure}\n") from error
            raise ConvergeFailed(text) from failure

    def _under_way(self) -> str:
        """What Swarm goes on with when this run ends now."""
        names = [name for name in self._rollout.started if not self._rollout.done(name)]
        if not names:
            return ""
        return (
            f". Swarm goes on by itself, watched by nobody, with {', '.join(names)}, and halts at a task that fails; "
            "the next run judges it"
        )

    def _objects(self) -> None:
        for name, options in self._plan.networks.items():
            if name in self._plan.replaced_networks:
                self._replaceable(name)
                self._writer.remove(f"/networks/{self._state.networks[name]['Id']}")
            self._state.networks[name] = {"Id": self._writer.create_network(name, options), "Name": name}
        for kind, names, contents, live in (
            ("secret", self._plan.secrets, self._desired.secrets, self._state.secrets),
            ("config", self._plan.configs, self._desired.configs, self._state.configs),
        ):
            for name in names:
                content = contents[name]
                if content is None:
                    raise ConvergeFailed(f"the {kind} {name} no longer exists, so this release can't be brought back")
                live[name] = {"ID": self._writer.create_object(kind, name, content), "Spec": {"Name": name}}

    def _replaceable(self, name: str) -> None:
        identifier = self._state.networks[name]["Id"]
        users = [
            service["Spec"]["Name"]
            for service in self._state.services.values()
            if any(net["Target"] == identifier for net in service["Spec"]["TaskTemplate"].get("Networks") or [])
        ]
        if users:
            raise ConvergeFailed(
                f"Docker can't change the settings of the network {name} while services are on it "
                f"({', '.join(sorted(users))}): give the network a new name, or take the services off it first"
            )

    def _waits_for_changed(self, change: ServiceChange) -> bool:
        """Whether the service depends, directly or not, on one that this run changes too."""
        depends_on = self._desired.services[change.name].settings["depends_on"]
        return any(
            other in self._plan.services and self._plan.services[other] in self._plan.touched for other in depends_on
        )

    def _before_deploys(self, changes: list[ServiceChange]) -> None:
        try:
            for change in changes:
                job = self._job(change)
                if job is not None:
                    job.finish()
        except one_off.BeforeDeployFailed as failure:
            self._sweep_new()
            raise ConvergeFailed(f"{failure}\n{_UNTOUCHED}") from failure

    def _ready(self, name: str) -> bool:
        """Whether the service's command has ended, where it has to run just before; one command runs at a time."""
        change = self._plan.services[name]
        if not self._waits_for_changed(change):
            return True
        if name not in self._jobs and not all(job.ended for job in self._jobs.values()):
            return False
        job = self._jobs.get(name) or self._job(change)
        return job is None or job.poll()

    def _job(self, change: ServiceChange) -> one_off.Job | None:
        wanted = self._desired.services[change.name]
        if not wanted.before_deploy or not (change.replaces or (change.resumes and self._plan.record)):
            return None
        networks, secrets, configs = self._state.ids()
        stack = self._state.stack
        spec = one_off.job_spec(
            stack,
            change.name,
            bound(change.after, networks, secrets, configs),
            wanted.before_deploy,
            self._state.edge,
        )
        deadline = wanted.settings["deadline"]
        place = explain.Place(self._docker, stack, self._state.nodes, self._secrets)
        job = one_off.Job(place, self._writer, self._run, change.name, spec=spec, deadline=deadline)
        self._jobs[change.name] = job
        return job

    def _enlist(self, change: ServiceChange) -> None:
        networks, secrets, configs = self._state.ids()
        live = self._state.services.get(change.name)
        self._rollout.add(
            name=change.name,
            live=live,
            spec=bound(change.after, networks, secrets, configs) if change.action != "none" else None,
            settings=self._desired.services[change.name].settings,
            replaces=change.replaces,
            resumes=change.resumes,
            through=change.through,
        )

    def _go_back(self, why: str) -> str:
        """Bring the release before this run back; the explanation with what became of it."""
        failed = self._rollout.failed
        pauses = bool(failed) and self._desired.services[failed].settings["on_failure"] == "pause"
        first = self._state.newest == 0
        lines, baseline, remove = [why], {}, []
        for name in self._rollout.started:
            # Beside a paused one, what has come up stays, and so does what is new.
            if pauses and (name == failed or self._rollout.done(name) or name not in self._state.services):
                continue
            try:
                spec = self._baseline(self._plan.services[name])
            except KeyError as missing:
                lines.append(f"{name} can't go back: the version before needs {missing}, which is gone")
                continue
            if spec is not None:
                baseline[name] = spec
            elif not first or name == failed or not self._rollout.settled(name):
                remove.append(name)
        lines.append(self._rollout.go_back(baseline, remove))
        if pauses:
            lines.append(
                f"The update of {failed} is paused as it is (update.on_failure: pause); the next deploy goes on from "
                "here."
            )
        self._sweep_new()
        return "\n".join(line for line in lines if line)

    def _baseline(self, change: ServiceChange) -> dict[str, Any] | None:
        """The bound spec of the last release for a service; None when that release had none."""
        live = self._state.services.get(change.name)
        if live is None:
            return None
        if not change.resumes:
            return dict(live["Spec"])
        kept = self._state.records.get(self._state.newest, {}).get("services", {}).get(change.name)
        if kept is None:
            return None
        spec = overrides.carried(kept["spec"], self._state.spec(change.name))
        spec["Labels"][RELEASE] = str(self._state.newest)
        return bound(spec, *self._state.ids())

    def _remove(self) -> None:
        for name in self._plan.remove_services:
            self._run.progress(f"{name}: removed")
            self._writer.remove(f"/services/{self._state.services[name]['ID']}")
        for name in self._plan.remove_networks:
            self._writer.remove(f"/networks/{self._state.networks[name]['Id']}")

    def _sweep(self, secrets: Iterable[str], configs: Iterable[str]) -> None:
        for name in secrets:
            self._writer.remove(f"/secrets/{self._state.secrets[name]['ID']}")
        for name in configs:
            self._writer.remove(f"/configs/{self._state.configs[name]['ID']}")

    def _sweep_new(self) -> None:
        """Remove what this run created and nothing uses, so that a failed run leaves the stack as it was. What the
        engine refuses is left to the next run: the failure itself is what has to be told."""
        with contextlib.suppress(DockerError):
            self._remove_new()

    def _remove_new(self) -> None:
        now = read_state(self._docker, self._state.stack)
        specs = [service["Spec"] for service in now.services.values()]
        specs += [kept["spec"] for record in now.records.values() for kept in record["services"].values()]
        secrets, configs = used(specs)
        self._sweep(
            sorted((set(self._plan.secrets) & owned(now.secrets, now.stack, "secret")) - secrets),
            sorted((set(self._plan.configs) & owned(now.configs, now.stack, "config")) - configs),
        )
