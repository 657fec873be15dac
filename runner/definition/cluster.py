# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers' side: Docker, Swarm, load balancers, and what a server gets beside containers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from .base import BOOLEAN, TEXT, Flag, Model, Short, many, one
from .edge import BalancerRoute, HeaderName, Logins, Maintenance, Metrics, Pages, Ports, Snippets, Sources
from .https import Tls
from .scalars import Address, Duration, Image, IpAddress, NetworkAddress, Port, Size, Texts, Whole, matching
from .service import Logging
from .values import SecretText
from .waf import BalancerFirewall


class AddressPool(Model):
    """Addresses for Docker's networks of one server."""

    base: NetworkAddress = one("The whole range.")
    size: Whole = one("The prefix length of each network from it.", ge=8, le=128)


class Prune(Model):
    """Removal of what no container uses."""

    images: Flag = one("Unused images.", True)
    keep: Duration = one("What was used in this time stays.", 604800.0)
    build_cache: Size = one("The cache of builds keeps so much; what was used least recently goes.", 10 * 1024**3)


def pruning(value: Any) -> Any:
    """true and false as a mapping."""
    return {"images": value} if isinstance(value, bool) else value


class Docker(Model):
    """Docker on every server."""

    source: Literal["debian", "docker"] = one(
        "Whose packages: the distribution's docker.io, or Docker's own docker-ce.", "debian"
    )
    repository: str | None = one(
        "With source docker: a mirror of Docker's repository.",
        None,
        **matching(r"^https?://[^\s/]+(/[^\s/]+)*$", "must be a URL without a slash at its end"),
    )
    repository_key: str | None = one(
        "Checksum of the file gpg in that repository; default: of Docker's own key.",
        None,
        **matching(r"^sha256:[0-9a-f]{64}$", "must be sha256: and 64 hexadecimal digits"),
    )
    version: str | None = one("The packages' version; default: the newest, once.", None)
    registry_mirrors: Texts = many("URLs of mirrors of Docker Hub.", list)
    insecure_registries: Texts = many("Registries without TLS.", list)
    default_address_pools: list[AddressPool] = many("Ranges for networks of one server.", list)
    log: Logging | None = one("The log driver; default: local, 5 files of 10 MB.", None)
    daemon: dict[str, Any] = many("Further keys of daemon.json.", dict)
    prune: Annotated[Prune, Short(pruning, {"type": "boolean"})] = many(
        "Removes images that nothing needs once a day; false leaves all.", Prune
    )


class Swarm(Model):
    """The cluster."""

    address_pools: list[NetworkAddress] = many("Ranges for overlay networks; hard to change later.", list)
    subnet_size: Whole = one("The prefix length of each overlay network.", 20, ge=8, le=30)
    heartbeat: Duration = one("How often a server says that it is alive.", 2.0, ge=1)
    task_history: Whole = one("Ended tasks kept for each slot.", 5, ge=0, le=1000)
    certificate_expiry: Duration = one("Lifetime of a node's certificate.", 7776000.0, ge=3600)


class Stats(Model):
    """HAProxy's statistics page."""

    address: Address = one("The address that it listens on.", "127.0.0.1")
    port: Port = one("Its port.", 8404)
    user: str = one(
        "The user.",
        "longshore",
        **matching(r"^[A-Za-z0-9._-]+$", "must be letters, digits, '.', '_' and '-'"),
        max_length=64,
    )
    password: SecretText | None = one("The password; needed unless the address is a loopback one.", None)


class RateLimit(Model):
    """Requests that one client may make."""

    requests: Whole = one("So many requests (0: any number)", ge=0, le=1_000_000_000)
    per: Duration = one("in this time.", 60.0, ge=1, le=86400)
    ignore: Annotated[list[NetworkAddress], Short(lambda v: [v] if isinstance(v, str) else v, TEXT)] = many(
        "Addresses and networks that are not counted, beside the stack's servers and those of bans.", list
    )
    answer: Literal["429", "tarpit"] = one(
        "What more requests are answered: 429 at once, or tarpit, the same after ten seconds.", "429"
    )


def unlimited(value: Any) -> Any:
    """false as no limit."""
    return {"requests": 0} if value is False else value


class LoadBalancer(Model):
    """HAProxy on every server tagged lb."""

    routes: list[BalancerRoute] = many("Redirects, and requests for servers outside the cluster.", list)
    ports: Ports = many("Ports that pass TCP on: '5222:chat', PORT:SERVICE.", list)
    logins: Logins = many(
        "Lists of users for auth of routes: names and hashed passwords, such as openssl passwd -5 makes.", dict
    )
    pages: Pages = many(
        "Files with HTML instead of HAProxy's own answers, by status or maintenance; 14 KiB each.", dict
    )
    maintenance: Maintenance = many("While the stack is under maintenance.", Maintenance)
    snippets: Snippets = many("Lines of HAProxy's own configuration.", Snippets)
    metrics: Annotated[Metrics, Short(lambda v: {} if v is True else v, BOOLEAN)] | None = one(
        "HAProxy's figures for Prometheus; true: on 127.0.0.1:8405.", None
    )
    trusted_proxies: Sources = many(
        "Load balancers and content networks before this one: they alone are believed what a visitor's address is.",
        list,
    )
    client_header: HeaderName = one("The header in which they tell it.", "X-Forwarded-For")
    accept_proxy: Sources = many("Addresses whose connections always begin with the PROXY protocol.", list)

    image: Image = one("HAProxy's image.", "haproxy:3.0")
    http_port: Port = one("The port for HTTP.", 80)
    stats: Stats = many("The statistics page.", Stats)
    maxconn: Whole | None = one("Connections at a time; default: HAProxy's own.", None, ge=1)
    drain: Duration = one("An old process ends its connections in this time after a reload.", 900.0)
    https_port: Port = one("The port for HTTPS.", 443)
    virtual_ip: Annotated[list[IpAddress], Short(lambda v: [v] if isinstance(v, str) else v, TEXT)] = many(
        "Addresses that move to a living load balancer.", list
    )
    virtual_ip_interface: str | None = one(
        "The interface that has them; default: the one with an address of the same network.",
        None,
        **matching(r"^[A-Za-z0-9._@-]{1,15}$", "must be the name of an interface, of at most 15 characters"),
    )
    tls: Tls | None = one("HTTPS.", None)
    waf: BalancerFirewall | None = one(
        "Requests to all routes are judged first; false: to none, and what judged ends.", None
    )
    rate_limit: Annotated[RateLimit | None, Short(unlimited, {"const": False})] = one(
        "Requests that one client may make; false: any number. Default: 1,500 per minute where there are bans.", None
    )


class UnattendedUpgrades(Model):
    """The distribution's security updates."""

    enabled: Flag = one("Install them every day.", True)
    reboot: Flag = one("Restart a server that needs it.", False)
    reboot_time: str = one("When.", "04:00", **matching(r"^[0-2][0-9]:[0-5][0-9]$", "must be a time such as 04:00"))


def upgrades(value: Any) -> Any:
    """true and false as a mapping."""
    return {"enabled": value} if isinstance(value, bool) else value
