# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore up``: what it promises before, does, and leaves alone afterwards."""

from __future__ import annotations

import ipaddress
import json

from . import support
from .support import Lab, Outcome, StackFile, longshore


def changed_tasks(outcome: Outcome) -> set[tuple[str, str, str]]:
    """Server, role and task of everything that changed, or would."""
    return {
        (event["place"]["host"], event["place"]["role"], event["place"]["task"])
        for line in outcome.output.splitlines()
        if (event := json.loads(line)).get("type") == "task_finished" and event["status"] == "changed"
    }


def test_check_predicts_what_up_changes(first_up: tuple[Outcome, Outcome]) -> None:
    predicted, done = first_up
    assert predicted.code == 2, predicted.end
    assert changed_tasks(predicted) == changed_tasks(done)


def test_page_is_served_by_every_load_balancer(lab: Lab, shop: StackFile) -> None:
    for server in ("app1", "app2"):
        for family, form in (("v4", "http://{}/"), ("v6", "http://[{}]/")):
            status, body = lab.get(form.format(lab.address(server, family)), "-H", "Host: shop.example")
            assert (status, "The shop is open" in body) == (200, True), (server, family, status, body)


def test_routes_choose_by_host_wildcard_and_path(lab: Lab, shop: StackFile) -> None:
    address = lab.address("app1")
    assert lab.get(f"http://{address}/", "-H", "Host: static.shop.example")[0] == 200
    # The wildcard's route is for /api alone; the shop answers 404 itself for a page that it does not have.
    status, body = lab.get(f"http://{address}/api/x", "-H", "Host: any.shop.example")
    assert (status, json.loads(body)) == (404, {"error": "there is no such page"})
    assert lab.get(f"http://{address}/", "-H", "Host: unknown.example")[0] == 404


def test_client_address_arrives_and_a_spoofed_one_does_not(lab: Lab, shop: StackFile) -> None:
    for family, form in (("v4", "http://{}/headers"), ("v6", "http://[{}]/headers")):
        options = ["-H", "Host: shop.example", "-H", "X-Forwarded-For: 192.0.2.66", "-H", "X-Real-IP: 192.0.2.66"]
        status, body = lab.get(form.format(lab.address("app1", family)), *options, "-H", "Forwarded: for=192.0.2.66")
        assert status == 200
        headers = {name.lower(): value for name, value in json.loads(body)["headers"].items()}
        assert ipaddress.ip_address(headers["x-forwarded-for"]) == ipaddress.ip_address(lab.address("client", family))
        assert "192.0.2.66" not in body
    log = lab.on("app1", "journalctl", "-u", "longshore-haproxy", "--no-pager").stdout
    assert lab.address("client") in log
    assert lab.address("client", "v6") in log


def test_second_up_changes_nothing(lab: Lab, shop: StackFile) -> None:
    before = tasks(lab)
    again = longshore(shop, "up", "--json")
    assert again.code == 0, again.end
    assert changed_tasks(again) == set()
    assert tasks(lab) == before


def test_plan_after_up_is_empty(shop: StackFile) -> None:
    plan = longshore(shop, "plan")
    assert plan.code == 0, plan.end


def test_ansible_playbook_does_the_same(shop: StackFile) -> None:
    done = support.ansible_playbook(shop, "longshore.stack.site")
    assert done.code == 0, done.end
    recap = done.output.partition("PLAY RECAP")[2]
    assert recap.count("changed=0") == len(shop.content["servers"]) + 1, recap


def test_bad_stack_file_is_refused_by_ansible_too(shop: StackFile) -> None:
    with shop.changed(lambda content: content["services"]["web"].update(replcas=3)):
        done = support.ansible_playbook(shop, "longshore.stack.site")
        assert done.code != 0
        assert "did you mean 'replicas'" in done.everything, done.end
        told = longshore(shop, "up")
        assert told.code == 3
        assert f"{shop.path}:" in told.everything


def tasks(lab: Lab) -> list[str]:
    """The ids of all running tasks of the stack."""
    listed = lab.on("app1", "docker", "service", "ls", "-q").stdout.split()
    return sorted(
        lab.on("app1", "docker", "service", "ps", "-q", "-f", "desired-state=running", *listed).stdout.split()
    )
