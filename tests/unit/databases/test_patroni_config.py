# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Patroni is told: sizes, whose settings win, who is let in."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.longshore.stack.plugins.filter.patroni_configs import patroni_configs
from ansible_collections.longshore.stack.plugins.plugin_utils.patroni_config import dynamic, member, parameters, sized

GIB = 1024**3
TIMING = {"ttl": 20, "loop": 5, "retry": 5}
TLS = {
    "authority": "/d/ca.crt",
    "certificate": "/d/tls.crt",
    "key": "/d/tls.key",
    "member_certificate": "/d/member.crt",
    "member_key": "/d/member.key",
}
PASSWORDS = {name: f"of-{name}" for name in ("replication", "rewind", "owner", "reader", "monitor")}
INSTANCE: dict[str, Any] = {
    "name": "shop-main",
    "version": "17",
    "port": 5432,
    "health_port": 8008,
    "servers": [{"name": "db1", "address": "10.0.0.1"}, {"name": "db2", "address": "10.0.0.2"}],
    "clients": ["10.0.0.9/32"],
    "database": "main",
}


def document(name: str = "db1", etcd: tuple[str, ...] = ("10.0.0.1:2379",), **changed: Any) -> Any:
    """A member's file, as Patroni reads it."""
    passwords = changed.pop("passwords", PASSWORDS)
    instance = INSTANCE | changed
    text = member(
        instance, name, etcd, TLS, passwords, dynamic(instance, TIMING), parameters(instance, TLS, 4 * GIB, 4)
    )
    return yaml.safe_load(text)


