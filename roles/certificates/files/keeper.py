# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by the role longshore.stack.certificates: changes are lost.
"""Keeps the ACME certificates of the load balancers, with nobody's help.

    keeper.py renew           take what another load balancer has, renew what is due; a timer runs it on each of them
    keeper.py serve           give the others what this one has, and keep the lease
    keeper.py status          what there is, as JSON

``/etc/longshore/STACK/acme.json`` says what is wanted. docs/decisions/0018-acme-certificates.md says why. In short:

- One of the load balancers asks the authority; the others take the certificate from it, over TLS on which both sides
  show a certificate of the internal authority. Whoever was down asks the others when it starts.
- Who asks the authority holds a lease, which every load balancer that answers has granted. One that doesn't answer has
  no say. When two are apart both may ask: then there are two good certificates, and the newer one stays.
- Any of them answers the authority's challenge: HAProxy makes the answer from the challenge and the account's key.
- ``renew --now`` does not wait because an earlier attempt has failed; ``renew --force`` renews all, due or not, as
  after the theft of a key.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import http.client
import http.server
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import haproxy_certificates as served
from haproxy_certificates import Certificate, CertificateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STORE = Path(served.STORE)
STATE = STORE / "state.json"
ACCOUNT = Path("/etc/longshore/certificates/account.key")
RENEW = "longshore-certificates-renew.service"
HAPROXY = "longshore-haproxy.service"
# One change of this host's HAProxy at a time; the module haproxy_config takes the same lock.
HAPROXY_LOCK = "/run/longshore/haproxy.lock"
# A certificate is renewed when a third of its time is left, or up to a tenth earlier: so not all at once.
LEFT, SPREAD = 1 / 3, 1 / 10
# It is an alarm when so little is left: renewing has failed for weeks then.
ALARM = 1 / 6
# Seconds: of a request to another load balancer, of an attempt to get a certificate, and of the lease for one.
PATIENCE, ATTEMPT = 5.0, 300.0
LEASE = ATTEMPT + 60.0
# Seconds in which HAProxy starts.
STARTING = 30.0
# Seconds until a certificate that could not be had is asked for again: twice as many each time, at most half a day.
AGAIN, AT_MOST = 1800.0, 43200.0


class Failed(Exception):
    """What could not be done, and why."""


class Settings:
    """What all stacks on this server want.

    Attributes: ``wanted`` (file name → names, email, server, ca), ``member``, ``address``, ``port``,
    ``peers`` (name → address), ``tls`` (authority, certificate, key).
    """

    def __init__(self, base: Path = Path(served.BASE)) -> None:
        self.wanted: dict[str, dict[str, Any]] = {}
        self.peers: dict[str, str] = {}
        self.member, self.address, self.port = "", "", 0
        self.tls = {"authority": "", "certificate": "", "key": ""}
        for path in sorted(base.glob("*/acme.json")):
            one = json.loads(path.read_text(encoding="utf-8"))
            account = {part: one[part] for part in ("email", "server", "ca")}
            for each in one["certificates"]:
                self.wanted[f"{one['stack']}.{each['name']}.pem"] = {**each, **account}
            self.peers.update(one["peers"])
            self.member, self.address, self.port = one["member"], one["address"], one["port"]
            self.tls = {part: one[part] for part in self.tls}

    def context(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        """TLS between load balancers: both sides show a certificate of the internal authority."""
        context = ssl.create_default_context(purpose, cafile=self.tls["authority"])
        context.verify_mode = ssl.CERT_REQUIRED
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.tls["certificate"], self.tls["key"])
        return context


# ---------------------------------------------------------------------------------------------------------------------
# What is here.


def bundle(name: str) -> str:
    """A certificate that is here; empty when there is none."""
    return served.read(str(STORE / name))


def leaf(text: str) -> Certificate | None:
    """What a bundle's certificate says; None when there is none that can be read."""
    texts = served.certificates_in(text)
    try:
        return Certificate(texts[0]) if texts else None
    except CertificateError:
        return None


