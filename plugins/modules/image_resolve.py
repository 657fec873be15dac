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
  registry_auth:
    description: Credentials for registries.
    type: list
    elements: dict
    default: []
    suboptions:
      registry:
        description: Host name and port, V(docker.io) for Docker Hub.
        type: str
        required: true
      username:
        description: Name of the user.
        type: str
        required: true
      password:
        description: Password or token.
        type: str
        required: true
  run:
    description: The run that this belongs to; it can be cancelled, and shows its progress.
    type: dict
    default: {}
    suboptions:
      id:
        description: Its name. Without one it can neither be cancelled nor shows anything.
        type: str
        default: ""
      owner:
        description: Who runs it.
        type: str
        default: ""
      reason:
        description: Why.
        type: str
        default: ""
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
configs:
  description:
    - By service, what the image says of how to run it, for the images that are on this server already.
    - C(Entrypoint), C(Cmd), C(Healthcheck), C(User), C(WorkingDir), C(StopSignal), C(ExposedPorts), C(Env).
  returned: success
  type: dict
"""

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

AT_ONCE = 8


def parse(service: str, name: str) -> Reference:
    try:
        return Reference.parse(name)
    except ValueError as error:
        raise ValueError(f"{service}: {error}") from error


def resolve_all(docker: Docker, module: QuietModule, run: Run) -> dict[str, object]:
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


def main() -> None:
    module = QuietModule(
        {"images": {"type": "dict", "required": True}, "registry_auth": AUTH_SPEC, **ARGUMENT_SPEC},
        supports_check_mode=True,
    )
    try:
        docker = Docker.connect()
        if docker is None and module.check_mode:
            module.exit_json(changed=False, images={}, configs={})
        if docker is None:
            module.fail_json(msg="no Docker engine answers on this server")
        result = resolve_all(docker, module, Run.of(module.params))
    except Cancelled as error:
        module.fail_json(msg=f"{error}; nothing was changed", cancelled=True)
    except (ValueError, DockerError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
