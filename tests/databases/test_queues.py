# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RabbitMQ on the same three servers, and quorum queues on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stack.support import longshore, until

from .conftest import ADMIN, SERVERS, Ledger

UNIT = "rabbitmq-instance@ledger-queue.service"
PORTS = (5671, 15671, 25672, 4369)


def asked(ledger: Ledger, server: str, path: str) -> Any:
    """What the management of a server answers; None when it doesn't."""
    address = ledger.lab.described["hosts"][server]["private"]["v4"]
    trust = "--cacert /etc/longshore/ledger/rabbitmq/ca.crt"
    script = f"{ADMIN} | curl -sfK - -m 5 {trust} https://{address}:15671/api/{path}"
    answer = ledger.lab.on(server, "sh", "-c", script, check=False).stdout
    return json.loads(answer) if answer else None


def works(ledger: Ledger, user: str, password: str) -> bool:
    """Whether this is the password of a user for applications."""
    address = ledger.lab.described["hosts"][SERVERS[0]]["private"]["v4"]
    words = f"curl -sk -u {user}:{password} https://{address}:15671/api/whoami"
    # The applications' user is refused too, for what it is: its password was right.
    return "Not management user" in ledger.lab.on(SERVERS[0], "sh", "-c", words).stdout


def limit(ledger: Ledger, server: str) -> str:
    """The memory from which a server holds publishers back, as it says itself."""
    return str((asked(ledger, server, f"nodes/ledger-queue@{server}") or {}).get("mem_limit", ""))


def process(ledger: Ledger, server: str) -> str:
    """Stands for the process that runs now."""
    return ledger.lab.on(server, "systemctl", "show", "--property=MainPID", UNIT).stdout.strip()


def queue(ledger: Ledger, name: str) -> dict[str, Any]:
    """What any server says of a queue."""
    found = next(filter(None, (asked(ledger, server, f"queues/queue/{name}") for server in SERVERS)), {})
    return dict(found)


def test_status_tells_members_and_a_queue_is_on_all_three(ledger: Ledger) -> None:
    ledger.begin("queue-three", "queue")
    ledger.end("queue-three")
    found = queue(ledger, "queue-three")
    assert found["type"] == "quorum"
    assert sorted(found["online"]) == [f"ledger-queue@{server}" for server in SERVERS]
    done = longshore(ledger.stack, "db", "status", "--json")
    assert done.code == 0, done.end
    told = done.json["databases"]["queue"]
    assert sorted(told) == list(SERVERS)
    for member in told.values():
        assert (member["role"], member["state"], member["without_quorum"]) == ("member", "running", [])
        assert member["version"].startswith("4.")


def test_a_killed_leader_takes_no_confirmed_message_with_it(ledger: Ledger) -> None:
    ledger.begin("queue-killed", "queue")
    old = queue(ledger, "queue-killed")["leader"].partition("@")[2]
    ledger.lab.on(old, "systemctl", "kill", "--kill-whom=main", "--signal=KILL", UNIT)
    ledger.await_more("queue-killed", 20, "queue")
    assert queue(ledger, "queue-killed")["leader"] != f"ledger-queue@{old}"
    ledger.await_whole("queue")
    until(lambda: len(queue(ledger, "queue-killed")["online"]) == len(SERVERS), 30, "it has its part of the queue")
    report = ledger.end("queue-killed")
    assert report["longest"] < 10, report