@pytest.mark.parametrize(
    ("memory", "processors", "expected"),
    [
        (GIB // 4, 1, ("128MB", "256MB", "64MB", "4MB", "2", "1")),
        (4 * GIB, 4, ("1024MB", "3072MB", "256MB", "5MB", "4", "2")),
        (256 * GIB, 64, ("65536MB", "196608MB", "2048MB", "327MB", "8", "4")),
    ],
)
def test_sizes_follow_the_server_within_bounds(memory: int, processors: int, expected: tuple[str, ...]) -> None:
    found = sized(memory, processors)
    names = ("shared_buffers", "effective_cache_size", "maintenance_work_mem", "work_mem")
    parallel = ("max_parallel_workers", "max_parallel_workers_per_gather")
    assert tuple(found[name] for name in (*names, *parallel)) == expected


def test_instances_share_what_the_server_has_for_them() -> None:
    def buffers(count: int, share: float) -> str:
        instances = [INSTANCE | {"name": f"i{number}"} for number in range(count)]
        passwords = {each["name"]: PASSWORDS for each in instances}
        size = {"memory": 16 * GIB, "processors": 4}
        made = patroni_configs(instances, "db1", ["10.0.0.1:2379"], TLS, passwords, TIMING, size, share)
        assert [each["name"] for each in made] == [each["name"] for each in instances]
        found: str = yaml.safe_load(made[-1]["text"])["postgresql"]["parameters"]["shared_buffers"]
        return found

    assert [buffers(1, 1.0), buffers(2, 1.0), buffers(2, 0.5)] == ["4096MB", "2048MB", "1024MB"]


def test_the_module_gets_all_passwords_and_members_only_their_own() -> None:
    size = {"memory": GIB, "processors": 1}
    (made,) = patroni_configs([INSTANCE], "db1", [], TLS, {"shop-main": PASSWORDS}, TIMING, size, 1.0)
    assert made["passwords"] == PASSWORDS
    assert not any(PASSWORDS[name] in made["text"] for name in ("owner", "reader", "monitor"))


def test_the_files_settings_win_each_where_it_counts() -> None:
    settings = {"shared_buffers": "1GB", "max_connections": "300", "random_page_cost": "4", "work_mem": "9MB"}
    instance = INSTANCE | {"settings": settings}
    shared, own = dynamic(instance, TIMING)["postgresql"]["parameters"], parameters(instance, TLS, GIB, 1)
    assert shared["max_connections"] == "300"
    assert "max_connections" not in own
    assert [own[name] for name in ("shared_buffers", "random_page_cost", "work_mem")] == ["1GB", "4", "9MB"]
    assert not {"shared_buffers", "random_page_cost", "work_mem"} & set(shared)


def test_tls_and_passwords_are_not_the_files_to_change() -> None:
    files = ("ssl_cert_file", "ssl_key_file", "unix_socket_directories")
    settings = dict.fromkeys(files, "/x") | {"ssl": "off", "ssl_min_protocol_version": "TLSv1"}
    settings |= {"password_encryption": "md5"}
    with_settings, without = (parameters(INSTANCE | {"settings": each}, TLS, GIB, 1) for each in (settings, {}))
    assert with_settings == without
    assert (without["ssl"], without["ssl_cert_file"], without["ssl_key_file"]) == ("on", "/d/tls.crt", "/d/tls.key")


@pytest.mark.parametrize(
    ("synchronous", "expected"), [(False, (False, False)), (True, (True, False)), ("strict", (True, True))]
)
def test_synchronous(synchronous: bool | str, expected: tuple[bool, bool]) -> None:
    found = dynamic(INSTANCE | {"synchronous": synchronous}, TIMING)
    assert (found["synchronous_mode"], found["synchronous_mode_strict"]) == expected


def test_extensions_that_need_it_are_loaded_at_the_start_once() -> None:
    extensions = ["vector", "pg_cron", "pg_stat_statements"]
    found = parameters(INSTANCE | {"extensions": extensions}, TLS, GIB, 1)["shared_preload_libraries"]
    assert found == "pg_stat_statements,pg_cron"


def decided(kind: str, database: str, user: str, network: str) -> str:
    """The method for a connection, that of the first line that fits; ``network`` is as lines have it."""
    for line in document()["postgresql"]["pg_hba"]:
        kinds, databases, users, *networks, method = line.removesuffix(" map=members").split()
        fits = kinds == kind or (kinds == "host" and kind == "hostssl")
        fits = fits and (databases == database or (databases == "all" and database != "replication"))
        if fits and {"all", user} & set(users.split(",")) and (not networks or networks[0] in ("all", network)):
            return str(method)
    return "no line"


@pytest.mark.parametrize(
    ("connection", "method"),
    [
        (("local", "postgres", "postgres", ""), "peer"),
        (("local", "main", "main", ""), "scram-sha-256"),
        # Over this a replica learns its timeline; without it none is fit to take over.
        (("local", "replication", "replicator", ""), "peer"),
        (("hostssl", "replication", "replicator", "10.0.0.2/32"), "scram-sha-256"),
        (("hostssl", "replication", "replicator_2", "10.0.0.2/32"), "scram-sha-256"),
        (("hostssl", "postgres", "rewinder", "10.0.0.2/32"), "scram-sha-256"),
        (("hostssl", "main", "rewinder_2", "10.0.0.9/32"), "reject"),
        (("hostssl", "main", "main", "10.0.0.9/32"), "scram-sha-256"),
        *(((kind, "main", "postgres", "10.0.0.9/32"), "reject") for kind in ("hostssl", "host")),
        (("hostssl", "main", "postgres", "10.0.0.2/32"), "reject"),
        (("hostssl", "main", "replicator", "10.0.0.9/32"), "reject"),
        (("hostssl", "replication", "replicator", "10.0.0.9/32"), "no line"),
        (("host", "main", "main", "10.0.0.9/32"), "no line"),
        (("host", "replication", "replicator", "10.0.0.2/32"), "no line"),
        (("hostssl", "main", "main", "192.0.2.1/32"), "no line"),
    ],
)
def test_who_is_let_in(connection: tuple[str, str, str, str], method: str) -> None:
    assert decided(*connection) == method


def test_ipv6_addresses_stand_in_brackets_where_a_port_follows() -> None:
    servers = [{"name": "db1", "address": "fd00::1"}, {"name": "db2", "address": "fd00::2"}]
    found = document(servers=servers, clients=["fd00::9/128"], etcd=("[fd00::1]:2379",))
    assert found["postgresql"]["listen"] == "[fd00::1],127.0.0.1:5432"
    assert found["postgresql"]["connect_address"] == "[fd00::1]:5432"
    assert found["restapi"]["listen"] == found["restapi"]["connect_address"] == "[fd00::1]:8008"
    assert found["etcd3"]["hosts"] == ["[fd00::1]:2379"]
    assert "hostssl replication replicator,replicator_2 fd00::2/128 scram-sha-256" in found["postgresql"]["pg_hba"]


def test_the_file_of_a_member_is_its_own() -> None:
    one, two = document("db1"), document("db2")
    assert (one["scope"], one["namespace"], one["name"], two["name"]) == ("shop-main", "/longshore/", "db1", "db2")
    assert one["postgresql"]["data_dir"] == "/var/lib/postgresql/17/shop-main"
    assert two["postgresql"]["connect_address"] == "10.0.0.2:5432"
    replication = one["postgresql"]["authentication"]["replication"]
    assert (replication["password"], replication["sslmode"]) == ("of-replication", "verify-ca")


@pytest.mark.parametrize(
    ("credential", "login"),
    [
        ("first", ("replicator", "first")),
        # Nobody may use what some of them may not take yet.
        ("1:second:first", ("replicator", "first")),
        ("1:second:first:moved", ("replicator_2", "second")),
        ("1:second", ("replicator_2", "second")),
        ("2:third:second", ("replicator_2", "second")),
        ("2:third:second:moved", ("replicator", "third")),
    ],
)
def test_members_use_a_new_login_when_everybody_takes_it(credential: str, login: tuple[str, str]) -> None:
    found = document(passwords={**PASSWORDS, "replication": credential})["postgresql"]["authentication"]["replication"]
    assert (found["username"], found["password"]) == login


def test_a_value_that_yaml_would_misread_arrives_as_it_is() -> None:
    settings = {"log_line_prefix": "%m: [%p] # ", "application_name": "on", "search_path": '"$user", public'}
    found = document(settings=settings)["postgresql"]["parameters"]
    assert {name: found[name] for name in settings} == settings
    assert found["log_checkpoints"] == "on"


def test_settings_are_the_same_in_capitals() -> None:
    instance = INSTANCE | {"settings": {"Max_Connections": "300", "Work_Mem": "9MB"}}
    assert dynamic(instance, {"ttl": 20, "loop": 5, "retry": 5})["postgresql"]["parameters"]["max_connections"] == "300"
    assert parameters(instance, TLS, GIB, 1)["work_mem"] == "9MB"


def test_a_new_primary_sends_its_archive_what_may_be_missing() -> None:
    archived = document(archive={"command": "keep %p"})["postgresql"]["callbacks"]["on_role_change"]
    assert archived.endswith("promoted /usr/lib/postgresql/17/bin /var/lib/postgresql/17/shop-main")
    assert "callbacks" not in document()["postgresql"]


def test_what_is_brought_back_is_word_for_word_what_it_was() -> None:
    def told(**changed: Any) -> dict[str, Any]:
        (found,) = patroni_configs(
            [{**INSTANCE, **changed}], "db1", [], TLS, {"shop-main": PASSWORDS}, TIMING, {"memory": 4 * GIB}, 1.0
        )
        return found

    before = told(settings={"Work_Mem": "32MB", "max_connections": "300", "auto_explain.log_min_duration": "1s"})
    after = told(settings=dict(sorted(before["settings"].items())), exact=True)
    assert (after["text"], after["dynamic"], after["settings"]) == tuple(
        before[name] for name in ("text", "dynamic", "settings")
    )


def test_before_17_the_order_of_texts_is_that_of_their_bytes_too() -> None:
    newer, older = (document(version=version)["bootstrap"]["initdb"] for version in ("17", "16"))
    assert {"builtin-locale": "C.UTF-8"} in newer
    assert {"lc-collate": "C"} in older
    assert not any("locale-provider" in each for each in older)
    assert "data-checksums" in newer
    assert "data-checksums" in older
