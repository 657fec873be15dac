# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and values in etcd, through its JSON gateway, by whichever member answers.

Private to the collection. https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/
"""

from __future__ import annotations

import base64

from .rest import Rest, RestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class Keys:
    """What is below ``prefix``; ``members`` are ``address:port``, an IPv6 address in brackets."""

    def __init__(self, rest: Rest, members: Sequence[str], prefix: str) -> None:
        self._rest = rest
        self._members = [(address.strip("[]"), int(port)) for address, port in (m.rsplit(":", 1) for m in members)]
        self._prefix = prefix

    def all(self) -> dict[str, str]:
        """Name, without the prefix → value. Raises ``RestError``."""
        answer = self._ask("range", self._range())
        return {
            _decoded(each["key"])[len(self._prefix) :]: _decoded(each.get("value", ""))
            for each in answer.get("kvs") or []
        }

    def put(self, name: str, value: str) -> None:
        """Write one. Raises ``RestError``."""
        self._ask("put", {"key": _encoded(self._prefix + name), "value": _encoded(value)})

    def replace(self, wanted: Mapping[str, str]) -> None:
        """Have there be these and no others. Raises ``RestError``."""
        # One transaction may not remove and write a key.
        deleted = {"request_delete_range": self._range()}
        self._ask("txn", {"success": [deleted]})
        puts = [
            {"request_put": {"key": _encoded(self._prefix + name), "value": _encoded(value)}}
            for name, value in wanted.items()
        ]
        if puts:
            self._ask("txn", {"success": puts})

    def _range(self) -> dict[str, str]:
        # The end of a range is the next prefix: '/' with its last character raised by one.
        return {
            "key": _encoded(self._prefix),
            "range_end": _encoded(self._prefix[:-1] + chr(ord(self._prefix[-1]) + 1)),
        }

    def _ask(self, what: str, body: Any) -> dict[str, Any]:
        why = "no member of etcd is known"
        for place in self._members:
            try:
                status, answer = self._rest.ask(place, "POST", f"/v3/kv/{what}", body)
            except RestError as error:
                why = str(error)
                continue
            if status == 200 and isinstance(answer, dict):
                return answer
            why = f"etcd at {place[0]} refuses {what}: HTTP {status} {answer or ''}".rstrip()
        raise RestError(why)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode(errors="replace")
