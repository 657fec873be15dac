# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three data servers and one that runs a service which writes; each test leaves all of it as it found it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from stack.support import ROOT, Lab, Outcome, StackFile, longshore, until

SERVERS = ("app2", "app3", "app4")
# Where the data of main are from the beginning, and the script that mounts such a disk, as it is after each start.
FAST = "/mnt/fast"
DISK = """
set -e
mkdir -p /var/lib/docker{0} {0}
grep -qs ' {0} ' /etc/fstab || echo '/var/lib/docker{0} {0} none bind 0 0' >> /etc/fstab
systemctl daemon-reload
systemctl start $(systemd-escape --path --suffix=mount {0})
"""
PAUSE = 0.005  # seconds between two commits
# Seconds for which a primary that lost its replicas goes on taking writes: min-replicas-max-lag (5) in whole seconds,
# so up to 6, looked at once a second; and one for a busy machine.
STALE = 8.0

# A proof runs it as the owner, and reading; the table is there only while a test wants a backup to be bad.
VERIFY = """
do $$ begin
  if current_user <> 'main' or current_setting('transaction_read_only') <> 'on' then
    raise exception 'this is %, who may write', current_user;
  end if;
  if to_regclass('public.unwanted') is not null then raise exception 'an unwanted table is there'; end if;
end $$;
"""


