# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings databases have, what differs, and which versions of them are kept."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.filter.changeable_settings import changeable_settings
from ansible_collections.longshore.stack.plugins.filter.chosen_instances import chosen_instances
from ansible_collections.longshore.stack.plugins.filter.found_settings import found_settings
from ansible_collections.longshore.stack.plugins.filter.postgresql_settings import postgresql_settings
from ansible_collections.longshore.stack.plugins.module_utils import settings_versions
from ansible_collections.longshore.stack.plugins.module_utils.settings_text import OWN, differences, shown
from programs import program

GIB = 1024**3
MARIADB = f"# Written.\n[mariadbd]\nmax_connections = 200\nsql_mode = A = B\n{OWN}\nport = 3306\n"
VALKEY = f'# Written.\nmaxmemory 64mb\nsave "3600 1"\nrequirepass hidden\n{OWN}\nport 0\nprimaryauth hidden\n'
ON = {"a": "1", "b": "2"}


def found(**servers: dict[str, str]) -> dict[str, Any]:
    """What a run has seen of a database on these servers; it has three."""
    return {"engine": "mariadb", "given": {"a": "1"}, "members": ["db1", "db2", "db3"], "servers": servers}


def versions(*made: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """These versions, by number."""
    return {version["number"]: version for version in made}


def test_only_what_settings_can_change_is_read_and_no_secret() -> None:
    assert changeable_settings(MARIADB, "mariadb") == {"max_connections": "200", "sql_mode": "A = B"}
    assert changeable_settings(VALKEY, "redis") == {"maxmemory": "64mb", "save": "3600 1"}


def test_a_file_that_does_not_say_what_is_its_roles_tells_nothing() -> None:
    assert changeable_settings(VALKEY.replace(OWN, "# older"), "redis") == {}


@pytest.mark.parametrize(
    "name",
    [
        *("requirepass", "masterauth", "primary_conninfo", "ssl_passphrase_command", "tls-key-file-pass"),
        *("default_pass", "management.oauth_client_secret", "PrimaryAuth"),
    ],
)
def test_what_may_be_secret_is_told_nowhere(name: str) -> None:
    assert shown({name: "hidden", "work_mem": "4MB"}) == {"work_mem": "4MB"}


@pytest.mark.parametrize("name", ["authentication_timeout", "bypass-all", "passive", "max_connections", "auth_delay"])
def test_a_name_that_only_sounds_so_is_told(name: str) -> None:
    assert shown({name: "1"}) == {name: "1"}


def test_postgresql_has_what_is_worked_out_and_above_it_what_is_given() -> None:
    instance = {"name": "shop-main", "settings": {"Work_Mem": "32MB", "ssl": "off", "max_connections": 300}}
    told = postgresql_settings([instance], {"memory": 4 * GIB, "processors": 4}, 1.0)["shop-main"]
    assert (told["work_mem"], told["max_connections"], told["shared_buffers"]) == ("32MB", "300", "1024MB")
    assert "ssl" not in told
    assert "shared_preload_libraries" not in told


def test_what_follows_from_elsewhere_in_the_file_is_a_setting_where_it_is_given() -> None:
    instance: dict[str, Any] = {
        "name": "m",
        "settings": {"shared_preload_libraries": "auto_explain", "archive_command": "x"},
    }
    told = postgresql_settings([instance], {}, 1.0)["m"]
    assert (told["shared_preload_libraries"], told["archive_command"]) == ("auto_explain", "x")
    archived = postgresql_settings([{**instance, "archive": {"command": "y"}}], {}, 1.0)["m"]
    assert "archive_command" not in archived


def test_differences_are_told_by_name_also_of_what_is_on_one_side_only() -> None:
    assert differences({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == [
        {"path": "a", "before": "1", "after": None},
        {"path": "b", "before": "2", "after": "3"},
        {"path": "c", "before": None, "after": "4"},
    ]


def test_a_version_is_made_of_what_is_new_and_none_of_what_is_not() -> None:
    first = settings_versions.following({}, found(db1=ON, db2=ON, db3=ON))
    assert first is not None
    assert first["number"] == 1
    assert settings_versions.following(versions(first), found(db1=ON, db2=ON, db3=ON)) is None
    second = settings_versions.following(versions(first), found(db1=ON, db2={"a": "1"}, db3=ON))
    assert second is not None
    assert (second["number"], second["servers"]["db2"]) == (2, {"a": "1"})


def test_a_server_that_was_not_reached_has_what_it_had() -> None:
    first = settings_versions.following({}, found(db1=ON, db2=ON, db3=ON))
    assert first is not None
    assert settings_versions.following(versions(first), found(db1=ON, db2=ON)) is None
    assert settings_versions.following(versions(first), found()) is None
    # What nobody was reached of is not there at all.
    assert settings_versions.following({}, found()) is None


def test_a_server_that_is_new_or_gone_makes_a_version() -> None:
    first = settings_versions.following({}, found(db1=ON, db2=ON))
    assert first is not None
    assert sorted(first["servers"]) == ["db1", "db2"]
    grown = settings_versions.following(versions(first), found(db1=ON, db2=ON, db3=ON))
    assert grown is not None
    less = settings_versions.following(versions(first, grown), {**found(db1=ON), "members": ["db1"]})
    assert less is not None
    assert (less["number"], sorted(less["servers"])) == (3, ["db1"])


def test_versions_come_back_from_swarms_store_whole() -> None:
    version = {"number": 3, "servers": {"db1": ON}}

    def config(stack: str, database: str) -> dict[str, Any]:
        data = base64.b64encode(settings_versions.content(version)).decode()
        return {"Spec": {"Name": settings_versions.name_of(stack, database, 3), "Data": data}}

    configs = [config("shop", "my-db"), config("shop2", "my-db"), {"Spec": {"Name": "shop.release.3", "Data": ""}}]
    assert settings_versions.read("shop", configs) == {"my-db": {3: version}}


def test_the_longest_names_fit_into_swarms() -> None:
    assert len(settings_versions.name_of("s" * 20, "d" * 20, 999_999)) <= 64


def test_the_oldest_are_given_up() -> None:
    assert settings_versions.outdated(range(1, 51)) == []
    assert settings_versions.outdated(range(1, 53)) == [1, 2]


def test_two_versions_differ_once_for_servers_of_which_the_same_is_so() -> None:
    before = {"servers": {"db1": ON, "db2": ON, "db3": ON}}
    after = {"servers": {"db1": {**ON, "b": "3"}, "db2": {**ON, "b": "3"}, "db3": ON}}
    assert settings_versions.differing(before, after) == [
        {"path": "b", "before": "2", "after": "3", "servers": ["db1", "db2"]}
    ]
    assert settings_versions.differing(before, before) == []


def test_an_unknown_version_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"no version 9 of the settings of main \(there are: 1, 2\)"):
        settings_versions.one({1: {}, 2: {}}, "main", 9)


def test_what_servers_have_said_is_merged_by_database() -> None:
    instance = {
        "name": "shop-books",
        "title": "books",
        "settings": {"a": 1, "requirepass": "hidden"},
        "servers": [{"name": "db1", "address": "192.0.2.1"}, {"name": "db2", "address": "192.0.2.2"}],
    }
    told = {"settings": {"shop-books": ON}}
    hosts = [
        {"inventory_hostname": "db1", "mariadb_instances": [instance], "__mariadb_state": told},
        {"inventory_hostname": "db2", "mariadb_instances": [instance]},
    ]
    assert found_settings(hosts) == {
        "books": {"engine": "mariadb", "given": {"a": "1"}, "members": ["db1", "db2"], "servers": {"db1": ON}}
    }


def test_a_version_gives_each_server_its_own_and_a_new_one_what_was_given() -> None:
    version = {"servers": {"db1": {"a": "old"}}, "given": {"a": "given"}}
    instances = [
        {"name": "shop-main", "title": "main", "settings": {"a": "new", "requirepass": "kept"}, "template": "/x.j2"},
        {"name": "shop-other", "title": "other"},
    ]

    def chosen(server: str, of: dict[str, Any]) -> dict[str, Any]:
        (found,) = chosen_instances(instances, ["main"], of, server)
        return found

    back = {"name": "shop-main", "title": "main", "template": ""}
    assert chosen("db1", version) == {**back, "settings": {"a": "old", "requirepass": "kept"}, "exact": True}
    assert chosen("db9", version) == {**back, "settings": {"a": "given", "requirepass": "kept"}, "exact": False}
    assert chosen("db1", {}) == instances[0]
    assert len(chosen_instances(instances, [], {}, "db1")) == 2


def test_nothing_is_worked_out_beside_what_a_version_says() -> None:
    exact = {"name": "m", "settings": {"work_mem": "9MB"}, "exact": True}
    told = postgresql_settings([exact], {"memory": 4 * GIB, "processors": 4}, 1.0)["m"]
    assert "shared_buffers" not in told
    assert (told["work_mem"], told["max_connections"]) == ("9MB", "200")


def test_what_a_template_gives_is_what_is_given() -> None:
    instance = {"name": "c", "template": "/x.j2", "settings": {}, "servers": [{"name": "db1", "address": "192.0.2.1"}]}
    host = {"inventory_hostname": "db1", "valkey_instances": [instance], "__valkey_state": {"settings": {"c": ON}}}
    assert found_settings([host])["c"]["given"] == ON


SAID = """\
2026-11-30 16:02:43.804 GMT [14] LOG:  skipping missing configuration file "/tmp/x/postgresql.auto.conf"
2026-11-30 16:02:43.805 GMT [14] LOG:  invalid value for parameter "work_mem": "wrong-one"
2026-11-30 16:02:43.931 GMT [15] HINT:  Available values: local, on, off.
2026-11-30 16:02:43.804 GMT [14] LOG:  unrecognized configuration parameter "nope" in file "/tmp/x/p.conf" line 2
2026-11-30 16:02:43.805 GMT [14] FATAL:  configuration file "/tmp/x/postgresql.conf" contains errors
"""


def test_postgresqls_own_words_against_settings_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    check = program("roles/postgresql/files/check.py")
    assert check.text_of({"a": "it's", "b": "\\x"}) == "a = 'it''s'\nb = '\\\\x'\n"
    monkeypatch.setattr(check.subprocess, "run", lambda *_words, **_given: SimpleNamespace(returncode=1, stdout=SAID))
    assert check.wrong("17", {"work_mem": "wrong-one"}).splitlines() == [
        'invalid value for parameter "work_mem": "wrong-one"',
        "Available values: local, on, off.",
        'unrecognized configuration parameter "nope"',
    ]
    monkeypatch.setattr(check.subprocess, "run", lambda *_words, **_given: SimpleNamespace(returncode=0, stdout=SAID))
    assert check.wrong("17", {}) == ""
