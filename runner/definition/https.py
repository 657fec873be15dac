# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS at the load balancers: certificates that are given, and certificates from an ACME authority."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from .base import TEXT, Flag, Model, Short, many, one
from .file_text import read
from .scalars import Duration, matching
from .servers import resolved

if TYPE_CHECKING:
    from .stack import Stack

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
# On which the load balancers give each other certificates.
PORT = 8406


class Acme(Model):
    """Certificates from an ACME authority, one for each host of a route that no other certificate is for."""

    email: str = one(
        "Where the authority writes to.",
        **matching(r"^[^@\s]+@[^@\s]+$", "must be an e-mail address"),
    )
    server: str | None = one(
        "The authority's directory URL; default: Let's Encrypt.",
        None,
        **matching(r"^https://[^\s]+$", "must be a URL that begins with https://"),
    )
    ca: str | None = one("File with who signed the authority's own certificate, if the system doesn't know it.", None)


class GivenCertificate(Model):
    """A certificate that is given: files in PEM, beside the stack file."""

    certificate: str = one("File with the certificate and those that lead to the authority; the key too, without key.")
    key: str | None = one("File with the key; it may be encrypted by Vault.", None)


def given(value: Any) -> Any:
    """A file's name as a mapping."""
    return {"certificate": value} if isinstance(value, str) else value


class Tls(Model):
    """HTTPS."""

    acme: Acme | None = one("Certificates from an ACME authority.", None)
    certificates: list[Annotated[GivenCertificate, Short(given, TEXT)]] = many("Certificates that are given.", list)
    profile: Literal["intermediate", "modern"] = one(
        "Mozilla's guideline: TLS 1.2 and 1.3, or 1.3 alone.", "intermediate"
    )
    redirect: Flag = one("Plain requests for a certificate's names are sent on to https.", True)
    hsts: Duration = one("Browsers that came by https once come so for this time; 0: no such header.", 63072000.0)


def names_of(stack: Stack, certificate: GivenCertificate) -> list[str]:
    """The host names that a given certificate is for. Raises ValueError with what is wrong with its file."""
    # The library takes a tenth of a second to load, and few files name a certificate.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    file = resolved(stack.path, certificate.certificate)
    if file is None:
        return []
    try:
        first = x509.load_pem_x509_certificates(read(file).encode())[0]
    except ValueError as error:
        raise ValueError(f"{file} holds no certificate in PEM that can be read") from error
    try:
        extension = first.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = [str(each.value) for each in first.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return [name.lower() for name in names]


def covers(names: list[str], host: str) -> bool:
    """Whether a certificate for ``names`` is for ``host``; ``*`` stands for one label."""
    return host in names or f"*.{host.partition('.')[2]}" in names


def acme_hosts(stack: Stack) -> list[str]:
    """The hosts of routes for which the ACME authority is asked, in the file's order."""
    tls = stack.load_balancer.tls
    if tls is None or tls.acme is None:
        return []
    held = [names_of(stack, each) for each in tls.certificates]
    hosts = dict.fromkeys(route.host for service in stack.services.values() for route in service.routes if route.host)
    return [host for host in hosts if not any(covers(names, host) for names in held)]


def keepers(stack: Stack) -> list[str]:
    """The load balancers that keep ACME certificates."""
    return stack.load_balancers() if acme_hosts(stack) else []
