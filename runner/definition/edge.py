# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What load balancers do with requests and connections: routes, ports, pages."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .base import BOOLEAN, NULL, TEXT, Flag, Model, Short, many, one
from .scalars import Address, Duration, Port, RouteHost, ServiceName, UrlPath, Whole, matching
from .values import SecretText
from .waf import RouteFirewall

# A rewriting rule's own signs have no place in the new path.
_NEW_PATH = matching(r"^/[A-Za-z0-9\-._~!$&()*+,;=:@%/]*$", "must be a URL's path: '/' first, no '?', no blanks")
_TARGET = matching(
    r"^(?:(?:https?:)?//(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[^\s'\"\\]*)?|/[^\s'\"\\/]?[^\s'\"\\]*)$",
    "must be a URL, '//' and a host (the scheme stays), or a path",
)
_LIST = matching(r"^[A-Za-z0-9_-]+$", "must be letters, digits, '_' and '-'")


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _source(value: Any) -> Any:
    """An address or a network, in its short form."""
    try:
        if isinstance(value, str):
            network = ipaddress.ip_network(value)
            return str(network.network_address if network.num_addresses == 1 else network)
    except ValueError as error:
        if "host bits" in str(error):
            raise ValueError(f"must be {ipaddress.ip_interface(value).network}, or an address without '/'") from error
    raise ValueError("must be an address or a network such as 192.0.2.0/24")


Sources = Annotated[list[Annotated[str, Short(_source)]], Short(_several, TEXT)]
HeaderName = Annotated[str, Field(max_length=100, **_LIST)]
HeaderValue = Annotated[str, Field(max_length=1500, **matching(r"^[^\x00-\x1f\x7f]*$", "must be one line"))]
Headers = Annotated[dict[HeaderName, HeaderValue | None], Short(lambda value: value, entries=(NULL,))]


def _wanted(value: Any) -> Any:
    """true and null ask that a header is there at all."""
    if not isinstance(value, dict):
        return value
    return {name: "*" if item is None or item is True else item for name, item in value.items()}


class Match(Model):
    """Requests of a kind."""

    methods: Annotated[
        list[Annotated[str, Field(**matching(r"^[A-Z][A-Z-]*$", "must be a method such as GET"))]],
        Short(_several, TEXT),
    ] = many("Methods such as GET.", list)
    headers: Annotated[
        dict[HeaderName, Annotated[str, Field(max_length=300)]], Short(_wanted, entries=(BOOLEAN, NULL))
    ] = many("Headers and their values: v* is any that begins so, * any at all.", dict)

    @model_validator(mode="after")
    def _some(self) -> Match:
        if not self.methods and not self.headers:
            raise ValueError("needs methods or headers")
        return self


class Redirect(Model):
    """Another address instead of an answer."""

    to: str = one(
        "A URL, '//' and a host (the scheme stays), or a path; the route's own path is replaced by its path.", **_TARGET
    )
    code: Literal[301, 302, 303, 307, 308] = one("The status.", 308)
    keep: Flag = one("The rest of the path and the query follow.", True)


class RouteAuth(Model):
    """Who may pass, by a name and a password."""

    users: str = one("A list of load_balancer.logins.", **_LIST)
    realm: str = one(
        "What the browser shows.",
        "restricted",
        min_length=1,
        max_length=100,
        **matching(r"^[^\x00-\x1f]*$", "one line"),
    )


class Verify(Model):
    """Whose certificate is right."""

    name: Address | None = one("The name in it.", None)
    ca: str | None = one("A file with the authority's certificate; default: the usual authorities.", None, min_length=1)

    @model_validator(mode="after")
    def _some(self) -> Verify:
        if self.name is None and self.ca is None:
            raise ValueError("needs name, ca or both")
        return self


class Timeouts(Model):
    """How long is waited; what is left out is as everywhere."""

    connect: Duration | None = one("For a connection to a task; default: 2s.", None, gt=0)
    server: Duration | None = one("While a task is silent within its answer; default: 60s.", None, gt=0)
    queue: Duration | None = one("For a task that is free; default: 10s.", None, gt=0)
    tunnel: Duration | None = one("While a WebSocket is silent; default: 1h.", None, gt=0)


