# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS from two load balancers, whose certificates come from an ACME authority and by hand, seen from outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
ROOT = SCENARIO.parents[1]
LAB = os.environ.get("LAB", "lab")
ONE, OWN = "one.certificates.example", "own.certificates.example"
TRUST = "/tmp/molecule-certificates.pem"
KEEPER = "python3 /usr/lib/longshore/certificates/keeper.py"
RENEW = "longshore-certificates-renew.service"
testinfra_hosts = ["ansible://app1"]


def lab(*words: str) -> str:
    command = [sys.executable, str(ROOT / "molecule/shared/lab"), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def on(server: str, command: str) -> str:
    return lab("ssh", "--name", LAB, server, "--", command)


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab("status", "--name", LAB, "--json"))
    return found


@pytest.fixture(scope="module")
def client(described: dict[str, Any]) -> Callable[..., str]:
    """Run a command on the client, which trusts both authorities."""
    container = described["hosts"]["client"]["container"]

    def run(*words: str, given: str = "") -> str:
        command = ["docker", "exec", "-i", container, *words]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False).stdout

    pebble = on("app3", "curl -sk https://$(hostname -I | tr ' ' '\\n' | grep -m1 ^10.):15000/roots/0")
    run("sh", "-c", f"cat > {TRUST}", given=pebble + on("app3", "cat /root/molecule-certificates/ca.crt"))
    return run


@pytest.fixture(scope="module")
def addresses(described: dict[str, Any]) -> dict[str, list[str]]:
    """Server → its public addresses, as they stand in a URL."""
    public = {name: described["hosts"][name]["public"] for name in ("app1", "app2")}
    return {name: [each["v4"], f"[{each['v6']}]"] for name, each in public.items()}


@pytest.fixture(scope="module")
def asked(client: Callable[..., str]) -> Callable[..., str]:
    """What the client is told at an address, as curl writes it."""

    def ask(url: str, address: str, *options: str) -> str:
        host = re.sub(r"^https?://([^/]+)/?.*$", r"\1", url)
        port = 443 if url.startswith("https") else 80
        words = ["curl", "-sg", "-m", "10", "--cacert", TRUST, "--resolve", f"{host}:{port}:{address}", *options]
        return client(*words, url)

    return ask


def converge(*options: str, **variables: Any) -> dict[str, dict[str, Any]]:
    """Run the scenario's play; gives what the module of HAProxy told, by server."""
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i", str(ROOT / "molecule/inventory/lab.py"), str(SCENARIO / "converge.yml"),
        "-e", json.dumps({"keep": False, **variables}), *options,
    ]  # fmt: skip
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "LAB": LAB}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / ".ansible/collections")
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    tasks = json.loads(done.stdout[done.stdout.index("{") :])["plays"][0]["tasks"]
    found: dict[str, dict[str, Any]] = {}
    for task in tasks:
        if task["task"]["name"].endswith("Serve the stack's routes"):
            found = task["hosts"]
    return found


def serial(client: Callable[..., str], host: str, address: str) -> str:
    """Which certificate is served for a host."""
    words = ("openssl", "s_client", "-connect", f"{address}:443", "-servername", host)
    text = client("sh", "-c", f"{' '.join(words)} </dev/null 2>/dev/null | openssl x509 -noout -serial")
    return text.strip().partition("=")[2]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def worker(server: str) -> str:
    """The configuration's mark and start of the process that serves: another after a reload."""
    text = on(server, "echo 'show info' | python3 -c 'import socket,sys; s=socket.socket(socket.AF_UNIX); "
              's.connect("/var/lib/longshore/haproxy/admin.sock"); s.sendall(sys.stdin.buffer.read()); '
              "print(s.makefile().read())'")  # fmt: skip
    return " ".join(re.findall(r"^(?:Pid|description): .*$", text, re.MULTILINE))


