# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registries of a stack: its own, and those whose images it pulls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.template import trust_as_template
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import secrets

if TYPE_CHECKING:
    from longshore.definition.stack import Stack

HOST = "registry.longshore.internal"
NAME = f"{HOST}:5000"
USER = "longshore"
_CERTIFICATE = "/etc/longshore/cluster/registry"
_PASSWORD = trust_as_template("{{ " + secrets.KEPT + ".cluster['registry.password'] }}")


def variables(definition: Stack) -> dict[str, Any]:
    """``registry_*``, and who keeps the authority."""
    return {
        "ca_managers": definition.managers(),
        "registry_username": USER,
        "registry_password": _PASSWORD,
        "registry_certificate": f"{_CERTIFICATE}.crt",
        "registry_key": f"{_CERTIFICATE}.key",
        "registry_others": [name for name in definition.docker_hosts() if name != definition.registry_server()],
        # As on the servers; who prunes nothing there still has no use for images that no release names.
        **({"registry_sweep_days": max(1, round(prune.keep / 86400))} if (prune := definition.docker.prune) else {}),
    }


def certificates(definition: Stack, name: str) -> list[dict[str, Any]]:
    """The registry's, on its server."""
    if name != definition.registry_server():
        return []
    return [{"path": _CERTIFICATE, "name": HOST, "sans": [f"DNS:{HOST}"]}]


def logins(definition: Stack) -> list[dict[str, Any]]:
    """``registry``, ``username`` and ``password`` of every registry that needs a login."""
    own = {"registry": NAME, "username": USER, "password": _PASSWORD}
    return [
        *([own] if definition.has_builds() else []),
        *({"registry": registry, **login} for registry, login in secrets.logins(definition).items()),
    ]
