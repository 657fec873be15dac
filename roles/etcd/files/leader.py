# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps etcd's leader off servers that have a primary, where another member's server has none or fewer.

Written by the role longshore.stack.etcd.

    python3 etcd-leader URL AUTHORITY CERTIFICATE KEY

URL is where the member of this server answers.

A server that is lost with both costs more than one that is lost with its primary alone: the others choose a leader
first, which takes seconds, and the new leader grants all leases their whole time anew, that of the lost primary too
(etcd's lessor, ``Promote``). Who is primary is what the keys ``/longshore/.../leader`` say.
"""

from __future__ import annotations

import base64
import collections
import http.client
import json
import ssl
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Seconds between two looks, and for an answer.
PERIOD, PATIENCE = 5.0, 2.0
KEYS = "/longshore/"
LEADER = "/leader"


@dataclass(frozen=True)
class Member:
    """One that votes: its number, name, and the first address that it gives to clients."""

    number: str
    name: str
    url: str


def better(own: str, names: Iterable[str], primaries: Mapping[str, int]) -> str:
    """The member whose server has the fewest primaries, if these are fewer than the member ``own``'s; else nothing."""
    best = min(names, key=lambda name: (primaries.get(name, 0), name), default=own)
    return best if primaries.get(best, 0) < primaries.get(own, 0) else ""


def server_in(value: str) -> str:
    """The primary's server, by what a leader's key holds: its name, or an object with one."""
    if not value.startswith("{"):
        return value
    return str(json.loads(value).get("name", ""))


class Client:
    """Asks members for what etcd's JSON gateway tells."""

    def __init__(self, url: str, authority: str, certificate: str, key: str) -> None:
        self._url = url
        self._files = (authority, certificate, key)
        self._connection: http.client.HTTPSConnection | None = None

    def ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of the member here. Raises ``OSError`` and others of what goes wrong; the next ask begins anew."""
        if self._connection is None:
            self._connection = self._connect(self._url)
        try:
            return _answer(self._connection, "POST", path, json.dumps(body))
        except Exception:
            self._connection.close()
            self._connection = None
            raise

    def well(self, url: str) -> bool:
        """Whether another member serves."""
        connection = self._connect(url)
        try:
            return str(_answer(connection, "GET", "/health", "").get("health")) == "true"
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()

    def _connect(self, url: str) -> http.client.HTTPSConnection:
        place = urlsplit(url)
        authority, certificate, key = self._files
        context = ssl.create_default_context(cafile=authority)
        context.load_cert_chain(certificate, key)
        return http.client.HTTPSConnection(str(place.hostname), place.port, timeout=PATIENCE, context=context)


def _answer(connection: http.client.HTTPSConnection, method: str, path: str, body: str) -> dict[str, Any]:
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise OSError(f"{path} answers {answer.status}: {content[:200].decode(errors='replace')}")
    found: dict[str, Any] = json.loads(content)
    return found


def primaries(client: Client) -> collections.Counter[str]:
    """Server → how many primaries it has."""
    end = KEYS[:-1] + chr(ord(KEYS[-1]) + 1)
    words = {"key": _encoded(KEYS), "range_end": _encoded(end)}
    found = client.ask("/v3/kv/range", words).get("kvs", [])
    leaders = (each for each in found if base64.b64decode(each["key"]).decode().endswith(LEADER))
    return collections.Counter(server_in(base64.b64decode(each.get("value", "")).decode()) for each in leaders)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def look(client: Client) -> str:
    """Hand over if this member leads and another one should; gives that one's name, or nothing."""
    told = client.ask("/v3/maintenance/status", {})
    number = told["header"]["member_id"]
    if told.get("leader") != number:
        return ""
    listed = client.ask("/v3/cluster/member/list", {})["members"]
    voting = [
        Member(each["ID"], each["name"], each["clientURLs"][0])
        for each in listed
        if each.get("name") and each.get("clientURLs") and not each.get("isLearner")
    ]
    by_name = {member.name: member for member in voting}
    own = next((member.name for member in voting if member.number == number), "")
    best = better(own, by_name, primaries(client))
    # While one is away its primaries' leases are to run out, and not to get their whole time anew.
    if not best or not all(client.well(member.url) for member in voting if member.number != number):
        return ""
    client.ask("/v3/maintenance/transfer-leadership", {"targetID": by_name[best].number})
    return best


def main() -> None:
    """Look every few seconds, for ever."""
    client = Client(*sys.argv[1:5])
    trouble = ""
    while True:
        try:
            name = look(client)
            if name:
                sys.stdout.write(f"etcd is led by {name} now, whose server has fewer primaries than this one\n")
                sys.stdout.flush()
            trouble = ""
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            # The same again is no news: a member that is down for hours would fill the journal.
            if str(error) != trouble:
                trouble = str(error)
                sys.stderr.write(f"etcd can't be asked: {trouble}\n")
        time.sleep(PERIOD)


if __name__ == "__main__":
    main()
