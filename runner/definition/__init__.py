# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition: one stack file, parsed and checked. Speaks to no server and knows nothing of Ansible."""

from __future__ import annotations

from .compose import ImportResult, import_compose
from .document import VaultValue
from .load import load
from .problems import DefinitionError, Problem
from .schema import json_schema
from .servers import Connection, Hop, Server
from .service import Service
from .stack import Stack

__all__ = [
    "Connection",
    "DefinitionError",
    "Hop",
    "ImportResult",
    "Problem",
    "Server",
    "Service",
    "Stack",
    "VaultValue",
    "import_compose",
    "json_schema",
    "load",
]
