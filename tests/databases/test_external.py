# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that somebody else runs: here those of this very stack, given to it as if they were somebody else's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from stack.support import longshore, until

from .conftest import SERVERS, Ledger
from .test_postgresql import sql

# All that a URL and a shell could take for something else.
ODD = "p/w@:%\"'$x #&?"
GONE = (
    "do $$ begin if to_regrole('crm') is not null then "
    "revoke connect on database main from crm; drop role crm; end if; end $$"
)
FOREIGN = ("crm", "ledgers", "queue", "seats")


@pytest.fixture
def foreign(ledger: Ledger) -> Iterator[dict[str, Any]]:
    """What the stack file says of them; the files with the passwords and whom to trust are beside it."""
    quoted = ODD.replace("'", "''")
    made = f"create role crm login password '{quoted}'; grant connect on database main to crm"
    sql(ledger, ledger.primary(), f"{GONE}; {made}", "main")
    beside = ledger.stack.path.parent
    (beside / "ca.pem").write_text(ledger.lab.on("app1", "cat", "/etc/longshore/cluster/ca.crt").stdout)
    (beside / "crm.password").write_text(ODD)
    logins = {name: ledger.login(name) for name in ("books", "cache")}
    for name, (_user, password) in logins.items():
        (beside / f"{name}.password").write_text(password)
    host = ledger.lab.described["hosts"][SERVERS[0]]["private"]["v4"]
    known: dict[str, Any] = {"host": host, "ca": "ca.pem"}
    yield {
        "crm": ("postgresql", {**known, "database": "main", "user": "crm", "password": "{{ secrets.crm }}"}),
        "ledgers": (
            "mariadb",
            {**known, "database": "books", "user": logins["books"][0], "password": "{{ secrets.books }}"},
        ),
        "queue": ("redis", {**known, "user": logins["cache"][0], "password": "{{ secrets.cache }}"}),
        "seats": ("memcached", known),
    }
    sql(ledger, ledger.primary(), GONE, "main")


@contextmanager
def given(ledger: Ledger, foreign: dict[str, Any], **changes: dict[str, Any]) -> Iterator[None]:
    """The stack file with them, and with changes by name. The service has the URL of the first."""

    def change(content: dict[str, Any]) -> None:
        content["secrets"] = {name: {"file": f"{name}.password"} for name in ("crm", "books", "cache")}
        for name, (engine, external) in foreign.items():
            content["databases"][name] = {"engine": engine, "external": {**external, **changes.get(name, {})}}
        content["services"]["ledger"]["environment"]["CRM_URL"] = "{{ databases.crm.url }}"

    with ledger.stack.changed(change):
        yield


def release(ledger: Ledger) -> int:
    """The newest release."""
    found = longshore(ledger.stack, "releases", "--json").json["data"]["stack_info"]["releases"]
    return max(int(each["number"]) for each in found)


def test_a_service_uses_one_and_its_password_is_not_seen(ledger: Ledger, foreign: dict[str, Any]) -> None:
    with given(ledger, foreign):
        done = longshore(ledger.stack, "deploy", "-vvv", "--diff")
        assert done.code == 0, done.end
        url = f"http://{ledger.lab.address('app1')}/primary?kind=crm"
        # Now and then the old task is still given requests for a moment.
        until(lambda: ledger.lab.get(url, "-H", "Host: ledger.example")[0] == 200, 10, "the new version answers")
        assert ledger.ask("/primary?kind=crm")["tls"][0] is True
        seen = ledger.lab.on(
            "app1", "sh", "-c", "docker service inspect ledger_ledger; ps axww; journalctl -o cat -n 2000"
        )
        for text in (done.everything, seen.stdout):
            assert ODD not in text
            assert "p%2Fw%40" not in text
        told = longshore(ledger.stack, "db", "status", "--json")
        assert told.code == 0, told.end
        states = {name: told.json["databases"][name]["app1"] for name in FOREIGN}
        assert states == {name: {"role": "external", "state": "answers"} for name in FOREIGN}
    back = longshore(ledger.stack, "deploy")
    assert back.code == 0, back.end


@pytest.mark.long
def test_what_can_not_be_used_ends_a_run_before_anything_is_touched(ledger: Ledger, foreign: dict[str, Any]) -> None:
    before = release(ledger)
    (ledger.stack.path.parent / "crm.password").write_text("quite-wrong-7")
    wrong: dict[str, dict[str, Any]] = {
        "ledgers": {"user": "nobody"},
        "queue": {"port": 6399},
        "seats": {"ca": str(ledger.stack.content["ca_certificates"][0])},
    }
    with given(ledger, foreign, **wrong):
        done = longshore(ledger.stack, "deploy")
        assert done.code == 1, done.end
        host, said = foreign["crm"][1]["host"], " ".join(done.everything.split())
        for place, words in (
            (f"crm (postgresql at {host}:5432)", 'it says: password authentication failed for user "crm"'),
            (f"ledgers (mariadb at {host}:3306)", "it says: Access denied for user 'nobody'"),
            (f"queue (redis at {host}:6399)", "nobody listens on port 6399"),
            (f"seats (memcached at {host}:11211)", "its certificate is not trusted"),
        ):
            assert f"the external database {place} can't be used: {words}" in said, done.everything
        assert "nothing was touched" in said
        assert "quite-wrong-7" not in done.everything
        told = longshore(ledger.stack, "db", "status", "--json")
        assert told.code == 4, told.end
        assert "nobody listens" in told.json["databases"]["queue"]["app1"]["state"]
    with given(ledger, foreign):
        refused = longshore(ledger.stack, "db", "rotate", "crm")
        assert (refused.code, "crm is external" in refused.everything) == (3, True), refused.end
    assert release(ledger) == before
