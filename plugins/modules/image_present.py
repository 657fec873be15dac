#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: image_present
short_description: Have the images on a server that its containers may need
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Pulls what is missing, several images at once. What is here already is found by its digest, without a registry.
  - Once this was done on every server, containers start and move without any registry.
  - No image is removed. What pruning has to spare is written to C(/var/lib/longshore/STACK/images), one reference a
    line.
extends_documentation_fragment:
  - longshore.stack.run
  - longshore.stack.registry_auth
attributes:
  check_mode:
    support: full
    description: Tells which images would be pulled.
  diff_mode:
    support: full
    description: Shows the images that come, and what the list of spared images gains and loses.
options:
  images:
    description: Images with their digests, V(name:tag@sha256:...).
    type: list
    elements: str
    required: true
  stack:
    description: Name of the stack whose list of spared images is kept. Without one, no list is.
    type: str
    default: ""
  spare:
    description:
      - Images that pruning spares besides O(images), those of the stack's kept releases.
      - A list that names more than these is left alone until an image comes into it.
      - Without, they are not known, and nothing leaves the list.
    type: list
    elements: str
  required:
    description:
      - Whether it is a failure that no engine answers. Else the server counts as one that can't be reached, so that
        the rest of the run leaves it out and names it at its end.
    type: bool
    default: true
  min_free:
    description:
      - Bytes that must be free before anything is pulled; a server whose disk is full loses more than a deploy.
    type: int
    default: 1073741824
"""

EXAMPLES = r"""
- name: Have the images on every server
  longshore.stack.image_present:
    images:
      - "redis:8@sha256:4d1c2c3a3a0bd0f9c6a1a5a3b6c2c1f3d77ad6f8e5f0c3c3c9d7d1f1d3f9d0aa"
"""

RETURN = r"""
pulled:
  description: Images that were pulled, or in check mode would be.
  returned: success
  type: list
  elements: str
unable:
  description: V(engine) when this server has no engine that answers.
  returned: because of it
  type: str
routed:
  description: Whether O(stack) has routes on this server's load balancer.
  returned: success
  type: bool
configs:
  description:
    - By image, what it says of how to run it. In check mode without the images that would be pulled.
    - C(Entrypoint), C(Cmd), C(Healthcheck), C(User), C(WorkingDir), C(StopSignal), C(ExposedPorts), C(Env).
  returned: success
  type: dict
"""

import os
import time

from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.image_engine import (
    Credentials,
    ImageError,
    configuration,
    local,
    pull,
    too_little,
)
from ansible_collections.longshore.stack.plugins.module_utils.image_kept import SparedImages
from ansible_collections.longshore.stack.plugins.module_utils.image_parallel import each
from ansible_collections.longshore.stack.plugins.module_utils.image_reference import Reference
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule
from ansible_collections.longshore.stack.plugins.module_utils.registry_auth import AUTH_SPEC
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC, Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The engine itself takes three layers of each image at once.
AT_ONCE = 3
NO_ENGINE = "no Docker engine answers on this server"


def parse(images: list[str], check_mode: bool) -> dict[str, Reference]:
    references = {name: Reference.parse(name) for name in images}
    loose = sorted(name for name, reference in references.items() if not reference.digest)
    # What is not built yet, because this is check mode, has no digest yet.
    if loose and not check_mode:
        raise ValueError(f"without a digest another image may come each time: {', '.join(loose)}")
    return references


def check_space(docker: Docker, wanted: int) -> None:
    problem = too_little(docker.get("/info")["DockerRootDir"], wanted)
    if problem:
        raise ImageError(
            f"{problem} before images are pulled: 'docker system df' shows what takes the room, "
            "'systemctl start longshore-prune' removes images that no kept release names"
        )


def converge(docker: Docker, module: QuietModule, run: Run) -> dict[str, Any]:
    references = parse(module.params["images"], module.check_mode)
    credentials = Credentials(module.params["registry_auth"])
    found = {name: local(docker, reference) if reference.digest else None for name, reference in references.items()}
    missing = [name for name, image in found.items() if image is None]

    def fetch(name: str) -> None:
        begun = time.monotonic()
        run.progress(f"pulling {name}")
        pull(docker.clone(), references[name], credentials)
        run.progress(f"pulled {name} in {time.monotonic() - begun:.1f} s")

    if missing and not module.check_mode:
        check_space(docker, module.params["min_free"])
        _done, errors = each(missing, fetch, run, AT_ONCE)
        if errors:
            raise ImageError("; ".join(str(error) for error in errors.values()))
        found.update({name: local(docker, references[name]) for name in missing})
    result = {
        "changed": bool(missing),
        "pulled": missing,
        "configs": {name: configuration(image) for name, image in found.items() if image},
    }
    if module._diff:
        result["diff"] = [difference(list(found), missing)]
    spare(module, result)
    return result


def spare(module: QuietModule, result: dict[str, Any]) -> None:
    """Keep the list of spared images, and tell in ``result`` when it changes."""
    given = module.params
    if not given["stack"]:
        return
    spared = SparedImages(given["stack"])
    others = spared.lines if given["spare"] is None else given["spare"]
    lines = spared.wanted([*given["images"], *others])
    if lines == spared.lines:
        return
    result["changed"] = True
    if module._diff:
        result["diff"].append(spared.difference(lines))
    if not module.check_mode:
        spared.write(lines)


def difference(images: list[str], missing: list[str]) -> dict[str, str]:
    before = "".join(f"{name}\n" for name in images if name not in missing)
    return {
        "before_header": "images",
        "after_header": "images",
        "before": before,
        "after": "".join(f"{name}\n" for name in images),
    }


def unable(module: QuietModule, message: str) -> None:
    """End without an engine; the action plugin makes an unreachable server of it where that is no failure."""
    if module.params["required"]:
        module.fail_json(msg=message, unable="engine")
    module.exit_json(changed=False, pulled=[], configs={}, unable="engine", msg=message)


def main() -> None:
    module = QuietModule(
        {
            "images": {"type": "list", "elements": "str", "required": True},
            "registry_auth": AUTH_SPEC,
            "stack": {"type": "str", "default": ""},
            "spare": {"type": "list", "elements": "str"},
            "required": {"type": "bool", "default": True},
            "min_free": {"type": "int", "default": 1 << 30},
            **ARGUMENT_SPEC,
        },
        supports_check_mode=True,
    )
    try:
        docker = Docker.connect()
        if docker is None and module.check_mode:
            missing = list(parse(module.params["images"], True))
            result = {"changed": bool(missing), "pulled": missing, "configs": {}}
            result["diff"] = [difference(missing, missing)]
            spare(module, result)
            module.exit_json(**result)
        if docker is not None:
            result = converge(docker, module, Run.of(module.params))
        else:
            unable(module, NO_ENGINE)
    except Cancelled as error:
        module.fail_json(msg=f"{error}; images that are complete stay", cancelled=True)
    except ValueError as error:
        module.fail_json(msg=str(error))
    except (DockerError, ImageError) as error:
        if Docker.connect() is None:
            unable(module, f"{NO_ENGINE} any more: {error}")
        module.fail_json(msg=str(error))
    module.exit_json(routed=os.path.exists(f"/etc/longshore/{module.params['stack']}/haproxy.json"), **result)


if __name__ == "__main__":
    main()
