# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of the role was promised, seen from a client that stands outside."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from balancing import CONFIG, SCENARIO, converge, seen, wait_for

TALK = SCENARIO / "files/talk.py"
testinfra_hosts = ["ansible://app1"]


def test_it_is_kept_by_systemd(host: Any) -> None:
    assert host.service("longshore-haproxy").is_running
    assert host.service("longshore-haproxy").is_enabled
    assert host.file(CONFIG).mode == 0o640
    host.check_output("docker kill longshore-haproxy")
    wait_for(lambda: host.run("docker exec longshore-haproxy true").rc == 0)
    assert converge()["changed"] is False


def test_both_families_of_addresses_arrive_and_nothing_that_is_pretended(
    client: Callable[..., str], addresses: list[str], described: dict[str, Any]
) -> None:
    pretended = ["X-Forwarded-For: 1.1.1.1", "X_Forwarded_For: 2.2.2.2", "Forwarded: for=3.3.3.3", "X-Real-IP: 4.4.4.4"]
    options = [word for header in pretended for word in ("-H", header)]
    for address, family in zip(addresses, ("v4", "v6"), strict=True):
        own = described["hosts"]["client"]["public"][family]
        got = client("curl", "-sg", "-H", "Host: molecule.example", *options, f"http://{address}/headers")
        headers = {name.lower(): value for name, value in json.loads(got).items()}
        assert headers["x-forwarded-for"] == own
        assert headers["x-forwarded-proto"] == "http"
        assert headers["x-forwarded-host"] == "molecule.example"
        assert own in headers["forwarded"]
        assert not any(word in got for word in ("1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"))


def test_the_access_log_has_the_client(
    host: Any, client: Callable[..., str], addresses: list[str], described: dict[str, Any]
) -> None:
    own = described["hosts"]["client"]["public"]
    for address, family in zip(addresses, ("v4", "v6"), strict=True):
        client("curl", "-sg", "-H", "Host: molecule.example", f"http://{address}/logged-{family}")
        wait_for(
            lambda family=family: (
                f"/logged-{family}" in host.check_output("journalctl -u longshore-haproxy -o cat -n 50")
            )
        )  # type: ignore[misc]
        lines = host.check_output("journalctl -u longshore-haproxy -o cat -n 50").splitlines()
        entry = next(json.loads(line) for line in lines if f"/logged-{family}" in line)
        assert (entry["client"], entry["status"], entry["host"]) == (own[family], 200, "molecule.example")


@pytest.mark.parametrize(
    ("host_name", "path", "answer"),
    [
        ("molecule.example", "/anything", "200"),
        ("MOLECULE.example:80", "/", "200"),
        ("a.molecule.example", "/api", "200"),
        ("b.a.molecule.example", "/api/x", "200"),
        ("a.molecule.example", "/apix", "404"),
        ("a.molecule.example", "/", "404"),
        ("xmolecule.example", "/api", "404"),
        ("empty.molecule.example", "/", "503"),
        ("elsewhere.example", "/", "404"),
    ],
)
def test_routes(status: Callable[..., str], host_name: str, path: str, answer: str) -> None:
    assert status(host_name, path) == answer


def test_a_sticky_route_keeps_its_server(client: Callable[..., str], addresses: list[str]) -> None:
    jar = "molecule-cookies"
    words = ["curl", "-s", "-c", jar, "-b", jar, "-D", "-", "-o", "/dev/null", "-H", "Host: a.molecule.example"]
    answers = [client(*words, f"http://{addresses[0]}/api").lower() for _ in range(6)]
    assert len({line for answer in answers for line in answer.splitlines() if line.startswith("x-backend")}) == 1


def test_the_statistics_are_for_this_server_only(host: Any, client: Callable[..., str], addresses: list[str]) -> None:
    assert "molecule.site" in host.check_output("curl -s http://127.0.0.1:8404/")
    assert client("curl", "-s", "-m", "3", f"http://{addresses[0]}:8404/") == ""


def both_answer(client: Callable[..., str], address: str) -> bool:
    """Whether both sites take requests again."""
    words = ("curl", "-s", "-D", "-", "-o", "/dev/null", "-H", "Host: molecule.example", f"http://{address}/")
    answers = "".join(client(*words).lower() for _ in range(4))
    return len({line for line in answers.splitlines() if line.startswith("x-backend")}) == 2


