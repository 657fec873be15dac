# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the whole file shows: names that lead nowhere, and things that can't be together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    cluster,
    databases,
    edge,
    files,
    firewall,
    https,
    placement,
    ports,
    references,
    servers,
    services,
    users,
    virtual_ip,
)

if TYPE_CHECKING:
    from .context import Context


def check(context: Context) -> None:
    """Run every check; problems gather in ``context``."""
    servers.check(context)
    references.check(context)
    services.check(context)
    placement.check(context)
    ports.check(context)
    edge.check(context)
    databases.check(context)
    cluster.check(context)
    virtual_ip.check(context)
    files.check(context)
    firewall.check(context)
    https.check(context)
    users.check(context)
