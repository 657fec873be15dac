# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a stack is to what it should be: every change, field by field, before anything is touched.

Private to the collection. Pure functions: a check and a real run make the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.longshore.stack.plugins.module_utils import (
    forgotten,
    overrides,
    placement,
    releases,
    spec_diff,
    spread,
)
from ansible_collections.longshore.stack.plugins.module_utils.object_ids import references, stripped
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import MASK
from ansible_collections.longshore.stack.plugins.module_utils.service_spec import EDGE
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import RELEASE, STACK, owned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.desired import Desired
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State


@dataclass
class ServiceChange:
    """One service: ``action`` is create, update, scale or none; ``before`` the live portable spec, ``after`` the
    wanted one, ``fields`` their differences. ``replaces`` says whether tasks are replaced, ``resumes`` whether an
    earlier run began it and never finished; ``through`` is a number of replicas to go through, if any."""

    name: str
    action: str
    before: dict[str, Any] | None
    after: dict[str, Any]
    fields: list[dict[str, str | None]]
    replaces: bool
    resumes: bool
    through: int | None = None


@dataclass
class Plan:
    """All changes. ``number`` is the release that the stack has afterwards, ``record`` its record when it is new."""

    stack: str
    number: int = 0
    record: dict[str, Any] | None = None
    services: dict[str, ServiceChange] = field(default_factory=dict)
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)
    replaced_networks: dict[str, list[dict[str, str | None]]] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    configs: list[str] = field(default_factory=list)
    remove_services: list[str] = field(default_factory=list)
    remove_networks: list[str] = field(default_factory=list)
    remove_secrets: list[str] = field(default_factory=list)
    remove_configs: list[str] = field(default_factory=list)
    keep_records: list[int] = field(default_factory=list)

    @property
    def touched(self) -> list[ServiceChange]:
        """The services that this run changes or finishes."""
        return [change for change in self.services.values() if change.action != "none" or change.resumes]

    def changes(self) -> list[dict[str, Any]]:
        """``[{kind, name, action, fields: [{path, before, after}]}]``, in the order in which they are made."""
        found: list[dict[str, Any]] = []
        for name, options in sorted(self.networks.items()):
            if name in self.replaced_networks:
                found.append(_change("network", name, "update", self.replaced_networks[name]))
            else:
                found.append(_change("network", name, "create", _fields(None, network_options(options))))
        hidden = {"value": MASK}
        found += [_change("config", name, "create", []) for name in sorted(self.configs)]
        found += [_change("secret", name, "create", _fields(None, hidden)) for name in sorted(self.secrets)]
        found += [
            _change("service", change.name, change.action, change.fields)
            for change in self.services.values()
            if change.action != "none"
        ]
        for kind, names in (
            ("service", self.remove_services),
            ("network", self.remove_networks),
            ("config", self.remove_configs),
            ("secret", self.remove_secrets),
        ):
            found += [_change(kind, name, "remove", []) for name in sorted(names)]
        return found

    def diff(self) -> list[dict[str, str]]:
        """The changes as Ansible's ``--diff`` shows them."""
        shown = []
        for change in self.changes():
            header = f"{change['kind']} {change['name']}"
            entry = {"before_header": header, "after_header": f"{header} ({change['action']})"}
            service = self.services.get(change["name"]) if change["kind"] == "service" else None
            if service is not None:
                entry["before"] = spec_diff.as_text(spec_diff.readable(service.before) if service.before else None)
                entry["after"] = spec_diff.as_text(spec_diff.readable(service.after))
            elif change["action"] == "remove":
                entry.update(before="present: true\n", after="")
            else:
                for side in ("before", "after"):
                    values = {one["path"]: one[side] for one in change["fields"] if one[side] is not None}
                    entry[side] = spec_diff.as_text(values)
                entry["after"] = entry["after"] or "present: true\n"
            shown.append(entry)
        return shown


def make(state: State, desired: Desired, about: Mapping[str, Any]) -> Plan:
    """The plan. ``about`` goes into the release record: run, owner, reason, time."""
    plan = Plan(state.stack)
    for name in desired.services:
        plan.services[name] = _service(state, desired, name)
    _networks(plan, state, desired)
    plan.secrets = sorted(set(desired.secrets) - set(state.secrets))
    plan.configs = sorted(set(desired.configs) - set(state.configs))
    if not desired.partial:
        plan.remove_services = sorted(set(state.services) - set(desired.services))
    _release(plan, state, desired, about)
    _sweep(plan, state, desired)
    return plan


def network_options(options: Mapping[str, Any]) -> dict[str, str]:
    """A network's settings as ``path → value``."""
    shown = {name: "true" for name in ("internal", "attachable", "enable_ipv6") if options.get(name)}
    shown.update({f"driver_opts.{key}": str(value) for key, value in (options.get("driver_opts") or {}).items()})
    return shown


def _service(state: State, desired: Desired, name: str) -> ServiceChange:
    before = state.spec(name)
    after = overrides.carried(desired.services[name].spec, before)
    fields = spec_diff.fields(before, after)
    if before is None:
        action = "create"
    elif not fields:
        action = "none"
    elif all(one["path"] == "replicas" or str(one["path"]).startswith("service_labels.") for one in fields):
        action = "scale"
    else:
        action = "update"
    replaces = before is None or not spec_diff.same_task(before["TaskTemplate"], after["TaskTemplate"])
    change = ServiceChange(name, action, before, after, fields, replaces, state.unfinished(name))
    if action == "none":
        live = state.services[name]
        tasks = [task for task in state.tasks if task["ServiceID"] == live["ID"]]
        waiting = forgotten.waiting(tasks)
        # What an earlier run began, this one watches to its end first.
        if not change.resumes and forgotten.forgotten(waiting, live):
            _queue_again(change, len(waiting))
        else:
            _spread(state, change, live, tasks)
    return change


