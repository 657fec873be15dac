# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two portable service specs, in the words of the stack file.

Private to the collection. Pure functions. Every part of a spec appears: what has no word of ours keeps Docker's.
"""

from __future__ import annotations

from ansible_collections.longshore.stack.plugins.module_utils.object_ids import stripped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_CONTAINER = "TaskTemplate.ContainerSpec."
# The longest fitting beginning is replaced.
_WORDS = {
    "Labels": "service_labels",
    "Mode.Replicated.Replicas": "replicas",
    "Mode": "mode",
    "EndpointSpec.Mode": "endpoint_mode",
    "EndpointSpec.Ports": "ports",
    "UpdateConfig": "update",
    "RollbackConfig": "rollback",
    "TaskTemplate.Resources.Limits": "resources.limits",
    "TaskTemplate.Resources.Reservations": "resources.reservations",
    "TaskTemplate.RestartPolicy": "restart",
    "TaskTemplate.Placement.Constraints": "placement.constraints",
    "TaskTemplate.Placement.MaxReplicas": "placement.max_per_server",
    "TaskTemplate.Networks": "networks",
    "TaskTemplate.LogDriver": "logging",
    "TaskTemplate.ForceUpdate": "restarts",
    f"{_CONTAINER}Image": "image",
    f"{_CONTAINER}Labels": "labels",
    f"{_CONTAINER}Command": "entrypoint",
    f"{_CONTAINER}Args": "command",
    f"{_CONTAINER}Hostname": "hostname",
    f"{_CONTAINER}Env": "environment",
    f"{_CONTAINER}Dir": "working_dir",
    f"{_CONTAINER}User": "user",
    f"{_CONTAINER}TTY": "tty",
    f"{_CONTAINER}OpenStdin": "stdin_open",
    f"{_CONTAINER}ReadOnly": "read_only",
    f"{_CONTAINER}StopSignal": "stop_signal",
    f"{_CONTAINER}StopGracePeriod": "stop_grace_period",
    f"{_CONTAINER}Healthcheck": "healthcheck",
    f"{_CONTAINER}Hosts": "extra_hosts",
    f"{_CONTAINER}DNSConfig": "dns",
    f"{_CONTAINER}Secrets": "secrets",
    f"{_CONTAINER}Configs": "configs",
    f"{_CONTAINER}Init": "init",
    f"{_CONTAINER}Sysctls": "sysctls",
    f"{_CONTAINER}CapabilityAdd": "cap_add",
    f"{_CONTAINER}CapabilityDrop": "cap_drop",
    f"{_CONTAINER}Ulimits": "ulimits",
    f"{_CONTAINER}Mounts": "volumes",
}
_DURATIONS = {"Interval", "Timeout", "StartPeriod", "StopGracePeriod", "Delay", "Monitor", "Window", "StartInterval"}
_WHOLE_LISTS = ("Command", "Args", "Test", "Aliases", "Constraints", "Nameservers", "Search", "Hosts")
# Written at each release or kept as they are; they say nothing about how the service runs.
IGNORED_LABELS = ("longshore.release", "longshore.spread")


def readable(spec: Mapping[str, Any]) -> dict[str, str]:
    """The spec as ``path → value``, in the stack file's words where it has them."""
    cleaned = stripped(dict(spec))
    cleaned.pop("Name", None)
    for label in IGNORED_LABELS:
        cleaned.get("Labels", {}).pop(label, None)
    flat: dict[str, str] = {}
    _flatten("", cleaned, flat)
    return {_word(path): value for path, value in sorted(flat.items())}


def fields(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[dict[str, str | None]]:
    """The differences of two specs as ``[{path, before, after}]``, ordered by path; None for what isn't there."""
    old, new = readable(before) if before else {}, readable(after) if after else {}
    return [
        {"path": path, "before": old.get(path), "after": new.get(path)}
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    ]


def as_text(values: Mapping[str, str] | None) -> str:
    """``readable()``'s result as one line per path, for ``--diff``."""
    return "".join(f"{path}: {value}\n" for path, value in sorted((values or {}).items()))


def same_task(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two task templates are the same to Swarm, however the engine wrote them down."""
    return bool(stripped(dict(one or {})) == stripped(dict(other or {})))


def _flatten(path: str, value: Any, flat: dict[str, str]) -> None:
    name = path.rpartition(".")[2]
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            _flatten(f"{path}.{key}" if path else key, inner, flat)
    elif isinstance(value, list) and name not in _WHOLE_LISTS:
        for entry in value:
            key, rest = _entry(name, entry)
            _flatten(f"{path}.{key}", rest, flat)
    else:
        flat[path] = _text(name, value)


def _entry(name: str, entry: Any) -> tuple[str, Any]:
    """A list's entry as key and rest: what makes it the same entry, and what may differ in it."""
    if name == "Env":
        key, _sign, value = str(entry).partition("=")
        return key, value
    if isinstance(entry, dict):
        if "File" in entry:
            rest = {key: value for key, value in entry["File"].items() if key != "Name"}
            return str(entry["File"].get("Name")), {**entry, "File": rest}
        for word in ("Target", "Name", "PublishedPort"):
            if word in entry:
                return str(entry[word]), {key: value for key, value in entry.items() if key != word} or "yes"
    return str(entry), "yes"


def _text(name: str, value: Any) -> str:
    if name in _DURATIONS and isinstance(value, int):
        return f"{value / 1e9:g}s"
    if name == "NanoCPUs":
        return f"{value / 1e9:g}"
    if name == "MemoryBytes" and value % 2**20 == 0:
        return f"{value // 2**20}M"
    if name == "Mode" and isinstance(value, int):
        return f"0{value:o}"
    if isinstance(value, list):
        return "[" + ", ".join(str(part) for part in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if value != {} else "yes"


def _word(path: str) -> str:
    best = ""
    for start in _WORDS:
        if len(start) > len(best) and (path == start or path.startswith(start + ".")):
            best = start
    return _WORDS[best] + path[len(best) :] if best else path
