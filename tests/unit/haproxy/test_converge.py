# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several stacks on one load balancer: one that is gone hinders no other."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import haproxy_converge as converge
from ansible_collections.longshore.stack.plugins.module_utils import haproxy_docker, haproxy_files
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import HaproxyError, normalize
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_render import quoted
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_unit import label_in, units_of
from ansible_collections.longshore.stack.plugins.module_utils.run import Run


def fragment(stack: str) -> dict[str, Any]:
    return normalize(stack, [{"host": f"{stack}.example", "backend": "web"}], {"web": {"service": "x", "port": 80}}, {})


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A server whose HAProxy runs, on no network yet."""
    now = SimpleNamespace(
        docker=object(), image=True, network={}, running=True, joined=set(), loaded="", active=True, enabled=True
    )
    monkeypatch.setattr(converge, "Present", lambda *_: now)
    monkeypatch.setattr(converge.engine, "network_fits", lambda *_: True)
    monkeypatch.setattr(converge.engine, "host_has_ipv6", lambda: False)
    monkeypatch.setattr(converge.engine, "open_files_limit", lambda: 20000)
    monkeypatch.setattr(haproxy_files.Wanted, "differs", lambda _self: False)
    monkeypatch.setattr(haproxy_files, "wrong_directories", list)
    return now


def planned(host: SimpleNamespace, stack: str, present: bool, *others: str) -> Any:
    own = fragment(stack) if present else None
    fragments = [*map(fragment, others), *([own] if own else [])]
    settings = converge.settings_of(fragments)
    host.unit = label_in(units_of(settings, 9000)[converge.UNIT_FILE])
    host.loaded = converge.process.description_in(converge.render(fragments, settings, 9000, False)["haproxy.cfg"])
    return converge._Change(stack, own, fragments, object())  # type: ignore[arg-type]


def test_a_network_of_another_stack_is_no_change_and_a_warning_with_the_cure(host: SimpleNamespace) -> None:
    host.joined = {"shop_edge"}
    answer = planned(host, "shop", True, "blog").answer()
    assert (answer["changed"], answer["changes"]) == (False, [])
    assert [entry for entry in answer["diff"] if "network" in entry["after"]] == []
    assert len(answer["warnings"]) == 1
    assert "HAProxy is not on the network blog_edge" in answer["warnings"][0]
    assert "rm /etc/longshore/blog/haproxy.json" in answer["warnings"][0]


def test_a_stacks_own_network_is_joined_and_what_nobody_serves_is_left(host: SimpleNamespace) -> None:
    host.joined = {"blog_edge", "gone_edge"}
    answer = planned(host, "shop", True, "blog").answer()
    assert answer["changes"] == ["join shop_edge", "leave gone_edge"]
    assert answer["warnings"] == []


def test_removing_a_stack_asks_for_no_network_of_another(host: SimpleNamespace) -> None:
    host.joined = {"shop_edge"}
    answer = planned(host, "shop", False, "blog").answer()
    assert answer["changes"] == ["leave shop_edge"]
    assert "blog_edge" in answer["warnings"][0]


def test_a_start_goes_on_without_the_network_of_a_stack_that_is_gone(
    host: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def join(_docker: object, network: str) -> None:
        asked.append(network)
        if network == "gone_edge":
            raise HaproxyError([f"network {network} not found"])

    host.running, host.active = False, False
    change = planned(host, "shop", True, "blog", "gone")
    monkeypatch.setattr(converge.engine, "join", join)
    monkeypatch.setattr(converge.ready, "wait", lambda *_: [])
    for step in ("_check_config", "_write", "_go_live"):
        monkeypatch.setattr(change, step, lambda *_: None)
    change.apply(SimpleNamespace(check=lambda: None), {})
    assert asked == ["shop_edge", "blog_edge", "gone_edge"]
    assert [warning.split()[6] for warning in change.answer()["warnings"]] == ["gone_edge,"]


def test_what_tasks_serve_elsewhere_and_nobody_here_is_told_with_the_cure(
    host: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.joined = {"shop_edge"}
    waited: list[set[str]] = []

    def wait(names: Any, _run: Run, patience: float = 0.0) -> list[str]:
        if patience == 0.0:
            waited.append(set(names))
        return sorted(names)

    monkeypatch.setattr(converge.ready, "wait", wait)
    monkeypatch.setattr(converge.Docker, "connect", object)

    def told(serving: list[str], *joined: str) -> tuple[list[str], list[str]]:
        host.joined = set(joined)
        change = planned(host, "shop", True)
        change.await_services(serving, Run())
        answer = change.answer()
        return answer["notices"], answer["warnings"]

    notices, warnings = told(["x"], "shop_edge")
    assert "answers 503 for x, which has healthy tasks" in notices[0]
    assert warnings == []
    # Without a change no task is waited for that may not be there.
    assert told(["y"], "shop_edge") == ([], [])
    assert told(["y"]) == ([], ["no task answers yet behind shop.web"])
    assert waited == [{"shop.web"}, set(), {"shop.web"}]


def test_the_image_is_pulled_with_its_registrys_login() -> None:
    sent: list[dict[str, Any]] = []

    def stream(method: str, path: str, headers: dict[str, str], **query: str) -> list[dict[str, Any]]:
        sent.append({"to": f"{method} {path}", **headers, **query})
        return [{"status": "done"}]

    docker = SimpleNamespace(stream=stream)
    login = {"username": "ann", "password": "sesame"}
    for image in ("reg.example:5000/haproxy:3.0", "haproxy:3.0"):
        haproxy_docker.pull(docker, image, {"reg.example:5000": login}, Run())  # type: ignore[arg-type]
    with_login, without = sent
    assert (with_login["to"], with_login["fromImage"]) == ("POST /images/create", "reg.example:5000/haproxy")
    given = json.loads(base64.urlsafe_b64decode(with_login["X-Registry-Auth"]))
    assert given == {**login, "serveraddress": "reg.example:5000"}
    assert "X-Registry-Auth" not in without


def test_a_fragment_goes_with_its_directory_unless_something_else_is_there(tmp_path: Path) -> None:
    for stack, also in (("shop", ""), ("blog", "credentials")):
        (tmp_path / stack / also).mkdir(parents=True)
        (tmp_path / stack / "haproxy.json").write_text("{}")
        haproxy_files.forget(str(tmp_path / stack / "haproxy.json"))
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["blog", "blog/credentials"]


@pytest.mark.parametrize("password", ["hunter2", "it's", 'a "quoted" one', "back\\slash", "schlüssel", "ends with,"])
def test_no_password_of_the_statistics_is_shown(
    host: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """Neither the one that is given, nor the one that it takes the place of."""
    live = normalize("shop", [], {}, {"stats_password": password})
    config = converge.render([live], converge.settings_of([live]), 9000, False)["haproxy.cfg"]
    there = {haproxy_files.CONFIG_FILE: config, haproxy_files.fragment_path("shop"): haproxy_files.dumped(live)}
    monkeypatch.setattr(haproxy_files, "read", there.get)
    monkeypatch.setattr(haproxy_files.Wanted, "differs", lambda wanted: wanted.path in there)
    told = "".join(entry["before"] for entry in planned(host, "shop", True).answer()["diff"])
    assert told.count("********") == 2
    for form in (password, json.dumps(password)[1:-1], quoted(password)):
        assert form not in told
