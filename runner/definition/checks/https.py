# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of the load balancers: files that can be read, and one for every host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..https import covers, names_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..https import Tls
    from ..stack import Stack
    from .context import Context

Path = tuple[str | int, ...]
_TLS = ("load_balancer", "tls")
# A certificate's common name, which lego writes too (RFC 5280, ub-common-name).
_LONGEST = 64


def files(stack: Stack) -> Iterator[tuple[Path, str]]:
    """The place in the file and the name of each file that is named."""
    tls = stack.load_balancer.tls
    if tls is None:
        return
    for index, each in enumerate(tls.certificates):
        yield (*_TLS, "certificates", index, "certificate"), each.certificate
        if each.key is not None:
            yield (*_TLS, "certificates", index, "key"), each.key
    if tls.acme is not None and tls.acme.ca is not None:
        yield (*_TLS, "acme", "ca"), tls.acme.ca


def check(context: Context) -> None:
    """Check that every host of a route has a certificate, or can get one."""
    balancer = context.stack.load_balancer
    tls = balancer.tls
    if tls is None:
        if "https_port" in balancer.model_fields_set:
            context.complain(("load_balancer", "https_port"), "is of no use without tls", "write tls too", key=True)
    elif tls.acme is None and not tls.certificates:
        context.complain(_TLS, "has no certificate", "give acme or certificates", key=True)
    elif (held := _held(context, tls)) is not None:
        for name, service in context.whole_services():
            for index, route in enumerate(service.routes):
                if route.host and not any(covers(names, route.host) for names in held):
                    _uncovered(context, tls, ("services", name, "routes", index), route.host)


def _uncovered(context: Context, tls: Tls, place: Path, host: str) -> None:
    """Say what there is to say of a host for which no certificate is given."""
    if tls.acme is None:
        context.notice(place, f"no certificate is for {host}: who comes by https gets a wrong one")
    elif host.startswith("*."):
        hint = "give a certificate for it in load_balancer.tls.certificates"
        context.complain(place, f"for {host} an authority wants a challenge in DNS, which is not supported yet", hint)
    elif "." not in host:
        context.complain(place, f"no authority gives a certificate for {host}", "give one for it")
    elif len(host) > _LONGEST:
        context.complain(place, f"{host} is longer than {_LONGEST} characters", "give a certificate for it")


def _held(context: Context, tls: Tls) -> list[list[str]] | None:
    """The names of the given certificates; None when one of them can't be read."""
    held = []
    for index, each in enumerate(tls.certificates):
        place: Path = (*_TLS, "certificates", index)
        try:
            held.append(names_of(context.stack, each))
        except ValueError as error:
            if not any(problem.path.startswith(".".join(map(str, place))) for problem in context.problems):
                hint = "Vault may hold the key alone: give certificate and key"
                context.complain(place, str(error), hint)
            return None
    return held
