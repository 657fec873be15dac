# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of HTTPS: those of the role ``haproxy``, and of the role ``certificates``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ansible.template import trust_as_template

if TYPE_CHECKING:
    from longshore.definition.https import GivenCertificate
    from longshore.definition.stack import Stack

_SERVER = "/etc/longshore/cluster/server"


def of_stack(definition: Stack) -> dict[str, Any]:
    """``haproxy_*`` and ``certificates_*`` that are the same on every server; nothing without HTTPS."""
    balancer = definition.load_balancer
    tls = balancer.tls
    if tls is None:
        return {}
    from longshore.definition.https import LETS_ENCRYPT, PORT, acme_hosts  # noqa: PLC0415 - a stack with HTTPS has it

    hosts = acme_hosts(definition)
    result: dict[str, Any] = {
        "haproxy_https_port": balancer.https_port,
        "haproxy_tls_profile": tls.profile,
        "haproxy_redirect_to_https": tls.redirect,
        "haproxy_hsts": int(tls.hsts),
        "haproxy_certificates": [
            {"name": name, "pem": _pem(definition, each)} for name, each in _named(tls.certificates).items()
        ],
        "haproxy_managed_certificates": [{"name": host, "names": [host]} for host in hosts],
    }
    if tls.acme is not None and hosts:
        result |= {
            "certificates_stack": definition.name,
            "certificates_email": tls.acme.email,
            "certificates_server": tls.acme.server or LETS_ENCRYPT,
            "certificates_server_ca": definition.text(tls.acme.ca) if tls.acme.ca else "",
            "certificates_port": PORT,
            "certificates_wanted": [{"name": host, "names": [host]} for host in hosts],
        }
    return result


def of_server(definition: Stack, name: str) -> dict[str, Any]:
    """The addresses by which the load balancers ask each other."""
    balancers = keepers(definition)
    if name not in balancers:
        return {}
    return {
        "certificates_member": name,
        "certificates_address": definition.servers[name].private,
        "certificates_peers": {other: definition.servers[other].private for other in balancers if other != name},
        "certificates_certificate": f"{_SERVER}.crt",
        "certificates_key": f"{_SERVER}.key",
    }


def certificates(definition: Stack, name: str) -> list[dict[str, Any]]:
    """What a load balancer shows the others, as a member of the cluster."""
    balancers = keepers(definition)
    if name not in balancers or len(balancers) == 1:
        return []
    sans = [f"DNS:{name}", "DNS:localhost", f"IP:{definition.servers[name].private}", "IP:127.0.0.1"]
    return [{"path": _SERVER, "name": name, "sans": sans}]


def keepers(definition: Stack) -> list[str]:
    """The load balancers that keep ACME certificates."""
    if definition.load_balancer.tls is None:
        return []
    from longshore.definition import https  # noqa: PLC0415 - a stack with HTTPS has it

    return https.keepers(definition)


def _named(certificates: list[GivenCertificate]) -> dict[str, GivenCertificate]:
    """What to call those that are given: after their files, and by number where two are alike."""
    found: dict[str, GivenCertificate] = {}
    for each in certificates:
        file = each.certificate.rpartition("/")[2].partition(".")[0]
        stem = f"file.{re.sub(r'[^A-Za-z0-9_-]+', '-', file).strip('-') or 'x'}"
        name, number = stem, 2
        while name in found:
            name, number = f"{stem}-{number}", number + 1
        found[name] = each
    return found


def _pem(definition: Stack, each: GivenCertificate) -> Any:
    """A template, so that the key is read, and decrypted, when it is used: it stands in no inventory."""
    files = [str(definition.file(path)) for path in (each.certificate, each.key) if path is not None]
    read = " ~ '\\n' ~ ".join(f"lookup('ansible.builtin.file', {file!r})" for file in files)
    return trust_as_template("{{ " + read + " }}")
