# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users: nobody locks himself out."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..file_text import read

if TYPE_CHECKING:
    from ..servers import Connection, User
    from .context import Context

# Type and key, without the options before and the comment after.
_KEY = re.compile(r"(?:^|\s)((?:ssh-|ecdsa-|sk-)[A-Za-z0-9@.-]+)[ \t]+([A-Za-z0-9+/=]{32,})(?=\s|$)", re.MULTILINE)


def check(context: Context) -> None:
    """Check that those that Longshore logs in as can go on doing so."""
    stack = context.stack
    ways = {name: server.connection() for name, server in stack.servers.items()}
    today = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
    for user, wanted in stack.users.items():
        server = next((name for name, way in ways.items() if way.user == user), None)
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
        if wanted.state != "absent":
            _has_keys_in_use(context, user, wanted, {name: way for name, way in ways.items() if way.user == user})


def _has_keys_in_use(context: Context, user: str, wanted: User, ways: dict[str, Connection]) -> None:
    """Complain of the first key that Longshore uses and the user lacks; of keys that can't be known say nothing."""
    used: dict[Path, str] = {}
    for name, way in ways.items():
        if way.key is not None:
            used.setdefault(way.key, name)
    try:
        given = _parsed(context.stack.public_keys(wanted.keys) if used else [])
    except ValueError:
        # The check of files says so.
        return
    written = "keys" in wanted.model_fields_set
    for key, server in used.items():
        public = _public(key)
        if public and not public & given:
            context.complain(
                ("users", user, "keys") if written else ("users", user),
                f"Longshore logs in to {server} as {user} with {key}, whose public key is not among the keys",
                f"add {key}.pub to keys",
                key=not written,
            )
            return


def _public(key: Path) -> set[tuple[str, ...]]:
    """The public half of a private key's file; empty when it is not there, or a certificate takes its place."""
    try:
        return set() if Path(f"{key}-cert.pub").exists() else _parsed([read(Path(f"{key}.pub"))])
    except (OSError, ValueError):
        return set()


def _parsed(lines: list[str]) -> set[tuple[str, ...]]:
    return {found.groups() for line in lines for found in _KEY.finditer(line)}
