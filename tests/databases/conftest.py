# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three data servers and one that runs a service which writes; each test leaves all of it as it found it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from stack.support import ROOT, Lab, Outcome, StackFile, longshore, until

SERVERS = ("app2", "app3", "app4")
PAUSE = 0.005  # seconds between two commits
# Seconds for which a primary that lost its replicas goes on taking writes (min-replicas-max-lag), and a look's.
STALE = 6.0

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

        ``kind``: ``store`` for the Redis, ``books`` for the MariaDB.

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
        report = self.ask(f"/end?name={table}")
        print(f"{table}: {report}")
        assert report["acknowledged"] > 0, report
        assert report["lost"] == 0, report
        return report

    def end_store(self, key: str) -> dict[str, Any]:
        """The writer's report; nothing may be lost that was written long before the primary was lost."""
        report = self.ask(f"/end?name={key}")
        print(f"{key}: {report}")
        assert report["acknowledged"] > 0, report
        assert report["oldest"] <= STALE, report
        return report

    def login(self, database: str) -> tuple[str, str]:
        """User and password of the services, as the manager keeps them; of a Redis one user has both."""
        path = f"/etc/longshore/ledger/credentials/databases/{database}.owner"
        number, *values = self.lab.on("app1", "cat", path).stdout.strip().split(":")
        second = bool(values) and int(number) % 2 == 1 and database != "cache"
        secret = values[0] if values else number
        assert len(secret) == 32
        return (f"{database}_2" if second else database), secret

    def store_primary(self) -> str:
        """The server that most Sentinels call the Redis' primary; empty while they don't agree."""
        words = "valkey-cli --tls --cacert /etc/longshore/valkey-sentinel/ca.crt -h {} -p 26379 --user router"
        ask = f"REDISCLI_AUTH=none timeout 3 {words} sentinel get-master-addr-by-name ledger-cache | head -n 1"
        places = {self.lab.described["hosts"][server]["private"]["v4"]: server for server in SERVERS}
        told = [
            places.get(self.lab.on(server, "sh", "-c", ask.format(address), check=False).stdout.strip(), "")
            for address, server in places.items()
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
            told.append(sorted(found | {self.store_primary()}))
        return told[0] if told.count(told[0]) == len(told) else []

    def whole_store(self) -> bool:
        """Whether the Redis has its primary, and two that follow it."""
        ask = "valkey-cli --tls --cacert /etc/longshore/ledger/valkey/ca.crt -h {} --user router role"
        told = []
        for server in SERVERS:
            address = self.lab.described["hosts"][server]["private"]["v4"]
            script = f"REDISCLI_AUTH=none timeout 3 {ask.format(address)}"
            told.append(self.lab.on(server, "sh", "-c", script, check=False).stdout.split())
        primaries = sum(each[:1] == ["master"] for each in told)
        followers = sum(each[:1] == ["slave"] and "connected" in each for each in told)
        return (primaries, followers) == (1, len(SERVERS) - 1)

    def books(self) -> dict[str, dict[str, Any]]:
        """What the MariaDB's promoter of each server says; without those that don't answer."""
        directory = "/etc/longshore/ledger/mariadb"
        words = f"--cacert {directory}/ca.crt --cert {directory}/member.crt --key {directory}/member.key"
        told = {}
        for server in SERVERS:
            address = self.lab.described["hosts"][server]["private"]["v4"]
            ask = f"curl -s -m 3 {words} https://{address}:8306/status"
            done = self.lab.on(server, "sh", "-c", ask, check=False)
            if done.returncode == 0 and done.stdout.startswith("{"):
                told[server] = json.loads(done.stdout)
        return told

    def books_primary(self) -> str:
        """The server that takes the MariaDB's writes; empty when there is none."""
        return next((server for server, told in self.books().items() if told["writes"]), "")

    def whole_books(self) -> bool:
        """Whether the MariaDB has its primary, and two that follow it and confirm its commits."""
        told = list(self.books().values())
        confirming = [each for each in told if each["state"] == "streaming" and each["synchronous"]]
        return (sum(each["writes"] for each in told), len(confirming)) == (1, len(SERVERS) - 1)

    def await_whole_books(self) -> None:
        """Wait for that."""
        until(self.whole_books, 120, f"all three of the MariaDB serve: {self.books()}")

    def await_whole_store(self) -> None:
        """Wait for that."""
        until(self.whole_store, 120, "all three of the Redis serve")

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

    def whole(self) -> bool:
        """Whether all three servers serve, and say so: one primary, two that follow it, on one timeline.

        One that was cut off goes on for seconds with what it knew before. Nobody may take over until the primary has
        chosen the one of the two that is synchronous.
        """
        told = [self.members_by(server) for server in SERVERS]
        states = sorted(member["state"] for member in told[0].values())
        return (
            states == ["running", "streaming", "streaming"]
            and "sync_standby" in roles(told[0]).values()
            and len({member["timeline"] for members in told for member in members.values()}) == 1
            and all(roles(members) == roles(told[0]) for members in told)
        )

    def await_whole(self) -> None:
        """Wait for that."""
        until(self.whole, 120, f"all three serve: {self.members()}")


@pytest.fixture(scope="session")
def lab() -> Lab:
    """Four servers and the client."""
    lab = Lab()
    lab.up(servers=4)
    lab.push(ROOT / "molecule/shared/repositories/ledger", "ledger")
    return lab


@pytest.fixture(scope="session")
def stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> StackFile:
    """The example ``inventories/databases.yml``, whose backups are proved with SQL of its own."""
    stack = StackFile.of("databases", tmp_path_factory.mktemp("databases"), lab)
    (stack.path.parent / "verify.sql").write_text(VERIFY)
    stack.content["databases"]["main"]["backup"]["verify_sql"] = "verify.sql"
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
    running.await_whole_store()
    running.await_whole_books()
    return running
