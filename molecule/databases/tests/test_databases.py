# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles of the databases, without a stack file: each serves on three servers, and is backed up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import testinfra

SERVERS = ("app1", "app2", "app3")
PASSWORD = "molecule7fK2pQzR4wN9"
FILES = "--cacert /etc/molecule-databases/ca.crt --cert /etc/molecule-databases/server.crt"
FILES += " --key /etc/molecule-databases/server.key"
testinfra_hosts = ["ansible://app1"]


@pytest.fixture(scope="module")
def hosts(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The servers by name."""
    inventory = request.config.getoption("ansible_inventory")
    return {name: testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory) for name in SERVERS}


def within(seconds: float, found: Callable[[], Any]) -> Any:
    """The first true answer."""
    end = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < end
        time.sleep(0.3)
    return answer


def said(host: Any, command: str) -> str:
    """The output of a command."""
    return str(host.run(command).stdout).strip()


def psql(host: Any, text: str) -> str:
    """What PostgreSQL answers."""
    return said(host, f'runuser -u postgres -- psql -XAt -d main -c "{text}"')


def test_postgresql(hosts: dict[str, Any]) -> None:
    found = {name: psql(host, "select pg_is_in_recovery()") for name, host in hosts.items()}
    assert sorted(found.values()) == ["f", "t", "t"]
    primary = next(name for name, recovering in found.items() if recovering == "f")
    psql(hosts[primary], "create table if not exists t (n int); truncate t; insert into t values (7)")
    for name in set(SERVERS) - {primary}:
        within(20, lambda name=name: psql(hosts[name], "select n from t") == "7")
    assert psql(hosts[primary], "select extname from pg_extension where extname = 'vector'") == "vector"
    url = f"PGPASSWORD={PASSWORD} psql -At 'host={primary} user=main dbname=main sslmode={{}}' -c 'select 1'"
    other = hosts[next(name for name in SERVERS if name != primary)]
    assert said(other, url.format("require")) == "1"
    assert "pg_hba.conf" in other.run(url.format("disable")).stderr


def test_mariadb(hosts: dict[str, Any]) -> None:
    ask = f"curl -s -m 3 {FILES} https://{{}}:8306/status"
    told = {name: json.loads(said(host, ask.format(name))) for name, host in hosts.items()}
    primary = next(name for name, each in told.items() if each["writes"])
    assert sorted(each["role"] for each in told.values()) == ["primary", "replica", "replica"]
    login = f"MYSQL_PWD={PASSWORD} mariadb --no-defaults -u books --ssl-ca=/etc/molecule-databases/ca.crt"
    text = "create table if not exists t (n int); delete from t; insert into t values (7)"
    assert hosts[primary].run(f"{login} -h {primary} books -e '{text}'").rc == 0
    number = "select n from t"
    for name in set(SERVERS) - {primary}:
        within(20, lambda name=name: said(hosts[name], f"{login} -h {name} books -BNe '{number}'") == "7")


def test_valkey(hosts: dict[str, Any]) -> None:
    ask = f"REDISCLI_AUTH={PASSWORD} valkey-cli --tls --cacert /etc/molecule-databases/ca.crt --user app -h {{}} {{}}"
    # Who routes may ask for the role, and needs no password.
    role = ask.replace(PASSWORD, "none").replace("--user app", "--user router")
    roles = {name: said(host, role.format("127.0.0.1", "role")).split()[0] for name, host in hosts.items()}
    assert sorted(roles.values()) == ["master", "slave", "slave"]
    primary = next(name for name, role in roles.items() if role == "master")
    assert said(hosts[primary], ask.format("127.0.0.1", "set molecule 7")) == "OK"
    for name in set(SERVERS) - {primary}:
        within(20, lambda name=name: said(hosts[name], ask.format("127.0.0.1", "get molecule")) == "7")


def test_rabbitmq(hosts: dict[str, Any]) -> None:
    ask = f"curl -sf -u admin:{PASSWORD} --cacert /etc/molecule-databases/ca.crt https://{{}}:15671/api/nodes"
    nodes = json.loads(said(hosts["app1"], ask.format("app1")))
    assert {each["name"]: each["running"] for each in nodes} == {f"molecule-queue@{name}": True for name in SERVERS}


def test_memcached(hosts: dict[str, Any]) -> None:
    line = "printf 'version\\r\\nquit\\r\\n' | openssl s_client -quiet -connect {}:11211 2>/dev/null"
    assert said(hosts["app2"], line.format("app1")).startswith("VERSION 1.")


@pytest.mark.parametrize(
    ("port", "figure"), [(9187, "pg_up 1"), (9104, "mysql_up 1"), (9121, "redis_up 1"), (15691, "rabbitmq_queues")]
)
def test_figures_are_told_to_who_has_a_certificate(hosts: dict[str, Any], port: int, figure: str) -> None:
    for name in SERVERS:
        url = f"https://{name}:{port}/metrics"
        assert f"\n{figure}" in said(hosts["app1"], f"curl -s -m 20 {FILES} {url}"), name
        assert hosts["app1"].run(f"curl -s -m 20 --cacert /etc/molecule-databases/ca.crt {url}").rc != 0, name


@pytest.mark.parametrize(
    ("program", "settings", "user", "number"),
    [("pgbackrest", "pgbackrest", "postgres", 1), ("restic", "restic", "backup", 3)],
)
def test_backups_are_made_and_proved(
    hosts: dict[str, Any], program: str, settings: str, user: str, number: int
) -> None:
    ask = f"runuser -u {user} -- python3 /usr/lib/longshore/backups/{program}.py"
    ask += f" /etc/longshore/molecule/{settings}/backups.json list"

    def proved() -> Any:
        told = json.loads(said(hosts["app1"], ask))
        found = [each for each in told.values() if each["backups"] and each["backups"][-1]["proved"]]
        return told if len(found) == number else None

    told = within(180, proved)
    assert [each["problems"] for each in told.values()] == [[]] * number
