# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenario needs of authorities: one that signs by hand, and the files of pebble, the ACME server.

authority.py DIRECTORY ADDRESS      # the address is the one on which pebble is asked
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HOST = "own.certificates.example"


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def key_options(path: Path) -> tuple[str, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(path))


def main(directory: Path, address: str) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    ca, ca_key = directory / "ca.crt", directory / "ca.key"
    subject = ("-subj", "/CN=certificates by hand", "-addext", "basicConstraints=critical,CA:TRUE")
    subject += ("-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-x509", *key_options(ca_key), "-days", "30", *subject, "-out", str(ca))
    for name in ("own", "next"):
        request, signed, key = (directory / f"{name}.{ending}" for ending in ("csr", "crt", "key"))
        openssl("req", *key_options(key), "-new", "-subj", f"/CN={HOST}", "-out", str(request))
        extensions = directory / "extensions"
        extensions.write_text(f"subjectAltName=DNS:{HOST}\nauthorityKeyIdentifier=keyid\n")
        signing = ("-CA", str(ca), "-CAkey", str(ca_key), "-days", "20", "-extfile", str(extensions))
        openssl("x509", "-req", "-in", str(request), *signing, "-out", str(signed))
        (directory / f"{name}.pem").write_text(signed.read_text() + ca.read_text() + key.read_text())
    pebble = directory / "pebble.crt", directory / "pebble.key"
    alternative = ("-subj", "/CN=pebble", "-addext", f"subjectAltName=IP:{address}")
    openssl("req", "-x509", *key_options(pebble[1]), "-days", "30", *alternative, "-out", str(pebble[0]))
    settings = {
        "listenAddress": f"{address}:14000",
        "managementListenAddress": f"{address}:15000",
        "certificate": str(pebble[0]),
        "privateKey": str(pebble[1]),
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
        "certificateValidityPeriod": 7776000,
    }
    (directory / "pebble.json").write_text(json.dumps({"pebble": settings}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
