#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: image_resolve
short_description: Find the digests that images' tags mean now
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Asks the images' registries, through the Docker engine and its mirrors, in one call for all images at once.
  - A tag moves, a digest does not; what is deployed and what is gone back to is the digest.
  - Every image that cannot be resolved is named with its cause, not only the first.
  - With O(stack), tells too which images the stack's kept releases name, and which run.
extends_documentation_fragment:
  - longshore.stack.run
  - longshore.stack.registry_auth
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode. Without a Docker engine, RV(images) is empty.
  diff_mode:
    support: none
    description: There is nothing to show.
options:
  images:
    description: What is to be resolved, by service. A name that has a digest already is taken as it is.
    type: dict
    required: true
  stack:
    description: Name of the stack. With it, this runs on a manager of the Swarm.
    type: str
    default: ""
  unbuilt:
    description:
      - Services whose images could not be built, each with the reason. They stay at the image that they run.
      - One that has never run is an error.
    type: dict
    default: {}
  required:
    description: Whether it is a failure that no engine answers. Else RV(unable) says so.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Pin what will be deployed
  longshore.stack.image_resolve:
    images:
      cache: "redis:8"
      api: "registry.example/shop/api:1.4"
    registry_auth:
      - {registry: registry.example, username: shop, password: "{{ vault_registry_password }}"}
"""

RETURN = r"""
images:
  description: By service, the image with its digest.
  returned: success
  type: dict
  sample: {"cache": {"image": "redis:8@sha256:4d1c…", "digest": "sha256:4d1c…"}}
recorded:
  description: The images that kept releases of O(stack) name.
  returned: success
  type: list
  elements: str
unable:
  description: V(engine) when no engine answers.
  returned: without an engine, when O(required) is false
  type: str
notices:
  description: What is less than was asked for, and why. A run with notices ends degraded.
  returned: success
  type: list
  elements: str
configs:
  description:
    - By service, what the image says of how to run it, for the images that are on this server already.
    - C(Entrypoint), C(Cmd), C(Healthcheck), C(User), C(WorkingDir), C(StopSignal), C(ExposedPorts), C(Env).
  returned: success
  type: dict
"""

from ansible_collections.longshore.stack.plugins.module_utils import image_kept, swarm_state
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.image_engine import (
    Credentials,
    configuration,
    local,
    resolve,
)
from ansible_collections.longshore.stack.plugins.module_utils.image_parallel import each
from ansible_collections.longshore.stack.plugins.module_utils.image_reference import Reference
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule
from ansible_collections.longshore.stack.plugins.module_utils.registry_auth import AUTH_SPEC
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC, Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

AT_ONCE = 8


def parse(service: str, name: str) -> Reference:
    try:
        return Reference.parse(name)
    except ValueError as error:
        raise ValueError(f"{service}: {error}") from error


def resolve_all(docker: Docker, module: QuietModule, run: Run) -> dict[str, Any]:
    """Resolve each different name once."""
    wanted = {service: parse(service, str(name)) for service, name in module.params["images"].items()}
    credentials = Credentials(module.params["registry_auth"])
    mirrors = ((docker.get("/info").get("RegistryConfig") or {}).get("Mirrors")) or []
    references = {str(reference): reference for reference in wanted.values()}
    digests, errors = each(
        sorted(references),
        lambda name: resolve(docker.clone(), references[name], credentials, mirrors),
        run,
        AT_ONCE,
    )
    if errors:
        failures = [
            f"{service}: {errors[str(reference)]}" for service, reference in wanted.items() if str(reference) in errors
        ]
        module.fail_json(msg="; ".join(failures), failures=failures)
    images, configs = {}, {}
    for service, reference in wanted.items():
        digest = digests[str(reference)]
        pinned = reference.pinned(digest)
        images[service] = {"image": pinned, "digest": digest}
        here = local(docker, Reference.parse(pinned))
        if here:
            configs[service] = configuration(here)
    return {"changed": False, "images": images, "configs": configs}


def add_standing(docker: Docker | None, module: QuietModule, result: dict[str, Any]) -> None:
    """Add what the stack has already: the images of its releases, and of the services that could not be built."""
    state = read_stack(docker, module)
    unbuilt = module.params["unbuilt"]
    result["recorded"] = image_kept.recorded(state)
    result["notices"] = []
    kept = image_kept.standing(state, unbuilt)
    never = [f"{service}: {why}" for service, why in unbuilt.items() if service not in kept]
    if never:
        raise ValueError(f"never built, and cannot be built now: {'; '.join(never)}")
    for why in dict.fromkeys(unbuilt.values()):
        those = ", ".join(
            f"{service} ({Reference.parse(kept[service]['image']).tag or kept[service]['image']})"
            for service, reason in unbuilt.items()
            if reason == why
        )
        result["notices"].append(f"nothing could be built: {why}. Kept at the image that runs: {those}")
    for service, found in kept.items():
        result["images"][service] = found
        here = local(docker, Reference.parse(found["image"])) if docker else None
        if here:
            result["configs"][service] = configuration(here)


def read_stack(docker: Docker | None, module: QuietModule) -> swarm_state.State:
    """The stack on the Swarm; nothing without a name, and in check mode without a Swarm."""
    stack = module.params["stack"]
    if stack:
        try:
            return swarm_state.read(swarm_state.require_manager(docker), stack)
        except swarm_state.NotAManager:
            if not module.check_mode:
                raise
    return swarm_state.State(stack)


def main() -> None:
    module = QuietModule(
        {
            "images": {"type": "dict", "required": True},
            "stack": {"type": "str", "default": ""},
            "unbuilt": {"type": "dict", "default": {}},
            "required": {"type": "bool", "default": True},
            "registry_auth": AUTH_SPEC,
            **ARGUMENT_SPEC,
        },
        supports_check_mode=True,
    )
    try:
        docker = Docker.connect()
        if docker is None and not module.check_mode:
            if not module.params["required"]:
                module.exit_json(changed=False, images={}, configs={}, unable="engine")
            module.fail_json(msg="no Docker engine answers on this server")
        result = {"changed": False, "images": {}, "configs": {}}
        if docker is not None:
            result = resolve_all(docker, module, Run.of(module.params))
        add_standing(docker, module, result)
    except Cancelled as error:
        module.fail_json(msg=f"{error}; nothing was changed", cancelled=True)
    except (ValueError, DockerError, swarm_state.NotAManager) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