def test_what_may_have_been_carried_out_is_never_sent_again(
    status: Callable[..., str], client: Callable[..., str], addresses: list[str]
) -> None:
    mark = f"/die-{time.time_ns()}"
    for number in range(10):
        wait_for(lambda: status("molecule.example") == "200")
        assert status("molecule.example", f"{mark}-{number}", "-X", "POST", "-d", "x") in ("502", "000")
        assert seen(f"{mark}-{number}") == 1
    wait_for(lambda: both_answer(client, addresses[0]))
    assert status("molecule.example", f"{mark}-get") != "200"
    assert seen(f"{mark}-get") > 1


def said(socket: subprocess.Popen[str], line: str) -> str:
    """What comes back for a line over the WebSocket."""
    assert socket.stdin is not None
    assert socket.stdout is not None
    socket.stdin.write(f"{line}\n")
    socket.stdin.flush()
    return socket.stdout.readline()


def test_twenty_reloads_under_load_lose_nothing(
    described: dict[str, Any], addresses: list[str], client: Callable[..., str]
) -> None:
    wait_for(lambda: both_answer(client, addresses[0]))
    urls = [f"http://{address}/" for address in addresses]
    words = ["python3", "/opt/lab/load.py", *urls, "--rate", "250", "--host", "molecule.example"]
    container = described["hosts"]["client"]["container"]
    words += ["--slow", "0.03", "--post", "0.2"]
    # A WebSocket that was open before stays so, with the worker that has been replaced twenty times.
    talk = ["docker", "exec", "-i", container, "python3", "-c", TALK.read_text(), addresses[0], "molecule.example"]
    socket = subprocess.Popen(talk, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert said(socket, "before") == "before\n"
    load = subprocess.Popen(["docker", "exec", container, *words], stdout=subprocess.PIPE, text=True)
    try:
        results = converge(play="reloads.yml")["results"]
    finally:
        subprocess.run(["docker", "exec", container, "pkill", "-TERM", "-f", "load.py"], check=False)
        report = json.loads(load.communicate(timeout=60)[0])
    assert said(socket, "after") == "after\n"
    socket.communicate(timeout=30)
    assert socket.returncode == 0
    assert [(each["reloaded"], each["restarted"]) for each in results] == [(True, False)] * 20
    # Each reload met some; how many there are in all says how fast the machine is.
    assert report["total"] > 20 * len(results)
    assert report["failed"] == 0, report


def test_check_mode_predicts_the_real_run(host: Any) -> None:
    wanted = {"routes": [{"host": "new.example", "backend": "site"}]}
    before = host.check_output("sha256sum %s", CONFIG)
    predicted = converge("--check", "--diff", **wanted)
    assert host.check_output("sha256sum %s", CONFIG) == before
    done = converge("--diff", **wanted)
    assert (predicted["changes"], predicted["diff"]) == (done["changes"], done["diff"])
    assert converge("--check", **wanted)["changed"] is False
    assert converge()["changed"]


def test_what_haproxy_refuses_leaves_everything_as_it_was(host: Any, status: Callable[..., str]) -> None:
    tree = "find /etc/longshore -type f -exec sha256sum {} +"
    before = host.check_output(tree)
    result = converge(user="")
    assert result["failed"]
    assert "'user' expects <name>" in result["msg"]
    assert host.check_output(tree) == before
    assert status("molecule.example") == "200"
    assert converge()["changed"] is False


def test_two_stacks_share_it_and_one_goes_without_a_trace(host: Any, status: Callable[..., str]) -> None:
    before = host.file(CONFIG).content_string
    assert converge(stack="molecule2")["changed"]
    wait_for(lambda: status("molecule2.example") == "200")
    clash = converge(stack="molecule3", routes=[{"host": "molecule.example", "backend": "site"}])
    assert "molecule.example/ is routed by the stacks molecule and molecule3" in clash["msg"]
    assert converge(stack="molecule2", state="absent")["changed"]
    assert host.file(CONFIG).content_string == before
    assert status("molecule2.example") == "404"
    assert status("molecule.example") == "200"
