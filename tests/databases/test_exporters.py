# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each engine tells Prometheus, whom, and that nobody learns a password on the way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from stack.support import until

from .conftest import SERVERS, Ledger

PORTS = {"main": 9187, "books": 9104, "cache": 9121, "queue": 15691}
ASKED = ("main", "books", "cache")  # by a program of its own
CLUSTER = "/etc/longshore/cluster"
# As the how-to has it.
CERTIFICATE = f"cd {CLUSTER} && curl --cacert ca.crt --cert server.crt --key server.key"
SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:{(.*)})? (\S+)")
UP = {"main": "pg_up", "books": "mysql_up", "cache": "redis_up"}
# What is stopped of a replica, and started again in the other order.
STOPPED = {
    "main": ("patroni@ledger-main",),
    "books": ("mariadb-promoter@ledger-books", "mariadb-instance@ledger-books"),
    "cache": ("valkey-server@ledger-cache",),
}


class Figures:
    """An answer in Prometheus' text format."""

    def __init__(self, text: str) -> None:
        self._samples = [found.groups(default="") for line in text.splitlines() if (found := SAMPLE.fullmatch(line))]
        assert self._samples, text[-2000:]

    def all(self, name: str, *labels: str) -> list[float]:
        """The values of a figure, of those with all of these labels (``role="master"``)."""
        return [float(value) for each, told, value in self._samples if each == name and set(labels) <= _split(told)]

    def one(self, name: str, *labels: str) -> float:
        """The value of a figure that is there once."""
        (value,) = self.all(name, *labels)
        return value


def _split(labels: str) -> set[str]:
    return set(re.findall(r'\w+="(?:[^"\\]|\\.)*"', labels))


def place(ledger: Ledger, server: str, database: str) -> str:
    """Address and port of an exporter."""
    return f"{ledger.lab.described['hosts'][server]['private']['v4']}:{PORTS[database]}"


def figures(ledger: Ledger, server: str, database: str) -> Figures:
    """What one server tells another one, which shows its certificate."""
    command = f"{CERTIFICATE} -sS -f -m 20 https://{place(ledger, server, database)}/metrics"
    return Figures(ledger.lab.on("app1", "sh", "-c", command).stdout)


def everywhere(ledger: Ledger, database: str) -> dict[str, Figures]:
    """What all servers tell."""
    with ThreadPoolExecutor(len(SERVERS)) as pool:
        return dict(zip(SERVERS, pool.map(lambda server: figures(ledger, server, database), SERVERS), strict=True))


def unit(database: str) -> str:
    """The unit of an exporter."""
    return f"longshore-exporter-ledger-{database}.service"


def processes(ledger: Ledger, databases: Iterable[str] = ASKED) -> list[list[str]]:
    """The exporters' process numbers, by server; 0 for one that does not run."""
    words = ("systemctl", "show", "-P", "MainPID", *map(unit, databases))
    return [ledger.lab.on(server, *words).stdout.split() for server in SERVERS]


def test_a_postgresql_tells_who_replicates(ledger: Ledger) -> None:
    told = everywhere(ledger, "main")
    primary = ledger.primary()
    assert {server: each.one("pg_up") for server, each in told.items()} == dict.fromkeys(SERVERS, 1)
    replicas = {server: bool(each.one("pg_replication_is_replica")) for server, each in told.items()}
    assert replicas == {server: server != primary for server in SERVERS}
    assert len(told[primary].all("pg_stat_replication_pg_wal_lsn_diff", 'state="streaming"')) == len(SERVERS) - 1
    for each in told.values():
        assert set(each.all("pg_scrape_collector_success")) == {1}
        assert each.one("pg_settings_max_connections") > 0
        assert each.one("pg_database_size_bytes", 'datname="main"') > 0


def test_a_mariadb_tells_who_follows(ledger: Ledger) -> None:
    told = everywhere(ledger, "books")
    primary = ledger.books_primary()
    assert {server: each.one("mysql_up") for server, each in told.items()} == dict.fromkeys(SERVERS, 1)
    followed = {server: each.all("mysql_slave_status_slave_sql_running") for server, each in told.items()}
    assert followed == {server: [] if server == primary else [1] for server in SERVERS}
    assert all(set(each.all("mysql_exporter_collector_success")) == {1} for each in told.values())
    assert told[primary].one("mysql_global_variables_read_only") == 0


def test_a_redis_tells_its_replicas(ledger: Ledger) -> None:
    told = everywhere(ledger, "cache")
    primary = ledger.store_primary()
    assert {server: each.one("redis_up") for server, each in told.items()} == dict.fromkeys(SERVERS, 1)
    primaries = {server: bool(each.all("redis_instance_info", 'role="master"')) for server, each in told.items()}
    assert primaries == {server: server == primary for server in SERVERS}
    assert told[primary].one("redis_connected_slaves") == len(SERVERS) - 1
    assert {each.one("redis_exporter_last_scrape_error", 'err=""') for each in told.values()} == {0}
    assert told[primary].one("redis_memory_max_bytes") == 64 << 20


