# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL in two versions side by side, and from the one to the other: what was in it, who follows, the way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from stack.support import Outcome, longshore, until

from .conftest import SERVERS, Ledger
from .test_postgresql import started

ANNALS, NOTES = 5433, 5434  # ports
OLD: dict[str, Any] = {"engine": "postgresql", "version": 15, "source": "debian-12"}
NEW: dict[str, Any] = {"engine": "postgresql", "version": 17}
GROUP: dict[str, Any] = {
    "servers": list(SERVERS),
    "port": ANNALS,
    "synchronous": True,
    "extensions": ["pg_trgm", "pg_stat_statements"],
    "settings": {"shared_buffers": "64MB"},
    "backup": {"schedule": "0 4 * * *"},
}
ALONE: dict[str, Any] = {"servers": ["app3"], "port": NOTES, "settings": {"shared_buffers": "64MB"}}
MADE = "create table years as select n, md5(n::text) as told from generate_series(1, 20000) n"
HELD = "select count(*) || ' ' || md5(string_agg(told, '' order by n)) from years"
VERSION = "select current_setting('server_version_num')::int / 10000"
EXTENSION = "select extversion from pg_extension where extname = 'pg_stat_statements'"
# Of the new version, on one server: fails only once it is asked to do something.
BREAK = """
set -e
cd /usr/lib/postgresql/17/bin
mv pg_restore pg_restore.good
cat > pg_restore <<'END'
#!/bin/sh
case "$1" in -V|--version) exec "$0.good" "$1" ;; esac
echo broken >&2
exit 1
END
chmod 755 pg_restore
"""
MEND = "cd /usr/lib/postgresql/17/bin && if [ -e pg_restore.good ]; then mv pg_restore.good pg_restore; fi"
# What a test leaves for nobody: instances that the file does not name run on, and data are removed by nobody else.
GONE = """
for name in ledger-annals ledger-notes; do
  systemctl disable --now patroni@$name; pkill -u postgres -f "cluster_name=$name" ; rm -f /etc/patroni/$name.yml
  rm -rf /var/lib/postgresql/1[57]/$name*
  rm -rf /etc/systemd/system/patroni@$name.service.d
  cd /etc/longshore/ledger/postgresql
  etcdctl --endpoints https://127.0.0.1:2379 --cacert ca.crt --cert member.crt --key member.key \
    del --prefix /longshore/$name/
done; systemctl daemon-reload; true
"""
FORGOTTEN = """
cd /var/lib/longshore/ledger
rm -rf backups/archive/ledger-annals backups/backup/ledger-annals backup-reports/ledger-annals.*
"""


class Group:
    """A database of this test, asked on its servers."""

    def __init__(self, ledger: Ledger, name: str, port: int, servers: list[str]) -> None:
        self.ledger, self.name, self.port, self.servers = ledger, name, port, servers

    def sql(self, server: str, text: str, *, check: bool = True) -> str:
        """What a statement gives there, in the database itself."""
        where = ("-h", "/run/postgresql", "-p", str(self.port), "-d", self.name)
        words = ("runuser", "-u", "postgres", "--", "psql", "-XAt", "-v", "ON_ERROR_STOP=1", *where, "-c", text)
        return self.ledger.lab.on(server, *words, check=check).stdout.strip()

    def primary(self) -> str:
        """Its primary; empty while there is none."""
        ask = "select not pg_is_in_recovery()"
        return next((each for each in self.servers if self.sql(each, ask, check=False) == "t"), "")

    def versions(self) -> set[str]:
        """The versions that serve, on any of its servers."""
        return {self.sql(server, VERSION, check=False) for server in self.servers}

    def await_whole(self) -> str:
        """Wait until all others follow the primary; gives it."""
        following = "select count(*) from pg_stat_replication where state = 'streaming'"

        def whole() -> str:
            primary = self.primary()
            if primary and self.sql(primary, following, check=False) == str(len(self.servers) - 1):
                return primary
            return ""

        return str(until(whole, 120, f"all servers of {self.name} serve"))

    def takes_writes(self, number: int) -> None:
        """Write a row, and see it everywhere."""
        primary = self.await_whole()
        self.sql(primary, f"insert into years values ({-number}, 'later')")  # noqa: S608 - a number
        ask = f"select count(*) from years where n = {-number}"  # noqa: S608 - a number
        for server in self.servers:
            until(lambda server=server: self.sql(server, ask) == "1", 30, f"the row comes to {server}")
        self.sql(primary, "delete from years where n < 0")


