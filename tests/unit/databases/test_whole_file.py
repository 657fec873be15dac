# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole configuration files with Jinja2 in them: what is refused, and at which place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.longshore.stack.plugins.filter.changeable_settings import changeable_settings
from ansible_collections.longshore.stack.plugins.filter.template_places import template_places
from ansible_collections.longshore.stack.plugins.filter.whole_file import whole_file
from ansible_collections.longshore.stack.plugins.module_utils import host_files
from ansible_collections.longshore.stack.plugins.module_utils.settings_text import OWN
from longshore.definition import DefinitionError, load


def database(tmp_path: Path, text: str | None, **more: Any) -> Path:
    """A stack file with a database whose template has this text; None: there is none."""
    if text is not None:
        (tmp_path / "books.cnf.j2").write_text(text)
    described = {"engine": "mariadb", "servers": ["db1"], "template": "books.cnf.j2", **more}
    content = {
        "plugin": "longshore.stack.stack",
        "name": "shop",
        "servers": {"app1": {"address": "192.0.2.1"}, "db1": {"address": "192.0.2.2", "tags": ["db"]}},
        "databases": {"books": described},
    }
    path = tmp_path / "shop.yml"
    path.write_text(yaml.safe_dump(content))
    return path


def refused(path: Path) -> str:
    """What is said against a stack file, without where it is."""
    with pytest.raises(DefinitionError) as raised:
        load(path)
    return str(raised.value).replace(f"{path.parent}/", "")


def test_a_template_that_asks_for_what_it_is_told_is_taken(tmp_path: Path) -> None:
    text = "{% set mine = memory // 2 %}\n{% for n, v in settings.items() %}{{ n }} = {{ v }}\n{% endfor %}{{ mine }}"
    assert load(database(tmp_path, text)).databases["books"].template == "books.cnf.j2"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mariadbd]\n{% for x in %}\n", "books.cnf.j2:2:1: is no template: "),
        ("[mariadbd]\n\na = {{ mariadb_passwords }}\n", "books.cnf.j2:3:1: there is no mariadb_passwords (there are: "),
        (None, "databases.books.template: no file books.cnf.j2"),
    ],
)
def test_what_is_wrong_with_one_is_said_with_its_own_line(tmp_path: Path, text: str | None, words: str) -> None:
    assert words in refused(database(tmp_path, text))


def test_a_memcached_has_none(tmp_path: Path) -> None:
    words = "databases.books.template: a memcached has no file, only options"
    assert words in refused(database(tmp_path, "", engine="memcached"))


@pytest.mark.parametrize(
    ("engine", "line", "words"),
    [
        ("redis", "requirepass hidden", "3: requirepass may be secret"),
        ("mariadb", "!includedir /etc/mysql/conf.d", ": !includedir brings in another file"),
        ("redis", "include /etc/x.conf", "3: include brings in another file"),
        ("mariadb", "max_connections = 5\nmax-connections = 6", "4: max-connections is said twice"),
        ("rabbitmq", "heartbeat = 5\nheartbeat = 6", "3: heartbeat is said twice"),
        ("mariadb", "[client]\nport = 1\n[mariadbd]\nport = 2\nport = 3", "4: port is said twice"),
        ("postgresql", "work_mem = 4MB\nWORK_MEM 5MB", "4: WORK_MEM is said twice"),
        ("postgresql", "include_if_exists 'more.conf'", "3: include_if_exists brings in another file"),
        ("postgresql", "search_path = 'a", "3: search_path has no value"),
        ("postgresql", "primary_conninfo = 'host=x'", "3: primary_conninfo may be secret"),
        ("redis", OWN, ": says where the role's own lines begin"),
    ],
)
def test_what_could_not_be_kept_or_checked_is_refused(tmp_path: Path, engine: str, line: str, words: str) -> None:
    path = tmp_path / "x.j2"
    text = f"# Mine.\n\n{line}\n"
    path.write_text(text)
    with pytest.raises(AnsibleFilterError) as raised:
        whole_file(text, engine, str(path))
    assert f"{path}:{words}" in str(raised.value).replace(f"{path}: ", f"{path}:: ")


def test_what_a_template_gives_is_read_as_the_engine_does() -> None:
    text = (
        "[client]\nport = 1\n[mysqld]\nMax-Connections=7\nskip-name-resolve\n; no\nport = 3\nevent-scheduler = ON\n"
        f"{OWN}\n[mariadbd]\nport = 2\nevent_scheduler = OFF\n"
    )
    assert changeable_settings(text, "mariadb") == {
        "max_connections": "7",
        "skip_name_resolve": "1",
        "event_scheduler": "ON",
    }
    text = f'  Save 900 1\nsave "300 10"\nmaxmemory 1mb\nmaxmemory 2mb\n{OWN}\nport 0\n'
    assert changeable_settings(text, "redis") == {"save": "900 1 300 10", "maxmemory": "2mb"}
    assert changeable_settings(f"heartbeat=9\n{OWN}\n", "rabbitmq") == {"heartbeat": "9"}
    text = (
        f"# No.\nWork_Mem 4MB # four\nlog_line_prefix = '%m ''q'' '\nauto_explain.log_min_duration='1s'\n{OWN}\nx = 1\n"
    )
    assert changeable_settings(text, "postgresql") == {
        "work_mem": "4MB",
        "log_line_prefix": "%m 'q' ",
        "auto_explain.log_min_duration": "1s",
    }


def test_what_is_said_for_others_than_the_server_is_not_said_twice() -> None:
    text = "[client]\nport = 1\n[mariadbd]\nport = 2"
    assert whole_file(text, "mariadb", "/none") == text


def test_who_refuses_a_file_is_told_with_the_place_in_its_template(tmp_path: Path) -> None:
    path = tmp_path / "books.cnf.j2"
    path.write_text("[mariadbd]\nmax_connections = {{ 5 }}\nmax_conections = 6\n")
    origin = template_places(str(path))
    assert origin == {"file": str(path), "lines": {"max_connections": 2, "max_conections": 3}}
    assert host_files._place(origin, "unknown variable 'max_conections=6'") == f"{path}:3: "
    assert host_files._place(origin, "option 'max-connections': value adjusted") == f"{path}:2: "
    assert host_files._place(origin, "something else") == f"{path}: "
    assert host_files._place(template_places(""), "something else") == ""
