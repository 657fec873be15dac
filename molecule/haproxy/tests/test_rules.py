# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What routes and ports may ask for, seen from the client and from the servers behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from balancing import CONFIG, LAB, converge, lab, wait_for

testinfra_hosts = ["ansible://app1"]
RULES = "rules.molecule.example"


@pytest.fixture(scope="session")
def ask(client: Callable[..., str], addresses: list[str]) -> Callable[..., dict[str, Any]]:
    """What a path of the rules' host is answered with: status, headers (lower case) and body."""

    def asked(path: str, *options: str, host: str = RULES) -> dict[str, Any]:
        words = ["curl", "-s", "-i", "-m", "15", "-H", f"Host: {host}", *options, f"http://{addresses[0]}{path}"]
        head, _, body = client(*words).partition("\n\n")
        # Nothing at all is what somebody gets who asks while HAProxy starts.
        first, *lines = head.splitlines() or ["- 0"]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return {"status": int(first.split()[1]), "headers": headers, "body": body}

    return asked


def on(host: str, *words: str) -> str:
    return lab("ssh", "--name", LAB, host, "--", *words)


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        ("/plain", "/plain"),
        ("/strip", "/"),
        ("/strip/a/b?c=d", "/a/b?c=d"),
        ("/new", "/old/place"),
        ("/new/x", "/old/place/x"),
        ("/newer", "/newer"),
        ("/secure/y", "/y"),
    ],
)
def test_paths_are_rewritten(ask: Callable[..., dict[str, Any]], path: str, arrives: str) -> None:
    assert json.loads(ask(path)["body"]) == arrives


def test_methods_and_headers_decide(ask: Callable[..., dict[str, Any]]) -> None:
    assert [ask("/post", "-X", method)["status"] for method in ("POST", "GET")] == [200, 503]
    both = ("-H", "x-canary: v2", "-H", "x-and: 1")
    assert [ask("/canary", *options)["status"] for options in (both, both[:2], ())] == [503, 200, 200]


def test_who_is_let_in(ask: Callable[..., dict[str, Any]], described: dict[str, Any]) -> None:
    turned_away = ask("/private")
    # What HAProxy answers by itself has the route's headers too.
    assert (turned_away["status"], turned_away["headers"]["x-frame-options"]) == (403, "DENY")
    address = described["hosts"]["app1"]["private"]["v4"]
    words = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host:{RULES}", f"http://{address}/private")
    assert on("app3", *words) == "200"
    assert ask("/denied")["status"] == 403


def test_a_password_is_asked_for_and_goes_no_further(ask: Callable[..., dict[str, Any]], host: Any) -> None:
    asked = ask("/staff/headers")
    assert asked["status"] == 401
    assert asked["headers"]["www-authenticate"] == 'Basic realm="The back room"'
    assert ask("/staff/headers", "-u", "ann:wrong")["status"] == 401
    # Nor is it got past: an application reads these as /staff.
    past = ("//staff/x", "/%73taff/x", "/plain/../staff/x", "/plain/%2e%2e/staff/x", "/%73taff/%zz")
    assert [ask(path, "--path-as-is")["status"] for path in past] == [401, 401, 400, 400, 400]
    assert json.loads(ask("/.well-known/a..b/c%20d")["body"]) == "/.well-known/a..b/c%20d"
    let_in = ask("/staff/headers", "-u", "ann:let me in", "-H", "X-Forwarded-User: root")
    arrived = {name.lower(): value for name, value in json.loads(let_in["body"]).items()}
    assert arrived["x-forwarded-user"] == "ann"
    assert arrived["x-forwarded-prefix"] == "/staff"
    assert "authorization" not in arrived
    shown = json.dumps(converge("--check", "--diff", hashed="$5$other$0123456789"))
    assert "********" in shown
    assert "$5$" not in shown


def test_headers_are_set_and_removed(ask: Callable[..., dict[str, Any]]) -> None:
    answer = ask("/named/headers")
    arrived = {name.lower(): value for name, value in json.loads(answer["body"]).items()}
    assert arrived["x-set"] == "a 'b' 100%"
    assert "user-agent" not in arrived
    assert answer["headers"]["content-security-policy"] == "default-src 'self'; img-src *"
    assert "x-backend" not in answer["headers"]
    assert "x-backend" in ask("/")["headers"]


@pytest.mark.parametrize(
    ("host_name", "path", "code", "target"),
    [
        ("www.molecule.example", "/x?y=z", 308, "http://molecule.example/x?y=z"),
        ("old.molecule.example", "/a/x?y=z", 301, "https://molecule.example/b/x?y=z"),
        ("old.molecule.example", "/a", 301, "https://molecule.example/b"),
        ("old.molecule.example", "/c/x", 302, "https://molecule.example/d?e=f%20g"),
    ],
)
def test_redirects(ask: Callable[..., dict[str, Any]], host_name: str, path: str, code: int, target: str) -> None:
    answer = ask(path, host=host_name)
    assert (answer["status"], answer["headers"]["location"]) == (code, target)


