# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates that HAProxy serves on this server: read, checked, exchanged while it runs.

Private to the collection. It imports nothing of the collection: the keeper of ACME certificates has a copy beside it.

A *bundle* is one PEM text: the certificate, those that lead from it to the authority, and the key. HAProxy reads one
file for each, ``DIRECTORY/<stack>.<name>.pem``.
"""

from __future__ import annotations

import calendar
import glob
import hashlib
import json
import os
import re
import socket
import stat
import subprocess
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

BASE = "/etc/longshore"
DIRECTORY = f"{BASE}/haproxy/tls"
# Hosts whose plain requests are sent on to HTTPS; names whose plain requests for a challenge HAProxy answers itself.
REDIRECTS = f"{DIRECTORY}/redirects"
# The thumbprint of the ACME account's key, by which a challenge is answered (RFC 8555, section 8.1).
THUMBPRINT = f"{DIRECTORY}/thumbprint"
# What the keeper of ACME certificates has; it stays when HAProxy goes.
STORE = "/var/lib/longshore/certificates"
SOCKET = "/var/lib/longshore/haproxy/admin.sock"
# The user that HAProxy runs as in its container.
USER_ID = 99
PLACEHOLDER = "longshore placeholder"

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile("-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_PUBLIC = re.compile("-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class CertificateError(Exception):
    """A certificate can't be used; the message says what is wrong with it."""


class Certificate:
    """What the first certificate of a bundle says.

    Attributes: ``names`` (sorted, lower case), ``begins`` and ``ends`` (seconds since 1970), ``subject``, ``issuer``,
    ``sha1`` and ``sha256`` (fingerprints, upper case hex digits), ``key`` (the public key as PEM), ``pem``.
    """

    def __init__(self, pem: str) -> None:
        self.pem = pem
        # The option -ext tells nothing of others' extensions, which -text might not know.
        asked = ["-noout", "-subject", "-issuer", "-dates", "-ext", "subjectAltName", "-nameopt", "RFC2253", "-pubkey"]
        text = openssl(["x509", *asked, "-fingerprint", "-sha256"], pem)
        self.subject = _field(text, "subject")
        self.issuer = _field(text, "issuer")
        self.begins = _time(_field(text, "notBefore"))
        self.ends = _time(_field(text, "notAfter"))
        self.sha256 = _field(text, "sha256 Fingerprint").replace(":", "")
        self.sha1 = fingerprint(pem)
        common = re.findall(r"(?:^|,)CN=([^,+]+)", self.subject)
        found = re.findall(r"DNS:([^,\s]+)", text) or common
        self.names = sorted({name.lower() for name in found})
        found_key = _PUBLIC.search(text)
        self.key = found_key.group(0) if found_key else ""

    @property
    def is_placeholder(self) -> bool:
        """Whether nobody signed it: HAProxy needs one until the authority has given the first."""
        return PLACEHOLDER in self.issuer

    def covers(self, host: str) -> bool:
        """Whether a client that asks for ``host`` accepts it (RFC 6125: ``*`` stands for one label)."""
        return host in self.names or f"*.{host.partition('.')[2]}" in self.names


def fingerprint(bundle: str) -> str:
    """The SHA-1 fingerprint of a bundle's first certificate, by which HAProxy tells what it serves."""
    import base64  # noqa: PLC0415 - what is imported is compiled anew by every task

    der = base64.b64decode("".join(certificates_in(bundle)[0].splitlines()[1:-1]))
    return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()


def openssl(words: Sequence[str], given: str = "") -> str:
    """The output of openssl(1). Raises ``CertificateError`` with its message."""
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            ["openssl", *words], input=given.encode(), capture_output=True, check=False, timeout=60
        )
    except FileNotFoundError as error:
        raise CertificateError("openssl is not installed") from error
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["(no message)"]
        raise CertificateError(f"openssl {words[0]}: {last[0]}")
    return done.stdout.decode(errors="replace")


def certificates_in(bundle: str) -> list[str]:
    """The certificates of a bundle, each as PEM, in their order."""
    return [found.group(0) + "\n" for found in _CERTIFICATE.finditer(bundle)]


def key_in(bundle: str) -> str:
    """The key of a bundle as PEM; empty when there is none."""
    found = _KEY.search(bundle)
    return found.group(0) + "\n" if found else ""


