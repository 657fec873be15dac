# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever changes on the load balancers, no request and no handshake is lost: many times over, under load."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from stack.support import ROOT, Lab, StackFile, ansible_playbook, longshore, nothing_lost

from .conftest import LONG, Campaign
from .test_campaigns import HOST, edges

# The short form of each is a test of the scenarios `haproxy` and `certificates`.
pytestmark = [pytest.mark.soak, pytest.mark.skipif(not LONG, reason="long form only")]
RATE = 100


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Authority:
    """An authority whose certificates the stack is given, one after the other."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.certificate, self.key = str(directory / "ca.crt"), str(directory / "ca.key")
        words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"]
        openssl(*words, "-subj", "/CN=soak", "-keyout", self.key, "-out", self.certificate)

    def give(self, serial: int) -> dict[str, str]:
        """Another certificate for the shop, with a new key, in the same files: what a stack file says of them."""
        files = {"certificate": str(self.directory / "shop.crt"), "key": str(self.directory / "shop.key")}
        words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "5"]
        words += ["-subj", "/CN=shop", "-addext", f"subjectAltName=DNS:{HOST},DNS:*.{HOST}", "-set_serial", str(serial)]
        words += ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", self.certificate, "-CAkey", self.key]
        openssl(*words, "-keyout", files["key"], "-out", files["certificate"])
        return files


def serial(lab: Lab, server: str) -> int:
    """The number of the certificate that a load balancer shows."""
    ask = f"openssl s_client -connect {lab.address(server)}:443 -servername {HOST} </dev/null 2>/dev/null"
    return int(lab.on("client", f"{ask} | openssl x509 -noout -serial").stdout.strip().rpartition("=")[2], 16)


def reloaded(lab: Lab) -> list[int]:
    """How often each load balancer's HAProxy was reloaded so far."""
    count = "journalctl -q -o cat _PID=1 UNIT=longshore-haproxy.service | grep -c ^Reloaded || true"
    return [int(lab.on(server, count).stdout) for server in ("app1", "app2")]


def test_reloads_and_certificates_under_load(lab: Lab, shop: StackFile, campaign: Campaign, tmp_path: Path) -> None:
    """Routes of another stack change on both load balancers, then the shop's own certificate."""
    reloads, changes = campaign.rounds(long=200), campaign.rounds(long=50)
    authority = Authority(tmp_path)
    files = authority.give(1000)
    lab.on("client", f"cat > /tmp/soak-ca.crt <<'END'\n{Path(authority.certificate).read_text()}END")
    secure = [url.replace("http://", "https://") for url in edges(lab)]

    def https(content: dict[str, Any]) -> None:
        content["load_balancer"] = {**content.get("load_balancer", {}), "tls": {"certificates": [files]}}

    load: dict[str, Any] = {"rate": RATE, "new": 0.5, "slow": 0.02, "ca": "/tmp/soak-ca.crt"}
    with shop.changed(https):
        done = longshore(shop, "up")
        assert done.code == 0, done.everything
        before = reloaded(lab)
        with lab.load(secure, HOST, **load) as during_reloads:
            words = ["-e", json.dumps({"reloads": reloads}), str(ROOT / "tests/soak/reloads.yml")]
            done = ansible_playbook(shop, *words, timeout=3600)
        assert done.code == 0, done.everything
        assert all(now - then >= reloads for now, then in zip(reloaded(lab), before, strict=True))
        before = reloaded(lab)
        with lab.load(secure, HOST, **load) as during_changes:
            for number in range(1001, 1001 + changes):
                authority.give(number)
                done = longshore(shop, "up")
                assert done.code == 0, done.everything
                assert [serial(lab, server) for server in ("app1", "app2")] == [number, number]
        # HAProxy takes another certificate as it runs.
        assert reloaded(lab) == before
    done = longshore(shop, "up")
    assert done.code == 0, done.everything
    campaign.record(
        "soak-edge",
        {
            name: {
                f"{what}_of_each_load_balancer": rounds,
                "requests": report["total"],
                "failed": report["failed"],
                "p99_ms": report["latency_ms"]["p99"],
            }
            for name, what, rounds, report in (
                ("reloads", "reloads", reloads, during_reloads),
                ("certificates", "changes", changes, during_changes),
            )
        },
    )
    nothing_lost(during_reloads, RATE)
    nothing_lost(during_changes, RATE)
