# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Valkey or a Sentinel answers, by valkey-cli(1). Private to the collection.

Passwords travel in the environment, never on the command line.
"""

from __future__ import annotations

from .host_change import HostError, attempt
from .waiting import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .run import Run

SENTINEL_PORT = 26379
# Seconds. Who is well answers at once.
PATIENCE = 3.0
# A Sentinel whose clock jumped, or that had no processor for two seconds, learns nothing for 30 s (its mode TILT).
RELEARNING = 75.0


class Valkey:
    """One server process. ``words`` are the options of valkey-cli that lead to it, ``password`` the user's."""

    def __init__(self, words: list[str], password: str) -> None:
        self._words = words
        self._password = password

    @classmethod
    def local(cls, name: str, password: str) -> Valkey:
        """The instance of this server, by its socket, as the user who may do everything."""
        return cls(["-s", f"/run/valkey-{name}/valkey.sock", "--user", "admin"], password)

    @classmethod
    def at(cls, address: str, port: int, authority: str, user: str, password: str) -> Valkey:
        """One that is reached by TLS."""
        return cls(["--tls", "--cacert", authority, "-h", address, "-p", str(port), "--user", user], password)

    def ask(self, *words: str, last: str | None = None) -> list[str]:
        """The lines of an answer; ``last`` is a last word that nobody is to see.

        Raises ``HostError`` when there is none, or an error.
        """
        argv = [
            "timeout",
            str(PATIENCE),
            "valkey-cli",
            "-e",
            *self._words,
            *(["-x"] if last is not None else []),
            *words,
        ]
        code, out, error = attempt(argv, given=last, environment={"REDISCLI_AUTH": self._password})
        if code != 0:
            said = (error or out).strip().splitlines()
            raise HostError(f"{words[0].lower()}: {said[-1] if said else 'no answer'}")
        return out.splitlines()

    def answers(self) -> bool:
        """Whether it does."""
        try:
            return self.ask("PING") == ["PONG"]
        except HostError:
            return False

    def refuses(self) -> bool:
        """Whether it is there, and knows another password."""
        try:
            self.ask("PING")
        except HostError as error:
            return any(word in str(error) for word in ("WRONGPASS", "NOAUTH"))
        return False

    def pairs(self, *words: str) -> dict[str, str]:
        """An answer that is a list of names and values."""
        return dict(self._in_order(*words))

    def _in_order(self, *words: str) -> Iterator[tuple[str, str]]:
        lines = self.ask(*words)
        return zip(lines[::2], lines[1::2])

    def records(self, *words: str) -> list[dict[str, str]]:
        """An answer that is a list of servers: what each is told to be."""
        found: list[dict[str, str]] = []
        # Flat: names and values, one server after the other, of each its name first.
        for key, value in self._in_order(*words):
            if key == "name":
                found.append({})
            found[-1][key] = value
        return found

    def listed(self, *words: str) -> list[str]:
        """The addresses in an answer that is a list of servers."""
        return [each["ip"] for each in self.records(*words)]

    def info(self, *sections: str) -> dict[str, str]:
        """What INFO tells: name → value; empty when it doesn't answer."""
        try:
            lines = self.ask("INFO", *sections)
        except HostError:
            return {}
        return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def only_at_a_start(said: str) -> bool:
    """Whether CONFIG SET refused a setting that is read only at a start; loadmodule and its like it does not know."""
    return any(words in said for words in ("immutable", "protected", "Unknown option"))


def is_primary(info: Mapping[str, str]) -> bool:
    """Whether INFO is a primary's."""
    return info.get("role") == "master"


def follows(info: Mapping[str, str]) -> bool:
    """Whether INFO is that of a replica that has its primary's data and gets what is new."""
    return info.get("role") == "slave" and info.get("master_link_status") == "up"


def relearn(sentinel: Valkey, name: str, others: int, replicas: int, work: Run) -> None:
    """Have a Sentinel forget who else there is, and wait until it knows so many again.

    The others do without it meanwhile.

    It learns of replicas from the primary every ten seconds, and of the others as they say hello, every two. Raises
    ``HostError`` when it has not after ``RELEARNING`` seconds.
    """

    def knows() -> bool:
        told = sentinel.pairs("SENTINEL", "MASTER", name)
        return int(told["num-other-sentinels"]) >= others and int(told["num-slaves"]) >= replicas

    sentinel.ask("SENTINEL", "RESET", name)
    until(knows, RELEARNING, work)