def test_servers_with_tls_are_known_by_their_certificate(ask: Callable[..., dict[str, Any]]) -> None:
    squeezed = ask("/secure/long", "-H", "Accept-Encoding: gzip", "-o", "/dev/null", "-D", "-")
    assert squeezed["headers"]["content-encoding"] == "gzip"
    # The same server, of which another name was expected.
    assert ask("/impostor/y")["status"] == 503


def test_http2_without_tls_to_a_server(ask: Callable[..., dict[str, Any]], host: Any) -> None:
    assert ask("/again/round")["status"] == 200
    log = host.check_output("journalctl -u longshore-haproxy -o cat -n 100").splitlines()
    entries = [json.loads(line) for line in log if "/again/round" in line]
    assert {entry["version"] for entry in entries} == {"HTTP/1.1", "HTTP/2.0"}


def test_an_address_stays_with_its_server(ask: Callable[..., dict[str, Any]]) -> None:
    assert len({ask("/source")["headers"]["x-backend"] for _ in range(6)}) == 1
    assert len({ask("/")["headers"]["x-backend"] for _ in range(6)}) == 2


def test_a_port_passes_tcp_on_and_tells_the_client(
    client: Callable[..., str], addresses: list[str], described: dict[str, Any]
) -> None:
    script = f"exec 3<>/dev/tcp/{addresses[0]}/5222; echo hello >&3; cat <&3"
    own = described["hosts"]["client"]["public"]["v4"]
    servers = set()

    def both() -> bool:
        answer = client("bash", "-c", script).split()
        assert answer[1:4] == ["PROXY", "TCP4", own], answer
        servers.add(answer[0])
        return len(servers) == 2

    wait_for(both)


def test_only_trusted_proxies_tell_who_the_client_is(
    ask: Callable[..., dict[str, Any]], described: dict[str, Any]
) -> None:
    address = described["hosts"]["app1"]["private"]["v4"]

    def told(host: str, *options: str) -> dict[str, str]:
        words = ("curl", "-s", "-H", f"Host:{RULES}", *options, f"http://{address}/headers")
        return {name.lower(): value for name, value in json.loads(on(host, *words)).items()}

    # The client wrote the first one itself; the proxy added whom it saw.
    pretended = ("-H", "X-Forwarded-For:203.0.113.9,198.51.100.77", "-H", "X-Forwarded-Proto:https")
    proxied = told("app3", *pretended)
    assert (proxied["x-forwarded-for"], proxied["x-forwarded-proto"]) == ("198.51.100.77", "https")
    assert proxied["x-forwarded-port"] == "443"
    assert ask("/headers", *pretended)["body"].count("198.51.100.77") == 0
    # Another one speaks the PROXY protocol, and its clients' headers count for nothing.
    own = described["hosts"]["app2"]["private"]["v4"]
    behind = told("app2", "--haproxy-protocol", *pretended)
    assert (behind["x-forwarded-for"], behind["x-forwarded-proto"]) == (own, "http")


def test_own_pages_and_figures(status: Callable[..., str], ask: Callable[..., dict[str, Any]], host: Any) -> None:
    answer = ask("/", host="empty.molecule.example")
    assert (answer["status"], answer["body"].strip()) == (503, "<h1>Nobody is home</h1>")
    assert answer["headers"]["retry-after"] == "5"
    figures = host.check_output("curl -s http://127.0.0.1:8405/metrics")
    assert 'haproxy_backend_http_responses_total{proxy="molecule.site",code="2xx"}' in figures


def test_snippets_stand_at_their_places_or_nothing_changes(ask: Callable[..., dict[str, Any]], host: Any) -> None:
    assert ask("/")["headers"]["x-snippet"] == "yes"
    before = host.check_output("sha256sum %s", CONFIG)
    wrong = converge(snippets={"frontend": "http-request deny if { no_such_thing }"})
    assert wrong["failed"]
    assert "no_such_thing" in wrong["msg"]
    assert host.check_output("sha256sum %s", CONFIG) == before
    assert ask("/")["status"] == 200


def test_maintenance_closes_one_stack_without_a_reload(
    ask: Callable[..., dict[str, Any]], described: dict[str, Any], host: Any
) -> None:
    def worker() -> str:
        return str(host.check_output("docker exec longshore-haproxy cat /proc/1/task/1/children").split()[-1])

    before = worker()
    assert converge(play="maintenance.yml", closed=True)["changes"] == ["close molecule"]
    assert worker() == before
    closed = ask("/")
    assert (closed["status"], closed["body"].strip()) == (503, "<h1>Back at noon</h1>")
    assert (closed["headers"]["retry-after"], closed["headers"]["cache-control"]) == ("60", "no-store")
    address = described["hosts"]["app1"]["private"]["v4"]
    words = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host:{RULES}", f"http://{address}/")
    assert on("app3", *words) == "200"
    # A new HAProxy knows it too.
    host.check_output("docker kill longshore-haproxy")
    wait_for(lambda: "Back at noon" in ask("/")["body"])
    assert converge(play="maintenance.yml", closed=False)["changes"] == ["open molecule"]
    wait_for(lambda: ask("/")["status"] == 200)