def _verify_form(value: Any) -> Any:
    """A name alone."""
    return {"name": value} if isinstance(value, str) else value


def _users_form(value: Any) -> Any:
    return {"users": value} if isinstance(value, str) else value


def _to_form(value: Any) -> Any:
    return {"to": value} if isinstance(value, str) else value


class Upstream(Model):
    """How a load balancer speaks with what is behind it."""

    balance: Literal["roundrobin", "leastconn", "random", "source"] = one("Who gets the next request.", "roundrobin")
    scheme: Literal["http", "https", "h2c"] = one(
        "What is spoken: https (HTTP/2 where the task can), or h2c, HTTP/2 without TLS, for gRPC.", "http"
    )
    verify: Annotated[Verify, Short(_verify_form, TEXT)] | Literal[False] | None = one(
        "With https: whose certificate is right; false: any.", None
    )
    send_proxy: Literal["v1", "v2"] | None = one("Each connection begins with the PROXY protocol.", None)
    maxconn: Whole | None = one("Requests at once that one task gets; others wait.", None, ge=1, le=1_000_000)
    slow_start: Duration | None = one("In this time a task that is new gets its full share.", None, gt=0)
    compression: Flag = one("Texts are compressed for browsers that can read it.", False)
    timeouts: Timeouts = many("How long is waited.", Timeouts)

    @model_validator(mode="after")
    def _known(self) -> Upstream:
        if self.verify is not None and self.scheme != "https":
            raise ValueError("verify belongs to scheme: https")
        return self


_STICKY = {"true": "cookie", "yes": "cookie", "on": "cookie", "false": "none", "no": "none", "off": "none"}


def _sticky_form(value: Any) -> Any:
    """true for a cookie, false for none."""
    return _STICKY.get(str(value).lower(), value) if isinstance(value, str | bool) else value


class RouteRules(Upstream):
    """Requests, and what is done with them."""

    host: RouteHost = one("The host name; *.example.org for all below it; left out: every other name.", "")
    path: UrlPath = one("Requests whose path begins so.", "/")
    match: Match | None = one("Only requests of this kind; tried before the route without, in the file's order.", None)
    sticky: Annotated[Literal["none", "cookie", "source"], Short(_sticky_form, BOOLEAN)] = one(
        "A visitor stays with one task: by a cookie (or true), or by the address (source).", "none"
    )
    rewrite: str | None = one("What the task sees instead of path; / takes it away.", None, **_NEW_PATH)
    allow: Sources = many("Only these addresses and networks get in; others get 403.", list)
    deny: Sources = many("These get 403.", list)
    auth: Annotated[RouteAuth, Short(_users_form, TEXT)] | None = one("Asks for a name and a password.", None)
    waf: RouteFirewall | None = one("Requests are judged first; false: not, though load_balancer.waf says so.", None)
    request_headers: Headers = many("Headers that the task gets; null removes one.", dict)
    response_headers: Headers = many("Headers that the visitor gets, with errors too; null removes one.", dict)

    @property
    def stays(self) -> bool | str:
        """``sticky`` as the load balancers' role takes it."""
        return "source" if self.sticky == "source" else self.sticky == "cookie"


class StaticServer(Model):
    """A server outside the cluster."""

    address: Address = one("Its address or name.")
    port: Port = one("Its port.")
    weight: Whole | None = one("Its share beside the others'; 0: none.", None, ge=0, le=256)
    backup: Flag = one("Only when no other is left.", False)


def _server_form(value: Any) -> Any:
    """``address:port``."""
    if not isinstance(value, str):
        return value
    address, _, port = value.rpartition(":")
    if not address or not port.isdecimal():
        raise ValueError("must be address:port, such as 192.0.2.7:8080 or '[2001:db8::7]:8080'")
    return {"address": address.strip("[]"), "port": int(port[:6])}


Servers = list[Annotated[StaticServer, Short(_server_form, TEXT)]]


