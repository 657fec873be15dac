# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is kept out for what he tried: bans, on every server of the stack."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from .base import BOOLEAN, INTEGER, Flag, Model, Short, many, one
from .scalars import Duration, NetworkAddress, Whole, is_ip, matching

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .stack import Stack

# Requests of one address in a minute, where bans are on and the file says nothing else: Cloud 66's figure.
REQUESTS_A_MINUTE = 1500

WatchedPath = Annotated[
    str,
    StringConstraints(
        **matching(
            r"^(?:/[A-Za-z0-9._~!$&()*+,;=:@-]*)+$|^[A-Za-z0-9._~-]+$",
            "must be a path such as /admin, or a part of one such as login",
        ),
        max_length=200,
    ),
]
Status = Annotated[int, Field(ge=400, le=599)]


def _jail(value: Any) -> Any:
    """false: never; a number: so many attempts."""
    if value is False:
        return {"attempts": 0}
    return {"attempts": value} if isinstance(value, int) and not isinstance(value, bool) else value


class _Jail(Model):
    attempts: Whole = one("So many attempts lead to a ban; 0: never.", ge=0, le=100_000)
    within: Duration = one("In this time.", 600.0, ge=1)


class OfSsh(_Jail):
    """Failed logins by SSH."""

    attempts: Whole = one(
        "So many lines of sshd about failed logins lead to a ban; a wrong password makes two. 0: never.",
        5,
        ge=0,
        le=100_000,
    )


class OfLogins(_Jail):
    """Failed logins to services that have routes."""

    attempts: Whole = one("So many failed logins lead to a ban; 0: never.", 20, ge=0, le=100_000)
    statuses: list[Status] | None = one("What a failed login is answered; default: 401 and 403.", None, min_length=1)
    paths: list[WatchedPath] | None = one(
        "Where logins are: /admin and what is below it; login as a part of any path; / for every path. "
        "Default: the usual names.",
        None,
        min_length=1,
    )


class OfScanners(_Jail):
    """Requests for what only scanners ask for, such as /.env, where it is not served."""

    attempts: Whole = one("So many such requests lead to a ban; 0: never.", 10, ge=0, le=100_000)
    paths: list[WatchedPath] | None = one("What they ask for, as in logins; default: a list.", None, min_length=1)


class OfFloods(_Jail):
    """Requests that load_balancer.rate_limit refused."""

    attempts: Whole = one("So many refused requests lead to a ban; 0: never.", 100, ge=0, le=100_000)
    within: Duration = one("In this time.", 60.0, ge=1)


class OfAttacks(_Jail):
    """Requests that the web application firewall refused (load_balancer.waf)."""

    attempts: Whole = one("So many refused requests lead to a ban; 0: never.", 10, ge=0, le=100_000)


class OfRepeated(_Jail):
    """Whoever is banned again and again."""

    attempts: Whole = one("So many bans lead to a long one; 0: never.", 5, ge=0, le=100_000)
    within: Duration = one("In this time.", 86400.0, ge=1)
    duration: Duration = one("The long ban.", 604800.0, ge=1)


_SHORT = Short(_jail, BOOLEAN, INTEGER)


class Bans(Model):
    """Bans by fail2ban, for all ports of a server, those of containers too."""

    enabled: Flag = one("false: nobody is banned, and who was is so no more.", True)
    ignore: Annotated[list[NetworkAddress], Short(lambda v: [v] if isinstance(v, str) else v, {"type": "string"})] = (
        many(
            "Addresses and networks that are never banned, such as your office's. The stack's servers and where "
            "Longshore runs never are.",
            list,
        )
    )
    duration: Duration = one("A first ban; each further one is twice as long.", 600.0, ge=10)
    longest: Duration = one("The longest ban.", 604800.0, ge=10)
    ssh: Annotated[OfSsh, _SHORT] = many("Failed logins by SSH.", OfSsh)
    logins: Annotated[OfLogins, _SHORT] = many("Failed logins to services that have routes.", OfLogins)
    scanners: Annotated[OfScanners, _SHORT] = many("Requests for what only scanners ask for.", OfScanners)
    floods: Annotated[OfFloods, _SHORT] = many("Requests that load_balancer.rate_limit refused.", OfFloods)
    attacks: Annotated[OfAttacks, _SHORT] = many(
        "Requests that the web application firewall refused (load_balancer.waf).", OfAttacks
    )
    repeated: Annotated[OfRepeated, _SHORT] = many("Whoever is banned again and again.", OfRepeated)


def switch(value: Any) -> Any:
    """true and false as a mapping."""
    return {"enabled": value} if isinstance(value, bool) else value


def own_addresses(stack: Stack) -> list[str]:
    """The addresses of the stack's servers, as far as the file has them: a name is not looked up."""
    found = [
        address
        for server in stack.servers.values()
        for address in (server.address, server.private, server.public_address, server.public_address6)
        if address is not None and is_ip(address)
    ]
    return list(dict.fromkeys(found))


def asked(stack: Stack, texts: Iterable[str], *, banned: bool) -> list[str]:
    """Addresses and networks as they are to be written.

    Raises ``ValueError`` for what is neither, and when it is to be ``banned`` and must not be.
    """
    spared = [ipaddress.ip_network(text) for text in own_addresses(stack)]
    if stack.bans is not None:
        spared += [ipaddress.ip_network(text) for text in stack.bans.ignore]
    found = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is neither an IP address nor a network such as 192.0.2.0/24") from error
        for other in spared if banned else ():
            if network.version == other.version and network.overlaps(other):
                raise ValueError(f"{text} is never banned: {other} is a server of the stack, or in bans.ignore")
        found.append(str(network.network_address if network.num_addresses == 1 else network))
    return found


def seconds(text: str) -> int:
    """A duration such as ``2h`` in seconds; ``ever`` is -1. Raises ``ValueError`` for anything else."""
    if text == "ever":
        return -1
    try:
        found = TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise ValueError(f"{text!r} is no duration such as 2h or 7d, nor 'ever'") from error
    return max(1, round(found))
