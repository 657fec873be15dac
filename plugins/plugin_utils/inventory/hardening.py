# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the role ``hardening``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longshore.definition.stack import Stack


def servers(definition: Stack) -> list[str]:
    """The servers that are hardened."""
    wanted = definition.hardening
    return list(definition.servers) if wanted is not None and wanted.enabled else []


def of_server(definition: Stack, name: str) -> dict[str, Any]:
    """``hardening_*`` of one server; what the file leaves to the role is not named."""
    wanted = definition.hardening
    if wanted is None or name not in servers(definition):
        return {}
    said = wanted.model_dump(mode="json", exclude={"enabled"})
    # The file's own kernel settings are those of the role `server`.
    own = {**definition.sysctl, **definition.servers[name].sysctl}
    said["sysctl"] = dict.fromkeys(own)
    return {f"hardening_{key}": value for key, value in said.items() if value is not None}
