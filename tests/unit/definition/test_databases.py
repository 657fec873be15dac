# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who agrees on who is primary, and the services that lead to a database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from longshore.definition import Stack
from longshore.definition.load import load_text
from longshore.definition.needs import needs
from longshore.definition.values import references, template

WEB = """
networks: {back: , front: }
services:
  web:
    image: nginx:1
    environment: {URL: "{{ databases.main.url }}"}
    networks: [back]
    depends_on: [cache]
  cache: {image: redis:7, networks: [front]}
"""


def load(servers: int, databases: str, body: str = "", tags: str = "app") -> Stack:
    """A stack of ``s1`` to ``sN``."""
    listed = ", ".join(f"s{number}: {{address: 192.0.2.{number}, tags: [{tags}]}}" for number in range(1, servers + 1))
    text = f"plugin: longshore.stack.stack\nname: shop\nservers: {{{listed}}}\ndatabases: {{{databases}}}\n{body}"
    return load_text(text.encode(), Path("/srv/none/shop.yml"))


def main(*servers: str, more: str = "") -> str:
    """A database called so."""
    return f"main: {{engine: postgresql, servers: [{', '.join(servers)}]{more}}}"


def cache(*servers: str, more: str = "") -> str:
    """A Redis called so."""
    return f"cache: {{engine: redis, servers: [{', '.join(servers)}]{more}}}"


@pytest.mark.parametrize(
    ("servers", "databases", "expected"),
    [
        (1, main("s1"), "s1"),
        # A majority of two would be both.
        (2, main("s2", "s1"), "s2"),
        (3, main("s3"), "s3 s1 s2"),
        (3, main("s2", "s3"), "s2 s3 s1"),
        (4, main("s4", "s2", more=", witnesses: [s3]"), "s4 s2 s3"),
        (5, main("s2", "s3", "s4"), "s2 s3 s4"),
        (5, main("s2", "s3", "s4", more=", witnesses: [s1]"), "s2 s3 s4"),
        (5, main("s5", "s4", "s3", more=", witnesses: [s2, s1]"), "s5 s4 s3 s2 s1"),
        (6, main(*(f"s{number}" for number in range(1, 7))), "s1 s2 s3 s4 s5"),
        (5, f"{main('s2')}, other: {{engine: postgresql, port: 5433, servers: [s2, s4]}}", "s2 s4 s1"),
        (3, "", ""),
    ],
)
def test_the_quorum_is_one_three_or_five(servers: int, databases: str, expected: str) -> None:
    assert load(servers, databases).etcd_members() == expected.split()


def test_data_servers_are_in_the_files_order_of_servers() -> None:
    databases = f"{main('s3')}, other: {{engine: postgresql, servers: [s1], port: 5433}}, {cache('s2', 's1')}"
    stack = load(3, databases)
    assert stack.data_servers("postgresql") == ["s1", "s3"]
    assert stack.data_servers("redis") == ["s1", "s2"]


@pytest.mark.parametrize(
    ("databases", "etcd", "sentinels"),
    [
        (main("s1"), "s1 s2 s3", ""),
        (cache("s2", "s1"), "", "s2 s1 s3"),
        # Nobody has to be asked who is primary.
        (cache("s2"), "", ""),
        (f"{main('s1')}, {cache('s2', 's3')}", "s1 s2 s3", "s1 s2 s3"),
    ],
)
def test_who_agrees_depends_on_the_engines(databases: str, etcd: str, sentinels: str) -> None:
    stack = load(4, databases)
    assert (stack.etcd_members(), stack.sentinels()) == (etcd.split(), sentinels.split())


def routers(servers: int, databases: str, body: str = "", tags: str = "app") -> dict[str, Any]:
    """Name → normalized."""
    return {name: each.normalized() for name, each in load(servers, databases, body, tags).routers().items()}


def test_each_name_of_a_database_has_a_router() -> None:
    other = "other-db: {engine: postgresql, servers: [s1], port: 5433}"
    found = routers(3, f"{main('s1', 's2')}, {other}")
    assert set(found) == {"main", "main-ro", "other-db"}
    assert [each["name"] for each in found.values()] == list(found)
    for name, router in found.items():
        (mount,) = router["volumes"]
        assert (mount["type"], mount["source"]) == ("bind", f"/etc/longshore/shop/databases/{name}")
        assert mount["read_only"] is True
        assert mount["target"] in router["command"][-1]
        assert (router["healthcheck"]["http"], router["healthcheck"]["port"]) == ("/", 8405)


@pytest.mark.parametrize(
    ("servers", "replicas", "most", "order"),
    # Where each server has its router there is no room for one more.
    [(1, 1, None, "start-first"), (2, 2, 1, "stop-first"), (3, 3, 1, "stop-first"), (5, 3, 1, "stop-first")],
)
def test_routers_are_on_several_servers_one_each(servers: int, replicas: int, most: int | None, order: str) -> None:
    router = routers(servers, main("s1"))["main"]
    found = (router["replicas"], router["placement"]["max_per_server"], router["update"]["order"])
    assert found == (replicas, most, order)


def test_routers_stand_in_the_networks_of_those_who_use_the_database() -> None:
    other = "other: {engine: postgresql, servers: [s1], port: 5433}"
    found = routers(2, f"{main('s1', 's2')}, {other}", WEB)
    networks = {name: sorted(each["networks"]) for name, each in found.items()}
    assert networks == {"main": ["back", "default"], "main-ro": ["back", "default"], "other": ["default"]}


def test_who_names_a_database_waits_for_its_router() -> None:
    services = load(2, main("s1"), WEB).services
    healthy, started = ({"condition": f"service_{word}"} for word in ("healthy", "started"))
    assert services["web"].normalized()["depends_on"] == {"main": healthy, "cache": started}
    assert services["cache"].normalized()["depends_on"] == {}
    assert services["web"].normalized()["secret_environment"] == ["URL"]


def test_a_database_is_found_under_any_name() -> None:
    value = "{{ databases.my-db.url }}?x={{databases.keys.port | upper}}"
    assert template(value) == "{{ databases['my-db'].url }}?x={{databases['keys'].port | upper}}"
    assert references(value) == (set(), {"my-db", "keys"}, [])


@pytest.mark.parametrize(("port", "health"), [("", 8008), (", port: 5433", 8009), (", port: 6000", 8576)])
def test_the_port_of_health_is_as_far_from_patronis_as_the_other_from_postgresqls(port: str, health: int) -> None:
    database = load(1, main("s1", more=port)).databases["main"]
    assert database.health_port == health
    assert (database.major, database.reader) == ("17", None)


def test_sql_takes_its_name_without_quotes() -> None:
    found = load(2, "my-db: {engine: postgresql, servers: [s1, s2]}").databases["my-db"]
    assert (found.name, found.inside, found.reader) == ("my-db", "my_db", "my-db-ro")


def test_where_backups_go_needs_what_opens_it_before_a_run() -> None:
    where = (
        'backups: {repository: {type: s3, endpoint: "https://s3.example", bucket: b, '
        "access_key: \"{{ lookup('env', 'S3_KEY') }}\", secret_key: \"{{ lookup('env', 'S3_SECRET') }}\"}}\n"
    )
    found = needs(load(1, main("s1", more=', backup: "@daily"'), where))
    places = {"S3_KEY": "backups.repository.access_key", "S3_SECRET": "backups.repository.secret_key"}
    assert found.variables == places
