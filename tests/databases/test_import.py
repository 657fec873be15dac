# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that were elsewhere come in, by dumps of them."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from stack.support import Outcome, longshore

from .conftest import Ledger
from .test_mariadb import SOCKET
from .test_mariadb import sql as books_sql
from .test_postgresql import sql

MADE = """
create extension vector;
create table people (n serial primary key, name text not null, place vector(2));
comment on table people is 'customers';
insert into people (name, place) values ('Ann', '[1,2]'), (E'B\\tob\\\\', null);
create view names as select name from people;
create function many() returns bigint language sql as 'select count(*) from people';
grant select on people to stranger;
"""
HOLDS = "select string_agg(n || name, ',' order by n) || many() from people"
OWNERS = """
select string_agg(distinct pg_get_userbyid(relowner), ',') from pg_class
where relnamespace = 'public'::regnamespace
"""


@pytest.fixture
def elsewhere(ledger: Ledger) -> Iterator[str]:
    """A database with an owner that the stack knows nothing of; gives the server that has it."""
    primary = ledger.primary()
    sql(ledger, primary, "create role stranger")
    sql(ledger, primary, "create database elsewhere owner stranger")
    sql(ledger, primary, MADE, "elsewhere")
    yield primary
    sql(ledger, primary, "drop database elsewhere")
    sql(ledger, primary, "drop role stranger")


def dumped(ledger: Ledger, server: str, file: Path, *words: str) -> Path:
    """A dump of it, brought here."""
    dump = " ".join(("/usr/lib/postgresql/17/bin/pg_dump", *words, "elsewhere"))
    text = ledger.lab.on(server, "sh", "-c", f"runuser -u postgres -- {dump} | base64 -w0").stdout
    file.write_bytes(base64.b64decode(text))
    return file


def taken(ledger: Ledger, file: Path, database: str = "main", *words: str) -> Outcome:
    """What the command says."""
    said = ("--yes-replace", f"ledger/{database}", "--json", *words)
    return longshore(ledger.stack, "db", "import", database, str(file), *said)


def test_a_dump_takes_the_place_of_the_database(ledger: Ledger, elsewhere: str, tmp_path: Path) -> None:
    primary = elsewhere
    custom = dumped(ledger, primary, tmp_path / "custom", "--format=custom")
    done = taken(ledger, custom)
    assert done.code == 0, done.end
    told = done.json["replacement"]
    assert told["rows"] == {"public.people": 2}
    assert sql(ledger, primary, HOLDS, "main") == "1Ann,2B\tob\\2"
    assert sql(ledger, primary, OWNERS, "main") == "main"
    assert sql(ledger, primary, "select obj_description('people'::regclass)", "main") == "customers"
    ledger.begin("imported")
    ledger.end("imported")

    plain = dumped(ledger, primary, tmp_path / "plain", "--no-owner", "--no-privileges", "--no-comments")
    packed = tmp_path / "plain.sql.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    again = taken(ledger, packed)
    assert again.code == 0, again.end
    assert sql(ledger, primary, HOLDS, "main") == "1Ann,2B\tob\\2"
    assert sql(ledger, primary, OWNERS, "main") == "main"

    # What leads elsewhere leads nowhere.
    for words, reason in (
        ("\\connect postgres\ncreate table strange (n int);", "restricted"),
        ("create database strange;", "transaction block"),
        ("alter table none owner to stranger;", "none"),
    ):
        bad = tmp_path / "bad.sql"
        bad.write_text(f"create table first (n int);\n{words}\n")
        refused = taken(ledger, bad)
        assert refused.code == 1, refused.end
        assert reason in refused.everything, refused.end
    assert sql(ledger, primary, HOLDS, "main") == "1Ann,2B\tob\\2"
    assert not sql(ledger, primary, "select 1 from pg_class where relname = 'strange'")
    left = sql(ledger, primary, "select datname from pg_database where datname ~ '^main_|^strange'").split()
    assert sorted(left) == sorted((told["kept"], again.json["replacement"]["kept"]))

    # Back to what it was.
    words = ("ledger-main", "swap", "main", told["kept"], "imported")
    ledger.lab.on(primary, "python3", "/usr/lib/longshore/postgresql-replacement", *words)
    for name in ("imported", again.json["replacement"]["kept"]):
        sql(ledger, primary, f'drop database "{name}" with (force)')
    ledger.await_whole("main")


