# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of PostgreSQL: where packages come from, what is never done by itself. Upgrades run on real servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.filter.postgresql_others import postgresql_others
from ansible_collections.longshore.stack.plugins.filter.postgresql_sources import postgresql_sources
from ansible_collections.longshore.stack.plugins.module_utils import pg_upgrade
from ansible_collections.longshore.stack.plugins.module_utils.etcd_keys import Keys
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.postgresql_major import refuse_disagreement
from ansible_collections.longshore.stack.plugins.module_utils.rest import RestError

BOOKWORM: dict[str, Any] = {
    "uris": ["http://deb.debian.org/debian"],
    "suites": ["bookworm", "bookworm-updates"],
    "components": ["main"],
    "keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "more": [{"uris": ["http://deb.debian.org/debian-security"], "suites": ["bookworm-security"]}],
}
OWN = {"uris": ["https://apt.example/pg"], "suites": ["x"], "components": ["main", "y"], "key": "-----BEGIN\n"}


def test_packages_of_a_source_are_welcome_only_where_they_are_postgresqls() -> None:
    files = {each["path"]: each["content"] for each in postgresql_sources([{"version": "15", "source": BOOKWORM}])}
    (entry,) = (text for path, text in files.items() if path.endswith(".sources"))
    assert "URIs: http://deb.debian.org/debian\nSuites: bookworm bookworm-updates\nComponents: main\n" in entry
    assert "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n" in entry
    (pins,) = (text for path, text in files.items() if "/preferences.d/" in path)
    stanzas = [dict(line.split(": ", 1) for line in each.splitlines() if ": " in line) for each in pins.split("\n\n")]
    assert "\n\nTypes: deb\nURIs: http://deb.debian.org/debian-security\nSuites: bookworm-security\n" in entry
    for suite in ("bookworm", "bookworm-updates", "bookworm-security"):
        found = {each["Package"]: each["Pin-Priority"] for each in stanzas if each["Pin"] == f"release n={suite}"}
        assert found.pop("*") == "100"
        ((words, priority),) = found.items()
        assert priority == "500"
        assert {"postgresql-15", "postgresql-15-*", "postgresql-client-15", "libpq5"} <= set(words.split())
        assert "patroni" not in words


def test_sources_that_are_alike_are_one_and_a_key_travels_along() -> None:
    instances = [{"version": "15", "source": OWN}, {"version": "16", "source": dict(OWN)}, {"version": "17"}]
    files = {each["path"]: each["content"] for each in postgresql_sources(instances)}
    (key,) = (path for path, text in files.items() if text == OWN["key"])
    assert len(files) == 3
    assert any(f"Signed-By: {key}\n" in text for text in files.values())
    assert any("postgresql-15 " in text and "postgresql-16 " in text for text in files.values())
    assert postgresql_sources([{"version": "17", "source": {}}]) == []


def test_data_of_another_version_are_in_the_way_and_a_command_is_named() -> None:
    found = postgresql_others([{"name": "shop-main", "title": "main", "version": "17"}])
    assert "/var/lib/postgresql/17/shop-main/PG_VERSION" not in found
    assert "longshore db upgrade main --major 17" in found["/var/lib/postgresql/15/shop-main/PG_VERSION"]
    # They may be on a disk that is away.
    mount = "/etc/systemd/system/var-lib-postgresql-15-shop\\x2dmain.mount"
    assert found[mount] == found["/var/lib/postgresql/15/shop-main/PG_VERSION"]
    both = [{"name": "shop-main", "version": "17"}, {"name": "shop-notes", "title": "notes", "version": "17"}]
    found = postgresql_others(both, "shop-main")
    assert not any("shop-main" in path for path in found)
    assert "write version 15 for notes until then" in found["/var/lib/postgresql/15/shop-notes/PG_VERSION"]


