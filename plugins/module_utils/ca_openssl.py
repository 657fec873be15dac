# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The internal certificate authority, by means of openssl(1).

Private to the collection. Keys are P-256: every TLS implementation in use knows it.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import time

from .host_change import HostError, attempt, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Days. The authority outlives what it signs; nobody but our own servers trusts it.
AUTHORITY_DAYS = 7300
SAN = re.compile(r"(DNS:[A-Za-z0-9*_.-]{1,253}|IP:[0-9a-fA-F.:]{2,45})")


def make_key() -> str:
    """A new private key as PEM."""
    return run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])


def make_authority(key: str, name: str) -> str:
    """A certificate, as PEM, by which the owner of ``key`` may sign others."""
    with tempfile.TemporaryDirectory() as directory:
        return run(
            [
                *("openssl", "req", "-x509", "-new", "-sha256", "-key", _put(directory, "key", key)),
                *("-subj", f"/CN={_common_name(name)}", "-days", str(AUTHORITY_DAYS)),
                *("-addext", "basicConstraints=critical,CA:TRUE,pathlen:0"),
                *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            ]
        )


def make_request(key: str, name: str) -> str:
    """A request for a certificate, as PEM. The names it is good for are the signer's matter."""
    with tempfile.TemporaryDirectory() as directory:
        path = _put(directory, "key", key)
        return run(["openssl", "req", "-new", "-sha256", "-key", path, "-subj", f"/CN={_common_name(name)}"])


def sign(request: str, sans: Sequence[str], days: int, key: str, authority: str) -> str:
    """The certificate, as PEM, for a request; ``sans`` as ``DNS:name`` and ``IP:address``."""
    for san in sans:
        if not SAN.fullmatch(san):
            raise HostError(f"{san!r} is neither DNS:name nor IP:address")
    extensions = (
        f"subjectAltName={','.join(sans)}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        "extendedKeyUsage=serverAuth,clientAuth\nauthorityKeyIdentifier=keyid\n"
    )
    with tempfile.TemporaryDirectory() as directory:
        return run(
            [
                *(
                    "openssl",
                    "x509",
                    "-req",
                    "-sha256",
                    "-days",
                    str(days),
                    "-set_serial",
                    f"0x{secrets.token_hex(16)}",
                ),
                *("-in", _put(directory, "request", request), "-extfile", _put(directory, "extensions", extensions)),
                *("-CA", _put(directory, "authority", authority), "-CAkey", _put(directory, "key", key)),
            ]
        )


def problem(path: str, sans: Sequence[str], renew_days: int, authority: str) -> str:
    """Why the certificate at ``path`` has to be replaced, or an empty string when it is good.

    ``authority`` is the path of the certificate of the authority that is to have signed it.
    """
    if not os.path.exists(path):
        return "there is none"
    code, out, error = attempt(["openssl", "x509", "-in", path, "-noout", "-enddate", "-ext", "subjectAltName"])
    if code != 0:
        return f"it cannot be read: {error.strip()[:80]}"
    left, names = parse(out)
    if left - time.time() < renew_days * 86400:
        return f"it ends within {renew_days} days"
    if names != sorted(normal(san) for san in sans):
        return "it is for other names"
    code, _out, _error = attempt(["openssl", "verify", "-CAfile", authority, path])
    return "" if code == 0 else "another authority signed it"


def parse(text: str) -> tuple[float, list[str]]:
    """The end (seconds since 1970) and the sorted names in the output of ``openssl x509 -enddate -ext``."""
    end = re.search(r"notAfter=(\w{3})\s+(\d+) (\d+):(\d+):(\d+) (\d{4}) GMT", text)
    if end is None:
        raise HostError(f"openssl's answer is not understood: {text.strip()[:80]}")
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec").index(end.group(1)) + 1
    day, hour, minute, second, year = (int(end.group(place)) for place in (2, 3, 4, 5, 6))
    import calendar  # noqa: PLC0415 - imports datetime and locale, which only this answer needs

    names = re.findall(r"(DNS:[^,\s]+|IP Address:[^,\s]+)", text)
    return float(calendar.timegm((year, month, day, hour, minute, second))), sorted(normal(name) for name in names)


def normal(san: str) -> str:
    """``DNS:`` and ``IP:`` names as they are compared; openssl writes IPv6 addresses its own way."""
    kind, value = san.replace("IP Address:", "IP:").split(":", 1)
    if kind != "IP":
        return f"{kind}:{value.lower()}"
    import ipaddress  # noqa: PLC0415 - needed for addresses alone

    return f"IP:{ipaddress.ip_address(value)}"


def _common_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9 *_.-]{1,64}", name):
        raise HostError(f"{name!r} cannot be a certificate's name: up to 64 letters, digits, spaces and ' * _ . -'")
    return name


def _put(directory: str, name: str, content: str) -> str:
    path = os.path.join(directory, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    return path
