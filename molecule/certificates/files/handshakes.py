# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make new TLS connections one after the other, and count those that fail: the judge of "no handshake was lost".

    handshakes.py AUTHORITY HOST ADDRESS…      # ends on a line of its input; 25 a second to each address

Each connection checks the certificate against the file AUTHORITY, asks for ``/`` and wants 200. The report is one JSON
object: ``total``, ``failed``, ``examples`` of failures, and ``serials``, how many of those certificates were seen.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
from collections import Counter

RATE = 25


def main(authority: str, host: str, addresses: list[str]) -> None:
    context = ssl.create_default_context(cafile=authority)
    ended = threading.Event()
    failures: list[str] = []
    serials: Counter[str] = Counter()

    def one(address: str) -> None:
        try:
            with (
                socket.create_connection((address, 443), 5) as plain,
                context.wrap_socket(plain, server_hostname=host) as tls,
            ):
                certificate = tls.getpeercert() or {}
                tls.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                answer = tls.recv(65536)
                if b" 200 " not in answer.split(b"\r\n")[0]:
                    failures.append(repr(answer[:80]))
                serials[str(certificate["serialNumber"])] += 1
        except OSError as error:
            failures.append(f"{address}: {error!r}")

    def work(address: str) -> None:
        while not ended.wait(1 / RATE):
            one(address)

    threads = [threading.Thread(target=work, args=(address,)) for address in addresses]
    for thread in threads:
        thread.start()
    sys.stdout.write("began\n")
    sys.stdout.flush()
    sys.stdin.readline()
    ended.set()
    for thread in threads:
        thread.join()
    report = {
        "total": sum(serials.values()) + len(failures),
        "failed": len(failures),
        "examples": failures[:5],
        "serials": len(serials),
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
