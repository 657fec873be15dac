# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the certificates of the stack's registry end; who never runs `up` would learn it by a failed deploy.

Private to the collection.
"""

from __future__ import annotations

import os
import socket
import ssl
import time

REGISTRY = "registry.longshore.internal:5000"
AUTHORITIES = "/etc/docker/certs.d"
# Days before the end in which `up` renews, and others warn.
SOON = 30
# Seconds; who does not answer is somebody else's subject.
PATIENCE = 5.0


def warnings(registry: str = REGISTRY, root: str = AUTHORITIES) -> list[str]:
    """A sentence for each certificate that ends soon: the registry's, that of its authority on this server. Empty when
    the registry is not trusted here or does not answer."""
    authority = os.path.join(root, registry, "ca.crt")
    if not os.path.exists(authority):
        return []
    try:
        context = ssl.create_default_context(cafile=authority)
    except ssl.SSLError:
        return []
    # Python 3.13 asks for more than Docker does.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    found = [
        _warning(
            "the certificate of the cluster's authority", str(each["notAfter"]), "docs/how-to/registry.md says how"
        )
        for each in context.get_ca_certs()
    ]
    end = _end_of(registry, context)
    if end:
        found.append(_warning(f"the certificate of {registry}", end, "'longshore up' renews it"))
    return [sentence for sentence in found if sentence]


def _end_of(registry: str, context: ssl.SSLContext) -> str:
    host, _colon, port = registry.partition(":")
    try:
        plain = socket.create_connection((host, int(port or 443)), PATIENCE)
        with plain, context.wrap_socket(plain, server_hostname=host) as connection:
            return str((connection.getpeercert() or {}).get("notAfter", ""))
    except OSError:
        return ""


def _warning(what: str, end: str, cure: str) -> str:
    left = (ssl.cert_time_to_seconds(end) - time.time()) / 86400
    return f"{what} ends on {end}, in {max(0, int(left))} days: {cure}" if left < SOON else ""
