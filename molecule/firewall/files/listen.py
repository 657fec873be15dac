# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listens on each port it is given, TCP and UDP, IPv4 and IPv6, and says to everybody from where he came."""

from __future__ import annotations

import socket
import sys
import threading


def serve_tcp(port: int) -> None:
    """Tell each who connects his address."""
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        while True:
            connection, address = server.accept()
            with connection:
                connection.sendall(f"{address[0]}\n".encode())


def serve_udp(port: int) -> None:
    """Tell each who sends something his address."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", port))
        while True:
            _asked, address = server.recvfrom(64)
            server.sendto(f"{address[0]}\n".encode(), address)


if __name__ == "__main__":
    for number in map(int, sys.argv[1:]):
        for serve in (serve_tcp, serve_udp):
            threading.Thread(target=serve, args=(number,)).start()
