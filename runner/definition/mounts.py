# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service mounts and publishes: volumes, tmpfs, secrets, configs, ports."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from .base import INTEGER, TEXT, Flag, Model, Short, many, one
from .scalars import AbsolutePath, Mode, Port, Size, Whole, expand_range, matching

_PORT = re.compile(r"(?:(?P<published>[0-9-]+):)?(?P<target>[0-9-]+)(?:/(?P<protocol>[a-z]+))?")


class TmpfsOptions(Model):
    """Options of a tmpfs mount."""

    size: Size | None = one("At most this many bytes.", None)
    mode: Mode | None = one("The directory's mode, in octal.", None)


class Mount(Model):
    """A volume, a directory of the server, or memory, at a path in the container."""

    type: Literal["volume", "bind", "tmpfs"] = one("What is mounted.", "volume")
    source: str | None = one("The volume's name; or the directory on the server (bind).", None, min_length=1)
    target: AbsolutePath = one("The path in the container.")
    read_only: Flag = one("The container can't write to it.", False)
    tmpfs: TmpfsOptions = many("Options of a tmpfs.", TmpfsOptions)


def mount(value: Any) -> Any:
    """``uploads:/srv/uploads:ro`` as a mapping."""
    if not isinstance(value, str):
        return value
    source, colon, rest = value.partition(":")
    if not colon:
        raise ValueError("needs a volume's name: 'name:/path' (a volume without a name could not be found again)")
    target, _, options = rest.partition(":")
    result: dict[str, Any] = {"source": source, "target": target}
    if source.startswith(("/", ".", "~")):
        result["type"] = "bind"
    for option in filter(None, options.split(",")):
        if option not in ("ro", "rw"):
            raise ValueError(f"the option '{option[:40]}' is not known (ro and rw are)")
        result["read_only"] = option == "ro"
    return result


def tmpfs(value: Any) -> Any:
    """``/run:size=64m,mode=1777`` as a mapping."""
    if not isinstance(value, str):
        return value
    target, _, options = value.partition(":")
    settings: dict[str, Any] = {}
    for option in filter(None, options.split(",")):
        name, _, text = option.partition("=")
        if name not in ("size", "mode"):
            raise ValueError(f"the option '{name[:40]}' is not known (size and mode are)")
        settings[name] = f"0{text.lstrip('0')}" if name == "mode" else text
    return {"type": "tmpfs", "target": target, "tmpfs": settings}


class Grant(Model):
    """A secret or a config as a file in the container."""

    source: str = one("Its name at the top of the file.")
    target: str | None = one(
        "The file's path; a bare name stands in /run/secrets (a config: in /).", None, min_length=1
    )
    uid: str = one(
        "The file's owner, a number.",
        "0",
        **matching(r"^[0-9]{1,10}$", "must be a number; names are the image's own business"),
    )
    gid: str = one(
        "The file's group, a number.",
        "0",
        **matching(r"^[0-9]{1,10}$", "must be a number; names are the image's own business"),
    )
    mode: Mode | None = one("The file's mode, in octal; default: 0400 (a config: 0444).", None)


def grant(value: Any) -> Any:
    """A name alone as a mapping."""
    return {"source": value} if isinstance(value, str) else value


class PortMapping(Model):
    """A port of the container on the servers it runs on; a range keeps its length."""

    target: Port = one("The port in the container.")
    published: Port | None = one("The port on the server; left out, Docker chooses one.", None)
    protocol: Literal["tcp", "udp", "sctp"] = one("tcp, udp or sctp.", "tcp")
    mode: Literal["host"] = one(
        "host: the servers that run a task answer. There is no routing mesh: it hides the "
        "visitors' addresses; HTTP goes through routes.",
        "host",
    )
    name: str | None = one("What it is for; a remark.", None)
    app_protocol: str | None = one("What is spoken on it; a remark.", None)
    count: Whole = one("How many ports, from these on.", 1, ge=1, le=1000)


def port(value: Any) -> Any:
    """``8080-8089:80-89/udp`` as a mapping."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"target": value}
    if isinstance(value, dict) and isinstance(value.get("published"), str) and "-" in value["published"]:
        raise ValueError("a range is written short: '8000-8005:8000-8005'")
    if not isinstance(value, str):
        return value
    if value.count(":") > 1 or "." in value:
        raise ValueError("Swarm publishes on every address of the server: leave out the address")
    found = _PORT.fullmatch(value)
    if not found:
        raise ValueError("must be a port such as '8080:80' or '53:53/udp'")
    low, high = expand_range(found["target"])
    result: dict[str, Any] = {"target": low, "count": high - low + 1, "protocol": found["protocol"] or "tcp"}
    if found["published"]:
        first, last = expand_range(found["published"])
        if last - first != high - low:
            raise ValueError(f"has {last - first + 1} ports on the server but {high - low + 1} in the container")
        result["published"] = first
    return result


def exposed(value: Any) -> Any:
    """A port, or a range of them, as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("must be a port such as 8080 or a range such as 8080-8089")
    text = value.removesuffix("/tcp").removesuffix("/udp")
    expand_range(text)
    return text


MountItem = Annotated[Mount, Short(mount, TEXT)]
TmpfsItem = Annotated[Mount, Short(tmpfs, TEXT, alone=True)]
GrantItem = Annotated[Grant, Short(grant, TEXT)]
PortItem = Annotated[PortMapping, Short(port, TEXT, INTEGER)]
ExposeItem = Annotated[str, Short(exposed, TEXT, INTEGER, alone=True)]