class BalancerRoute(RouteRules):
    """Requests that lead to no service: to another address, or to servers outside."""

    redirect: Annotated[Redirect, Short(_to_form, TEXT)] | None = one("Answered with another address.", None)
    servers: Servers = many("Servers outside the cluster, as address:port.", list)
    check: str | None = one(
        "A path that answers 2xx or 3xx while a server is well; default: it accepts connections.",
        None,
        **matching(r"^/[A-Za-z0-9\-._~!$&()*+,;=:@%/?]*$", "must be a URL's path: '/' first, no blanks"),
    )

    @model_validator(mode="after")
    def _one(self) -> BalancerRoute:
        if (self.redirect is None) == (not self.servers):
            raise ValueError("needs exactly one of redirect and servers")
        if self.redirect is not None:
            others = self.model_fields_set - {"host", "path", "match", "redirect"}
            if others:
                raise ValueError(f"{', '.join(sorted(others))} can't stand beside redirect")
        return self


class TcpPort(Model):
    """A port of the load balancers that passes TCP on, whatever is spoken on it."""

    published: Port = one("The port.")
    service: ServiceName | None = one("Whose tasks get the connections.", None)
    target: Port | None = one("The port of its containers; default: published.", None)
    servers: Servers = many("Servers outside the cluster instead of a service, as address:port.", list)
    balance: Literal["roundrobin", "leastconn", "random", "source"] = one("Who gets the next connection.", "leastconn")
    allow: Sources = many("Only these addresses and networks may connect.", list)
    deny: Sources = many("These may not.", list)
    timeout: Duration | None = one("How long a connection may be silent; default: 1h.", None, gt=0)
    send_proxy: Literal["v1", "v2"] | None = one("Each connection begins with the PROXY protocol.", None)
    maxconn: Whole | None = one("Connections at once that one task gets; others wait.", None, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _one(self) -> TcpPort:
        if (self.service is None) == (not self.servers):
            raise ValueError("needs exactly one of service and servers")
        if self.target is not None and self.service is None:
            raise ValueError("target belongs to service")
        return self


def _port_form(value: Any) -> Any:
    """``5222:chat`` and ``5222:chat:5223``."""
    if not isinstance(value, str):
        return value
    published, _, rest = value.partition(":")
    service, _, target = rest.partition(":")
    if not published.isdecimal() or not service or (target and not target.isdecimal()):
        raise ValueError("must be PORT:SERVICE or PORT:SERVICE:PORT, such as '5222:chat'")
    return {"published": int(published[:6]), "service": service, **({"target": int(target[:6])} if target else {})}


Ports = list[Annotated[TcpPort, Short(_port_form, TEXT)]]
Logins = dict[
    Annotated[str, Field(max_length=40, **_LIST)],
    dict[
        Annotated[str, Field(max_length=64, **matching(r"^[A-Za-z0-9._@-]+$", "must be letters, digits and '._@-'"))],
        SecretText,
    ],
]
Pages = dict[
    Annotated[
        str,
        Field(
            **matching(
                r"^(?:40[01345780]|41[03]|42[59]|50[0-4]|maintenance)$",
                "must be a status that HAProxy answers with, or maintenance",
            )
        ),
    ],
    Annotated[str, Field(min_length=1)],
]


class Maintenance(Model):
    """While the stack is under maintenance (``longshore maintenance on``)."""

    allow: Sources = many("These addresses and networks get in all the same.", list)
    retry_after: Duration = one("Others should ask again after this time.", 300.0, ge=1, le=86400)


class Metrics(Model):
    """HAProxy's figures for Prometheus, at /metrics."""

    address: Address = one("The address that it listens on.", "127.0.0.1")
    port: Port = one("Its port.", 8405)


class Snippets(Model):
    """Lines of HAProxy's own configuration. It reads them before they go live; no place for secrets."""

    # Under a name that is no word of Python's.
    of_global: str | None = one("At the end of the section global.", None, alias="global")
    defaults: str | None = one("At the end of the section defaults of HTTP.", None)
    frontend: str | None = one("At the end of the frontend of HTTP.", None)
    backend: dict[ServiceName, str] = many("At the end of a service's backends, by the service's name.", dict)
    sections: str | None = one("Whole sections, such as cache or peers.", None)


# A size that a page may have (haproxy_pages.LONGEST).
PAGE_BYTES = 14 * 1024