def tidy(bundle: str) -> str:
    """The certificates and the key alone, without what else is in the text: an empty line would end a command."""
    parts = [*certificates_in(bundle), key_in(bundle)]
    return "".join(f"{line.strip()}\n" for part in parts for line in part.splitlines() if line.strip())


def problems(bundle: str, now: float) -> list[str]:
    """What is wrong with a bundle at ``now`` (seconds since 1970); nothing when it can be served."""
    texts, key = certificates_in(bundle), key_in(bundle)
    wrong = [] if texts else ["holds no certificate (PEM)"]
    if not key:
        wrong.append("holds no private key (PEM)")
    elif "ENCRYPTED" in key:
        wrong.append("its key asks for a passphrase, which nobody gives when HAProxy starts: take it off")
    if wrong:
        return wrong
    try:
        chain = [Certificate(text) for text in texts]
    except CertificateError as error:
        return [f"a certificate can't be read: {error}"]
    return [*_wrong_key(chain[0], key), *_wrong_dates(chain[0], now), *_wrong_order(chain, now)]


def _wrong_key(leaf: Certificate, key: str) -> list[str]:
    try:
        own = openssl(["pkey", "-pubout"], key).strip() == leaf.key
    except CertificateError:
        return ["the key can't be read"]
    return [] if own else [f"the key is not that of the first certificate ({leaf.subject})"]


def _wrong_dates(leaf: Certificate, now: float) -> list[str]:
    wrong = [] if leaf.names else ["the certificate is for no host name"]
    if leaf.ends <= now:
        wrong.append(f"the certificate ended on {_date(leaf.ends)}")
    if leaf.begins > now:
        wrong.append(f"the certificate begins on {_date(leaf.begins)} only")
    return wrong


def _wrong_order(chain: Sequence[Certificate], now: float) -> list[str]:
    wrong = []
    for signed, signer in zip(chain, chain[1:]):
        if signed.issuer != signer.subject:
            wrong.append(
                f"{signed.subject} is followed by {signer.subject}, which did not sign it: "
                "the certificate comes first, then the one that signed it, and so on"
            )
        elif signer.ends <= now:
            wrong.append(f"the certificate of {signer.subject} ended on {_date(signer.ends)}")
    return wrong


def placeholder(names: Sequence[str]) -> str:
    """A bundle that nobody signed, for ``names``, so that HAProxy can start."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "key")
        alternative = ",".join(f"DNS:{name}" for name in names)
        made = openssl(
            [
                *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path),
                *("-days", "3650", "-subj", f"/CN={PLACEHOLDER}", "-addext", f"subjectAltName={alternative}"),
            ]
        )
        with open(path, encoding="ascii") as file:
            return tidy(made + file.read())


def read(path: str) -> str:
    """A file's text; empty when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def differs(path: str, text: str, mode: int = 0o600, user: int = USER_ID) -> bool:
    """Whether a file of HAProxy's holds something else, or others may read it."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    same = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == mode and found.st_uid == user
    return not same or read(path) != text


def write(path: str, text: str, mode: int = 0o600, user: int = USER_ID) -> None:
    """Replace a file in one step; it is its user's alone."""
    temporary = f"{path}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fchown(file.fileno(), user, 0)
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    os.replace(temporary, path)


def loaded(path: str) -> str:
    """The SHA-1 fingerprint of the certificate that the running HAProxy has of this file; empty when it has none."""
    try:
        answer = ask(f"show ssl cert {path}")
    except OSError:
        return ""
    found = re.search(r"^SHA1 FingerPrint: *([0-9A-Fa-f]+)", answer, re.MULTILINE)
    return found.group(1).upper() if found else ""


def exchange(path: str) -> bool:
    """Have the running HAProxy serve what is in the file ``path``; whether it served something else.

    No connection ends, and nothing is reloaded. Raises ``CertificateError`` when HAProxy refuses it, which serves the
    old one then.
    """
    bundle = tidy(read(path))
    now = loaded(path)
    if not now or now == fingerprint(bundle):
        return False
    try:
        said = ask(f"set ssl cert {path} <<\n{bundle}")
        if "Transaction" not in said:
            raise CertificateError(f"HAProxy refuses {path}: {_line(said)}")
        said = ask(f"commit ssl cert {path}")
        if "Success" not in said:
            ask(f"abort ssl cert {path}")
            raise CertificateError(f"HAProxy refuses {path}: {_line(said)}")
    except OSError as error:
        raise CertificateError(f"HAProxy did not answer: {error}") from error
    return True