def index(settings: Settings) -> dict[str, dict[str, Any]]:
    """What this server has of what is wanted: file name → names, begins, ends, sha256."""
    known = {name: leaf(bundle(name)) for name in settings.wanted}
    return {
        name: {"names": one.names, "begins": one.begins, "ends": one.ends, "sha256": one.sha256}
        for name, one in known.items()
        if one is not None
    }


def why_due(name: str, wanted: dict[str, Any], now: float) -> str:
    """Why a certificate has to be asked for; empty when the one that is here is good."""
    one = leaf(bundle(name))
    if one is None:
        return "there is none"
    if one.names != sorted(wanted["names"]):
        return "it is for other names"
    lifetime = one.ends - one.begins
    # The same on every load balancer, and another for each certificate.
    spread = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    if one.ends - now <= lifetime * (LEFT + SPREAD * spread):
        return f"it ends on {moment(one.ends)}"
    return ""


def moment(seconds: float) -> str:
    """A time as people write it."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def failures() -> dict[str, dict[str, Any]]:
    """File name → count, error, at (when it failed last), next (when to try again)."""
    try:
        found: dict[str, dict[str, Any]] = json.loads(STATE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def remember(known: dict[str, dict[str, Any]]) -> None:
    """Keep what has failed."""
    served.write(str(STATE), json.dumps(known, indent=1, sort_keys=True) + "\n", 0o600, 0)


def status(settings: Settings) -> list[dict[str, Any]]:
    """What there is of each wanted certificate."""
    failed, now, told = failures(), time.time(), []
    for name, wanted in sorted(settings.wanted.items()):
        one, due = leaf(bundle(name)), why_due(name, wanted, now)
        alarm = one is None or one.ends - now < (one.ends - one.begins) * ALARM
        told.append(
            {
                "name": name.removesuffix(".pem"),
                "names": wanted["names"],
                "issuer": one.issuer if one else "",
                "ends": moment(one.ends) if one else "",
                "due": due,
                "alarm": bool(due) and alarm,
                "error": failed.get(name, {}).get("error", ""),
                "next": moment(failed[name]["next"]) if name in failed else "",
            }
        )
    return told


# ---------------------------------------------------------------------------------------------------------------------
# HAProxy on this server.


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """One at a time."""
    Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with Path(path).open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def await_haproxy() -> None:
    """Wait until HAProxy answers, if it is about to: what it has read just before is exchanged then."""
    until = time.monotonic() + STARTING
    starts = subprocess.run(["systemctl", "is-active", "--quiet", HAPROXY], check=False).returncode == 0
    while starts and time.monotonic() < until:
        with contextlib.suppress(OSError):
            served.ask("show version")
            return
        time.sleep(0.2)


def publish(settings: Settings) -> list[str]:
    """Have this server's HAProxy serve what is here, without a reload; what went wrong."""
    if not Path(served.DIRECTORY).is_dir():
        return []
    wrong = []
    await_haproxy()
    with locked(HAPROXY_LOCK):
        served.publish_thumbprint(served.read(str(ACCOUNT)))
        for name in settings.wanted:
            path, text = f"{served.DIRECTORY}/{name}", bundle(name)
            if not text or not Path(path).exists():
                continue
            try:
                if served.differs(path, text):
                    served.write(path, text)
                if served.exchange(path):
                    say(f"{name} is served")
            except CertificateError as error:
                wrong.append(str(error))
        served.publish_list(served.REDIRECTS, "acl", served.redirected(served.fragments()))
    return wrong


# ---------------------------------------------------------------------------------------------------------------------
# The other load balancers.


def asked(settings: Settings, address: str, method: str, path: str) -> tuple[int, str] | None:
    """Status and text of another load balancer's answer; None when it doesn't answer."""
    try:
        context = settings.context(ssl.Purpose.SERVER_AUTH)
        connection = http.client.HTTPSConnection(address, settings.port, timeout=PATIENCE, context=context)
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None