@pytest.mark.parametrize(
    ("template", "told", "expected"),
    [
        (
            "UTF8|C|C.UTF-8|c|",
            {"Data page checksum version": "1", "Bytes per WAL segment": "16777216"},
            "--encoding=UTF8 --lc-collate=C --lc-ctype=C.UTF-8 --locale-provider=libc --data-checksums",
        ),
        (
            "UTF8|C.UTF-8|C.UTF-8|b|C.UTF-8",
            {"Data page checksum version": "0", "Bytes per WAL segment": "67108864"},
            "--encoding=UTF8 --lc-collate=C.UTF-8 --lc-ctype=C.UTF-8 --locale-provider=builtin "
            "--builtin-locale=C.UTF-8 --wal-segsize=64",
        ),
        (
            "UTF8|C|C|i|de-x-icu",
            {},
            "--encoding=UTF8 --lc-collate=C --lc-ctype=C --locale-provider=icu --icu-locale=de-x-icu",
        ),
    ],
)
def test_a_new_cluster_is_made_like_the_old_one(template: str, told: dict[str, str], expected: str) -> None:
    words = pg_upgrade.like(template, told)
    assert words == [*expected.split(), "--auth-local=peer", "--auth-host=scram-sha-256"]


def test_what_a_shell_would_change_is_not_handed_on() -> None:
    assert pg_upgrade.words({"a": "", "b": "x, y"}) == "-c a='' -c b='x, y'"
    for value in ("it's", '"', "$HOME", "`id`", "\\"):
        with pytest.raises(pg_upgrade.Failed, match="b holds"):
            pg_upgrade.words({"b": value})


def test_a_failure_tells_what_pg_upgrade_wrote_down(tmp_path: Path) -> None:
    upgrade = pg_upgrade.Upgrade(("15", str(tmp_path / "old")), ("17", str(tmp_path / "new")), str(tmp_path))
    upgrade.old.directory = upgrade.new.directory = str(tmp_path)
    programs = {
        "postgres": "echo pg_stat_statements",
        "pg_controldata": "echo max_connections setting: 200",
        "pg_upgrade": "echo Step ok; echo Your installation; exit 1",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    told = tmp_path / "new/pg_upgrade_output.d/now"
    told.mkdir(parents=True)
    (told / "loadable_libraries.txt").write_text("could not load library\n  $libdir/x\n")
    with pytest.raises(
        pg_upgrade.Failed, match=r"1: Your installation; loadable_libraries.txt: could not load library \$lib"
    ):
        upgrade.run("link", check=True)


LOOKED = {"from": "15", "primary": False, "stage": "", "mode": ""}


@pytest.mark.parametrize(
    ("looked", "words"),
    [
        ({"a": {"primary": True}, "b": {}}, ""),
        ({"a": {"from": ""}, "b": {"from": ""}}, ""),
        ({"a": {"primary": True}, "b": {"from": ""}}, "only a of the servers of main"),
        ({"a": {}, "b": {}}, "main has no primary"),
        # One that was ended in the middle: that comes first.
        ({"a": {"stage": "installed", "primary": True}, "b": {"from": ""}}, ""),
    ],
)
def test_only_a_whole_group_is_upgraded(looked: dict[str, dict[str, Any]], words: str) -> None:
    told = {name: {**LOOKED, **each} for name, each in looked.items()}
    if not words:
        refuse_disagreement("main", "17", told)
        return
    with pytest.raises(HostError, match=words):
        refuse_disagreement("main", "17", told)


class Etcd:
    """Members of etcd of which only the last one answers."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def ask(self, where: tuple[str, int], _method: str, path: str, body: Any) -> tuple[int, Any]:
        """As its gateway does, for what is asked here."""
        if where[0] != "fd00::3":
            raise RestError("nobody")
        if path == "/v3/kv/put":
            self.kept[body["key"]] = body["value"]
        elif path == "/v3/kv/range":
            return 200, {"kvs": [{"key": key, "value": value} for key, value in self.kept.items()]}
        else:
            for each in body["success"]:
                if "request_delete_range" in each:
                    self.kept.clear()
                else:
                    self.kept[each["request_put"]["key"]] = each["request_put"]["value"]
        return 200, {}


def test_keys_are_read_and_replaced_by_whichever_member_answers() -> None:
    etcd: Any = Etcd()
    keys = Keys(etcd, ["10.0.0.1:2379", "[fd00::3]:2379"], "/longshore/shop-main/")
    keys.put("leader", "db1")
    keys.put("config", json.dumps({"ttl": 20}))
    assert keys.all() == {"leader": "db1", "config": '{"ttl": 20}'}
    keys.replace({"initialize": "7"})
    assert keys.all() == {"initialize": "7"}
    with pytest.raises(RestError, match="nobody"):
        Keys(etcd, ["10.0.0.1:2379"], "/x/").all()
