# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings: the file that keeps them, and the values that hold now.

Private to the collection.
"""

from __future__ import annotations

import os

from .host_change import Change, HostError
from .host_files import plan_absent, plan_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .host_change import Host

LIVE = "/proc/sys"


def plan(name: str, wanted: Mapping[str, str], ignore_unsupported: bool, host: Host) -> Iterator[Change]:
    """Changes to ``/etc/sysctl.d/80-longshore-<name>.conf`` and to live values that differ from it."""
    path = f"/etc/sysctl.d/80-longshore-{name}.conf"
    if not wanted:
        yield from plan_absent([path], host)
        return
    file = {"path": path, "content": render(wanted), "mode": "0644", "owner": "root", "group": "root", "triggers": []}
    yield from plan_files([file], host)
    for key, text in sorted(wanted.items()):
        live = value(key)
        if live is not None and normal(live) == normal(str(text)):
            continue
        if live is None or not _writable(key):
            if not ignore_unsupported and not host.tentative:
                raise HostError(f"the kernel setting {key} does not exist here or cannot be set")
            host.unsupported.append(key)
            continue
        yield Change(
            f"sysctl {key}", _setter(key, str(text)), f"{key} = {normal(live)}\n", f"{key} = {normal(str(text))}\n"
        )


def render(wanted: Mapping[str, str]) -> str:
    """The text of the file; a leading ``-`` makes systemd-sysctl pass over what this kernel lacks."""
    return "# Written by Longshore.\n" + "".join(f"-{key} = {value}\n" for key, value in sorted(wanted.items()))


def normal(value: str) -> str:
    """A value as it is compared: the kernel separates its parts by tabs."""
    return " ".join(value.split())


def live_path(key: str) -> str:
    """The file of a setting. As in sysctl(8): when the first separator is a slash, dots belong to names."""
    first = next((character for character in key if character in "./"), ".")
    return os.path.join(LIVE, key if first == "/" else key.replace("/", "\0").replace(".", "/").replace("\0", "."))


def value(key: str) -> str | None:
    """What holds now; None when there is no such setting."""
    try:
        with open(live_path(key), encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def _writable(key: str) -> bool:
    # Root passes every test of permission bits; a container's read-only /proc/sys shows only here.
    return os.access(live_path(key), os.W_OK)


def set_live(key: str, text: str) -> None:
    """Have a value hold until the server's next start. Raises ``HostError`` when the kernel refuses it."""
    try:
        with open(live_path(key), "w", encoding="ascii") as file:
            file.write(f"{text}\n")
    except OSError as error:
        raise HostError(f"the kernel refuses {key} = {text}: {error.strerror}") from error


def _setter(key: str, text: str) -> Callable[[], None]:
    return lambda: set_live(key, text)
