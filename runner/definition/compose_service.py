# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Compose service as a service of the stack file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .compose_keys import SERVICE_KEYS, SUPPORTED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .interpolation import Interpolation

# Addresses that a published port may have: any other is one of the developer's machine.
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - read, not listened on
_PORT = re.compile(
    r"(?:(?:\[(?P<v6>[0-9a-fA-F:.]*)\]|(?P<v4>[0-9]+(?:\.[0-9]+){3}|localhost)):)(?P<rest>.*:.*|[0-9-]+(?:/[a-z]+)?)"
)
_BUILD = ("context", "dockerfile", "target", "args")
# Compose's older keys → their place in resources.
_RESOURCES = {
    "cpus": ("limits", "cpus"),
    "mem_limit": ("limits", "memory"),
    "pids_limit": ("limits", "pids"),
    "mem_reservation": ("reservations", "memory"),
}


def slug(text: str, longest: int) -> str:
    """``text`` as a name: lower-case letters, digits and '-', a letter first."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    name = re.sub(r"^[^a-z]+", "", name)
    return name[:longest].strip("-")


class Unique:
    """Gives names that nobody else has: ``a-b``, ``a-b-2`` …"""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def name(self, wanted: str, longest: int, owner: str) -> str:
        """``wanted``, or a name like it, for ``owner``; the same owner gets the same name again."""
        number, name = 1, wanted[:longest].strip("-")
        while self._owners.setdefault(name, owner) != owner:
            number += 1
            name = f"{wanted[: longest - len(str(number)) - 1].strip('-')}-{number}"
        return name


@dataclass(frozen=True)
class Around:
    """What a service's import needs of the rest: all services, their new names, the file's directory, variables."""

    services: Mapping[str, Any]
    names: Mapping[str, str]
    directory: Path
    variables: Interpolation
    unique: Unique


class ServiceImport:
    """The conversion of one service; ``notes``, ``new_volumes`` and ``new_configs`` gather on the way."""

    def __init__(self, name: str, service: Mapping[str, Any], around: Around) -> None:
        self._name = name
        self._service = service
        self._services = around.services
        self._names = around.names
        self._directory = around.directory
        self._variables = around.variables
        self._unique = around.unique
        self._result: dict[str, Any] = {}
        self.notes: list[str] = []
        self.new_volumes: list[str] = []
        self.new_configs: dict[str, str] = {}

    def run(self) -> dict[str, Any]:
        """The service of the stack file."""
        for key, value in self._service.items():
            if key.startswith("x-") or value is None:
                continue
            convert = getattr(self, f"_key_{key}", None)
            if convert is not None:
                try:
                    convert(value)
                except (AttributeError, TypeError, ValueError):
                    self._note(key, "not taken over: it has not the shape that Compose gives it")
            elif key in _RESOURCES:
                part, name = _RESOURCES[key]
                self._resources(part, name, self._plain(value, key))
            elif key in SERVICE_KEYS and SERVICE_KEYS[key].status == SUPPORTED:
                self._result[key] = self._plain(value, key)
            else:
                known = SERVICE_KEYS.get(key)
                why = f"{known.status}{': ' if known.note else ''}{known.note}" if known else "not a key of Compose"
                self._note(key, why)
        if "build" in self._result and self._result.pop("image", None) is not None:
            self._note("image", "not taken over: a built image gets its name by itself")
        update = self._result.get("update", {})
        if self._result.get("ports") and update.get("order") == "start-first":
            del update["order"]
            self._note("deploy.update_config.order", "stop-first: the old task holds the ports of the server")
        return self._result

    def _note(self, key: str, text: str) -> None:
        self.notes.append(f"services.{self._name}.{key}: {text}")

    def _resources(self, part: str, name: str, value: Any) -> None:
        self._result.setdefault("resources", {}).setdefault(part, {})[name] = value

    def _plain(self, value: Any, key: str, live: bool = False) -> Any:
        """``value`` without Compose's ``${…}``: looked up by each deploy where ``live``, else what it is now."""
        if isinstance(value, dict):
            return {name: self._plain(item, key, live) for name, item in value.items()}
        if isinstance(value, list):
            return [self._plain(item, key, live) for item in value]
        if not isinstance(value, str):
            return value
        replaced = self._variables.live if live else self._variables.now
        return replaced(value, lambda text: self._note(key, text))

    def _key_deploy(self, value: Any) -> None:
        if not isinstance(value, dict):
            self._note("deploy", "is no mapping")
            return
        for key, item in value.items():
            converted = getattr(self, f"_deploy_{key}", None)
            if converted is not None and isinstance(item, dict | list):
                converted(item)
            elif key in ("replicas", "mode", "endpoint_mode"):
                self._result[key] = self._plain(item, f"deploy.{key}")
            else:
                self._note(f"deploy.{key}", "not taken over")

    def _deploy_labels(self, item: Any) -> None:
        self._note("deploy.labels", "are labels of the containers here")
        self._key_labels(item)

    def _deploy_restart_policy(self, item: Any) -> None:
        self._result["restart"] = self._plain(item, "deploy.restart_policy")

    def _deploy_resources(self, item: Any) -> None:
        for part in ("limits", "reservations"):
            for name, amount in (item.get(part) or {}).items():
                if name in ("cpus", "memory", "pids") and (part, name) != ("reservations", "pids"):
                    self._resources(part, name, self._plain(amount, "deploy.resources"))
                else:
                    self._note(f"deploy.resources.{part}.{name}", "not taken over")

    def _deploy_placement(self, item: Any) -> None:
        names = {"constraints": "constraints", "max_replicas_per_node": "max_per_server"}
        for key, value in item.items():
            if key in names:
                self._result.setdefault("placement", {})[names[key]] = self._plain(value, "deploy.placement")
            else:
                self._note(f"deploy.placement.{key}", "not taken over: Swarm spreads tasks by itself")

    def _deploy_update_config(self, item: Any) -> None:
        for key, value in item.items():
            if key in ("parallelism", "delay", "monitor", "order") and value:
                self._result.setdefault("update", {})[key] = value
            elif key == "failure_action" and value in ("rollback", "pause"):
                self._result.setdefault("update", {})["on_failure"] = value
            else:
                self._note(f"deploy.update_config.{key}", f"{value} is not taken over")

    def _key_scale(self, value: Any) -> None:
        self._result["replicas"] = value

    def _key_build(self, value: Any) -> None:
        if isinstance(value, str):
            self._result["build"] = self._plain(value, "build")
        elif isinstance(value, dict):
            for key in value:
                if key not in _BUILD:
                    self._note(f"build.{key}", "not taken over")
            context = self._plain(value.get("context", "."), "build.context")
            kept = {key: self._plain(value[key], f"build.{key}") for key in _BUILD[1:] if value.get(key) is not None}
            if isinstance(context, str) and re.match(r"https?://|git@|ssh://|git://", context):
                url, _, fragment = context.partition("#")
                ref, _, inner = fragment.partition(":")
                source = {"git": url, **({"ref": ref} if ref else {}), **({"context": inner} if inner else {})}
            else:
                source = {"path": context}
            self._result["build"] = {**source, **kept}

    def _key_environment(self, value: Any) -> None:
        items = value.items() if isinstance(value, dict) else [str(item).partition("=")[::2] for item in value]
        names = {str(item) for item in value} if isinstance(value, list) else set()
        result: dict[str, Any] = {}
        for name, item in items:
            if item is None or (item == "" and name in names):
                result[name] = f"{{{{ lookup('env', '{name}') }}}}"
                self._note(f"environment.{name}", "has no value; it is taken from the operator's environment")
            else:
                result[name] = self._plain(item, f"environment.{name}", live=True)
        self._result["environment"] = result

    def _key_labels(self, value: Any) -> None:
        pairs = value if isinstance(value, dict) else dict(str(item).partition("=")[::2] for item in value)
        for name, item in pairs.items():
            if str(name).startswith(("com.docker.", "longshore.")):
                self._note(f"labels.{name}", "not taken over: Docker's own")
            else:
                self._result.setdefault("labels", {})[name] = self._plain("" if item is None else item, "labels")

    def _key_healthcheck(self, value: Any) -> None:
        if not isinstance(value, dict):
            return
        kept = {key: self._plain(item, "healthcheck") for key, item in value.items()}
        if kept.get("disable"):
            self._result["healthcheck"] = {"disable": True}
        elif kept.get("test"):
            kept.pop("disable", None)
            self._result["healthcheck"] = kept
        else:
            self._note("healthcheck", "not taken over: it has no test, only settings of the image's own check")

    def _key_depends_on(self, value: Any) -> None:
        needs = value if isinstance(value, dict) else {str(name): {} for name in value}
        for name, item in needs.items():
            condition = item.get("condition", "service_started") if isinstance(item, dict) else "service_started"
            other = self._services.get(name)
            if condition == "service_completed_successfully":
                self._note(
                    f"depends_on.{name}", "not taken over: use before_deploy for what has to run to its end first"
                )
                continue
            if condition == "service_healthy" and not (isinstance(other, dict) and other.get("healthcheck")):
                self._note(f"depends_on.{name}", f"only started: '{name}' has no healthcheck here")
                condition = "service_started"
            for key in item if isinstance(item, dict) else ():
                if key != "condition" and not (key == "required" and item[key] is True):
                    self._note(f"depends_on.{name}.{key}", "not taken over")
            target = self._names.get(name, name)
            self._result.setdefault("depends_on", {})[target] = {"condition": condition}

    def _key_networks(self, value: Any) -> None:
        networks = value if isinstance(value, dict) else dict.fromkeys(map(str, value))
        result: dict[str, Any] = {}
        for name, item in networks.items():
            settings = item if isinstance(item, dict) else {}
            result[name] = {"aliases": settings["aliases"]} if settings.get("aliases") else {}
            for key in settings:
                if key != "aliases":
                    self._note(f"networks.{name}.{key}", "not taken over: Swarm chooses addresses itself")
        self._result["networks"] = result

    def _key_ports(self, value: Any) -> None:
        result: list[Any] = []
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                kept = {
                    key: item[key] for key in ("target", "published", "protocol", "name", "app_protocol") if key in item
                }
                for key in item:
                    if key not in (*kept, "host_ip") and (key, item[key]) != ("mode", "host"):
                        self._note(f"ports.{key}", "not taken over: ports are the server's own, on every address")
                shown, address, port = (
                    str(item.get("target")),
                    str(item.get("host_ip") or ""),
                    self._plain(kept, "ports"),
                )
            else:
                shown = port = str(self._plain(item, "ports"))
                address = ""
                if found := _PORT.fullmatch(shown):
                    address, port = found["v6"] or found["v4"] or "", found["rest"].lstrip(":")
            if address in ("localhost", "::1") or address.startswith("127."):
                self._note("ports", f"{shown} on {address} is not taken over: it would be open on every address")
                continue
            if address not in _EVERYWHERE:
                self._note("ports", f"{shown}: the address {address} is not taken over; it is open on every address")
            result.append(port)
        if result:
            self._result["ports"] = result
            self._note("ports", "for HTTP, write routes instead: load balancers then reach every task")

    def _key_volumes(self, value: Any) -> None:
        for item in value if isinstance(value, list) else []:
            if isinstance(item, dict):
                self._long_volume(item)
                continue
            text = str(self._plain(item, "volumes"))
            source, colon, rest = text.partition(":")
            target, _, options = rest.partition(":")
            if not colon:
                source, target = self._volume(text), text
                self._note("volumes", f"{text} has no name; its volume is called {source} here")
            read_only = "ro" in options.split(",")
            for option in filter(None, options.split(",")):
                if option not in ("ro", "rw"):
                    self._note("volumes", f"the option {option} of {text} is not taken over")
            self._mount(source, target, read_only)

    def _long_volume(self, item: dict[str, Any]) -> None:
        kind = item.get("type", "volume")
        if kind not in ("volume", "bind", "tmpfs") or not item.get("target"):
            self._note("volumes", f"a mount of the type {kind} is not taken over")
            return
        for key in item:
            if key not in ("type", "source", "target", "read_only", "tmpfs"):
                self._note(f"volumes.{key}", "not taken over")
        if kind == "tmpfs":
            kept = {key: item[key] for key in ("type", "target", "tmpfs") if key in item}
            self._result.setdefault("volumes", []).append(self._plain(kept, "volumes"))
            return
        source = self._plain(item.get("source"), "volumes")
        target = self._plain(item["target"], "volumes")
        if source is None:
            source = self._volume(str(target))
            self._note("volumes", f"{target} has no name; its volume is called {source} here")
        self._mount(str(source), str(target), bool(item.get("read_only")))

    def _volume(self, target: str) -> str:
        """The name of a volume that has none in Compose."""
        wanted = f"{slug(self._name, 20)}-{slug(target, 18) or 'data'}"
        name = self._unique.name(wanted, 40, f"volume {self._name} {target}")
        self.new_volumes.append(name)
        return name

    def _mount(self, source: str, target: str, read_only: bool) -> None:
        if source.startswith((".", "~")):
            if (self._directory / source).is_file():
                wanted = f"{slug(self._name, 12)}-{slug(source.rsplit('/', 1)[-1], 18)}"
                name = self._unique.name(wanted, 32, f"config {source}")
                self.new_configs[name] = source
                self._result.setdefault("configs", []).append({"source": name, "target": target})
                self._note("volumes", f"the file {source} is the config {name} here; containers can only read it")
            else:
                self._note(
                    "volumes",
                    f"{source} on {target} is not taken over: servers do not have that directory; "
                    "build it into the image, or use a volume",
                )
            return
        suffix = ":ro" if read_only else ""
        self._result.setdefault("volumes", []).append(f"{source}:{target}{suffix}")

    def _key_extra_hosts(self, value: Any) -> None:
        entries = (
            [f"{name}:{item}" for name, item in value.items()] if isinstance(value, dict) else [str(v) for v in value]
        )
        for entry in entries:
            if "host-gateway" in entry:
                self._note("extra_hosts", f"{entry} is not taken over: Swarm has no host-gateway")
            else:
                self._result.setdefault("extra_hosts", []).append(self._plain(entry, "extra_hosts"))
