# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network that HAProxy's container was meant to join, and is listed with, is not one that it is on.

tests/stack/test_faults.py tries it with a real engine.
"""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import haproxy_docker
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import HaproxyError

HALF = {"EndpointID": "", "IPAddress": ""}
WHOLE = {"EndpointID": "5e247c82", "IPAddress": "10.208.32.30"}


class Engine:
    """One that refuses to connect what it lists, whether that is connected or not."""

    def __init__(self, **networks: dict[str, Any]) -> None:
        self.networks = networks

    def get(self, _path: str) -> dict[str, Any]:
        return {"NetworkSettings": {"Networks": self.networks}}

    def post(self, path: str, _body: dict[str, Any]) -> None:
        _, _, network, verb = path.split("/")
        if verb == "connect" and network in self.networks:
            raise DockerError(403, f"endpoint with name longshore-haproxy already exists in network {network}")
        if verb == "connect":
            self.networks[network] = WHOLE
        else:
            del self.networks[network]


def test_half_a_join_is_none() -> None:
    listed = {"longshore_lb": WHOLE, "shop_edge": HALF, "blog_edge": WHOLE}
    assert haproxy_docker.networks_of_container({"NetworkSettings": {"Networks": listed}}) == {"blog_edge"}
    assert haproxy_docker.networks_of_container(None) == set()


@pytest.mark.parametrize("before", [{}, {"shop_edge": HALF}, {"shop_edge": WHOLE}], ids=["none", "half", "whole"])
def test_a_network_is_joined_whatever_was_left(before: dict[str, dict[str, Any]]) -> None:
    engine = Engine(**before)
    haproxy_docker.join(engine, "shop_edge")  # type: ignore[arg-type]
    assert engine.networks == {"shop_edge": WHOLE}


def test_one_that_is_not_there_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def post(_path: str, _body: dict[str, Any]) -> None:
        raise DockerError(404, "network shop_edge not found")

    engine = Engine()
    monkeypatch.setattr(engine, "post", post)
    with pytest.raises(HaproxyError, match="shop_edge not found; its stack must be deployed first"):
        haproxy_docker.join(engine, "shop_edge")  # type: ignore[arg-type]
