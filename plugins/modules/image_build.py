#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
short_description: Build images from Git or a directory and push them
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Builds the images of all of a stack's services in one call with BuildKit, pushes them to the stack's registry
    and gives their digests.
  - An image is named after its commit and everything else that decides what is in it. When the registry has that name,
    nothing is built.
  - The output of BuildKit is shown while it comes, and kept in
    C(/var/lib/longshore/STACK/builds/SERVICE/COMMIT-INPUTS.log), the last 20 of each service.
  - What a build can take from the server's containers is limited by O(cgroup_parent).
  - Credentials are neither in the image nor on the disk. Build arguments are in the image's history for all who have
    the image; a secret must not be one.
  - A run that is cancelled ends its builds; nothing of them stays but BuildKit's cache.
extends_documentation_fragment:
  - longshore.stack.run
  - longshore.stack.registry_auth
attributes:
  check_mode:
    support: full
    description:
      - Asks the Git server and the registry, and tells what would be built. Where Git is not installed yet,
        everything would be.
  diff_mode:
    support: full
    description: Shows the images that are built.
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  builds:
    description:
      - What to build, by service, each with C(git) or C(path), and C(ref), C(context), C(dockerfile), C(target),
        C(args).
      - C(git) is an address (V(https://...), V(ssh://...), V(user@host:path)). C(ref) is a branch, a tag or a full
        commit, by default what the repository's C(HEAD) is. Submodules come along.
      - C(path) is a directory on the controller. Its C(.dockerignore) holds already for what is sent to the server.
      - C(context) is relative to the repository or directory, C(dockerfile) to the context.
    type: dict
    required: true
  registry:
    description: Registry that the images are pushed to. O(registry_auth) is for it and for those of base images.
    type: str
    default: registry.longshore.internal:5000
  git_auth:
    description:
      - Credentials for Git servers, each for the O(git_auth[].services) that it names, else for a O(git_auth[].host).
      - They are used for the host of the service's repository, or the host that they are given for, and for no other.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Host name, with a port when the address has one. Needed without O(git_auth[].services).
        type: str
        default: ""
      services:
        description: The services whose repositories these are for. They go before those of the host.
        type: list
        elements: str
        default: []
      username:
        description: Name of the user, for https.
        type: str
        default: ""
      password:
        description: Password or token, for https.
        type: str
        default: ""
      ssh_key:
        description: Private key, for SSH.
        type: str
        default: ""
      known_hosts:
        description:
          - Lines of a C(known_hosts) file. Without them, the host's key is learned at the first build on each builder,
            kept in C(/var/lib/longshore/STACK/builds/known_hosts) there, and no other is accepted from then on.
        type: str
        default: ""
  pull:
    description: Whether to ask for a newer base image at each build. Without, a base image stays as old as it is.
    type: bool
    default: true
  rebuild:
    description: Whether to build what was built already, without any cache.
    type: bool
    default: false
  deadline:
    description: Seconds that one build may take.
    type: float
    default: 1800
  parallel:
    description: Builds at one time.
    type: int
    default: 2
  cgroup_parent:
    description:
      - Control group of everything that runs in a build, as a path from the root. That of a systemd slice holds those
        of the slices in its name, V(/a.slice/a-b.slice).
    type: str
    default: ""
  min_free:
    description: Bytes that must be free before anything is built.
    type: int
    default: 2147483648
  required:
    description: Whether it is a failure that the engine or the registry does not answer. Else RV(unable) says so.
    type: bool
    default: true
  contents:
    description: Hashes of directories. Set by the action plugin.
    type: dict
    default: {}
  archives:
    description: Archives of directories on the server. Set by the action plugin.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Build the shop
  longshore.stack.image_build:
    stack: shop
    builds:
      web: {git: "https://git.example/shop.git", ref: main, context: web}
      admin: {path: "{{ playbook_dir }}/../admin"}
    registry_auth:
      - {registry: "registry.longshore.internal:5000", username: shop, password: "{{ vault_registry_password }}"}
"""

RETURN = r"""
images:
  description:
    - By service, C(image) (with its digest), C(digest), C(commit), C(built) and C(seconds).
    - In check mode, C(digest) is empty for what would be built, and C(image) has no tag where Git is not installed.
  returned: success
  type: dict
  sample:
    web:
      image: "registry.longshore.internal:5000/shop/web:0a1b2c3d4e5f-12345678@sha256:4d1c…"
      digest: "sha256:4d1c…"
      commit: 0a1b2c3d4e5f67890a1b2c3d4e5f67890a1b2c3d
      built: true
      seconds: 12.5
configs:
  description:
    - By service, what the image says of how to run it, for the images that are on this server.
    - C(Entrypoint), C(Cmd), C(Healthcheck), C(User), C(WorkingDir), C(StopSignal), C(ExposedPorts), C(Env).
  returned: success
  type: dict
failures:
  description: Builds that failed, each with C(service), C(step), C(exit_code), C(lines) (the last 20) and C(log).
  returned: failure
  type: list
  elements: dict
unable:
  description:
    - What is missing to build at all, V(engine) (on this server) or V(registry). Nothing is wrong with the builds
      then, and another server, or a later run, may do them.
  returned: because of it
  type: str
why:
  description: The same in a sentence.
  returned: with RV(unable)
  type: str
"""

from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.image_builder import (
    Builder,
    BuildError,
    NoRegistry,
    Planned,
)
from ansible_collections.longshore.stack.plugins.module_utils.image_definition import Build
from ansible_collections.longshore.stack.plugins.module_utils.image_engine import (
    Credentials,
    no_room_for_pushes,
    too_little,
)
from ansible_collections.longshore.stack.plugins.module_utils.image_parallel import each, settle
from ansible_collections.longshore.stack.plugins.module_utils.image_private import private_directory
from ansible_collections.longshore.stack.plugins.module_utils.image_process import Processes, Stopped
from ansible_collections.longshore.stack.plugins.module_utils.image_source import GIT_AUTH_SPEC, secrets
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule
from ansible_collections.longshore.stack.plugins.module_utils.registry_auth import AUTH_SPEC
from ansible_collections.longshore.stack.plugins.module_utils.registry_certificate import warnings
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC, Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOOKUPS = 8
# Seconds in which builds that were ended remove what they have unpacked.
TIDYING = 10.0
SPEC = {
    "stack": {"type": "str", "required": True},
    "builds": {"type": "dict", "required": True},
    "registry": {"type": "str", "default": "registry.longshore.internal:5000"},
    "registry_auth": AUTH_SPEC,
    "git_auth": GIT_AUTH_SPEC,
    "pull": {"type": "bool", "default": True},
    "rebuild": {"type": "bool", "default": False},
    "deadline": {"type": "float", "default": 1800},
    "parallel": {"type": "int", "default": 2},
    "cgroup_parent": {"type": "str", "default": ""},
    "min_free": {"type": "int", "default": 2 << 30},
    "required": {"type": "bool", "default": True},
    "contents": {"type": "dict", "default": {}},
    "archives": {"type": "dict", "default": {}},
    **ARGUMENT_SPEC,
}


class NoEngineError(Exception):
    """There is nothing to build with."""


class FailedError(Exception):
    """Some builds failed; ``failures`` says which and why."""

    def __init__(self, errors: dict[str, Exception]) -> None:
        self.unable = "registry" if all(isinstance(error, NoRegistry) for error in errors.values()) else ""
        self.failures = [describe(errors[service]) for service in sorted(errors)]
        texts = []
        for failure in self.failures:
            lines = "".join(f"\n    {line}" for line in failure["lines"])
            log = f"\n  whole log: {failure['log']}" if failure["log"] else ""
            texts.append(f"{failure['message']}{lines}{log}")
        super().__init__("the build failed, nothing was deployed: " + "\n".join(texts))


def describe(error: Exception) -> dict[str, Any]:
    if isinstance(error, BuildError):
        return {
            "service": error.service,
            "message": str(error),
            "step": error.step,
            "exit_code": error.exit_code,
            "lines": error.lines,
            "log": error.log,
        }
    return {"service": "", "message": str(error), "step": "", "exit_code": None, "lines": [], "log": ""}


def build_all(
    module: QuietModule, builder: Builder, builds: list[Build], run: Run, docker: Docker | None
) -> dict[str, object]:
    by_service = {build.service: build for build in builds}
    plans, errors = each(sorted(by_service), lambda service: builder.plan(by_service[service]), run, LOOKUPS)
    if errors:
        raise FailedError(errors)
    due = [service for service, planned in plans.items() if not planned.digest]
    results = {service: planned.result(planned.digest, not planned.digest, 0.0) for service, planned in plans.items()}
    if docker and due and not module.check_mode:
        archives = module.params["archives"]
        needs = [service for service in due if not by_service[service].git and service not in archives]
        if needs:
            return {"changed": False, "needs": needs}
        check_space(docker, module.params["min_free"])
        results.update(perform(module, builder, plans, run))
        due = [service for service, result in results.items() if result["built"]]
    configs = {service: builder.configuration(result) for service, result in results.items()}
    answer = {
        "changed": bool(due),
        "images": results,
        "configs": {service: config for service, config in configs.items() if config},
    }
    if module._diff:
        lines = {service: f"{service}: {result['image'] or 'not known yet'}\n" for service, result in results.items()}
        answer["diff"] = {
            "before_header": "images",
            "after_header": "images",
            "before": "".join(lines[service] for service in sorted(lines) if service not in due),
            "after": "".join(lines[service] for service in sorted(lines)),
        }
    return answer


def perform(module: QuietModule, builder: Builder, plans: dict[str, Planned], run: Run) -> dict[str, dict[str, object]]:
    """Build what the registry has not, by service. The same source, built the same way, is built once: the image gets
    the other services' names too."""
    archives, limit = module.params["archives"], max(1, module.params["parallel"])
    due = [service for service in sorted(plans) if not plans[service].digest]
    first = {planned.content: service for service, planned in plans.items() if planned.digest}
    for service in due:
        first.setdefault(plans[service].content, service)
    images = {service: str(planned.result(planned.digest, False, 0.0)["image"]) for service, planned in plans.items()}
    done: dict[str, dict[str, object]] = {}

    def build(service: str) -> dict[str, object]:
        other = first[plans[service].content]
        return builder.perform(plans[service], archives.get(service, ""), "" if other == service else images[other])

    leaders = [service for service in due if service in first.values()]
    for services in (leaders, [service for service in due if service not in leaders]):
        results, errors = each(services, build, run, limit, fail_fast=True)
        if errors:
            raise FailedError(errors)
        done.update(results)
        images.update({service: str(result["image"]) for service, result in results.items()})
    return done


def check_space(docker: Docker, wanted: int) -> None:
    problem = too_little(docker.get("/info")["DockerRootDir"], wanted)
    if problem:
        raise ValueError(f"{problem} before anything is built: 'docker builder prune' empties the cache of builds")
    problem = no_room_for_pushes()
    if problem:
        raise ValueError(problem)


def end(module: QuietModule, result: dict[str, object]) -> None:
    for sentence in warnings(module.params["registry"]):
        module.warn(sentence)
    if "unable" in result:
        result["why"] = result["msg"]
        if not module.params["required"]:
            module.exit_json(changed=False, images={}, configs={}, unable=result["unable"], why=result["why"])
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def main() -> None:
    module = QuietModule(SPEC, supports_check_mode=True)
    with private_directory() as private:
        result = work(module, private)
    end(module, result)


def work(module: QuietModule, private: str) -> dict[str, object]:
    """All of it; ``private`` is a directory in memory for logins."""
    given = module.params
    processes: Processes | None = None
    try:
        docker = Docker.connect()
        if docker is None and not module.check_mode:
            raise NoEngineError
        contents = given["contents"]
        builds = [Build(service, what or {}, contents.get(service, "")) for service, what in given["builds"].items()]
        credentials = Credentials(given["registry_auth"])
        processes = Processes([*credentials.secrets(), *secrets(builds, given["git_auth"])])
        run = Run.of(given)
        settings = {**given, "check": module.check_mode}
        builder = Builder(docker, run, settings, credentials=credentials, processes=processes, private=private)
        result = build_all(module, builder, builds, run, docker)
    except FailedError as error:
        result = {"failed": True, "msg": str(error), "failures": error.failures}
        if error.unable:
            result["unable"] = error.unable
    except NoEngineError:
        result = {"failed": True, "msg": "no Docker engine answers on this server", "unable": "engine"}
    except (Cancelled, Stopped) as error:
        result = {"failed": True, "msg": f"{error}; builds were ended, nothing was deployed", "cancelled": True}
    except (ValueError, OSError, DockerError) as error:
        result = {"failed": True, "msg": str(error)}
    finally:
        if processes is not None:
            processes.stop()
            settle(TIDYING)
    return result


if __name__ == "__main__":
    main()
