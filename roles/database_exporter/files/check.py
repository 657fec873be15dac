# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by the role longshore.stack.database_exporter: changes are lost.
"""Waits until an exporter serves, for its unit: ``exporter-check ADDRESS PORT``.

Somebody else's program on that port has no certificate for the address, and is waited for in vain. How long is up to
the unit.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import time


def attempt(address: str, port: int, trust: ssl.SSLContext) -> str:
    """Why it does not serve; empty when it does."""
    try:
        with socket.create_connection((address, port), 5) as plain, trust.wrap_socket(plain, server_hostname=address):
            return ""
    except OSError as error:
        return f"port {port} of {address}: {error}"


def main() -> None:
    """Say each reason once."""
    directory = os.environ["CREDENTIALS_DIRECTORY"]
    trust = ssl.create_default_context(cafile=f"{directory}/ca.crt")
    # An authority that the exporter takes is good enough here, also without what Python 3.13 asks for besides.
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    trust.load_cert_chain(f"{directory}/tls.crt", f"{directory}/tls.key")
    said = ""
    while reason := attempt(sys.argv[1], int(sys.argv[2]), trust):
        if reason != said:
            sys.stderr.write(f"waiting for {reason}\n")
        said = reason
        time.sleep(0.1)


if __name__ == "__main__":
    main()