def take(settings: Settings) -> None:
    """Take from the others what they have newer, and what they know of failures."""
    failed = failures()
    for member, address in sorted(settings.peers.items()):
        answer = asked(settings, address, "GET", "/index")
        if answer is None or answer[0] != 200:
            say(f"{member} does not answer")
            continue
        told = json.loads(answer[1])
        for name, theirs in told["certificates"].items():
            if name in settings.wanted and _is_newer(name, theirs):
                _take_one(settings, member, name)
        for name, theirs in told["failures"].items():
            if theirs["at"] > failed.get(name, {}).get("at", 0):
                failed[name] = theirs
    now = time.time()
    wanted = settings.wanted
    remember({name: its for name, its in failed.items() if name in wanted and why_due(name, wanted[name], now)})


def _is_newer(name: str, theirs: dict[str, Any]) -> bool:
    one = leaf(bundle(name))
    return one is None or (theirs["begins"], theirs["sha256"]) > (one.begins, one.sha256)


def _take_one(settings: Settings, member: str, name: str) -> None:
    answer = asked(settings, settings.peers[member], "GET", f"/certificate?name={name}")
    if answer is None or answer[0] != 200:
        return
    wrong = served.problems(answer[1], time.time())
    if wrong:
        say(f"{name} of {member} is not taken: {'; '.join(wrong)}")
        return
    served.write(str(STORE / name), served.tidy(answer[1]), 0o600, 0)
    say(f"{name} is taken from {member}")


class Lease:
    """Whose turn it is to ask the authority, as this server's daemon and those of the others that answer see it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # All ask in one order: of two at once the first server lets one through.
        everybody = {**settings.peers, settings.member: settings.address}
        self._addresses = [everybody[name] for name in sorted(everybody)] if settings.peers else []

    def take(self) -> bool:
        """Whether nobody refuses."""
        query = f"/lease?holder={self._settings.member}&seconds={LEASE:.0f}"
        for address in self._addresses:
            answer = asked(self._settings, address, "POST", query)
            if answer is not None and answer[0] != 200:
                self.release()
                return False
        return True

    def release(self) -> None:
        """Give back what was granted."""
        for address in self._addresses:
            asked(self._settings, address, "DELETE", f"/lease?holder={self._settings.member}")


# ---------------------------------------------------------------------------------------------------------------------
# The authority.


def prepare_account(wanted: dict[str, Any], path: Path) -> Path:
    """Have lego use the account of all load balancers; gives the file without which it registers the key anew."""
    host = (urlsplit(wanted["server"]).netloc or wanted["server"]).replace(":", "_")
    account = path / "accounts" / host / wanted["email"]
    key = account / "keys" / f"{wanted['email']}.key"
    text = ACCOUNT.read_text(encoding="ascii")
    if served.read(str(key)) != text:
        key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (account / "account.json").unlink(missing_ok=True)
        served.write(str(key), text, 0o600, 0)
    return account / "account.json"


def issue(name: str, wanted: dict[str, Any]) -> None:
    """Get a certificate from the authority. Raises ``Failed`` with its words."""
    path = STORE / "lego"
    webroot = path / "webroot"
    webroot.mkdir(mode=0o700, parents=True, exist_ok=True)
    account = prepare_account(wanted, path)
    # HAProxy answers the challenge, so that lego's file is of no use; this way it opens no port.
    environment = dict(os.environ)
    command = [
        *("lego", "--accept-tos", "--path", str(path), "--server", wanted["server"], "--email", wanted["email"]),
        *("--key-type", "ec256", "--http", "--http.webroot", str(webroot)),
        *(word for each in wanted["names"] for word in ("--domains", each)),
        "run",
    ]
    if wanted["ca"]:
        environment["LEGO_CA_CERTIFICATES"] = wanted["ca"]
    code, output = _lego(command, environment, path)
    if code != 0 and "accountDoesNotExist" in output:
        # The authority has forgotten it, or is another one under the same name: then it is registered anew.
        account.unlink(missing_ok=True)
        code, output = _lego(command, environment, path)
    if code != 0:
        raise Failed(_reason(output))
    stem = path / "certificates" / wanted["names"][0].replace("*", "_")
    text = served.tidy(served.read(f"{stem}.crt") + served.read(f"{stem}.key"))
    wrong = served.problems(text, time.time())
    if wrong:
        raise Failed(f"the authority's certificate can't be used: {'; '.join(wrong)}")
    served.write(str(STORE / name), text, 0o600, 0)
    for left in path.glob(f"certificates/{stem.name}.*"):
        left.unlink()
    say(f"{name} is new, until {moment(Certificate(served.certificates_in(text)[0]).ends)}")


def _lego(command: list[str], environment: dict[str, str], path: Path) -> tuple[int, str]:
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=ATTEMPT, cwd=path
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"lego: {error}") from error
    return done.returncode, done.stderr + done.stdout


def _reason(output: str) -> str:
    """The telling lines of lego's output, as one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "rror" in line or "urn:ietf" in line] or lines[-2:]
    return " | ".join(telling[-3:])[:600] or "(no message)"


