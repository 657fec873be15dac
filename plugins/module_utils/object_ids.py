# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between portable specs (networks, secrets and configs by name) and those of one cluster (by identifier).

Private to the collection. Pure functions.
"""

from __future__ import annotations

from copy import deepcopy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def bound(
    spec: Mapping[str, Any], networks: Mapping[str, str], secrets: Mapping[str, str], configs: Mapping[str, str]
) -> dict[str, Any]:
    """The portable ``spec`` with identifiers; each mapping goes from name to identifier.

    Raises ``KeyError`` with the name of what the cluster lacks.
    """
    result = deepcopy(dict(spec))
    template = result["TaskTemplate"]
    for network in template.get("Networks") or []:
        network["Target"] = networks[network["Target"]]
    container = template["ContainerSpec"]
    for secret in container.get("Secrets") or []:
        secret["SecretID"] = secrets[secret["SecretName"]]
    for config in container.get("Configs") or []:
        config["ConfigID"] = configs[config["ConfigName"]]
    return result


def portable(spec: Mapping[str, Any], network_names: Mapping[str, str]) -> dict[str, Any]:
    """The live ``spec`` with names; ``network_names`` goes from identifier to name."""
    result = deepcopy(dict(spec))
    template = result["TaskTemplate"]
    # Until API 1.44 networks could also stand at the service itself.
    networks = template.get("Networks") or result.pop("Networks", None) or []
    for network in networks:
        network["Target"] = network_names.get(network["Target"], network["Target"])
    template["Networks"] = sorted(networks, key=lambda network: str(network["Target"]))
    container = template.get("ContainerSpec") or {}
    for secret in container.get("Secrets") or []:
        secret.pop("SecretID", None)
    for config in container.get("Configs") or []:
        config.pop("ConfigID", None)
    return result


def references(spec: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """The names of the secrets and of the configs that ``spec``, portable or live, mounts."""
    container = spec["TaskTemplate"].get("ContainerSpec") or {}
    secrets = {secret["SecretName"] for secret in container.get("Secrets") or []}
    configs = {config["ConfigName"] for config in container.get("Configs") or [] if config.get("ConfigName")}
    return secrets, configs


def stripped(value: Any) -> Any:
    """``value`` without what says nothing to Docker: None, empty texts and containers, zero, False, and the words that
    the engine writes down by itself.

    The number of replicas is kept, since there zero does say something; so is the kind of mode.
    """
    if isinstance(value, dict):
        cleaned = {key: inner if key in _KEPT else stripped(inner) for key, inner in value.items()}
        return {
            key: inner
            for key, inner in cleaned.items()
            if (key in _KEPT or inner not in _NOTHING) and _UNSAID.get(key) != inner
        }
    if isinstance(value, list):
        return [stripped(inner) for inner in value]
    return value


_KEPT = ("Replicas", "Global")
_NOTHING: tuple[object, ...] = (None, "", [], {}, 0, False)
_UNSAID = {"Runtime": "container", "Isolation": "default"}
