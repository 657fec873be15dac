# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles are told of a stack's certificates: one for each host, and no key in the inventory."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.longshore.stack.plugins.plugin_utils import given_certificates
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import https, variables
from longshore.definition import Stack
from longshore.definition.load import load_text

STACK = """\
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, private_address: 10.77.0.11, tags: [app, lb]}
  app2: {address: 198.51.100.12, private_address: 10.77.0.12, tags: [app, lb]}
  app3: {address: 198.51.100.13, private_address: 10.77.0.13, tags: [app]}
services:
  web:
    image: nginx:1
    routes: [{host: shop.example, port: 80}, {host: "*.shop.example", port: 80}, {host: api.shop.example, port: 80}]
load_balancer: {tls: {acme: {email: ops@shop.example}, certificates: [{certificate: below.crt, key: below.key}]}}
"""


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """The stack, whose own certificate is for the names below the shop's."""
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    words += ["-subj", "/CN=below", "-addext", "subjectAltName=DNS:*.Shop.example"]
    files = ["-keyout", str(tmp_path / "below.key"), "-out", str(tmp_path / "below.crt")]
    subprocess.run(["openssl", *words, *files], check=True, capture_output=True)
    return load_text(STACK.encode(), tmp_path / "shop.yml")


def test_the_authority_is_asked_for_what_no_given_certificate_is_for(stack: Stack) -> None:
    told = https.of_stack(stack)
    assert told["haproxy_managed_certificates"] == [{"name": "shop.example", "names": ["shop.example"]}]
    assert told["certificates_wanted"][0] == {"name": "shop.example", "names": ["shop.example"]}
    assert told["certificates_server"].startswith("https://acme-v02.api.letsencrypt.org/")
    assert (told["haproxy_hsts"], told["haproxy_https_port"], told["haproxy_redirect_to_https"]) == (
        63072000,
        443,
        True,
    )


def test_keys_are_read_when_they_are_used(stack: Stack, tmp_path: Path) -> None:
    (own,) = https.of_stack(stack)["haproxy_certificates"]
    assert own["name"] == "file.below"
    assert own["pem"].count("lookup('ansible.builtin.file'") == 2
    assert (tmp_path / "below.key").read_text().splitlines()[1] not in str(variables.of_stack(stack))


def test_load_balancers_know_each_other_and_show_a_certificate_of_the_cluster(stack: Stack) -> None:
    assert https.of_server(stack, "app3") == {}
    assert https.of_server(stack, "app1")["certificates_peers"] == {"app2": "10.77.0.12"}
    (own,) = variables.of_server(stack, "app2")["ca_certificates"]
    assert own["path"] == "/etc/longshore/cluster/server"
    assert "IP:10.77.0.12" in own["sans"]


def test_a_wrong_key_is_told_with_its_place(stack: Stack, tmp_path: Path) -> None:
    def read(path: str) -> str:
        return Path(path).read_text()

    assert given_certificates.wrong(stack, read) == []
    other = subprocess.check_output(["openssl", "genpkey", "-algorithm", "ed25519"], text=True)
    (tmp_path / "below.key").write_text(other)
    told = given_certificates.wrong(stack, read)
    assert told == ["load_balancer.tls.certificates.0: the key is not that of the first certificate (CN=below)"]