def fragments() -> list[dict[str, Any]]:
    """What the stacks on this server give HAProxy, as far as it can be read."""
    found = []
    for path in sorted(glob.glob(f"{BASE}/*/haproxy.json")):
        try:
            found.append(json.loads(read(path)))
        except ValueError:
            continue
    return found


def redirected(given: Iterable[dict[str, Any]]) -> list[str]:
    """The names whose plain requests are sent on to HTTPS: those of certificates that somebody signed."""
    names: set[str] = set()
    for fragment in given:
        tls = fragment.get("tls") or {}
        for each in tls.get("certificates", []) if tls.get("redirect") else []:
            texts = certificates_in(read(f"{DIRECTORY}/{fragment['stack']}.{each['name']}.pem"))
            if texts and not (certificate := Certificate(texts[0])).is_placeholder:
                names.update(certificate.names)
    return sorted(names)


def publish_list(path: str, kind: str, lines: Sequence[str]) -> bool:
    """Have the file and the running HAProxy hold these lines; ``kind`` is ``acl`` or ``map``. Whether that was new."""
    text = "".join(f"{line}\n" for line in lines)
    changed = differs(path, text, 0o644, 0)
    if changed:
        write(path, text, 0o644, 0)
    try:
        shown = ask(f"show {kind} {path}")
        if "Unknown" in shown or sorted(line.partition(" ")[2] for line in shown.splitlines() if line) == sorted(lines):
            return changed
        version = re.search(r"\d+", ask(f"prepare {kind} {path}"))
        if version:
            for line in lines:
                ask(f"add {kind} @{version.group(0)} {path} {line}")
            ask(f"commit {kind} @{version.group(0)} {path}")
    except OSError:
        # It does not run; it reads the file when it starts.
        return changed
    return True


def thumbprint(key: str) -> str:
    """The thumbprint (RFC 7638) of a P-256 key that is given as PEM."""
    import base64  # noqa: PLC0415 - what is imported is compiled anew by every task

    public = openssl(["pkey", "-pubout"], key)
    der = base64.b64decode("".join(public.strip().splitlines()[1:-1]))
    x, y = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (der[-64:-32], der[-32:]))
    canonical = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()


def publish_thumbprint(key: str) -> None:
    """Have HAProxy, where it serves certificates, answer challenges for the account with this key."""
    if os.path.isdir(DIRECTORY):
        publish_list(THUMBPRINT, "map", [f"thumbprint {thumbprint(key)}"])


def ask(command: str, timeout: float = 10.0) -> str:
    """The running HAProxy's answer to a command. Raises OSError when none runs."""
    return answer_of(SOCKET, command, timeout)


def answer_of(path: str, command: str, timeout: float) -> str:
    """The answer of the socket at ``path``, within ``timeout`` seconds. Raises OSError when there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        client.connect(path)
        client.sendall(f"{command}\n".encode())
        parts: list[bytes] = []
        while True:
            part = client.recv(65536)
            if not part:
                return b"".join(parts).decode(errors="replace")
            parts.append(part)


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name} ?= ?(.*)$", text, re.MULTILINE | re.IGNORECASE)
    return found.group(1).strip() if found else ""


def _time(text: str) -> float:
    found = re.fullmatch(r"(\w{3}) +(\d+) (\d+):(\d+):(\d+) (\d{4}) GMT", text)
    if found is None or found.group(1) not in _MONTHS:
        raise CertificateError(f"{text!r} is not a time")
    day, hour, minute, second, year = (int(found.group(place)) for place in (2, 3, 4, 5, 6))
    return float(calendar.timegm((year, _MONTHS.index(found.group(1)) + 1, day, hour, minute, second)))


def _date(seconds: float) -> str:
    import time  # noqa: PLC0415 - see above

    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _line(text: str) -> str:
    return " ".join(text.split()) or "(no message)"
