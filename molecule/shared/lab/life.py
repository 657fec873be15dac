# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a lab comes to be, what it consists of, and how it goes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import client, engine, git_server, hosts, image, mirror, networks, sdk, servers, state
from .addresses import MOST_SERVERS, free_index
from .report import LabError, say, step

HELPERS = ("client", "git", "mirror")
REMOVAL = 60.0  # seconds


def up(name: str, wanted: int | None, *, fill: bool) -> state.Lab:
    """Make the lab `name` run with at least `wanted` servers (default: those it has, else 3)."""
    if wanted is not None and not 1 <= wanted <= MOST_SERVERS:
        raise LabError(f"--servers must be 1 to {MOST_SERVERS}")
    state.load(name)  # refuses a bad name before anything is touched
    with state.locked("engine"):
        engine.ensure()
    with state.locked(f"lab-{name}"), ThreadPoolExecutor(max_workers=4) as pool:
        lab = prepare(name, wanted)
        image.ensure_base()
        helpers = [pool.submit(helper, lab, host) for host in HELPERS]
        boot(lab)
        for future in helpers:
            future.result()
        hosts.write_known_hosts(lab, [*lab.servers, *HELPERS[:2]])
        git_server.fill(lab)
    if fill:
        images()
    return lab


def prepare(name: str, wanted: int | None) -> state.Lab:
    """Settle which servers the lab has, its addresses, key, certificates and networks."""
    with state.locked("plan"):
        lab = state.load(name)
        if not lab:
            taken = {each.index for each in state.load_all()} | networks.taken_indexes()
            lab = state.Lab(name, free_index(name, taken), [])
        count = max(wanted or (len(lab.servers) or 3), len(lab.servers))
        lab.servers = [f"app{number}" for number in range(1, count + 1)]
        lab.save()
        state.make_key(lab.key, f"longshore-{name}")
        networks.ensure(lab)
    return lab


def boot(lab: state.Lab) -> None:
    """Make the servers run."""
    described = servers.kind()
    if not engine.client().containers.list(all=True, filters={"label": f"{engine.LABEL}={lab.name}", "name": "app"}):
        lab.privileged = engine.privileged_works(described.image)
        lab.save()
    with step(f"{len(lab.servers)} servers answer"):
        fresh = servers.ensure(lab, lab.servers, described)
    if fresh:
        say(f"           set running: {' '.join(fresh)}")


def helper(lab: state.Lab, host: str) -> None:
    """Make the client, the Git server or the mirror run."""
    kinds = {"client": client.kind, "git": lambda: git_server.kind(lab), "mirror": mirror.kind}
    with step(f"{host} started", quiet_below=0.3):
        hosts.ensure(lab, host, kinds[host]())
    if host != "mirror":
        hosts.wait_for_ssh(lab, host)


def images() -> None:
    """Fill the image mirror with what it lacks."""
    with state.locked("engine"):
        engine.ensure()
    mirror.fill()


def push(lab: state.Lab, directory: str, repository: str, *, private: bool) -> None:
    """Make or update a repository on the lab's Git server."""
    commit = git_server.push(lab, Path(directory), repository, private=private)
    say(f"{repository}: main is {commit}")


def describe(lab: state.Lab) -> dict[str, Any]:
    """Describe the lab for people and programs: names, addresses, key, what runs."""
    found = engine.client().containers.list(filters={"label": f"{engine.LABEL}={lab.name}"})
    running = {each.labels.get(f"{engine.LABEL}.host") for each in found}
    return {
        "name": lab.name,
        "index": lab.index,
        "privileged": lab.privileged,
        "servers": lab.servers,
        "key": str(lab.key),
        "known_hosts": str(lab.known_hosts),
        "ca": str(lab.directory / "ca.crt"),
        "networks": {"public": vars(lab.plan.public), "private": vars(lab.plan.private)},
        "hosts": {
            host: {
                "container": lab.container(host),
                "running": host in running,
                "public": vars(hosts.public(lab, host)),
                "private": None if host == "client" else vars(hosts.private(lab, host)),
            }
            for host in [*lab.servers, *HELPERS]
        },
    }


def down(name: str, *, everything: bool, purge: bool) -> None:
    """Remove a lab, or all of this checkout, and on request all that labs share."""
    if engine.answers():
        names = {lab.name for lab in state.load_all()} if everything else {name}
        if purge:
            names |= {each.labels[engine.LABEL] for each in containers({"label": engine.LABEL})}
        for each in sorted(names):
            remove(each)
    elif not purge and not everything and state.load(name):
        raise LabError("no Docker engine answers: `lab up` starts one, then `lab down` can remove its containers")
    if purge:
        if engine.answers():
            mirror.remove()
            image.remove_all()
        engine.stop()


def remove(name: str) -> None:
    """Remove a lab's containers, volumes, networks and files."""
    found = containers({"label": f"{engine.LABEL}={name}"})
    with ThreadPoolExecutor(max_workers=max(1, len(found))) as pool:
        list(pool.map(remove_container, found))
    networks.remove(name)
    if name and (lab := state.load(name)):
        lab.forget()
    say(f"removed the lab {name}: {len(found)} containers")


def containers(filters: dict[str, str]) -> list[Any]:
    """List containers, stopped ones too."""
    found: list[Any] = engine.client().containers.list(all=True, filters=filters)
    return found


def remove_container(container: Any) -> None:
    """Remove a container and its anonymous volumes, and wait for its end: a busy engine may need several tries."""
    until = time.monotonic() + REMOVAL
    while True:
        try:
            container.remove(force=True, v=True)
            container.reload()
        except sdk.NotFound:
            return
        except sdk.APIError as error:
            why = str(error)
        else:
            why = "it is still there"
        if time.monotonic() > until:
            raise LabError(f"the container {container.name} can't be removed: {why}")
        time.sleep(0.2)
