# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's interface says the same in its three places: argument specs, defaults, README; no tool checks that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
# The groups that the inventory plugin makes: docs/architecture.md, "Groups and hosts".
GROUPS = (
    "longshore",
    "hardened",
    "docker_host",
    "swarm_manager",
    "registry",
    "builder",
    "load_balancer",
    "virtual_ip",
    "volume_host",
    "etcd",
    "postgresql",
    "sentinel",
    "former_sentinel",
    "valkey",
    "memcached",
    "former_memcached",
    "external_database",
    "rabbitmq",
    "database_exporter",
    "database_router",
    "backup_server",
    "pgbackrest",
    "restic",
)
TASKS = re.compile(r"groups\s*(\[\s*['\"]|\.)(" + "|".join(GROUPS) + r")\b")

YAML = re.compile(r"```ya?ml\n(- .*?)```", re.DOTALL)


def name_of(entry: str | dict[str, Any]) -> str:
    """The name in an entry of a play's ``roles``."""
    return entry if isinstance(entry, str) else str(entry["role"])


def variables(play: dict[str, Any], entry: str | dict[str, Any], role: str) -> list[str]:
    """What an entry of a play sets for ``role``: its own variables, and those of the play with the role's prefix."""
    if name_of(entry) != f"longshore.stack.{role}":
        return []
    own = [] if isinstance(entry, str) else list(entry.get("vars", {}))
    return [*own, *(name for name in play.get("vars", {}) if name.startswith(f"{role}_"))]


def documented(role: Path) -> dict[str, dict[str, Any]]:
    """The options of all the role's entry points; where several have one, the main entry point's."""
    entries = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    options: dict[str, dict[str, Any]] = {}
    for name in sorted(entries, key=lambda name: name == "main"):
        options |= entries[name].get("options") or {}
    return options


def defaults(role: Path) -> dict[str, Any]:
    """The role's defaults; a role without any has no file."""
    file = role / "defaults/main.yml"
    return (yaml.safe_load(file.read_text()) or {}) if file.exists() else {}


def test_there_are_roles() -> None:
    assert ROLES


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
class TestRole:
    """Each role of the collection."""

    def test_defaults_are_the_documented_ones(self, role: Path) -> None:
        expected = {name: option["default"] for name, option in documented(role).items() if "default" in option}
        assert defaults(role) == expected

    def test_an_option_is_required_or_has_a_default_or_may_be_absent(self, role: Path) -> None:
        both = [name for name, option in documented(role).items() if option.get("required") and "default" in option]
        assert not both

    def test_variables_carry_the_roles_name(self, role: Path) -> None:
        stray = [name for name in documented(role) if not name.startswith(f"{role.name}_")]
        assert not stray

    def test_the_readme_shows_a_play_that_fits(self, role: Path) -> None:
        readme = (role / "README.md").read_text()
        plays = [play for block in YAML.findall(readme) for play in yaml.safe_load(block) if "hosts" in play]
        used = {name for play in plays for entry in play["roles"] for name in variables(play, entry, role.name)}
        assert any(f"longshore.stack.{role.name}" in map(name_of, play["roles"]) for play in plays)
        assert used <= set(documented(role))

    def test_secrets_are_not_shown(self, role: Path) -> None:
        named = re.compile(r"(password|secret|token|private_key)$")
        shown = [name for name, option in documented(role).items() if named.search(name) and "no_log" not in option]
        assert not shown

    def test_no_group_of_the_inventory_is_named(self, role: Path) -> None:
        for file in [*role.rglob("*.yml"), *role.rglob("*.j2")]:
            assert not TASKS.search(file.read_text()), file
