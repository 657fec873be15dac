# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New passwords of what runs inside databases, while rows are committed: nobody notices, and nothing restarts."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from stack.support import LONGSHORE, longshore, nothing_lost, until

from . import test_mariadb as mariadb
from . import test_queues as queues
from . import test_stores as stores
from .conftest import SERVERS, Ledger
from .test_backups import listed
from .test_exporters import UP, figures
from .test_postgresql import sql
from .with_changes.said import processes

pytestmark = pytest.mark.long
RATE = 6
# Database -> the word for it in the service's requests.
KINDS = {"main": "", "cache": "store", "books": "books", "queue": "queue"}
# Whose passwords change; none of the services' are among them.
INSIDE = {
    "main": ("replication", "rewind", "monitor"),
    "cache": ("admin", "replication", "sentinel", "monitor"),
    "books": ("replication", "monitor"),
    "queue": ("admin", "monitor"),
}


def kept(ledger: Ledger) -> dict[str, str]:
    """Credential -> its text, as the manager keeps it."""
    names = [f"{database}.{who}" for database, whose in INSIDE.items() for who in whose]
    script = f"cd /etc/longshore/ledger/credentials/databases; for each in {' '.join(names)}; do cat $each; echo; done"
    return dict(zip(names, ledger.lab.on("app1", "sh", "-c", script).stdout.split(), strict=True))


def value(text: str) -> str:
    """The one that is good, of a credential whose turn is over."""
    return text.rpartition(":")[2]


def killed_when_moved(ledger: Ledger, *words: str) -> None:
    """Begin a rotation, and kill all of it here as soon as what runs inside is to use the new passwords."""
    process = subprocess.Popen(
        [str(LONGSHORE), "-f", str(ledger.stack.path), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until(lambda: all(text.endswith(":moved") for text in kept(ledger).values()), 300, "they are to be used")
    for pid in reversed(family(process.pid)):
        os.kill(pid, signal.SIGKILL)
    process.wait()


def family(pid: int) -> list[int]:
    """A process and all that it began."""
    parents: dict[int, list[int]] = {}
    for line in subprocess.run(["ps", "-eo", "pid=,ppid="], check=True, capture_output=True, text=True).stdout.split(
        "\n"
    ):
        if line.strip():
            own, parent = map(int, line.split())
            parents.setdefault(parent, []).append(own)
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def test_passwords_inside_rotate_under_load_also_after_a_kill(ledger: Ledger) -> None:
    for database, kind in KINDS.items():
        ledger.begin(f"inside-{database}", kind)
        ledger.ask(f"/end?name=inside-{database}")
    before, running, services = kept(ledger), processes(ledger), ledger.login("main")
    asked = [f"/commit?name=inside-{database}&kind={kind}" for database, kind in KINDS.items()]
    asked += [f"/replica?name=inside-{database}&kind={KINDS[database]}" for database in ("main", "cache", "books")]
    urls = [f"http://{ledger.lab.address('app1')}{path}" for path in asked]
    words = ("db", "rotate", "--internal", *KINDS)
    with ledger.lab.load(urls, "ledger.example", rate=RATE) as report:
        killed_when_moved(ledger, *words)
        done = longshore(ledger.stack, *words)
    print(f"rotated in {done.seconds:.0f} s: {report}")
    assert done.code == 0, done.end
    nothing_lost(report, rate=RATE)
    ledger.await_whole()
    assert processes(ledger) == running, "something was restarted"
    assert ledger.login("main") == services
    after = kept(ledger)
    assert {text.partition(":")[0] for text in after.values()} == {"1"}, "the killed one was not gone on with"
    for name, text in before.items():
        assert value(after[name]) != text
        assert len(value(after[name])) == len(text) == 32
        assert value(after[name]) not in done.everything
    replicate(ledger)
    former_ones_end(ledger, before)
    for database, name in UP.items():
        assert {figures(ledger, server, database).one(name) for server in SERVERS} == {1}, database
    assert not longshore(ledger.stack, "plan", "--json").json["changes"]


def replicate(ledger: Ledger) -> None:
    """Have all replicas follow as the user whose turn it is, and so does who keeps the log."""
    private = {each: ledger.lab.described["hosts"][each]["private"]["v4"] for each in ("app1", *SERVERS)}
    text = "select distinct user, substring_index(host, ':', 1) from information_schema.processlist"

    # The first one has the turns with even numbers.
    odd = {name: text[0] in "13579" and ":" in text for name, text in kept(ledger).items()}
    whose = {
        "main": "replicator_2" if odd["main.replication"] else "replicator",
        "books": "replication_2" if odd["books.replication"] else "replication",
    }

    def all_do() -> bool:
        primary = ledger.books_primary()
        rows = mariadb.sql(ledger, primary, f"{text} where user like 'replication%'").splitlines()
        others = {(whose["books"], address) for server, address in private.items() if server != primary}
        users = sql(ledger, ledger.primary(), "select string_agg(distinct usename, ' ') from pg_stat_replication")
        return ({tuple(row.split("\t")) for row in rows}, users) == (others, whose["main"])

    until(all_do, 60, "all follow as the user whose turn it is")


def former_ones_end(ledger: Ledger, before: dict[str, str]) -> None:
    """Whoever has a former password gets in nowhere."""
    primary = ledger.primary()
    left = sql(
        ledger,
        primary,
        "select rolname from pg_authid where rolname in ('rewinder', 'monitor') and rolcanlogin"
        " or rolname = 'replicator' and rolpassword is not null",
    )
    assert left == ""
    server, trust = ledger.books_primary(), "--ssl-ca=/etc/longshore/ledger/mariadb/ca.crt"
    for who in INSIDE["books"]:
        said = mariadb.log_in(ledger, server, who, before[f"books.{who}"], trust, "select 1")
        assert "ERROR 4151" in said, said  # locked
    for who in INSIDE["cache"]:
        said = stores.valkey(ledger, SERVERS[0], "ping", user=who, password=before[f"cache.{who}"])
        assert "WRONGPASS" in said, said
    users = {each["name"] for each in queues.asked(ledger, SERVERS[0], "users")}
    assert (users >= {"admin_2", "monitor_2"}, users & {"admin", "monitor"}) == (True, set())


def test_afterwards_others_take_over_and_backups_are_made(ledger: Ledger) -> None:
    assert longshore(ledger.stack, "db", "switchover", "main").code == 0
    assert longshore(ledger.stack, "db", "switchover", "cache").code == 0
    assert longshore(ledger.stack, "db", "switchover", "books").code == 0
    ledger.await_whole()
    replicate(ledger)
    now = longshore(ledger.stack, "backup", "now", "books", "cache", "queue")
    assert now.code == 0, now.end
    assert not [name for name in ("books", "cache", "queue") if listed(ledger, name)["problems"]]


def test_a_server_that_is_away_stops_it_before_anything_changes(ledger: Ledger) -> None:
    """It would come back with passwords that are good no more."""
    before, away = kept(ledger), SERVERS[-1]
    ledger.lab.run("kill", "--name", ledger.lab.name, away)
    try:
        refused = longshore(ledger.stack, "db", "rotate", "--internal", "main")
    finally:
        ledger.lab.run("start", "--name", ledger.lab.name, away)
    assert refused.code != 0, refused.end
    assert away in refused.everything
    assert kept(ledger) == before
    ledger.await_whole()
