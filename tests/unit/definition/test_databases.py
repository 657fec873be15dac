# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who agrees on who is primary, and the services that lead to a database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from longshore.definition import DefinitionError, Stack
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


@pytest.mark.parametrize(
    ("servers", "databases", "expected"),
    [
        (
            2,
            main("s2", "s1", more=', backup: "@daily"'),
            {"databases.main.servers": "nobody becomes its primary while s2 is away"},
        ),
        (3, main("s2", "s1", more=', backup: "@daily"'), {}),
        (2, main("s1", more=', backup: "@daily"'), {}),
        (3, cache("s1"), {"databases.cache": "it has no backup"}),
        (3, "cache: {engine: memcached, servers: [s1]}", {}),
    ],
)
def test_what_is_valid_may_be_noticed(servers: int, databases: str, expected: dict[str, str]) -> None:
    notices = {notice.path: notice for notice in load(servers, databases).notices}
    assert list(notices) == list(expected)
    assert all(notices[path].message.startswith(words) for path, words in expected.items())
    assert all(notice.line == 4 and notice.column > 1 for notice in notices.values())


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


@pytest.mark.parametrize(("port", "ports"), [("", (5671, 15671, 25672)), (", port: 6000", (6000, 16000, 26001))])
def test_a_rabbitmq_has_three_ports_and_one_name(port: str, ports: tuple[int, ...]) -> None:
    stack = load(3, f"queue: {{engine: rabbitmq, servers: [s1, s2, s3]{port}}}")
    found = stack.databases["queue"]
    assert (found.listens, found.health_port, found.peer_port) == ports
    assert (found.major, found.reader, stack.etcd_members(), stack.sentinels()) == ("4", None, [], [])
    assert list(stack.routers()) == ["queue"]


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


@pytest.mark.parametrize(
    ("engine", "port", "told"),
    [
        ("postgresql", 5432, 9187),
        ("mariadb", 3307, 9105),
        ("redis", 6379, 9121),
        ("rabbitmq", 5671, 15691),
    ],
)
def test_figures_are_told_on_a_port_that_moves_with_the_databases_own(engine: str, port: int, told: int) -> None:
    text = f"it: {{engine: {engine}, servers: [s1], port: {port}"
    assert load(1, f"{text}, exporter: true}}").databases["it"].exporter_port == told
    assert load(1, f"{text}}}").databases["it"].exporter_port is None


def test_sql_takes_its_name_without_quotes() -> None:
    found = load(2, "my-db: {engine: postgresql, servers: [s1, s2]}").databases["my-db"]
    assert (found.name, found.inside, found.reader) == ("my-db", "my_db", "my-db-ro")


@pytest.mark.parametrize(
    ("databases", "words"),
    [
        (main("s1", more=", also: [reports]"), ""),
        (cache("s1", more=", also: [reports]"), "a redis has no logical databases"),
        (main("s1", more=", also: [postgres]"), "'postgres' is a name of the engine's own"),
        (main("s1", more=", also: [main-reader]"), "the users of 'main-reader' would be called like some of 'main'"),
        (main("s1", more=", also: [a, a-2]"), "the users of 'a-2' would be called like some of 'a'"),
        (main("s1", more=", also: [a, a]"), "the users of 'a' would be called like some of 'a'"),
        (f"{main('s1', more=', also: [cache]')}, {cache('s1')}", "there is another database 'cache'"),
        (
            f"{main('s1', more=', also: [a]')}, b: {{engine: mariadb, servers: [s1], also: [a]}}",
            "databases.b.also.0: there is another database 'a'",
        ),
    ],
)
def test_users_of_logical_databases_are_told_apart(databases: str, words: str) -> None:
    if not words:
        assert list(load(1, databases).logical_databases()) == ["main", "reports"]
        return
    with pytest.raises(DefinitionError) as caught:
        load(1, databases)
    assert words in str(caught.value)


def test_a_logical_database_is_reached_where_it_is() -> None:
    body = WEB.replace("databases.main.url", "databases.reports.reader_url")
    stack = load(2, f"{main('s1', 's2', more=', also: [reports]')}", body)
    assert stack.services["web"].normalized()["depends_on"]["main"] == {"condition": "service_healthy"}
    assert sorted(stack.routers()["main"].normalized()["networks"]) == ["back", "default"]
    assert set(stack.routers()) == {"main", "main-ro"}
    with pytest.raises(DefinitionError, match="no database 'report' in databases"):
        load(2, main("s1", "s2", more=", also: [reports]"), body.replace("reports", "report"))


@pytest.mark.parametrize(
    ("copies", "words"),
    [
        ("{near: {type: local}}", "local needs path, on another disk"),
        ("{near: {type: local, path: /mnt/near, bandwidth: 1K}}", "bandwidth is less than 64K"),
        ("{near: {type: local, path: /var/lib/longshore/shop/backups/}}", "is where the backups themselves are"),
        ("{a: {type: local, path: /mnt/a}, b: {type: local, path: /mnt/a/b}}", "is where those of the copy a are"),
        ("{near: {type: local, path: /mnt/near}}", ""),
        ("{a: {type: local, path: /mnt/a}, b: {type: local, path: /mnt/ab}}", ""),
    ],
)
def test_copies_of_backups_are_elsewhere(copies: str, words: str) -> None:
    where = f"backups: {{copies: {copies}}}\n"
    if not words:
        assert load(1, main("s1", more=', backup: "@daily"'), where).backups is not None
        return
    with pytest.raises(DefinitionError) as caught:
        load(1, main("s1", more=', backup: "@daily"'), where)
    assert words in str(caught.value)


def test_where_backups_go_needs_what_opens_it_before_a_run() -> None:
    where = (
        'backups: {repository: {type: s3, endpoint: "https://s3.example", bucket: b, '
        "access_key: \"{{ lookup('env', 'S3_KEY') }}\", secret_key: \"{{ lookup('env', 'S3_SECRET') }}\"}}\n"
    )
    found = needs(load(1, main("s1", more=', backup: "@daily"'), where))
    places = {"S3_KEY": "backups.repository.access_key", "S3_SECRET": "backups.repository.secret_key"}
    assert found.variables == places