def test_its_definitions_come_back(ledger: Ledger, tmp_path: Path) -> None:
    """Also what the stack knows nothing of: a policy of somebody's own."""
    address = ledger.lab.described["hosts"][SERVERS[0]]["private"]["v4"]
    policy = {"pattern": "^few$", "definition": {"max-length": 7}, "apply-to": "queues"}
    place = f"https://{address}:15671/api/policies/queue/few"
    ask = f"{ADMIN} | curl -sfK - --cacert /etc/longshore/ledger/rabbitmq/ca.crt"
    body = f"-H 'Content-Type: application/json' -d '{json.dumps(policy)}'"
    ledger.lab.on(SERVERS[0], "sh", "-c", f"{ask} -X PUT {body} {place}")
    ledger.begin("queue-backup", "queue")
    try:
        made = longshore(ledger.stack, "backup", "now", "queue")
        assert made.code == 0, made.end
    finally:
        ledger.end("queue-backup")
        ledger.lab.on(SERVERS[0], "sh", "-c", f"{ask} -X DELETE {place}")
    restored = longshore(ledger.stack, "backup", "restore", "queue", "definitions", "--json")
    assert restored.code == 0, restored.end
    try:
        found = restored.json["data"]["database_backup"]["restored"]
        answer = json.loads(ledger.lab.on("app1", "sh", "-c", found["ask"]).stdout)
    finally:
        assert longshore(ledger.stack, "backup", "drop", "definitions").code == 0
    assert not ledger.lab.on("app1", "pgrep", "-fu", "backup", "rabbitmq|epmd", check=False).stdout
    assert [each["definition"] for each in answer["policies"] if each["name"] == "few"] == [policy["definition"]]
    assert "queue-backup" in [each["name"] for each in answer["queues"]]
    assert {ledger.login("queue")[0], "admin", "monitor"} < {each["name"] for each in answer["users"]}
    file = tmp_path / "queue.json"
    assert longshore(ledger.stack, "backup", "download", "queue", str(file)).code == 0
    assert json.loads(file.read_text())["policies"]
    # What makes and proves them lets nobody from elsewhere in.
    listening = ledger.lab.on("app1", "ss", "-Hltn").stdout
    assert ":5672 " not in listening
    assert {line.split()[3] for line in listening.splitlines() if ":4369 " in line} <= {"127.0.0.1:4369"}


def test_nobody_but_the_stack_gets_near(ledger: Ledger) -> None:
    for server in SERVERS:
        listening = ledger.lab.on(server, "ss", "-Hltn").stdout.splitlines()
        places = [line.split()[3].rpartition(":") for line in listening]
        found = {(address, int(port)) for address, _colon, port in places if int(port) in PORTS}
        private = ledger.lab.described["hosts"][server]["private"]["v4"]
        assert found == {(private, port) for port in PORTS} | {("127.0.0.1", 4369)}
    plain = "printf 'AMQP\\0\\0\\11\\1' | timeout 5 nc -w 3 {} 5671 | head -c 20"
    answer = ledger.lab.on("app1", "sh", "-c", plain.format(private), check=False).stdout
    assert "PLAIN" not in answer
    assert works(ledger, *ledger.login("queue"))
    assert not works(ledger, ledger.login("queue")[0], "guest")
    users = {user["name"]: user["tags"] for user in asked(ledger, SERVERS[0], "users")}
    assert users == {"admin": ["administrator"], "monitor": ["monitoring"], ledger.login("queue")[0]: []}
    assert [each["name"] for each in asked(ledger, SERVERS[0], "vhosts")] == ["queue"]
    assert not asked(ledger, SERVERS[0], "users/monitor/permissions")


def test_no_password_is_seen(ledger: Ledger) -> None:
    directory = "/etc/longshore/ledger/credentials/databases"
    names = ("admin", "monitor", "cookie")
    secrets = {name: ledger.lab.on("app1", "cat", f"{directory}/queue.{name}").stdout.strip() for name in names}
    secrets["owner"] = ledger.login("queue")[1]
    assert {len(secret) for secret in secrets.values()} == {32}
    # The service on app1 has it in its environment, to use it.
    for server, processes in {"app1": "ps axww", **dict.fromkeys(SERVERS, "ps axwwe")}.items():
        seen = ledger.lab.on(server, "sh", "-c", f"{processes}; journalctl --no-pager -o cat").stdout
        assert not [name for name, secret in secrets.items() if secret in seen], server
    for server in SERVERS:
        listed = ledger.lab.on(server, "sh", "-c", "stat -c '%a %n' /etc/rabbitmq/instances/ledger-queue.*").stdout
        modes = {line.split()[1].rpartition(".")[2]: line.split()[0] for line in listed.splitlines()}
        assert (modes["conf"], modes["json"]) == ("640", "600")
        stored = ledger.lab.on(server, "grep", "-rl", secrets["cookie"], "/etc", "/var/lib/rabbitmq").stdout.split()
        assert stored == ["/var/lib/rabbitmq/ledger-queue/.erlang.cookie"]


def test_who_is_needed_for_the_majority_is_not_taken_out(ledger: Ledger) -> None:
    refused = longshore(ledger.stack, "db", "remove", "queue", SERVERS[0])
    assert refused.code == 1, refused.end
    assert "would be 2 servers" in refused.everything
    alike = longshore(ledger.stack, "db", "switchover", "queue")
    assert alike.code == 3, alike.end
    ledger.await_whole("queue")
