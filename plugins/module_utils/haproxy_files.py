# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of HAProxy on a host: read, compared, replaced atomically, put back. Private to the collection."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import shutil
import stat
from contextlib import contextmanager, suppress

from .haproxy_certificates import DIRECTORY as TLS_DIR
from .haproxy_model import PARTS, HaproxyError, normalize
from .haproxy_pages import MAINTENANCE_MAP
from .haproxy_text import CONFIG_DIR, STATE_DIR
from .haproxy_unit import JOIN_SCRIPT, NETWORKS_FILE, NETWORKS_UNIT, UNIT, USER_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

BASE = "/etc/longshore"
CONFIG_FILE = f"{CONFIG_DIR}/haproxy.cfg"
LOCK = "/run/longshore/haproxy.lock"
# (path, mode, uid, gid) of HAProxy's directories. The last is for its sockets: it may write there, so root must not.
DIRECTORIES = (
    (CONFIG_DIR, 0o750, 0, USER_ID),
    (f"{CONFIG_DIR}/maps", 0o750, 0, USER_ID),
    (TLS_DIR, 0o750, 0, USER_ID),
    (STATE_DIR, 0o750, USER_ID, USER_ID),
)


class Wanted:
    """One file: ``path``, ``text``, ``mode`` (int) and ``group`` (gid); the owner is root."""

    def __init__(self, path: str, text: str, mode: int = 0o644, group: int = 0) -> None:
        self.path = path
        self.text = text
        self.mode = mode
        self.group = group

    def differs(self) -> bool:
        """Whether the file is missing, or its text, mode or owner is another."""
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return True
        same = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == self.mode
        return not same or (found.st_uid, found.st_gid) != (0, self.group) or read(self.path) != self.text

    def write(self) -> None:
        """Replace the file in one step."""
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        temporary = f"{self.path}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(self.text)
            file.flush()
            os.fchmod(file.fileno(), self.mode)
            os.fchown(file.fileno(), 0, self.group)
            os.fsync(file.fileno())
        os.replace(temporary, self.path)


def read(path: str) -> str | None:
    """A file's text; None when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def wanted_files(
    fragment: dict[str, Any] | None,
    config: dict[str, str],
    units: dict[str, str],
    networks: list[str],
    stacks: Collection[str],
) -> list[Wanted]:
    """Every file that is wanted, in the order in which they are written: what others refer to comes first.

    ``fragment`` is that of the stack in hand, None when it goes; ``stacks`` are the names of all that are served.
    """
    maps = [name for name in config if name.startswith("maps/")]
    # Who is under maintenance is told while HAProxy runs, and goes on until it is told otherwise, or its stack goes.
    told = [
        line for line in (read(MAINTENANCE_MAP) or "").splitlines() if line.split()[:1] and line.split()[0] in stacks
    ]
    return [
        Wanted(MAINTENANCE_MAP, "".join(f"{line}\n" for line in told), 0o640, USER_ID),
        *(Wanted(f"{CONFIG_DIR}/{name}", config[name], 0o640, USER_ID) for name in sorted(maps)),
        *(Wanted(path, text, 0o755 if path == JOIN_SCRIPT else 0o644) for path, text in units.items()),
        Wanted(NETWORKS_FILE, "".join(f"{network}\n" for network in networks)),
        Wanted(CONFIG_FILE, config["haproxy.cfg"], 0o640, USER_ID),
        *([Wanted(fragment_path(fragment["stack"]), dumped(fragment), 0o600)] if fragment else []),
    ]


def dumped(fragment: dict[str, Any]) -> str:
    """A fragment as its file holds it."""
    return json.dumps(fragment, indent=1, sort_keys=True) + "\n"


def fragment_path(stack: str) -> str:
    """Where a stack's fragment is."""
    return f"{BASE}/{stack}/haproxy.json"


def forget(fragment: str) -> None:
    """Remove a fragment, and its stack's directory when nothing else is in it."""
    os.unlink(fragment)
    with suppress(OSError):
        os.rmdir(os.path.dirname(fragment))


def read_fragments(without: str) -> list[dict[str, Any]]:
    """The fragments of all stacks on this host but one. Raises ``HaproxyError`` for one that can't be read."""
    found = []
    for path in sorted(glob.glob(f"{BASE}/*/haproxy.json")):
        if os.path.basename(os.path.dirname(path)) == without:
            continue
        try:
            # An earlier version may have written it: what it does not say takes its default.
            given = json.loads(read(path) or "")
            parts = {name: given[name] for name in PARTS if name in given}
            found.append(normalize(given["stack"], given["routes"], given["backends"], given["settings"], **parts))
        except (ValueError, KeyError, TypeError, AttributeError, HaproxyError) as error:
            raise HaproxyError([f"{path} is damaged ({error}); run its stack's playbook again or remove it"]) from error
    return found


def wrong_directories() -> list[tuple[str, int, int, int]]:
    """The entries of ``DIRECTORIES`` that are missing or have another mode or owner."""
    wrong = []
    for path, mode, user, group in DIRECTORIES:
        try:
            found = os.stat(path)
        except FileNotFoundError:
            wrong.append((path, mode, user, group))
            continue
        if (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) != (mode, user, group):
            wrong.append((path, mode, user, group))
    return wrong


def stale_maps(config: dict[str, str]) -> list[str]:
    """Map files that no configuration refers to any more."""
    return sorted(path for path in glob.glob(f"{CONFIG_DIR}/maps/*") if os.path.relpath(path, CONFIG_DIR) not in config)


@contextmanager
def lock(check: bool) -> Iterator[None]:
    """One change of this host's HAProxy at a time; check mode only reads, so it takes no lock."""
    if check:
        yield
        return
    os.makedirs(os.path.dirname(LOCK), mode=0o755, exist_ok=True)
    with open(LOCK, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_all() -> None:
    """Remove everything of HAProxy's own from this host; the stacks' fragments are not touched."""
    for directory in (CONFIG_DIR, STATE_DIR, os.path.dirname(JOIN_SCRIPT)):
        shutil.rmtree(directory, ignore_errors=True)
    for unit in (UNIT, NETWORKS_UNIT):
        with suppress(FileNotFoundError):
            os.unlink(f"/etc/systemd/system/{unit}")
