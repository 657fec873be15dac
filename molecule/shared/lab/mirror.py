# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image mirror: a registry that serves official names, filled once per machine."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from . import engine, hosts, image, sdk
from .catalogue import CATALOGUE, Entry
from .report import LabError, step
from .state import locked

VOLUME = "longshore-mirror"
FILLER = "longshore-mirror-filler"
PORT = 5000
HUB = "https://registry-1.docker.io/v2/"
MARK = "recipe-"  # a tag that says from which recipe a repository's other tags were made
TYPES = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json"


def kind() -> hosts.Kind:
    """Describe the mirror's host; the volume with the images belongs to all labs of the machine."""
    return hosts.Kind(image=image.ensure("registry"), volumes={VOLUME: "/var/lib/registry"})


def fill() -> None:
    """Push what the mirror lacks: built from Debian's packages, or copied from Docker Hub where that answers."""
    if all(has(entry) for entry in CATALOGUE):
        return
    with locked("mirror"), step("image mirror filled"), filler() as registry:
        source = hub_answers()
        if not source:
            image.ensure_base()
        with ThreadPoolExecutor(max_workers=max(2, min(4, os.cpu_count() or 2))) as pool:
            missing = [entry for entry in CATALOGUE if not has(entry)]
            list(pool.map(lambda entry: copy(entry, registry) if source else make(entry, registry), missing))


def make(entry: Entry, registry: str) -> None:
    """Build one repository's image and push it under all its tags, the mark last."""
    reference = image.ensure(entry.recipe)
    with step(f"{entry.official} pushed", quiet_below=1.0):
        for tag in (*entry.tags, mark(entry)):
            push(reference, f"{registry}/{entry.name}", tag)


def copy(entry: Entry, registry: str) -> None:
    """Copy one repository's tags from Docker Hub, the mark last."""
    with step(f"{entry.official} copied from Docker Hub"):
        for tag in entry.tags:
            pulled = engine.client().images.pull(entry.official, tag=tag)
            push(pulled.id, f"{registry}/{entry.name}", tag)
        push(pulled.id, f"{registry}/{entry.name}", mark(entry))


def push(reference: str, repository: str, tag: str) -> None:
    """Push one image under one name, which is given up afterwards."""
    api = engine.client().api
    api.tag(reference, repository, tag)
    try:
        for event in api.push(repository, tag=tag, stream=True, decode=True):
            if "error" in event:
                raise LabError(f"pushing {repository}:{tag} failed: {event['error']}")
    finally:
        api.remove_image(f"{repository}:{tag}", noprune=True)


def mark(entry: Entry) -> str:
    """Give the tag that says which recipe the repository holds now."""
    return MARK + image.planned(entry.recipe).rpartition(":")[2]


def has(entry: Entry) -> bool:
    """Tell whether a running mirror serves the repository as the recipe wants it."""
    address = running()
    return bool(address) and answers(f"http://{address}/v2/{entry.name}/manifests/{mark(entry)}")


def running() -> str:
    """Give host and port of a mirror of this machine that answers, or an empty text."""
    for found in engine.client().containers.list(filters={"label": f"{engine.LABEL}.host=mirror"}):
        for network in found.attrs["NetworkSettings"]["Networks"].values():
            if answers(f"http://{network['IPAddress']}:{PORT}/v2/"):
                return f"{network['IPAddress']}:{PORT}"
    return ""


def answers(address: str, *, timeout: float = 3.0) -> bool:
    """Tell whether an HTTP GET succeeds within `timeout` seconds."""
    request = urllib.request.Request(address, headers={"Accept": TYPES})  # noqa: S310 - our own http addresses
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
            return bool(response.status == 200)
    except OSError:
        return False


def hub_answers() -> bool:
    """Tell whether Docker Hub is reachable: it answers a stranger with 401 and its own header."""
    try:
        urllib.request.urlopen(HUB, timeout=3).close()
    except urllib.error.HTTPError as error:
        return error.code == 401 and "Docker-Distribution-Api-Version" in error.headers
    except OSError:
        return False
    return False


@contextmanager
def filler() -> Iterator[str]:
    """Run a registry on the mirror's volume while it fills, at a loopback port: engines trust that without TLS."""
    remove_filler()
    container = engine.client().containers.run(
        image.ensure("registry"),
        name=FILLER,
        detach=True,
        ports={f"{PORT}/tcp": ("127.0.0.1", None)},
        init=True,
        volumes={VOLUME: {"bind": "/var/lib/registry", "mode": "rw"}},
        labels={engine.LABEL: "", f"{engine.LABEL}.host": "mirror"},
    )
    try:
        container.reload()
        address = f"127.0.0.1:{container.ports[f'{PORT}/tcp'][0]['HostPort']}"
        deadline = time.monotonic() + 60
        while not answers(f"http://{address}/v2/", timeout=1):
            if time.monotonic() > deadline:
                raise LabError("the registry that fills the mirror does not answer")
            time.sleep(0.1)
        yield address
    finally:
        remove_filler()


def remove_filler() -> None:
    """Remove the filling registry, also one that an interrupted run has left."""
    try:
        engine.client().containers.get(FILLER).remove(force=True)
    except sdk.NotFound:
        return


def remove() -> None:
    """Remove the mirror's images."""
    remove_filler()
    try:
        engine.client().volumes.get(VOLUME).remove(force=True)
    except sdk.NotFound:
        return