SHOP = """
use shop;
create table people (n int auto_increment primary key, name varchar(50) not null, place point);
insert into people (name, place) values ('Ann', point(1, 2)), ('B\\tob; DEFINER=`x`@`y`', null);
create definer=root@localhost view names as select name from people;
create definer=root@localhost view more as select name from names;
create definer=root@localhost trigger louder before insert on people
  for each row set new.name = upper(new.name);
create definer=root@localhost function many() returns bigint reads sql data return (select count(*) from people);
create definer=root@localhost event nightly on schedule every 1 day do delete from people where name = 'none';
"""
SHOP_OWNERS = """
select group_concat(distinct whose order by whose) from (
  select definer whose from information_schema.views where table_schema = 'books' union
  select definer from information_schema.routines where routine_schema = 'books' union
  select definer from information_schema.triggers where trigger_schema = 'books' union
  select definer from information_schema.events where event_schema = 'books') x
"""
TABLES = "select table_name from information_schema.tables where table_schema = '{}'"
LEFT = "select count(*) from mysql.global_priv where user like 'longshore%'"


@pytest.fixture
def shop(ledger: Ledger) -> Iterator[str]:
    """The MariaDB's database, empty for a while, and another one beside it; gives the primary."""
    primary = ledger.books_primary()

    def moved(source: str, target: str) -> None:
        tables = books_sql(ledger, primary, TABLES.format(source))
        pairs = ", ".join(f"{source}.`{name}` to {target}.`{name}`" for name in tables.split())
        books_sql(ledger, primary, f"rename table {pairs}" if pairs else "do 0")

    books_sql(ledger, primary, f"create database aside; create database shop; {SHOP}")
    moved("books", "aside")
    yield primary
    books_sql(ledger, primary, "drop database books; create database books; drop database shop")
    moved("aside", "books")
    books_sql(ledger, primary, "drop database aside")


def test_a_dump_fills_an_empty_mariadb(ledger: Ledger, shop: str, tmp_path: Path) -> None:
    dump = f"mariadb-dump --no-defaults --socket={SOCKET} --routines --triggers --events shop"
    text = ledger.lab.on(shop, "sh", "-c", f"{dump} | gzip | base64 -w0").stdout
    packed, plain = tmp_path / "shop.sql.gz", tmp_path / "plain.sql"
    packed.write_bytes(base64.b64decode(text))
    plain.write_bytes(gzip.decompress(packed.read_bytes()))

    # What leads elsewhere, or is not whole, leaves nothing.
    for name, words, reason in (
        ("elsewhere", "use shop; drop table people;", "denied"),
        ("beside", "create database strange;", "denied"),
        ("out", "\\! touch /tmp/strange", "!"),
        ("half", plain.read_text()[: len(plain.read_text()) // 2], "has no end"),
    ):
        bad = tmp_path / f"{name}.sql"
        bad.write_text(f"create table first (n int);\n{words}\n" if name != "half" else words)
        refused = taken(ledger, bad, "books")
        assert refused.code == 1, refused.end
        assert reason in refused.everything, refused.end
        assert not books_sql(ledger, shop, "show tables from books")
    assert ledger.lab.on(shop, "test", "-e", "/tmp/strange", check=False).returncode == 1

    sql_file = tmp_path / "own.sql"
    sql_file.write_text("insert into people (name) values ('cid');")
    done = taken(ledger, packed, "books", "--sql", str(sql_file))
    assert done.code == 0, done.end
    assert done.json["replacement"]["rows"] == {"people": 3}
    found = books_sql(
        ledger, shop, "select group_concat(name order by name separator '/'), books.many() from books.more"
    )
    assert found == "Ann/B\\tob; DEFINER=`x`@`y`/CID\t3"
    assert books_sql(ledger, shop, SHOP_OWNERS) in ("books@%", "books_2@%")
    assert books_sql(ledger, shop, LEFT) == "0"
    ledger.begin("imported-books", "books")
    ledger.end("imported-books")
    again = taken(ledger, packed, "books")
    assert again.code == 1, again.end
    assert "an empty one only" in again.everything
