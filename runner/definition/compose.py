# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore import compose.yml``: a Compose file as a stack file. What has no place there becomes a note."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from .compose_service import Around, ServiceImport, Unique, slug
from .document import read
from .env_file import parse
from .file_text import read as read_text
from .interpolation import Interpolation
from .load import load_text
from .problems import DefinitionError, Problem, one_line

if TYPE_CHECKING:
    import os

_SERVICE = re.compile(r"[a-z0-9]+(?:[_-]+[a-z0-9]+)*")
PLACEHOLDER = "192.0.2.1"
SERVER = "server1"


@dataclass(frozen=True)
class ImportResult:
    """``text``: a stack file; ``notes``: what was not taken over, or has to be looked at, a line each."""

    text: str
    notes: list[str]


def import_compose(path: str | os.PathLike[str]) -> ImportResult:
    """The Compose file at ``path`` as a stack file on one server, whose address has to be filled in.

    Raises DefinitionError when the file can't be read as YAML.
    """
    file = Path(path)
    root, problems = read(file, str(file), "it has services")
    if root.get("plugin") == "longshore.stack.stack":
        problems.append(Problem(str(file), 1, 1, "", "is a stack file already"))
    elif not isinstance(root.get("services"), dict) or not root["services"]:
        problems.append(Problem(str(file), 1, 1, "services", "there are none, so this is no Compose file"))
    if problems:
        raise DefinitionError(problems)
    return _Import(file, root).result()


class _Import:
    def __init__(self, file: Path, root: dict[str, Any]) -> None:
        self._file = file
        self._notes: list[str] = []
        self._variables = Interpolation(self._environment(file.with_name(".env")))
        # The services' own values may be looked up by each deploy.
        self._root = {
            name: item if name == "services" or name.startswith("x-") else self._now(name, item)
            for name, item in root.items()
        }
        self._stack: dict[str, Any] = {}

    def result(self) -> ImportResult:
        root = self._root
        self._stack = {
            "plugin": "longshore.stack.stack",
            "name": slug(str(root.get("name") or self._file.absolute().parent.name), 20) or "stack",
            "servers": {SERVER: {"address": PLACEHOLDER, "tags": ["app", "lb", "build"]}},
        }
        self._notes.append(f"servers.{SERVER}.address: {PLACEHOLDER} is a placeholder; write your server's address")
        for name in root:
            if not name.startswith("x-") and name not in (
                "name",
                "services",
                "volumes",
                "networks",
                "secrets",
                "configs",
                "version",
            ):
                self._notes.append(f"{name}: not taken over")
        for section, convert in (
            ("secrets", self._secret),
            ("configs", self._config),
            ("volumes", self._volume),
            ("networks", self._network),
        ):
            things = root.get(section)
            if isinstance(things, dict) and things:
                self._stack[section] = {
                    name: convert(name, item if isinstance(item, dict) else {}) for name, item in things.items()
                }
        self._services()
        return self._finished()

    def _environment(self, file: Path) -> dict[str, str]:
        """The variables of Compose's own ``.env``."""
        if not file.is_file():
            return {}
        try:
            values, wrong = parse(read_text(file))
        except ValueError as error:
            self._notes.append(f".env: {error}")
            return {}
        self._notes += [f".env: line {line}: {message}" for line, message in wrong]
        return values

    def _now(self, path: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._now(f"{path}.{name}", item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._now(path, item) for item in value]
        if not isinstance(value, str) or "$" not in value:
            return value
        return self._variables.now(value, lambda text: self._notes.append(f"{path}: {text}"))

    def _services(self) -> None:
        services = self._root["services"]
        unique = Unique()
        # Names that can stay stay, whoever else would like them.
        kept = [name for name in services if _SERVICE.fullmatch(name) and len(name) <= 30]
        names = {name: unique.name(name, 30, name) for name in kept}
        names |= {name: unique.name(slug(name, 30) or "service", 30, name) for name in services if name not in names}
        things = Unique()
        for section in ("volumes", "configs"):
            for name in self._root.get(section) or ():
                things.name(name, 64, f"{section} {name}")
        around = Around(services, names, self._file.parent, self._variables, things)
        self._stack["services"] = {}
        for name, service in services.items():
            if names[name] != name:
                self._notes.append(f"services.{name}: is called '{names[name]}' here, also by others")
            if not isinstance(service, dict):
                self._notes.append(f"services.{name}: is no mapping; not taken over")
                continue
            worker = ServiceImport(name, service, around)
            self._stack["services"][names[name]] = worker.run()
            self._notes += worker.notes
            for volume in worker.new_volumes:
                self._stack.setdefault("volumes", {}).setdefault(volume, {"server": SERVER})
            for config, source in worker.new_configs.items():
                self._stack.setdefault("configs", {})[config] = {"file": source}

    def _finished(self) -> ImportResult:
        text = yaml.safe_dump(_plain(self._stack), sort_keys=False, allow_unicode=True, width=110)
        try:
            load_text(text.encode(), self._file.with_name("stack.yml"))
        except DefinitionError as error:
            self._notes += [f"{problem.path}: {problem.message}" for problem in error.problems]
        notes = list(dict.fromkeys(map(one_line, self._notes)))
        header = "".join(f"# - {note}\n" for note in notes)
        return ImportResult(f"# Imported from {one_line(self._file.name)}. To look at:\n{header}\n{text}", notes)

    def _left(self, path: str, item: dict[str, Any], known: tuple[str, ...]) -> None:
        self._notes += [
            f"{path}.{key}: not taken over" for key in item if key not in known and not key.startswith("x-")
        ]

    def _secret(self, name: str, item: dict[str, Any]) -> dict[str, Any]:
        self._left(f"secrets.{name}", item, ("file", "environment", "external"))
        if item.get("file"):
            return {"file": item["file"]}
        variable = str(item.get("environment") or re.sub(r"\W", "_", name).upper())
        if not item.get("environment"):
            self._notes.append(f"secrets.{name}: external; its value is taken from the environment variable {variable}")
        return {"env": variable}

    def _config(self, name: str, item: dict[str, Any]) -> dict[str, Any]:
        self._left(f"configs.{name}", item, ("file", "content"))
        if item.get("file"):
            return {"file": item["file"]}
        if item.get("content") is None:
            self._notes.append(f"configs.{name}: has no file and no content; fill in its content")
        return {"content": str(item.get("content") or "")}

    def _volume(self, name: str, item: dict[str, Any]) -> dict[str, Any]:
        if item.get("driver") not in (None, "local") or item.get("driver_opts"):
            self._notes.append(f"volumes.{name}: its driver is not taken over; it is a directory of {SERVER}")
        self._left(f"volumes.{name}", item, ("driver", "driver_opts"))
        return {"server": SERVER}

    def _network(self, name: str, item: dict[str, Any]) -> dict[str, Any]:
        result = {key: item[key] for key in ("internal", "attachable") if isinstance(item.get(key), bool)}
        if item.get("driver") not in (None, "bridge", "overlay"):
            self._notes.append(f"networks.{name}.driver: not taken over; networks are overlays")
        self._left(f"networks.{name}", item, ("internal", "attachable", "driver"))
        return result


def _plain(value: Any) -> Any:
    """``value`` of types that YAML writes without tags or aliases."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value