def roles(members: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Name -> what it is."""
    return {name: member["role"] for name, member in members.items()}


@dataclass
class Told:
    """What a server says of the databases: empty where it does not answer."""

    server: str
    main: dict[str, dict[str, Any]]  # Patroni's members, by name
    cache: list[str]  # the words of Valkey's ROLE
    books: dict[str, Any]  # the promoter's status
    queue: list[dict[str, Any]]  # the nodes of the RabbitMQ


def whole_main(told: list[Told]) -> bool:
    """One primary, two that follow it, on one timeline, and all three say so.

    One that was cut off goes on for seconds with what it knew before, and one that starts has no timeline yet. Nobody
    may take over until the primary has chosen the one of the two that is synchronous.
    """
    first = told[0].main
    return (
        sorted(member.get("state", "") for member in first.values()) == ["running", "streaming", "streaming"]
        and "sync_standby" in roles(first).values()
        and len({member.get("timeline") for each in told for member in each.main.values()}) == 1
        and all(roles(each.main) == roles(first) for each in told)
    )


def whole_cache(told: list[Told]) -> bool:
    """One primary, and two that are connected to it."""
    primaries = sum(each.cache[:1] == ["master"] for each in told)
    followers = sum(each.cache[:1] == ["slave"] and "connected" in each.cache for each in told)
    return (primaries, followers) == (1, len(SERVERS) - 1)


def whole_books(told: list[Told]) -> bool:
    """One that takes writes, and two that follow it and confirm its commits."""
    found = [each.books for each in told if each.books]
    confirming = [each for each in found if each["state"] == "streaming" and each["synchronous"]]
    return (sum(each["writes"] for each in found), len(confirming)) == (1, len(SERVERS) - 1)


def whole_queue(told: list[Told]) -> bool:
    """Each of the three sees all three."""
    return all([node["running"] for node in each.queue] == [True] * len(SERVERS) for each in told)


WHOLE = {"main": whole_main, "cache": whole_cache, "books": whole_books, "queue": whole_queue}
# Has curl ask as the user who may do everything, without its password on a command line.
ADMIN = (
    r"""sed -n 's/.*"admin": "\([^"]*\)", "user": "\([^"]*\)".*/user = "\2:\1"/p' """
    "/etc/rabbitmq/instances/ledger-queue.json"
)


@dataclass
class Ledger:
    """The service that commits numbered rows, asked from outside."""

    lab: Lab
    stack: StackFile

    def ask(self, path: str) -> dict[str, Any]:
        """The answer to a request; fails when there is none."""
        url = f"http://{self.lab.address('app1')}{path}"
        status, body = self.lab.get(url, "-H", "Host: ledger.example", "-m", "60")
        assert status == 200, f"{path}: {status} {body}"
        answer: dict[str, Any] = json.loads(body)
        return answer

    def rows(self, table: str, kind: str = "") -> int:
        """How many rows a table has, as the service's primary sees it; 0 while nobody answers."""
        url = f"http://{self.lab.address('app1')}/primary?name={table}&kind={kind}"
        status, body = self.lab.get(url, "-H", "Host: ledger.example")
        return int(json.loads(body)["rows"]) if status == 200 else 0

    def begin(self, table: str, kind: str = "") -> None:
        """Have rows written into a table, and wait until some are there.

        ``kind``: ``store`` for the Redis, ``books`` for the MariaDB, ``queue`` for the RabbitMQ.

        With pauses: at full speed the writer takes what the machine has from what is judged.
        """
        self.ask(f"/begin?name={table}&pause={PAUSE}&kind={kind}")
        self.await_more(table, 30, kind)

    def await_more(self, table: str, seconds: float, kind: str = "") -> None:
        """Wait until more rows are acknowledged than there are now."""
        before = self.rows(table, kind)
        until(lambda: self.rows(table, kind) > before + 20, seconds, f"rows are written into {table}")

    def end(self, table: str) -> dict[str, Any]:
        """The writer's report, which must have no loss in it."""
        report = self.ended(table)
        print(f"{table}: {report}")
        assert report["acknowledged"] > 0, report
        assert report["lost"] == 0, report
        return report

    def ended(self, name: str) -> dict[str, Any]:
        """A writer's report; a database that is away for a moment is waited for."""
        url = f"http://{self.lab.address('app1')}/end?name={name}"
        words = ("-H", "Host: ledger.example", "-m", "60")
        body = until(lambda: (got := self.lab.get(url, *words))[0] == 200 and got[1], 30, f"the report of {name}")
        report: dict[str, Any] = json.loads(str(body))
        return report

    def end_store(self, key: str) -> dict[str, Any]:
        """The writer's report; nothing may be lost that was written long before the primary was lost."""
        report = self.ended(key)
        print(f"{key}: {report}")
        assert report["acknowledged"] > 0, report
        assert report["oldest"] <= STALE, report
        return report

    def login(self, database: str, who: str = "owner") -> tuple[str, str]:
        """User and password of the services, as the manager keeps them; of a Redis one user has both.

        Of what runs inside, such as ``monitor``, the password alone is right.
        """
        path = f"/etc/longshore/ledger/credentials/databases/{database}.{who}"
        user = database if who == "owner" else f"{database}_{who}"
        number, *values = self.lab.on("app1", "cat", path).stdout.strip().split(":")
        second = bool(values) and int(number) % 2 == 1 and database != "cache"
        secret = values[0] if values else number
        assert len(secret) == 32
        return (f"{user}_2" if second else user), secret

    def store_primary(self, asked: Sequence[str] = SERVERS) -> str:
        """The server that most of these Sentinels call the Redis' primary; empty while they don't agree."""
        words = "valkey-cli --tls --cacert /etc/longshore/valkey-sentinel/ca.crt -h {} -p 26379 --user router"
        ask = f"REDISCLI_AUTH=none timeout 3 {words} sentinel get-master-addr-by-name ledger-cache | head -n 1"
        places = {self.lab.described["hosts"][server]["private"]["v4"]: server for server in SERVERS}
        told = [
            places.get(self.lab.on(server, "sh", "-c", ask.format(address), check=False).stdout.strip(), "")
            for address, server in places.items()
            if server in asked
        ]
        return next((server for server in set(told) if server and told.count(server) > len(SERVERS) // 2), "")

    def store_members(self, asked: list[str]) -> list[str]:
        """The servers that the Sentinels of these count to the Redis, when they say the same; else none."""
        text = self.lab.on("app1", "cat", "/etc/longshore/cluster/sentinel.password").stdout.strip()
        places = {self.lab.described["hosts"][server]["private"]["v4"]: server for server in SERVERS}
        told = []
        for address, server in places.items():
            if server not in asked:
                continue
            words = f"valkey-cli --tls --cacert /etc/longshore/valkey-sentinel/ca.crt -h {address} -p 26379 --user peer"
            script = f"REDISCLI_AUTH={text} timeout 3 {words} sentinel replicas ledger-cache"
            lines = self.lab.on(server, "sh", "-c", script).stdout.split("\n")
            found = {places[lines[index + 1]] for index, line in enumerate(lines) if line == "ip"}
            told.append(sorted(found | {self.store_primary(asked)}))
        return told[0] if told.count(told[0]) == len(told) else []

    def told(self, asked: Sequence[str] = SERVERS) -> list[Told]:
        """What each of these servers says of its databases, all asked at once."""
        with ThreadPoolExecutor(len(asked)) as pool:
            return list(pool.map(self._told, asked))

    def _told(self, server: str) -> Told:
        address = self.lab.described["hosts"][server]["private"]["v4"]
        directory = "/etc/longshore/ledger"
        member = "--cacert {0}/ca.crt --cert {0}/member.crt --key {0}/member.key".format(f"{directory}/mariadb")
        store = f"timeout 3 valkey-cli --tls --cacert {directory}/valkey/ca.crt -h {address} --user router"
        script = (
            f"curl -sk -m 3 https://{address}:8008/cluster | tr -d '\\n'; echo; "
            f"REDISCLI_AUTH=none {store} role | tr '\\n' ' '; echo; "
            f"curl -s -m 3 {member} https://{address}:8306/status | tr -d '\\n'; echo; "
            f"{ADMIN} | curl -sK - -m 3 --cacert {directory}/rabbitmq/ca.crt https://{address}:15671/api/nodes"
        )
        answer = self.lab.on(server, "sh", "-c", script, check=False).stdout
        main, cache, books, queue = [*answer.split("\n"), "", "", "", ""][:4]
        return Told(
            server,
            {each["name"]: each for each in json.loads(main)["members"]} if main.startswith("{") else {},
            cache.split(),
            json.loads(books) if books.startswith("{") else {},
            json.loads(queue) if queue.startswith("[") else [],
        )

    def books_primary(self, asked: Sequence[str] = SERVERS) -> str:
        """The one of these servers that takes the MariaDB's writes; empty when there is none."""
        return next((told.server for told in self.told(asked) if told.books.get("writes")), "")

    def await_whole(self, *names: str) -> None:
        """Wait until all three servers serve these databases, all without any: one primary, and two that follow it."""
        conditions = [WHOLE[name] for name in names or WHOLE]

        def whole() -> bool:
            told = self.told()
            return all(condition(told) for condition in conditions)

        until(whole, 120, f"all three serve {', '.join(names or WHOLE)}")

    def await_other(self, old: str, seconds: float) -> str:
        """Wait for another primary than ``old``; gives it."""
        return str(until(lambda: (name := self.primary()) not in ("", old) and name, seconds, "another primary"))

    def members(self) -> dict[str, dict[str, Any]]:
        """What Patroni says of each member, by name, asked on the first server that answers."""
        return next(filter(None, map(self.members_by, SERVERS)), {})

    def members_by(self, server: str) -> dict[str, dict[str, Any]]:
        """What Patroni of one server says; empty when it doesn't answer."""
        address = self.lab.described["hosts"][server]["private"]["v4"]
        done = self.lab.on(server, "curl", "-sk", "-m", "3", f"https://{address}:8008/cluster", check=False)
        if done.returncode == 0 and done.stdout.startswith("{"):
            return {member["name"]: member for member in json.loads(done.stdout)["members"]}
        return {}

    def primary(self) -> str:
        """The primary's server; empty when there is none."""
        found = [name for name, member in self.members().items() if member["role"] == "leader"]
        return found[0] if found else ""

    def primary_elsewhere(self, old: str) -> bool:
        """Whether a server that is not ``old``, and does not believe it, is primary: what ``old`` says is not asked."""
        for server in SERVERS:
            if server == old:
                continue
            address = self.lab.described["hosts"][server]["private"]["v4"]
            words = (
                "curl",
                "-sk",
                "-m",
                "3",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                f"https://{address}:8008/primary",
            )
            if self.lab.on(server, *words, check=False).stdout == "200":
                return True
        return False


@pytest.fixture(scope="session")
def lab() -> Lab:
    """Four servers and the client."""
    lab = Lab()
    lab.up(servers=4)
    # Also the first one, which takes a lost one's place.
    for server in ("app1", *SERVERS):
        lab.on(server, "sh", "-c", DISK.format(FAST))
    lab.push(ROOT / "molecule/shared/repositories/ledger", "ledger")
    return lab


@pytest.fixture(scope="session")
def stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> StackFile:
    """The example ``inventories/databases.yml``, with SQL that proves backups, and a disk of its own for ``main``."""
    stack = StackFile.of("databases", tmp_path_factory.mktemp("databases"), lab)
    (stack.path.parent / "verify.sql").write_text(VERIFY)
    stack.content["databases"]["main"]["backup"]["verify_sql"] = "verify.sql"
    stack.content["databases"]["main"]["directory"] = FAST
    stack.write()
    return stack


@pytest.fixture(scope="session")
def first_up(stack: StackFile) -> tuple[Outcome, Outcome]:
    """What ``plan`` predicted for blank servers, and what ``up`` then did."""
    predicted = longshore(stack, "plan", "--json")
    done = longshore(stack, "up", "--json")
    assert done.code == 0, done.end
    return predicted, done


@pytest.fixture(scope="session")
def running(lab: Lab, stack: StackFile, first_up: object) -> Ledger:
    """The stack, deployed."""
    return Ledger(lab, stack)


@pytest.fixture
def ledger(running: Ledger) -> Ledger:
    """The stack with all of its servers well."""
    running.await_whole()
    return running
