# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users: nobody locks himself out."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .context import Context


def check(context: Context) -> None:
    """Check that those that Longshore logs in as can go on doing so."""
    stack = context.stack
    logins = {name: server.connection().user for name, server in stack.servers.items()}
    today = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
    for user, wanted in stack.users.items():
        server = next((name for name, login in logins.items() if login == user), None)
        if server is None:
            continue
        why = f"Longshore logs in to {server} as {user}"
        if wanted.state == "absent":
            context.complain(
                ("users", user, "state"), f"{why}, so the account can't go", "log in as another user first"
            )
        elif wanted.expires is not None and wanted.expires <= today:
            context.complain(("users", user, "expires"), f"{why}, so the account can't have ended")
        elif user != "root" and not wanted.sudo:
            written = "sudo" in wanted.model_fields_set
            path = ("users", user, "sudo") if written else ("users", user)
            context.complain(path, f"{why}, so it needs sudo", "write sudo: true", key=not written)
