# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup takes the place of the database that serves, of PostgreSQL and MariaDB, which is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

from stack.support import longshore, until

from .conftest import Ledger
from .test_backups import a_second_before
from .test_mariadb import sql as books_sql
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


# Of what can't move from a database to another one: a view of a view, which asks a function, a trigger and an event.
READERS = """
create table readers (n int auto_increment primary key, name varchar(50) not null);
create table loans (n int primary key, reader int, foreign key (reader) references readers (n));
insert into readers (name) values ('Ann'), ('Bob'); insert into loans values (1, 1);
create definer=books@'%' function many() returns bigint reads sql data return (select count(*) from readers);
create definer=books@'%' view names as select name, many() of_them from readers;
create definer=books@'%' view all_names as select * from names;
create definer=books@'%' trigger louder before insert on readers for each row set new.name = upper(new.name);
create definer=books@'%' event nightly on schedule every 1 day do delete from readers where name = 'none';
"""
READ = "select group_concat(name, of_them order by name) from books.all_names"
WHOSE = """
select concat_ws(' ',
  (select group_concat(distinct definer) from information_schema.views where table_schema = 'books'),
  (select concat(definer, status) from information_schema.events where event_schema = 'books'),
  (select definer from information_schema.triggers where trigger_schema = 'books'))
"""
READERS_OF = "select group_concat(name order by n) from {}.readers"
LOADERS = "select count(*) from mysql.global_priv where user like 'longshore%'"


def test_a_backup_takes_the_place_of_a_mariadb(ledger: Ledger, tmp_path: Path) -> None:
    primary = ledger.books_primary()
    books_sql(ledger, primary, f"use books; {READERS}")
    made = longshore(ledger.stack, "backup", "now", "books", "--json")
    assert made.code == 0, made.end
    moment = books_sql(ledger, primary, "select concat(utc_timestamp() + interval 1 second, '+00')")
    books_sql(ledger, primary, "select sleep(2); insert into books.readers (name) values ('eve')")
    now = "Ann3,Bob3,EVE3"
    assert books_sql(ledger, primary, READ) == now

    words = ("backup", "replace", "books", "--at", moment, "--yes-replace", "ledger/books")
    for text, reason in (("update readers set nothing = 1;", "nothing"), ("drop table books.loans;", "denied")):
        wrong = tmp_path / "wrong.sql"
        wrong.write_text(text)
        failed = longshore(ledger.stack, *words, "--sql", str(wrong))
        assert failed.code == 1, failed.end
        assert reason in failed.everything, failed.end
        assert books_sql(ledger, primary, READ) == now

    cleaned = tmp_path / "cleaned.sql"
    cleaned.write_text("update readers set name = left(name, 1);")
    with ledger.lab.load(
        [f"http://{ledger.lab.address('app1')}/primary?kind=books"], "ledger.example", rate=20
    ) as load:
        done = longshore(ledger.stack, *words, "--sql", str(cleaned), "--json")
    assert done.code == 0, done.end
    assert load["total"] > 0
    told = done.json["replacement"]
    print(f"replaced in {told['seconds']} s, without sessions for {told['closed']} s")
    assert told["rows"]["books.readers"] == 2
    assert books_sql(ledger, primary, READ) == "A2,B2"
    assert books_sql(ledger, primary, WHOSE) == "books@% books@%ENABLED books@%"
    assert books_sql(ledger, primary, READERS_OF.format(told["kept"])) == "Ann,Bob,EVE"
    assert books_sql(ledger, primary, LOADERS) == "0"

    # The service goes on in it, and so do the replicas.
    ledger.begin("replaced-books", "books")
    ledger.end("replaced-books")
    ledger.await_whole("books")
    replica = next(server for server in ledger.members() if server != primary)
    until(lambda: books_sql(ledger, replica, READ) == "A2,B2", 30, "a replica has it")

    # Back to what it was, also of what could not move.
    back = ("ledger-books", "swap", "books", told["kept"], "books_before_1")
    ledger.lab.on(primary, "python3", "/usr/lib/longshore/mariadb-replacement", *back)
    assert books_sql(ledger, primary, READ) == now
    assert books_sql(ledger, primary, WHOSE) == "books@% books@%ENABLED books@%"
    # A name that is taken is refused before anything is touched.
    program = ("python3", "/usr/lib/longshore/mariadb-replacement", "ledger-books", "swap", "books")
    refused = ledger.lab.on(primary, *program, "books_before_1", "books_before_1", check=False)
    assert refused.returncode == 1
    assert "there is a database books_before_1 already" in refused.stderr
    assert books_sql(ledger, primary, READERS_OF.format("books_before_1")) == "A,B"
    left = "drop view all_names, names; drop function many; drop event nightly; drop table loans, readers"
    books_sql(ledger, primary, f"drop database books_before_1; use books; {left}")
    assert longshore(ledger.stack, "db", "status").code == 0
