# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A memcached on two of the servers: who reaches it, and who does not."""

from __future__ import annotations

from stack.support import longshore

from .conftest import Ledger

HOLDING = ("app2", "app3")
INSTANCE = "memcached-instance@ledger-sessions.service"
# Over TLS to a server's private address, checked against the authority; prints the first line of the answer.
ASK = """
import socket, ssl, sys
address, command = sys.argv[1:]
trust = ssl.create_default_context(cafile="/etc/longshore/cluster/ca.crt")
with trust.wrap_socket(socket.create_connection((address, 11211), timeout=3), server_hostname=address) as tls:
    tls.sendall((command + "\\r\\n").encode())
    print(tls.recv(65536).decode())
"""


def ask(ledger: Ledger, of: str, server: str, command: str) -> str:
    """What a server's instance answers to one that is asked from ``of``; empty when it lets nobody in."""
    address = ledger.lab.described["hosts"][server]["private"]["v4"]
    return ledger.lab.on(of, "python3", "-c", ASK, address, command, check=False).stdout.strip()


def processes(ledger: Ledger) -> list[str]:
    """The instances' process numbers, by server."""
    show = ("systemctl", "show", "-P", "MainPID", INSTANCE)
    return [ledger.lab.on(server, *show).stdout.strip() for server in HOLDING]


def knocks(ledger: Ledger, of: str, server: str) -> bool:
    """Whether a server's instance lets a connection in."""
    address = ledger.lab.described["hosts"][server]["private"]["v4"]
    knock = f"exec 3<>/dev/tcp/{address}/11211"
    return ledger.lab.on(of, "timeout", "3", "bash", "-c", knock, check=False).returncode == 0


def test_a_service_finds_each_key_on_its_server(running: Ledger) -> None:
    found = running.ask("/sessions?name=spread&count=20")["found"]
    assert sorted(found) == ["sessions:11211", "sessions:11212"]
    assert sum(found.values()) == 20
    assert min(found.values()) > 3, found
    done = longshore(running.stack, "db", "status", "--json")
    assert done.code == 0, done.end
    told = done.json["databases"]["sessions"]
    assert sorted(told) == list(HOLDING)
    for member in told.values():
        assert (member["role"], member["state"], member["limit"]) == ("cache", "running", 64 << 20), told
        assert member["size"] > 0, told


def test_others_are_kept_out_and_nobody_comes_without_tls(running: Ledger) -> None:
    for server in HOLDING:
        assert ask(running, "app1", server, "version").startswith("VERSION 1.6"), server
        # Somebody on the same network who is no server of the stack.
        address = running.lab.described["hosts"][server]["private"]["v4"]
        assert knocks(running, "app1", server)
        assert not knocks(running, "git", server)
        plain = f"exec 3<>/dev/tcp/{address}/11211; echo version >&3; timeout 2 head -n 1 <&3"
        assert "VERSION" not in running.lab.on("app1", "bash", "-c", plain, check=False).stdout
        user = ("ps", "-o", "user=", "-p", processes(running)[HOLDING.index(server)])
        assert running.lab.on(server, *user).stdout.strip() == "memcache"
        listening = running.lab.on(server, "ss", "-Hltn", "sport = :11211").stdout
        assert [line.split()[3] for line in listening.splitlines()] == [f"{address}:11211"], listening