def upgrade(ledger: Ledger, name: str, *words: str) -> Outcome:
    """Bring it to version 17."""
    return longshore(ledger.stack, "db", "upgrade", name, "--major", "17", *words, "--json")


@pytest.fixture
def groups(ledger: Ledger) -> Iterator[tuple[Group, Group]]:
    """Two more databases, of version 15 and with rows: one on all servers, one on a single one."""
    before = dict(ledger.stack.content["databases"])
    ledger.stack.content["databases"] = {**before, "annals": {**OLD, **GROUP}, "notes": {**OLD, **ALONE}}
    ledger.stack.write()
    try:
        done = longshore(ledger.stack, "up", "--json")
        assert done.code == 0, done.end
        both = Group(ledger, "annals", ANNALS, list(SERVERS)), Group(ledger, "notes", NOTES, ["app3"])
        for each in both:
            each.sql(each.await_whole(), MADE)
        # The first one is made by itself, and may have been before there were rows.
        made = longshore(ledger.stack, "backup", "now", "annals", "--json")
        assert made.code == 0, made.end
        yield both
    finally:
        ledger.stack.content["databases"] = before
        ledger.stack.write()
        for server in SERVERS:
            ledger.lab.on(server, "sh", "-c", MEND + GONE)
        ledger.lab.on("app1", "sh", "-c", FORGOTTEN)
        longshore(ledger.stack, "up", "--json")


def test_the_file_alone_upgrades_nothing(ledger: Ledger) -> None:
    def known() -> dict[str, tuple[str, str]]:
        look = "ls /etc/apt/sources.list.d /etc/apt/preferences.d /usr/lib/postgresql; cat /etc/patroni/*.yml"
        return {server: (started(ledger, server), ledger.lab.on(server, "sh", "-c", look).stdout) for server in SERVERS}

    def other(content: dict[str, Any]) -> None:
        content["databases"]["main"] |= {"version": 16, "source": "pgdg"}

    before = known()
    with ledger.stack.changed(other):
        refused = longshore(ledger.stack, "up", "--json")
    assert refused.code == 1, refused.end
    assert "longshore db upgrade main --major 16" in refused.end
    assert known() == before


@pytest.mark.long
def test_from_one_version_to_another(ledger: Ledger, groups: tuple[Group, Group]) -> None:
    annals, notes = groups
    assert (annals.versions(), notes.versions()) == ({"15"}, {"15"})
    assert ledger.primary(), "the one of version 17 beside them serves on"
    held = annals.sql(annals.primary(), HELD)
    assert held.startswith("20000 ")

    # While the file has the former version it is tried; nothing changes.
    tried = upgrade(ledger, "annals", "--rehearse")
    assert tried.code == 0, tried.end
    rehearsal = tried.json["data"]["database_backup"]["rehearsal"]
    assert rehearsal["rows"] >= 20000, rehearsal

    content = ledger.stack.content["databases"]
    content["annals"], content["notes"] = {**NEW, **GROUP}, {**NEW, **ALONE}
    ledger.stack.write()
    both = upgrade(ledger, "annals", "--yes-stop", "ledger/annals")
    assert both.code == 1, both.end
    assert "One database is upgraded at a time" in both.end
    content["notes"] = {**OLD, **ALONE}
    ledger.stack.write()
    assert upgrade(ledger, "annals").code == 3, "nobody said yes"
    assert annals.versions() == {"15"}
    fails_before_data_are_linked(annals, held)
    fails_after_data_were_linked(annals, held)
    upgraded(annals, "link", held)
    content["notes"] = {**NEW, **ALONE}
    ledger.stack.write()
    upgraded(notes, "copy", held)
    assert annals.sql(annals.primary(), EXTENSION) == "1.11"

    again = longshore(ledger.stack, "up", "--json")
    assert again.code == 0, again.end
    assert not again.json["changes"], again.json["changes"]
    backed_up(ledger)