# ---------------------------------------------------------------------------------------------------------------------
# A round.


class Round:
    """What is to be asked for in one run; ``hurry`` and ``force`` as the options say."""

    def __init__(self, settings: Settings, hurry: bool, force: bool) -> None:
        self._settings = settings
        self._hurry, self._force = hurry or force, force
        self.began = time.time()

    def due(self) -> list[str]:
        """What has failed in this round, here or elsewhere, waits in any case."""
        failed, found = failures(), []
        for name, wanted in sorted(self._settings.wanted.items()):
            before = failed.get(name, {"at": 0, "next": 0})
            waits = before["at"] >= self.began if self._hurry else before["next"] > time.time()
            if not waits and (why_due(name, wanted, time.time()) or self._old(name)):
                found.append(name)
        return found

    def _old(self, name: str) -> bool:
        return self._force and (STORE / name).stat().st_mtime < self.began


def renew(settings: Settings, hurry: bool, force: bool) -> list[str]:
    """One round; what went wrong."""
    this = Round(settings, hurry, force)
    take(settings)
    wrong = publish(settings)
    issued = False
    lease = Lease(settings)
    while this.due():
        if not lease.take():
            if time.time() > this.began + LEASE + 60:
                return [*wrong, "another load balancer holds the lease"]
            time.sleep(2)
            take(settings)
            continue
        try:
            take(settings)
            for name in this.due():
                issued |= attempt(name, settings.wanted[name])
            if issued:
                wrong = publish(settings)
        finally:
            lease.release()
    wrong = publish(settings)
    if issued:
        for address in settings.peers.values():
            asked(settings, address, "POST", "/wake")
    told = [f"{name}: {its['error']}" for name, its in sorted(failures().items())]
    alarms = [f"{each['name']} ends on {each['ends']}" for each in status(settings) if each["alarm"] and each["ends"]]
    return [*wrong, *told, *alarms]


def attempt(name: str, wanted: dict[str, Any]) -> bool:
    """Ask for a certificate, and remember a failure; whether it is there."""
    failed = failures()
    try:
        issue(name, wanted)
    except (Failed, CertificateError, OSError) as error:
        count = failed.get(name, {}).get("count", 0) + 1
        now = time.time()
        wait = min(AT_MOST, AGAIN * 2 ** (count - 1))
        failed[name] = {"count": count, "error": str(error), "at": now, "next": now + wait}
        remember(failed)
        say(f"{name} could not be had: {error}")
        return False
    failed.pop(name, None)
    remember(failed)
    return True