@contextmanager
def handshakes(
    client: Callable[..., str], described: dict[str, Any], host: str, servers: list[str]
) -> Iterator[dict[str, Any]]:
    """New connections all the while; the report is filled in at the end."""
    container = described["hosts"]["client"]["container"]
    client("sh", "-c", "cat > /tmp/handshakes.py", given=(SCENARIO / "files/handshakes.py").read_text())
    targets = [each for name in servers for each in described["hosts"][name]["public"].values()]
    command = ["docker", "exec", "-i", container, "python3", "/tmp/handshakes.py", TRUST, host, *targets]
    report: dict[str, Any] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        try:
            yield report
        finally:
            process.stdin.write("\n")
            process.stdin.flush()
            report.update(json.loads(process.stdout.readline()))


def test_each_host_has_its_own_certificate_on_every_address(
    asked: Callable[..., str], addresses: dict[str, list[str]], client: Callable[..., str]
) -> None:
    for address in (each for both in addresses.values() for each in both):
        for host in (ONE, OWN):
            told = asked(f"https://{host}/headers", address, "-w", "\n%{http_version} %{ssl_verify_result}")
            headers, _, version = told.rpartition("\n")
            assert version == "2 0"
            assert {name.lower(): value for name, value in json.loads(headers).items()}["x-forwarded-proto"] == "https"
    # Issued once, and handed over.
    assert len({serial(client, ONE, each) for both in addresses.values() for each in both}) == 1
    assert serial(client, ONE, addresses["app1"][0]) != serial(client, OWN, addresses["app1"][0])


def test_plain_requests_go_to_https_and_answers_say_so(
    asked: Callable[..., str], addresses: dict[str, list[str]]
) -> None:
    address = addresses["app1"][0]
    for host in (ONE, OWN):
        told = asked(f"http://{host}/a?b=c", address, "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}")
        assert told == f"308 https://{host}/a?b=c"
        assert "max-age=63072000" in asked(f"https://{host}/", address, "-D", "-", "-o", "/dev/null")
    assert "strict-transport" not in asked(f"http://{ONE}/", address, "-D", "-", "-o", "/dev/null")
    assert asked("http://elsewhere.example/", address, "-o", "/dev/null", "-w", "%{http_code}") == "404"


def test_old_protocols_are_refused(client: Callable[..., str], addresses: dict[str, list[str]]) -> None:
    for option, answered in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
        words = f"openssl s_client -connect {addresses['app1'][0]}:443 -servername {ONE} {option} </dev/null 2>&1"
        told = client("sh", "-c", words)
        assert ("Cipher is (NONE)" not in told and "New, TLSv" in told) == answered


def test_a_challenge_is_answered_by_whoever_is_asked(
    asked: Callable[..., str], addresses: dict[str, list[str]]
) -> None:
    token = "Abc_-123"
    answers = {
        asked(f"http://{ONE}/.well-known/acme-challenge/{token}", each) for both in addresses.values() for each in both
    }
    assert len(answers) == 1
    assert re.fullmatch(rf"{token}\.[A-Za-z0-9_-]{{43}}", answers.pop())
    # Not for a host whose certificate is given: that is its application's own business.
    path = f"/.well-known/acme-challenge/{token}"
    assert json.loads(asked(f"http://{OWN}{path}", addresses["app1"][0])) == path


def test_keys_are_for_root_and_haproxy_alone(host: Any) -> None:
    for path in (
        "/etc/longshore/certificates/account.key",
        "/var/lib/longshore/certificates/molecule-certificates.one.pem",
    ):
        assert (host.file(path).mode, host.file(path).uid) == (0o600, 0)
    for name in ("one", "own"):
        file = host.file(f"/etc/longshore/haproxy/tls/molecule-certificates.{name}.pem")
        assert (file.mode, file.uid) == (0o600, 99)
    assert "PRIVATE" not in host.check_output("cat /etc/longshore/molecule-certificates/haproxy.json")
    assert "PRIVATE" not in host.check_output("docker inspect longshore-haproxy")


def test_only_load_balancers_are_given_certificates(host: Any, described: dict[str, Any]) -> None:
    address = described["hosts"]["app2"]["private"]["v4"]
    url = f"https://{address}:8406/certificate?name=molecule-certificates.one.pem"
    words = f"curl -s -o /dev/null -w '%{{http_code}}' --cacert /etc/molecule-certificates/ca.crt {url}"
    own = " --cert /etc/molecule-certificates/server.crt --key /etc/molecule-certificates/server.key"
    assert host.run(words).stdout == "000"
    assert host.check_output(words + own) == "200"


