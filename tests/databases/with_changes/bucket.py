# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bucket of an S3 service on the client, with a certificate of the lab's authority. It goes with the lab."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lab import hosts, state, tls
from stack.support import Lab, until

HOST = "s3.lab"
NAME = "shop-backups"
REGION = "lab-1"
VARIABLE = "BUCKETS_SECRET"  # of the environment, with the key's secret
PROGRAM = Path(sys.executable).parent / "weed"
PLACE = "/srv/s3"
# Its parts find each other on loopback; who asks S3 may do nothing but what a backup needs, and in one bucket.
SERVE = (
    f"cd {PLACE} && exec weed -logtostderr=true server -dir={PLACE} -ip=127.0.0.1 -ip.bind=0.0.0.0 -volume.max=40 "
    "-master.volumeSizeLimitMB=128 -filer -s3 -s3.port=443 -s3.cert.file=s3.crt -s3.key.file=s3.key "
    "-s3.config=s3.json -s3.port.iceberg=0 -s3.port.lance=0 >s3.log 2>&1"
)


@dataclass
class Bucket:
    """Who asks for it, and with what."""

    lab: Lab
    access: str = "SHOPSBACKUPS"
    secret: str = field(default_factory=lambda: secrets.token_hex(20))
    # Another one each time: a backup server remembers where it has made a repository.
    path: str = field(default_factory=lambda: f"/ledger-{secrets.token_hex(4)}")

    @property
    def section(self) -> dict[str, str]:
        """``repository`` of the stack file, for it."""
        return {
            "type": "s3",
            "endpoint": f"https://{HOST}",
            "bucket": NAME,
            "region": REGION,
            "path": self.path,
            "access_key": self.access,
            "secret_key": f"{{{{ lookup('env', '{VARIABLE}') }}}}",
        }

    def serve(self) -> None:
        """Start the service on the client, with the bucket in it and nothing else."""
        if not PROGRAM.exists():
            pytest.skip("the S3 service of these tests has no package for this machine")
        known = state.load(self.lab.name)
        assert known is not None
        container = self.lab.described["hosts"]["client"]["container"]
        certificate, key = tls.certificate(known.directory, HOST, [hosts.public(known, "client").v4])
        self.end()
        self.lab.on("client", "mkdir", PLACE)
        identity = {
            "name": "shop",
            "credentials": [{"accessKey": self.access, "secretKey": self.secret}],
            "actions": [f"{action}:{NAME}" for action in ("Admin", "Read", "Write", "List")],
        }
        self.lab.on("client", "sh", "-c", f"echo '{json.dumps({'identities': [identity]})}' > {PLACE}/s3.json")
        for source, target in (
            (PROGRAM, "/usr/local/bin/weed"),
            (certificate, f"{PLACE}/s3.crt"),
            (key, f"{PLACE}/s3.key"),
        ):
            subprocess.run(["docker", "cp", "-q", source, f"{container}:{target}"], check=True)
        subprocess.run(["docker", "exec", "-d", container, "sh", "-c", SERVE], check=True)
        until(lambda: self.ask("-X", "PUT", f"/{NAME}").endswith("200"), 60, "the bucket is there")

    def end(self) -> None:
        """End the service and remove what it holds. Asked politely, it waits for who may want something of it still."""
        script = f"pkill -KILL -x weed; while pgrep -x weed; do sleep 0.1; done; rm -rf {PLACE}"
        self.lab.on("client", "sh", "-c", script)

    def ask(self, *words: str) -> str:
        """What the service answers to the client's curl, and the status. The last word is the path."""
        *options, path = words
        sign = ("--aws-sigv4", f"aws:amz:{REGION}:s3", "-u", f"{self.access}:{self.secret}")
        url = f"https://{HOST}{path}"
        at = f"{HOST}:443:{self.lab.address('client')}"
        call = ("curl", "-skg", "--resolve", at, "-m", "10", "-w", "%{http_code}", *sign, *options, url)
        return self.lab.on("client", *call, check=False).stdout

    def holds(self, prefix: str) -> bool:
        """Whether there is an object in the path whose name begins so."""
        return "<Key>" in self.ask(f"/{NAME}?list-type=2&max-keys=1&prefix={self.path[1:]}/{prefix}")
