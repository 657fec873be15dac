# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client host: on the public network only, it judges the servers from outside."""

from __future__ import annotations

from . import hosts, image
from .paths import SHARED


def kind() -> hosts.Kind:
    """Describe the client; the tools of `molecule/shared/client/` are at /opt/lab, as they are in the checkout."""
    return hosts.Kind(
        image=image.ensure("client"),
        private=False,
        volumes={str(SHARED / "client"): "/opt/lab"},
        capabilities=("NET_ADMIN",),
    )
