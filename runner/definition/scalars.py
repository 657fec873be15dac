# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single values: durations, sizes, names, addresses."""

from __future__ import annotations

import ipaddress
import re
import shlex
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from .base import BOOLEAN, INTEGER, NUMBER, TEXT, TEXTS, Short

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d|w)")
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+")
_BYTES = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?(?:([kmgt])i?b?|b?)", re.IGNORECASE)
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,62})(?:\.[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,62}))*\.?"
)


def _duration(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a duration such as 30s, 500ms or 1m30s")
    if isinstance(value, str):
        if value.isdecimal() and len(value) < 16:
            return float(value)
        if not _DURATION.fullmatch(value) or len(value) > 40:
            raise ValueError("must be a duration such as 30s, 500ms or 1m30s")
        return sum(float(amount) * _SECONDS[unit] for amount, unit in _DURATION_PART.findall(value))
    return value


def seconds(text: str) -> float:
    """A duration such as ``20m`` in seconds. Raises ValueError."""
    return float(_duration(text))


def _size(value: Any) -> Any:
    if isinstance(value, str):
        if not (found := _SIZE.fullmatch(value)):
            raise ValueError("must be a size such as 512M or 1.5G")
        return int(float(found[1]) * _BYTES[(found[2] or "").lower()])
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a size such as 512M or 1.5G")
    return value


def _mode(value: Any) -> Any:
    """A file mode: octal digits after a zero. A number without one may be meant either way."""
    if isinstance(value, str) and re.fullmatch(r"0o?[0-7]{3,4}", value):
        return int(value.replace("o", ""), 8)
    raise ValueError('must be a mode in octal with a leading zero, such as "0440"')


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


def _address(value: Any) -> Any:
    """An IP address or a host name."""
    if not isinstance(value, str) or not is_address(value):
        raise ValueError("must be an IP address or a host name")
    return value


def is_address(text: str) -> bool:
    """Whether ``text`` is an IP address or a host name; digits and dots alone are only ever an address."""
    return is_ip(text) or (bool(_HOST_NAME.fullmatch(text)) and not re.fullmatch(r"[0-9.]+", text))


def is_ip(text: str) -> bool:
    """Whether ``text`` is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _network(value: Any) -> Any:
    try:
        if isinstance(value, str):
            return str(ipaddress.ip_network(value))
    except ValueError:
        pass
    raise ValueError("must be a network such as 10.77.0.0/16")


def _ip(value: Any) -> Any:
    try:
        if isinstance(value, str):
            return str(ipaddress.ip_address(value))
    except ValueError:
        pass
    raise ValueError("must be an IP address")


# The longest argument that Linux takes; splitting much more would take minutes.
_LONGEST_COMMAND = 128 * 1024


def _command(value: Any) -> Any:
    """Text is split into words as a shell would, without running one (as Compose does)."""
    if isinstance(value, str):
        if len(value) > _LONGEST_COMMAND:
            raise ValueError(f"has more than {_LONGEST_COMMAND} characters")
        try:
            return shlex.split(value)
        except ValueError as error:
            raise ValueError(f"can't be split into words: {str(error).lower()}") from error
    return value


def _texts(value: Any) -> Any:
    """One text stands for a list of one."""
    return [value] if isinstance(value, str) else value


def pairs(value: Any) -> Any:
    """``[A=b]`` as ``{A: b}``. ``true`` and ``false`` become the text, as Compose does it."""
    if isinstance(value, list):
        result: dict[str, Any] = {}
        for item in value:
            if not isinstance(item, str):
                raise ValueError("must be a mapping, or a list of NAME=value")
            name, equals, text = item.partition("=")
            if name in result:
                raise ValueError(f"sets {name[:40]} twice")
            result[name] = text if equals else None
        return result
    if isinstance(value, dict):
        return {name: str(item).lower() if isinstance(item, bool) else item for name, item in value.items()}
    return value


def expand_range(text: str) -> tuple[int, int]:
    """``8000-8005`` as its first and last port, ``80`` as (80, 80); ValueError for what is no port."""
    first, _, last = text.partition("-")
    numbers = (first, last or first)
    if not all(re.fullmatch(r"[0-9]{1,5}", number) and 1 <= int(number) <= 65535 for number in numbers):
        raise ValueError(f"'{text[:40]}' is no port (1 to 65535)")
    low, high = int(numbers[0]), int(numbers[1])
    if high < low:
        raise ValueError(f"'{text[:40]}' ends before it begins")
    return low, high


# What each pattern asks for, in words: pydantic shows the pattern itself.
WORDS: dict[str, str] = {}


def _named(pattern: str, words: str, longest: int) -> Any:
    WORDS[pattern] = words
    return StringConstraints(pattern=pattern, min_length=1, max_length=longest)


def matching(pattern: str, words: str) -> dict[str, str]:
    """A key's constraint, with the words for its error."""
    WORDS[pattern] = words
    return {"pattern": pattern}


_LOWER = "must be lower-case letters, digits and '-', with a letter first"
# Directories of the cluster itself, in /etc/longshore and /var/lib/longshore, where each stack has one of its name.
_OF_CLUSTER = frozenset({"cluster", "haproxy", "host", "registry"})


def _stack_name(value: str) -> str:
    if value in _OF_CLUSTER:
        raise ValueError(f"can't be '{value}': on the servers the cluster's own files are called that")
    return value


StackName = Annotated[str, _named(r"^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$", _LOWER, 20), AfterValidator(_stack_name)]
ServerName = Annotated[str, _named(r"^[a-z0-9]+(?:-+[a-z0-9]+)*$", "must be lower-case letters, digits and '-'", 63)]
Tag = Annotated[str, _named(r"^[a-z](?:-?[a-z0-9]+)*$", _LOWER, 30)]
ServiceName = Annotated[
    str, _named(r"^[a-z0-9]+(?:[_-]+[a-z0-9]+)*$", "must be lower-case letters, digits, '-' and '_'", 30)
]
# <stack>_<name>.<10 of the hash> has to fit into the 64 characters of a Swarm name.
SecretName = Annotated[
    str, _named(r"^[a-zA-Z0-9]+(?:[._-]+[a-zA-Z0-9]+)*$", "must be letters, digits, '.', '_' and '-'", 32)
]
# Its instance on a server is called <stack>-<name>; SQL takes it with "_" for "-".
DatabaseName = Annotated[str, _named(r"^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$", _LOWER, 20)]
CopyName = Annotated[str, _named(r"^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$", _LOWER, 20)]
Extension = Annotated[str, _named(r"^[a-z][a-z0-9_-]*$", "must be an extension's name such as vector", 63)]
VolumeName = Annotated[
    str, _named(r"^[a-zA-Z0-9](?:[._-]*[a-zA-Z0-9])*$", "must be letters, digits, '.', '_' and '-'", 40)
]
EnvironmentName = Annotated[
    str, _named(r"^[A-Za-z_][A-Za-z0-9_.-]*$", "must be letters, digits and '_', with a letter first", 255)
]
DataDirectory = Annotated[
    str,
    _named(
        r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$",
        "must be an absolute path of letters, digits, '.', '_' and '-', such as /mnt/fast",
        200,
    ),
]
AbsolutePath = Annotated[str, _named(r"^/[^\x00:]*$", "must be an absolute path without ':'", 4096)]
UrlPath = Annotated[
    str, _named(r"^/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*$", "must be a URL's path: '/' first, no '?', no blanks", 1024)
]
CheckPath = Annotated[
    str, _named(r"^/[A-Za-z0-9\-._~!$&()*+,;=:@%/?]*$", "must be a URL's path: '/' first, no blanks", 1024)
]
RouteHost = Annotated[
    str,
    _named(
        r"^(?:(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*)$",
        "must be a host name in lower case, '*.' first for all below it",
        253,
    ),
]
Image = Annotated[
    str,
    _named(
        r"^(?:(?:[a-zA-Z0-9][a-zA-Z0-9.-]*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?/)?"
        r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*"
        r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$",
        "must be an image such as nginx:1.27 or registry.example/shop/api:1.4",
        255,
    ),
]
Owner = Annotated[str, _named(r"^[0-9a-z_][0-9a-z_-]*(?::[0-9a-z_][0-9a-z_-]*)?$", "must be a user or user:group", 65)]
Capability = Annotated[
    str,
    Short(
        lambda v: v if not isinstance(v, str) or v.upper() == "ALL" else f"CAP_{v.upper().removeprefix('CAP_')}", TEXT
    ),
    _named(r"^(?:CAP_[A-Z_]+|ALL|all)$", "must be a capability such as NET_ADMIN", 40),
]
UserName = Annotated[str, _named(r"^[a-z_][a-z0-9_-]*$", "must be a user's name such as ops", 32)]
Signal = Annotated[str, _named(r"^(?:SIG)?[A-Z][A-Z0-9+]{1,10}$|^[0-9]{1,2}$", "must be a signal such as SIGTERM", 14)]

Duration = Annotated[float, Short(_duration, TEXT, NUMBER, alone=True), Field(ge=0, le=315_360_000)]
Size = Annotated[int, Short(_size, TEXT, INTEGER, alone=True), Field(ge=0, le=2**60)]
Mode = Annotated[int, Short(_mode, {"type": "string", "pattern": "^0o?[0-7]{3,4}$"}, alone=True)]
Whole = Annotated[int, Short(_number)]
Port = Annotated[int, Short(_number), Field(ge=1, le=65535)]
Cpus = Annotated[float, Short(_number), Field(gt=0, le=4096)]
Address = Annotated[str, Short(_address)]
NetworkAddress = Annotated[str, Short(_network)]
IpAddress = Annotated[str, Short(_ip)]
Command = Annotated[list[str], Short(_command, TEXT)]
Texts = Annotated[list[str], Short(_texts, TEXT)]
Pairs = Annotated[dict[str, str], Short(pairs, TEXTS, entries=(BOOLEAN,))]
