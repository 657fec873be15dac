# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services and engine answers for the tests of the Swarm part."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.desired import Desired, Given, from_file
from ansible_collections.longshore.stack.plugins.module_utils.object_ids import bound
from ansible_collections.longshore.stack.plugins.module_utils.plan import Plan
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State

SERVICE: dict[str, Any] = {
    "name": "web",
    "image": "web:1",
    "build": None,
    "command": None,
    "entrypoint": None,
    "environment": {},
    "secret_environment": [],
    "secrets": [],
    "configs": [],
    "healthcheck": None,
    "mode": "replicated",
    "replicas": 1,
    "placement": {"tags": [], "constraints": [], "max_per_server": None},
    "resources": {"limits": {}, "reservations": {}},
    "update": {
        "order": "start-first",
        "parallelism": 1,
        "delay": 0.0,
        "monitor": 5.0,
        "deadline": 300.0,
        "on_failure": "rollback",
    },
    "restart": {"condition": "any", "delay": 5.0, "max_attempts": None, "window": None},
    "stop_grace_period": 10.0,
    "stop_signal": None,
    "init": None,
    "user": None,
    "working_dir": None,
    "hostname": None,
    "labels": {},
    "cap_add": [],
    "cap_drop": [],
    "sysctls": {},
    "ulimits": {},
    "dns": [],
    "dns_search": [],
    "extra_hosts": [],
    "read_only": False,
    "tty": False,
    "stdin_open": False,
    "logging": None,
    "volumes": [],
    "networks": {"default": {"aliases": []}},
    "ports": [],
    "expose": [],
    "routes": [],
    "depends_on": {},
    "before_deploy": None,
    "endpoint_mode": "dnsrr",
}
KEY = b"key of the cluster"


def service(name: str = "web", **changes: Any) -> dict[str, Any]:
    """A normalized service with the definition's defaults."""
    result = deepcopy(SERVICE)
    result.update(name=name, image=f"{name}:1")
    for key, value in changes.items():
        result[key] = {**result[key], **value} if key in ("update", "placement", "restart") else value
    return result


def given(*services: dict[str, Any], **changes: Any) -> Given:
    """The module's parameters for a stack ``shop``."""
    values: dict[str, Any] = {
        "services": {one["name"]: one for one in services},
        "images": {},
        "networks": {"default": {}},
        "configs": {},
        "secrets": {},
        "environments": {},
        "commits": {},
        "only": [],
    }
    return Given(stack="shop", **{**values, **changes})


def desired(*services: dict[str, Any], image: dict[str, Any] | None = None, **changes: Any) -> Desired:
    """What the stack should be; ``image`` is what every image says about itself."""
    return from_file(given(*services, **changes), KEY, lambda _service, _image: image or {})


class Cluster:
    """A Swarm's objects as its engine would list them, grown by carrying out plans in the mind."""

    def __init__(self) -> None:
        self.state = State("shop")

    def take(self, plan: Plan, wanted: Desired) -> None:
        """Become what ``plan`` says."""
        state = self.state
        for name, options in plan.networks.items():
            state.networks[name] = {
                "Id": f"id-{name}",
                "Name": name,
                "Labels": {"longshore.stack": "shop"},
                "Attachable": bool(options.get("attachable")),
                "Options": {"com.docker.network.driver.overlay.vxlanid_list": "4097"},
            }
        for kind, names, objects in (("secret", plan.secrets, state.secrets), ("config", plan.configs, state.configs)):
            for name in names:
                labels = {"longshore.stack": "shop", "longshore.kind": kind}
                objects[name] = {"ID": f"id-{name}", "Spec": {"Name": name, "Labels": labels}}
        for change in plan.services.values():
            if change.action != "none":
                spec = bound(change.after, *state.ids())
                # What the engine adds by itself.
                spec["TaskTemplate"]["Runtime"] = "container"
                spec["TaskTemplate"]["ContainerSpec"]["Isolation"] = "default"
                state.services[change.name] = {"ID": f"id-{change.name}", "Spec": spec, "UpdatedAt": ""}
        for name in plan.remove_services:
            del state.services[name]
        for name in plan.remove_secrets:
            del state.secrets[name]
        for name in plan.remove_configs:
            del state.configs[name]
        if plan.record:
            state.records[plan.number] = plan.record
        state.records = {number: record for number, record in state.records.items() if number in plan.keep_records}
        assert set(wanted.secrets) <= set(state.secrets)


@pytest.fixture
def cluster() -> Cluster:
    """An empty Swarm."""
    return Cluster()
