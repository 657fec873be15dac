# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup takes the place of the database that serves, which is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

from stack.support import longshore, until

from .conftest import Ledger
from .test_backups import a_second_before
from .test_postgresql import sql

HOLDS = "select string_agg(n || name, ',' order by n) from people"
AROUND = (
    "select datacl::text || coalesce((select string_agg(c, ',') from pg_db_role_setting s, unnest(setconfig) c "
    "where s.setdatabase = d.oid), '') from pg_database d where datname = 'main'"
)


def test_a_backup_takes_the_place_of_the_database_that_serves(ledger: Ledger, tmp_path: Path) -> None:
    # Whatever other tests have done with the place of the backups.
    assert longshore(ledger.stack, "backup", "now", "main").code == 0
    primary = ledger.primary()
    made = "drop table if exists people; create table people as select n, 'Ann' as name from generate_series(1, 3) n"
    sql(ledger, primary, f"{made}; alter table people owner to main; alter database main set work_mem = '5MB'", "main")
    around = sql(ledger, primary, AROUND)
    assert "work_mem=5MB" in around
    moment = a_second_before(ledger, "delete from people where n = 2; insert into people values (4, 'Eve')")

    for words in (("main", "--yes-replace", "main"), ("cache", "--yes-replace", "ledger/cache")):
        refused = longshore(ledger.stack, "backup", "replace", *words)
        assert refused.code == 3, refused.end
    wrong = tmp_path / "wrong.sql"
    wrong.write_text("update people set name = 'x'; select nothing from nowhere;")
    failed = longshore(
        ledger.stack, "backup", "replace", "main", "--at", moment, "--sql", str(wrong), "--yes-replace", "ledger/main"
    )
    assert failed.code == 1, failed.end
    assert "nowhere" in failed.everything
    assert sql(ledger, primary, HOLDS, "main") == "1Ann,3Ann,4Eve"

    # As into another stack: the file of this one, elsewhere.
    other = tmp_path / "other"
    shutil.copytree(ledger.stack.path.parent, other)
    cleaned = tmp_path / "cleaned.sql"
    cleaned.write_text("update people set name = left(name, 1);")
    words = ("--into", str(other / ledger.stack.path.name), "--sql", str(cleaned), "--yes-replace", "ledger/main")
    # Each request has a connection of its own: who comes in the very moment of the exchange does not hinder it.
    with ledger.lab.load([f"http://{ledger.lab.address('app1')}/primary"], "ledger.example", rate=20) as load:
        done = longshore(ledger.stack, "backup", "replace", "main", "--at", moment, *words, "--json")
    assert done.code == 0, done.end
    assert load["total"] > 0
    told = done.json["replacement"]
    print(f"replaced in {told['seconds']} s, without sessions for {told['closed']} s")
    assert told["rows"]["public.people"] == 3
    primary = ledger.primary()
    assert sql(ledger, primary, HOLDS, "main") == "1A,2A,3A"
    assert sql(ledger, primary, HOLDS, told["kept"]) == "1Ann,3Ann,4Eve"
    assert sql(ledger, primary, AROUND) == around
    assert sql(ledger, primary, "select tableowner from pg_tables where tablename = 'people'", "main") == "main"
    assert not sql(ledger, primary, "select datname from pg_database where datname like '%_new_%'")

    # The service goes on in it, and so do the replicas.
    ledger.begin("replaced")
    ledger.end("replaced")
    ledger.await_whole("main")
    replica = next(server for server in ledger.members() if server != primary)
    until(lambda: sql(ledger, replica, HOLDS, "main") == "1A,2A,3A", 30, "a replica has it")
    sql(ledger, primary, f'drop database "{told["kept"]}"')
    sql(ledger, primary, "alter database main reset work_mem")
    assert longshore(ledger.stack, "db", "status").code == 0
