# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers, and how to reach them."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import PrivateAttr

from .base import Flag, Model, Short, many, one
from .scalars import Address, IpAddress, Pairs, Port, Tag, Texts, matching

if TYPE_CHECKING:
    from .stack import Stack


class Ssh(Model):
    """How to log in. What a server leaves out comes from the file's ``ssh``."""

    user: str | None = one(
        "The user to log in as; one other than root needs sudo without a password. Default: root.",
        None,
        **matching(r"^[a-z_][a-z0-9_.-]*$", "must be a user's name such as ops"),
        max_length=32,
    )
    port: Port | None = one("The port of the SSH server. Default: 22.", None)
    key: str | None = one(
        "The private key's file, relative to the stack file; default: the agent's and ssh's own.", None
    )
    gateway: str | None = one(
        "The server (its name here), or a host (user@host:port), to go through.", None, max_length=255
    )
    known_hosts: str | None = one(
        "A known_hosts file; with it no other host key is accepted. Default: ssh's own, "
        "and a key is remembered when a server is seen for the first time.",
        None,
    )


class User(Model):
    """A person's account on every server."""

    keys: Texts = many("Public SSH keys, as ssh-keygen writes them; or files that hold them.", list)
    sudo: Flag = one("May become root without a password.", False)
    shell: str = one("The login shell.", "/bin/bash")
    groups: Texts = many("Further groups.", list)
    expires: str | None = one(
        "The last day of the account, such as 2027-01-31.",
        None,
        **matching(r"^\d{4}-\d\d-\d\d$", "must be a date such as 2027-01-31"),
    )
    state: Literal["present", "absent"] = one("absent removes the account; its home stays.", "present")


class Server(Model):
    """One machine."""

    address: Address = one("Where SSH reaches it: an IP address or a host name.")
    private_address: IpAddress | None = one(
        "The other servers use it, Swarm too; default: address, if that is an IP address.", None
    )
    public_address: IpAddress | None = one("DNS and routes use it.", None)
    public_address6: IpAddress | None = one("As public_address, for IPv6.", None)
    tags: Annotated[list[Tag], Short(lambda v: [v] if isinstance(v, str) else v, {"type": "string"})] = many(
        "What it is for. lb: runs a load balancer. build: builds images. db alone: runs no containers. "
        "All other tags are yours, for placement.",
        list,
    )
    manager: Flag | None = one("Whether it is a Swarm manager; by default the first 1, 3 or 5 servers are.", None)
    ssh: Ssh = many("How to log in, where it differs from the file's ssh.", Ssh)
    sysctl: Pairs = many("Kernel settings of this server alone.", dict)

    _name: str = PrivateAttr("")
    _stack: Stack | None = PrivateAttr(None)

    @property
    def name(self) -> str:
        """Its name in the stack file."""
        return self._name

    @property
    def private(self) -> str:
        """The address that the other servers use."""
        return self.private_address or self.address

    def connection(self) -> Connection:
        """How to reach it, with the file's defaults filled in."""
        if self._stack is None:
            raise RuntimeError("a server is connected to through the stack that was loaded")
        return connection(self._stack, self._name)


@dataclass(frozen=True)
class Hop:
    """A host on the way. ``key`` and ``known_hosts`` are absolute paths."""

    address: str
    port: int
    user: str
    key: Path | None
    known_hosts: Path | None

    def options(self) -> list[str]:
        """ssh's options for this host's keys."""
        if self.known_hosts is None:
            return ["-o", "StrictHostKeyChecking=accept-new"]
        return ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={self.known_hosts}"]


@dataclass(frozen=True)
class Connection(Hop):
    """How to reach one server; ``gateways`` is the way there, from here on."""

    gateways: tuple[Hop, ...] = ()

    def ssh_options(self) -> list[str]:
        """The options that ssh needs beside address, port, user and key.

        A ProxyCommand for each gateway, since ProxyJump hands neither key nor known_hosts on to the host between.
        """
        command = ""
        for hop in self.gateways:
            words = ["ssh", "-W", "%h:%p", "-o", "BatchMode=yes", "-p", str(hop.port), "-l", hop.user, *hop.options()]
            if hop.key is not None:
                words += ["-i", str(hop.key)]
            if command:
                # Each level of nesting expands the percent signs of the one within it once.
                words += ["-o", f"ProxyCommand={command.replace('%', '%%')}"]
            command = shlex.join([*words, hop.address])
        return [*self.options(), *(["-o", f"ProxyCommand={command}"] if command else [])]


def connection(stack: Stack, name: str) -> Connection:
    """How to reach the server ``name``; a gateway may have a gateway itself."""
    hop = _hop(stack, name)
    way: list[Hop] = []
    seen = {name}
    gateway = _gateway(stack, name)
    while gateway is not None and gateway not in seen:
        seen.add(gateway)
        way.insert(0, _hop(stack, gateway))
        gateway = _gateway(stack, gateway)
    return Connection(hop.address, hop.port, hop.user, hop.key, hop.known_hosts, tuple(way))


def _gateway(stack: Stack, name: str) -> str | None:
    server = stack.servers.get(name)
    if server is None:
        return None
    gateway = server.ssh.gateway or stack.ssh.gateway
    # The file's gateway is for the servers behind it, not for itself.
    return None if gateway == name else gateway


def _hop(stack: Stack, name: str) -> Hop:
    server = stack.servers.get(name)
    ssh = server.ssh if server is not None else Ssh()
    address, user, port = name, None, None
    if server is not None:
        address = server.address
    else:
        user, address, port = split_host(name)
    defaults = stack.ssh
    return Hop(
        address,
        port or ssh.port or defaults.port or 22,
        user or ssh.user or defaults.user or "root",
        resolved(stack.path, ssh.key or defaults.key),
        resolved(stack.path, ssh.known_hosts or defaults.known_hosts),
    )


def split_host(text: str) -> tuple[str | None, str, int | None]:
    """``user@host:port`` in its parts; user and port may be missing, an IPv6 address with a port stands in brackets."""
    user, at, host = text.rpartition("@")
    port: int | None = None
    if host.startswith("["):
        host, _, tail = host[1:].partition("]")
        tail = tail.removeprefix(":")
    elif host.count(":") == 1:
        host, _, tail = host.partition(":")
    else:
        tail = ""
    if tail.isdecimal() and len(tail) <= 5:
        port = int(tail)
    return (user if at else None), host, port


def names_a_file(key: str) -> bool:
    """Whether one of ``keys`` is a file: a key has blanks in it; a file that holds one has none in its name."""
    return " " not in key.strip()


def resolved(stack_file: Path, path: str | None) -> Path | None:
    """``path`` as an absolute one: ``~`` is the home, anything relative stands beside the stack file."""
    if path is None:
        return None
    # Not Path.expanduser: it raises for the home of somebody who isn't there.
    return Path(os.path.normpath(stack_file.parent / os.path.expanduser(path)))  # noqa: PTH111