def test_what_cant_be_served_is_refused_and_nothing_is_touched(
    host: Any, asked: Callable[..., str], addresses: dict[str, list[str]]
) -> None:
    tree = "find /etc/longshore -type f -exec sha256sum {} +"
    before = host.check_output(tree)
    told = converge(own="own.crt", key="next.key")["app1"]
    assert told["failed"]
    assert told["msg"] == f"certificate own: the key is not that of the first certificate (CN={OWN})"
    assert host.check_output(tree) == before
    assert asked(f"https://{OWN}/", addresses["app1"][0], "-o", "/dev/null", "-w", "%{http_code}") == "200"


def test_a_certificate_by_hand_is_exchanged_without_a_reload(
    client: Callable[..., str], described: dict[str, Any], addresses: dict[str, list[str]]
) -> None:
    address = addresses["app1"][0]
    before, process = serial(client, OWN, address), worker("app1")
    predicted = converge("--check", "--diff", own="next.pem")["app1"]
    with handshakes(client, described, OWN, ["app1", "app2"]) as report:
        done = converge("--diff", own="next.pem")["app1"]
        wait_for(lambda: serial(client, OWN, address) != before)
    assert (predicted["changes"], predicted["diff"]) == (done["changes"], done["diff"])
    path = "/etc/longshore/haproxy/tls/molecule-certificates.own.pem"
    assert done["changes"] == [f"write {path}", f"exchange {path}"]
    assert (report["failed"], report["serials"]) == (0, 2), report
    assert worker("app1") == process


def test_renewal_by_the_timers_unit_loses_no_handshake(
    client: Callable[..., str], described: dict[str, Any], addresses: dict[str, list[str]]
) -> None:
    before, process = serial(client, ONE, addresses["app2"][0]), worker("app2")
    with handshakes(client, described, ONE, ["app1", "app2"]) as report:
        on("app1", f"{KEEPER} renew --force")
        # The others are told, and take it by themselves.
        wait_for(lambda: all(serial(client, ONE, each[0]) != before for each in addresses.values()))
    assert (report["failed"], report["serials"]) == (0, 2), report
    assert report["total"] > 50
    assert worker("app2") == process


def test_who_was_down_takes_what_was_renewed_when_it_returns(
    client: Callable[..., str], addresses: dict[str, list[str]]
) -> None:
    before = serial(client, ONE, addresses["app1"][0])
    lab("kill", "--name", LAB, "app2")
    try:
        on("app1", f"{KEEPER} renew --force")
        wait_for(lambda: serial(client, ONE, addresses["app1"][0]) != before)
    finally:
        lab("start", "--name", LAB, "app2")
    new = serial(client, ONE, addresses["app1"][0])
    assert new != before
    wait_for(lambda: serial(client, ONE, addresses["app2"][0]) == new, 90)


def test_what_the_authority_refuses_is_told_and_the_old_one_stays(
    host: Any, client: Callable[..., str], addresses: dict[str, list[str]], described: dict[str, Any]
) -> None:
    before = serial(client, ONE, addresses["app1"][0])
    name_server = "curl -s -d '{}' http://127.0.0.1:8055/"
    host_name = f'{{"host": "{ONE}."'
    on("app3", name_server.format(f"{host_name}}}") + "clear-a")
    try:
        assert host.run(f"{KEEPER} renew --force").rc == 1
        told = json.loads(host.check_output(f"{KEEPER} status"))[0]
        assert told["error"]
        assert told["next"]
        assert serial(client, ONE, addresses["app1"][0]) == before
    finally:
        both = json.dumps([described["hosts"][name]["public"]["v4"] for name in ("app1", "app2")])
        on("app3", name_server.format(f'{host_name}, "addresses": {both}}}') + "add-a")
    # What was mended is asked for without waiting, by whoever says so.
    host.check_output(f"{KEEPER} renew --force")
    assert json.loads(host.check_output(f"{KEEPER} status"))[0]["error"] == ""