def _queue_again(change: ServiceChange, number: int) -> None:
    change.action, change.through = "scale", change.after["Mode"]["Replicated"]["Replicas"] - number
    before = f"{number} that Swarm no longer looks for a server for"
    change.fields = [{"path": "tasks", "before": before, "after": "queued again"}]


def _spread(state: State, change: ServiceChange, live: Mapping[str, Any], tasks: Iterable[Mapping[str, Any]]) -> None:
    uneven = spread.uneven(tasks, state.nodes, change.after)
    if uneven is None or spread.noted(live["Spec"], uneven):
        return
    change.action, change.through = "scale", uneven.through
    servers = placement.server_names(state.stack, state.nodes)
    now = sorted((servers[node], number) for node, number in uneven.tasks.items())
    before = ", ".join(f"{number} on {server}" for server, number in now)
    change.fields = [{"path": "tasks", "before": before, "after": "spread evenly"}]


def _networks(plan: Plan, state: State, desired: Desired) -> None:
    for name, options in desired.networks.items():
        live = state.networks.get(name)
        if options.get("external"):
            if live is None:
                raise ValueError(f"the external network {name} does not exist on the cluster")
            continue
        if live is None:
            plan.networks[name] = options
            continue
        if (live.get("Labels") or {}).get(STACK) != state.stack:
            raise ValueError(f"the network {name} exists already and is not of this stack")
        found = {
            "internal": live.get("Internal"),
            "attachable": live.get("Attachable"),
            "enable_ipv6": live.get("EnableIPv6"),
            "driver_opts": {
                key: value for key, value in (live.get("Options") or {}).items() if not key.endswith("vxlanid_list")
            },
        }
        fields = _fields(network_options(found), network_options(options))
        if fields:
            plan.networks[name] = options
            plan.replaced_networks[name] = fields
    if not desired.partial:
        plan.remove_networks = sorted(
            name
            for name, network in state.networks.items()
            if (network.get("Labels") or {}).get(STACK) == state.stack
            and name not in desired.networks
            # The load balancers are on it, perhaps without any route just now.
            and name != f"{state.stack}_{EDGE}"
        )


def _release(plan: Plan, state: State, desired: Desired, about: Mapping[str, Any]) -> None:
    newest = state.records.get(state.newest, {})
    services = {}
    if desired.partial:
        # What this run leaves alone is part of the release as it was.
        services = dict(newest.get("services") or {})
    for name, wanted in desired.services.items():
        services[name] = {"spec": overrides.plain(wanted.spec), "settings": wanted.settings, "commit": wanted.commit}
    networks = {**(newest.get("networks") or {} if desired.partial else {}), **desired.networks}
    plan.number = state.newest
    before = newest.get("edge")
    routed = before is not None and desired.edge is not None and before != desired.edge
    if routed or _content(services) != _content(newest.get("services") or {}):
        plan.number += 1
        plan.record = {
            "number": plan.number,
            "stack": state.stack,
            "kind": desired.kind,
            "of": desired.of,
            "networks": networks,
            "services": services,
            "edge": desired.edge,
            **about,
        }
    for change in plan.services.values():
        old = state.label(change.name, RELEASE)
        changed = change.action != "none" or (plan.record and change.resumes)
        change.after["Labels"][RELEASE] = str(plan.number) if changed or not old else old


def _content(services: Mapping[str, Any]) -> Any:
    return {name: stripped(dict(kept["spec"])) for name, kept in services.items()}


def _sweep(plan: Plan, state: State, desired: Desired) -> None:
    numbers = releases.kept_numbers({*state.records, *([plan.number] if plan.record else [])})
    plan.keep_records = numbers
    specs: list[Mapping[str, Any]] = [wanted.spec for wanted in desired.services.values()]
    specs += [kept["spec"] for number in numbers for kept in state.records.get(number, {}).get("services", {}).values()]
    specs += [live["Spec"] for name, live in state.services.items() if name not in desired.services and desired.partial]
    secrets, configs = used(specs)
    plan.remove_secrets = sorted(owned(state.secrets, state.stack, "secret") - secrets - set(desired.secrets))
    plan.remove_configs = sorted(owned(state.configs, state.stack, "config") - configs - set(desired.configs))


def used(specs: Iterable[Mapping[str, Any]]) -> tuple[set[str], set[str]]:
    """The names of all secrets and configs that any of ``specs`` mounts."""
    secrets: set[str] = set()
    configs: set[str] = set()
    for spec in specs:
        more_secrets, more_configs = references(spec)
        secrets |= more_secrets
        configs |= more_configs
    return secrets, configs


def _fields(before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> list[dict[str, str | None]]:
    old, new = before or {}, after or {}
    return [
        {"path": path, "before": old.get(path), "after": new.get(path)}
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    ]


def _change(kind: str, name: str, action: str, fields: list[dict[str, str | None]]) -> dict[str, Any]:
    return {"kind": kind, "name": name, "action": action, "fields": fields}
