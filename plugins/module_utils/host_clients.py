# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that runs came from: whoever guards a server must not shut them out.

Private to the collection.
"""

from __future__ import annotations

import fnmatch
import glob
import ipaddress
import os

from .host_files import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# So many are remembered, the newest ones.
MOST = 32


def current() -> str:
    """Where the SSH connection of this run comes from, as the server sees it; empty without one.

    ``sudo`` clears the environment, so that of the processes above is looked at too.
    """
    process = os.getpid()
    while process > 1:
        for variable in (read(f"/proc/{process}/environ") or b"").split(b"\0"):
            name, _sign, value = variable.partition(b"=")
            if name == b"SSH_CONNECTION" and value:
                return _plain(value.decode(errors="replace").split()[0])
        process = _parent(process)
    return ""


def with_addresses(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is wanted, with the addresses in place of the placeholder, and the file that remembers clients.

    ``wanted["addresses"]`` as the module ``host_state`` takes it.
    """
    asked = wanted["addresses"]
    listed: list[str] = []
    given = {file["path"]: file.get("content") or "" for file in wanted["files"]}
    leaving = set(wanted["absent"])
    if asked["listed"]:
        paths = {path for path in glob.glob(asked["listed"]) if path not in leaving}
        paths |= {path for path in given if fnmatch.fnmatchcase(path, asked["listed"])}
        for path in sorted(paths):
            listed += (given[path] if path in given else (read(path) or b"").decode(errors="replace")).splitlines()
    remembered = []
    if asked["clients"]:
        clients = _clients(asked["clients"])
        listed += clients
        remembered.append(
            {
                "path": asked["clients"],
                "content": "".join(f"{address}\n" for address in clients),
                "mode": "0644",
                "owner": "root",
                "group": "root",
                "triggers": [],
            }
        )
    text = asked["separator"].join(sorted({line.strip() for line in listed if line.strip()}))
    files = [
        {**file, "content": file["content"].replace(asked["placeholder"], text)} if file.get("content") else file
        for file in wanted["files"]
    ]
    return {**wanted, "files": [*remembered, *files]}


def _clients(path: str) -> list[str]:
    """Those that are remembered, in the order in which they first came, with that of this run."""
    known = [line for line in (read(path) or b"").decode(errors="replace").splitlines() if _plain(line)]
    here = current()
    return [*known, here][-MOST:] if here and here not in known else known


def _plain(address: str) -> str:
    """An address as other programs write it, without its zone; empty for what is none."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0].strip())
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


def _parent(process: int) -> int:
    # The name of the program stands in brackets, and may hold anything.
    fields = (read(f"/proc/{process}/stat") or b"").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0
