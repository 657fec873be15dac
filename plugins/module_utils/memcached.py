# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instances of memcached on a server: what they run with, what they say, and how they are started and ended.

Private to the collection.
"""

from __future__ import annotations

import glob
import ipaddress
import os
import re
import shutil
import socket
import ssl
import time

from .host_change import HostError, attempt, last_lines, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from .run import Run

OPTIONS = "/etc/memcached"
UNITS = "/etc/systemd/system"
# Where systemd keeps what it was told of a unit.
_TOLD = "/etc/systemd/system.control"
_EVERYBODY = {"0.0.0.0/0", "::/0"}
_UNIT = "memcached-instance@{}.service"
# Seconds for one answer: it has all of it in memory.
_PATIENCE = 3.0
_NAME = re.compile(r"memcached-instance@(.+)\.service")


class Memcached:
    """One instance: ``name``, ``address``, ``port``, ``tls`` and the ``options`` with which it is to run.

    ``certificate`` is the file that it shows to clients, ``clients`` the addresses and networks that are let in.
    """

    def __init__(self, given: Mapping[str, Any], certificate: str = "", clients: Sequence[str] = ()) -> None:
        self.name: str = given["name"]
        self.unit = _UNIT.format(self.name)
        self._place = (given["address"], int(given["port"]))
        self._tls = bool(given["tls"])
        self._options = [str(option) for option in given.get("options") or []]
        self._certificate = certificate
        self._clients = clients

    def open_to_others(self) -> bool:
        """Whether others are let in than should be, or are kept out."""
        allowed = {ipaddress.ip_network(each) for each in _property(self.unit, "IPAddressAllow").split()}
        denied = set(_property(self.unit, "IPAddressDeny").split())
        return allowed != {ipaddress.ip_network(each) for each in self._clients} or not denied >= _EVERYBODY

    def let_in(self) -> None:
        """Let the clients in and nobody else."""
        # What runs goes by it only when it is told so: it would not by a new file.
        allowed = " ".join(self._clients)
        run(
            [
                "systemctl",
                "set-property",
                self.unit,
                "IPAddressDeny=any",
                "IPAddressAllow=",
                f"IPAddressAllow={allowed}",
            ]
        )

    def active(self) -> bool:
        """Whether it runs, or is about to."""
        return _property(self.unit, "ActiveState") not in ("inactive", "failed", "")

    def due(self) -> bool:
        """Whether it runs with other options than it should."""
        return self.active() and self._running_with() not in (None, self._options)

    def stale(self) -> bool:
        """Whether it shows clients another certificate than is in its file."""
        if not self._tls:
            return False
        try:
            with open(self._certificate, encoding="ascii") as file:
                own = ssl.PEM_cert_to_DER_cert(file.read().partition("-----END CERTIFICATE-----")[0] + _END)
            with self._connect() as connection:
                return isinstance(connection, ssl.SSLSocket) and connection.getpeercert(binary_form=True) != own
        except (OSError, ValueError):
            return False

    def ask(self, command: str) -> list[str]:
        """The lines of an answer. Raises ``OSError`` when there is none."""
        with self._connect() as connection:
            connection.sendall(f"{command}\r\n".encode())
            return _lines(connection)

    def stats(self, what: str = "") -> dict[str, str]:
        """Its numbers by name; empty when it does not answer."""
        try:
            lines = self.ask(f"stats {what}".strip())
        except OSError:
            return {}
        return dict(line.split(" ", 2)[1:] for line in lines if line.startswith("STAT ") and line.count(" ") > 1)

    def start(self, verb: str, deadline: float, work: Run) -> None:
        """``start`` or ``restart`` it, also at boot, and wait until it answers. Raises ``HostError`` with its log."""
        run(["systemctl", "enable", "--quiet", self.unit])
        if self.open_to_others():
            self.let_in()
        run(["systemctl", verb, "--no-block", self.unit])
        limit = time.monotonic() + deadline
        while not (self.stats() and self._running_with() == self._options):
            if time.monotonic() > limit:
                _code, log, _error = attempt(["journalctl", "--no-pager", "-o", "cat", "-n", "6", "-u", self.unit])
                raise HostError(f"{self.name} does not answer after {deadline:.0f} s. Its log ends: {last_lines(log)}")
            work.wait(0.1)

    def _running_with(self) -> list[str] | None:
        """The options of its process; None when there is none."""
        try:
            with open(f"/proc/{int(_property(self.unit, 'MainPID') or 0)}/cmdline", encoding="utf-8") as file:
                return file.read().split("\0")[1:-1]
        except OSError:
            return None

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._place, _PATIENCE)
        if not self._tls:
            return connection
        # It is this server's own, and its certificate is what is asked.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(connection)


_END = "-----END CERTIFICATE-----\n"


def _lines(connection: socket.socket) -> list[str]:
    """What comes until the end of an answer."""
    text = ""
    while not re.search(r"(?:^|\r\n)(?:END|OK|RESET|ERROR.*|(?:CLIENT|SERVER)_ERROR .*|VERSION .*)\r\n$", text):
        found = connection.recv(65536)
        if not found:
            raise OSError("it closed the connection")
        text += found.decode("utf-8", "replace")
    return text.split("\r\n")[:-1]


def others(prefix: str, names: Iterable[str]) -> list[str]:
    """The names of instances with this prefix on the server that are none of ``names``, sorted."""
    places = (f"{OPTIONS}/{prefix}*.env", f"{UNITS}/multi-user.target.wants/{_UNIT.format(prefix + '*')}")
    paths = [os.path.basename(path) for place in places for path in glob.glob(place)]
    found = {_name(path) for path in paths}
    return sorted(found - set(names))


def _name(file: str) -> str:
    unit = _NAME.fullmatch(file)
    return unit[1] if unit else file[: -len(".env")]


def end(name: str) -> None:
    """End an instance for good; what it had in memory is gone."""
    run(["systemctl", "disable", "--quiet", "--now", _UNIT.format(name)])
    if os.path.exists(f"{OPTIONS}/{name}.env"):
        os.unlink(f"{OPTIONS}/{name}.env")
    shutil.rmtree(f"{_TOLD}/{_UNIT.format(name)}.d", ignore_errors=True)
    run(["systemctl", "daemon-reload"])


def _property(unit: str, name: str) -> str:
    return run(["systemctl", "show", f"--property={name}", "--value", unit]).strip()
