# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack's hosts by HTTPS: one certificate from an ACME authority, one that is given."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .support import ROOT, Lab, StackFile, longshore, until
from .test_up import changed_tasks

PLACE = "/root/https"
UNITS = {
    "https-names": "pebble-challtestsrv -dns01 127.0.0.1:8053 -management 127.0.0.1:8055 -defaultIPv4 '' "
    "-defaultIPv6 '' -http01 '' -https01 '' -tlsalpn01 '' -doh ''",
    "https-pebble": f"pebble -config {PLACE}/pebble.json -dnsserver 127.0.0.1:8053",
}


@pytest.fixture
def authority(lab: Lab, shop: StackFile, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An ACME authority on ``app3``: ``server`` and ``ca``, as a stack file names them."""
    own = shop.content["servers"]["app3"]["private_address"]
    script = (ROOT / "molecule/certificates/files/authority.py").read_text()
    (tmp_path / "authority.py").write_text(script)
    lab.on("app3", "apt-get install -q -y --no-install-recommends pebble", timeout=300)
    lab.on("app3", f"cat > /root/authority.py <<'END'\n{script}\nEND\npython3 /root/authority.py {PLACE} {own}")
    for unit, command in UNITS.items():
        lab.on("app3", f"systemd-run --unit={unit} --setenv=PEBBLE_VA_NOSLEEP=1 {command}")
    names = json.dumps({"host": "shop.example.", "addresses": [lab.address(name) for name in ("app1", "app2")]})
    add = f"curl -s -f -d '{names}' http://127.0.0.1:8055/add-a"
    until(lambda: lab.on("app3", add, check=False).returncode == 0, 20, "the name server answers")
    (tmp_path / "pebble.crt").write_text(lab.on("app3", f"cat {PLACE}/pebble.crt").stdout)
    yield {"email": "ops@shop.example", "server": f"https://{own}:14000/dir", "ca": str(tmp_path / "pebble.crt")}
    lab.on("app3", f"systemctl stop {' '.join(UNITS)}; rm -r {PLACE} /root/authority.py")


def given(directory: Path) -> dict[str, str]:
    """A certificate for the hosts below the shop's, and its key."""
    files = {"certificate": str(directory / "below.crt"), "key": str(directory / "below.key")}
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    words += ["-subj", "/CN=below", "-addext", "subjectAltName=DNS:*.shop.example"]
    subprocess.run(
        ["openssl", *words, "-keyout", files["key"], "-out", files["certificate"]], check=True, capture_output=True
    )
    return files


def test_hosts_have_their_certificates_and_a_wrong_key_is_refused_before_anything(
    lab: Lab, shop: StackFile, authority: dict[str, str], tmp_path: Path
) -> None:
    files = given(tmp_path)

    def secure(content: dict[str, Any]) -> None:
        content["load_balancer"] = {
            **content.get("load_balancer", {}),
            "tls": {"acme": authority, "certificates": [files]},
        }

    with shop.changed(secure):
        key = Path(files["key"])
        good = key.read_text()
        key.write_text(subprocess.check_output(["openssl", "genpkey", "-algorithm", "ed25519"], text=True))
        refused = longshore(shop, "up", "--json")
        assert refused.code == 3
        assert "load_balancer.tls.certificates.0: the key is not that of the first certificate" in refused.everything
        assert "PRIVATE KEY" not in refused.everything
        key.write_text(good)
        done = longshore(shop, "up", "--json")
        assert done.code == 0, done.end
        assert good.splitlines()[1] not in done.everything
        for server in ("app1", "app2"):
            address = lab.address(server)
            for host, issuer in (("shop.example", "Pebble"), ("static.shop.example", "below")):
                options = ("-k", "-v", "--resolve", f"{host}:443:{address}", "--stderr", "-")
                status, told = lab.get(f"https://{host}/", *options)
                assert status == 200
                assert issuer in next(line for line in told.splitlines() if "issuer:" in line)
                plain = lab.get(f"http://{host}/", "--resolve", f"{host}:80:{address}")
                assert plain[0] == 308
        again = longshore(shop, "up", "--json")
        assert again.code == 0, again.end
        assert changed_tasks(again) == set()
    back = longshore(shop, "up", "--json")
    assert back.code == 0, back.end
    assert lab.get("http://shop.example/", "--resolve", f"shop.example:80:{lab.address('app1')}")[0] == 200
    assert lab.on("app1", "ls /etc/longshore/shop/acme.json", check=False).returncode != 0