def test_a_rabbitmq_tells_its_cluster_and_limits(ledger: Ledger) -> None:
    for server, told in everywhere(ledger, "queue").items():
        assert told.one("rabbitmq_identity_info", f'rabbitmq_node="ledger-queue@{server}"') == 1
        others = [
            told.one("erlang_vm_dist_node_state", f'peer="ledger-queue@{each}"') for each in SERVERS if each != server
        ]
        assert others == [3, 3], "not connected"
        assert told.one("rabbitmq_resident_memory_limit_bytes") == 256_000_000
        assert told.all("rabbitmq_queues")


def test_who_agrees_tells_figures_too(ledger: Ledger) -> None:
    address = ledger.lab.described["hosts"]["app2"]["private"]["v4"]
    for url, name, words in (
        (f"https://{address}:8008/metrics", "patroni_postgres_running", f"curl --cacert {CLUSTER}/ca.crt"),
        (f"https://{address}:2379/metrics", "etcd_server_has_leader", CERTIFICATE),
    ):
        found = Figures(ledger.lab.on("app1", "sh", "-c", f"{words} -sS -f -m 20 {url}").stdout)
        assert set(found.all(name)) == {1}, url


@pytest.mark.parametrize("database", PORTS)
def test_nobody_is_told_without_a_certificate_of_the_authority(ledger: Ledger, database: str) -> None:
    where = place(ledger, "app2", database)
    made = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=app1 -keyout /tmp/own.key -out /tmp/own.crt 2>/dev/null"
    ledger.lab.on("app1", "sh", "-c", made)
    for words in ("", "--cert /tmp/own.crt --key /tmp/own.key"):
        ask = f"curl -sS -m 10 --cacert {CLUSTER}/ca.crt {words} https://{where}/metrics"
        done = ledger.lab.on("app1", "sh", "-c", ask, check=False)
        assert done.returncode != 0, words
        assert done.stdout == "", words
        # Who listens says so; a network that takes it nowhere would not.
        assert re.search("alert|certificate", done.stderr), done.stderr
    plain = ledger.lab.on("app1", "curl", "-s", "-m", "10", f"http://{where}/metrics", check=False).stdout
    assert "HELP" not in plain
    listening = ledger.lab.on("app2", "ss", "-Hltn", f"sport = :{PORTS[database]}").stdout
    assert [line.split()[3] for line in listening.splitlines()] == [where], listening


def test_no_password_is_seen_beside_the_exporters_own(running: Ledger) -> None:
    directory = "/etc/longshore/ledger/credentials/databases"
    secrets = {each: running.lab.on("app1", "cat", f"{directory}/{each}.monitor").stdout.strip() for each in ASKED}
    assert all(len(secret) == 32 for secret in secrets.values())
    units = " ".join(map(unit, ASKED))
    for server in SERVERS:
        # What a process is told shows in its environment, and what systemd tells anybody in the other places.
        words = (
            f"systemctl show {units}; ps axww; cat /etc/systemd/system/longshore-exporter-*; systemctl cat {units}; "
            f"journalctl --no-pager -o cat; for each in {units}; do "
            "tr '\\0' '\\n' < /proc/$(systemctl show -P MainPID $each)/environ; done"
        )
        told = running.lab.on(server, "sh", "-c", words).stdout
        assert "longshore-exporter-ledger-main" in told
        assert "DATA_SOURCE_PASS_FILE=" in told
        assert not [name for name, secret in secrets.items() if secret in told], server
        kept = running.lab.on(server, "sh", "-c", "stat -c '%U %a' /etc/longshore/ledger/exporters/*.login").stdout
        assert set(kept.splitlines()) == {"root 600"}, kept
        for database in ASKED:
            # It has its copy, of which somebody else can't even see the name.
            path = f"/run/credentials/{unit(database)}/login"
            assert secrets[database] in running.lab.on(server, "cat", path).stdout, path
            other = running.lab.on(server, "runuser", "-u", "nobody", "--", "cat", path, check=False)
            assert other.returncode != 0, path
            user = running.lab.on(server, "sh", "-c", f"stat -c %u /proc/$(systemctl show -P MainPID {unit(database)})")
            assert user.stdout.strip() != "0", server


def test_a_database_that_is_stopped_is_told_and_its_exporter_goes_on(ledger: Ledger) -> None:
    primaries = {"main": ledger.primary(), "books": ledger.books_primary(), "cache": ledger.store_primary()}
    before = processes(ledger)
    replicas = {name: next(each for each in SERVERS if each != primary) for name, primary in primaries.items()}
    try:
        for name, server in replicas.items():
            ledger.lab.on(server, "systemctl", "stop", *STOPPED[name])
        for name, server in replicas.items():
            assert figures(ledger, server, name).one(UP[name]) == 0, name
    finally:
        for name, server in replicas.items():
            ledger.lab.on(server, "systemctl", "start", "--no-block", *reversed(STOPPED[name]))
    for name, server in replicas.items():
        until(lambda name=name, server=server: figures(ledger, server, name).one(UP[name]) == 1, 60, f"{name} is back")
    assert processes(ledger) == before
    ledger.await_whole(*replicas)