def fails_before_data_are_linked(group: Group, held: str) -> None:
    """A program of the new version is broken on the primary's server: the old one serves with its own data."""
    primary, lab = group.await_whole(), group.ledger.lab
    lab.on(primary, "sh", "-c", BREAK)
    failed = upgrade(group.ledger, group.name, "--yes-stop", f"ledger/{group.name}")
    lab.on(primary, "sh", "-c", MEND)
    as_it_was(group, failed, held)


def fails_after_data_were_linked(group: Group, held: str) -> None:
    """The new one can't start with what the file asks for: the old one serves with a replica's data."""
    primary, content = group.await_whole(), group.ledger.stack.content["databases"]
    content[group.name] = {**NEW, **GROUP, "settings": {"shared_buffers": "900GB"}}
    group.ledger.stack.write()
    failed = upgrade(group.ledger, group.name, "--yes-stop", f"ledger/{group.name}")
    content[group.name] = {**NEW, **GROUP}
    group.ledger.stack.write()
    as_it_was(group, failed, held)
    assert group.primary() != primary
    group.ledger.lab.on(primary, "rm", "-r", f"/var/lib/postgresql/15/ledger-{group.name}.before-17")


def as_it_was(group: Group, failed: Outcome, held: str) -> None:
    """The run says so, and all servers are of the former version, with all that was in it."""
    assert failed.code == 1, failed.end
    assert "is what it was, PostgreSQL 15" in failed.end
    group.takes_writes(1)
    assert group.versions() == {"15"}
    assert group.sql(group.primary(), HELD) == held


def upgraded(group: Group, mode: str, held: str) -> None:
    """Upgrade it: all servers are of the new version, with all that was in it, and the former data are kept."""
    done = upgrade(group.ledger, group.name, "--yes-stop", f"ledger/{group.name}")
    assert done.code == 0, done.end
    told = done.json["data"]["postgresql_major"]
    print(f"{group.name}: {told}")
    assert told["mode"] == mode
    group.takes_writes(2)
    assert group.versions() == {"17"}
    assert group.sql(group.primary(), HELD) == held
    for server in group.servers:
        assert group.ledger.lab.on(server, "cat", f"{told['kept']}/PG_VERSION").stdout.strip() == "15"


def backed_up(ledger: Ledger) -> None:
    """The new one has a proved backup of its own, and the former one's can still be restored."""
    made = longshore(ledger.stack, "backup", "now", "annals", "--json")
    assert made.code == 0, made.end
    backups = made.json["data"]["database_backup"]["backups"]["ledger-annals"]["backups"]
    assert backups[-1]["proved"]
    assert backups[-1]["rows"] >= 20000
    words = ("annals", "former", "--backup", backups[0]["label"])
    restored = longshore(ledger.stack, "backup", "restore", *words, "--json")
    assert restored.code == 0, restored.end
    place = restored.json["data"]["database_backup"]["restored"]["socket"]
    ask = ("runuser", "-u", "postgres", "--", "psql", "-XAt", "-h", place, "-d", "annals", "-c", VERSION)
    assert ledger.lab.on("app1", *ask).stdout.strip() == "15"
    assert longshore(ledger.stack, "backup", "drop", "former", "--json").code == 0