def say(words: str) -> None:
    """A line for the journal."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


# ---------------------------------------------------------------------------------------------------------------------
# What the others ask for.


def look_at_once() -> None:
    """Have a round begin, in its own unit."""
    subprocess.run(["systemctl", "start", "--no-block", RENEW], check=False)


class Server(http.server.ThreadingHTTPServer):
    """HTTPS for load balancers alone."""

    daemon_threads = True

    def __init__(self, settings: Settings) -> None:
        self.address_family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
        self.lock = threading.Lock()
        self.holder, self.until = "", 0.0
        self._read = self._stamp(settings)
        self.context = settings.context(ssl.Purpose.CLIENT_AUTH)
        super().__init__((settings.address, settings.port), Handler)

    def refresh(self, settings: Settings) -> None:
        """Read the certificate when it is a new one."""
        stamp = self._stamp(settings)
        if stamp != self._read:
            self.context = settings.context(ssl.Purpose.CLIENT_AUTH)
            self._read = stamp

    def _stamp(self, settings: Settings) -> list[float]:
        return [Path(path).stat().st_mtime for path in settings.tls.values()]

    def grant(self, holder: str, seconds: float) -> bool:
        """Give the lease, unless another has it."""
        with self.lock:
            if self.until > time.monotonic() and self.holder != holder:
                return False
            self.holder, self.until = holder, time.monotonic() + seconds
            return True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who goes away, or shows no certificate, is none of our business."""


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 10

    def setup(self) -> None:
        """Speak TLS, in a thread of its own: who is slow holds nobody up."""
        self.settings = Settings()
        self.server.refresh(self.settings)
        self.request.settimeout(self.timeout)
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def do_GET(self) -> None:
        """What there is, and a certificate with its key."""
        name = self._asked("name")
        if not self._known():
            self._send(403, "")
        elif self._path == "/index":
            self._send(200, json.dumps({"certificates": index(self.settings), "failures": failures()}))
        elif self._path == "/certificate" and name in self.settings.wanted and bundle(name):
            self._send(200, bundle(name))
        else:
            self._send(404, "")

    def do_POST(self) -> None:
        """Grant the lease; look at once."""
        if not self._known():
            self._send(403, "")
        elif self._path == "/lease":
            seconds = min(float(self._asked("seconds") or 0), LEASE)
            self._send(200 if self.server.grant(self._asked("holder"), seconds) else 409, "")
        elif self._path == "/wake":
            look_at_once()
            self._send(200, "")
        else:
            self._send(404, "")

    def do_DELETE(self) -> None:
        """Take the lease back, when it is that holder's."""
        if self._known() and self._path == "/lease" and self._asked("holder") == self.server.holder:
            self.server.grant(self.server.holder, 0)
        self._send(200 if self._known() else 403, "")

    @property
    def _path(self) -> str:
        return urlsplit(self.path).path

    def _asked(self, name: str) -> str:
        return parse_qs(urlsplit(self.path).query).get(name, [""])[0]

    def _known(self) -> bool:
        """Whether a load balancer asks, by the address in its certificate."""
        certificate = self.request.getpeercert() or {}
        known = {ipaddress.ip_address(each) for each in (*self.settings.peers.values(), self.settings.address)}
        names = certificate.get("subjectAltName", ())
        return any(kind == "IP Address" and ipaddress.ip_address(text.strip()) in known for kind, text in names)

    def _send(self, code: int, text: str) -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: Any) -> None:  # noqa: A002 - its name in the library
        """The journal has what changes; who only looks is no news."""


def main(words: Iterable[str]) -> int:
    """What was asked for; 1 when something went wrong."""
    parser = argparse.ArgumentParser(description="Keeps the ACME certificates of the load balancers.")
    parser.add_argument("order", choices=["renew", "serve", "status"])
    parser.add_argument("--now", action="store_true")
    parser.add_argument("--force", action="store_true")
    given = parser.parse_args(list(words))
    settings = Settings()
    if given.order == "status":
        sys.stdout.write(json.dumps(status(settings)) + "\n")
        return 0
    if given.order == "serve":
        server = Server(settings)
        # What was renewed while this server was down is at the others.
        look_at_once()
        server.serve_forever()
        return 0
    with locked("/run/longshore/certificates.lock"):
        wrong = renew(settings, given.now, given.force)
    for line in wrong:
        say(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
