# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories, files, blocks inside files, and paths that are not to exist.

Private to the collection. A file is written beside its place, checked there, and renamed over it: a reader sees the
old or the new one, whole.
"""

from __future__ import annotations

import base64
import errno
import glob
import json
import os
import stat
from grp import getgrnam
from pwd import getpwnam

from .host_change import HIDDEN, Change, HostError, Refused, attempt, last_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from .host_change import Host

UNIT_DIRECTORIES = ("/etc/systemd/system/", "/usr/local/lib/systemd/system/")
UNITS_CHANGED = "systemd units"


def refuse(paths: Mapping[str, str]) -> None:
    """Raise ``HostError``, with the reason, for a path that is there."""
    for path, reason in paths.items():
        if os.path.lexists(path):
            raise HostError(f"{path} is there: {reason}")


def plan_directories(directories: Sequence[Mapping[str, Any]], host: Host) -> Iterator[Change]:
    """Changes that make directories; nothing below an existing one is touched."""
    for entry in directories:
        path, info = entry["path"], _lstat(entry["path"])
        wanted = {**entry, **_left_alone(info, entry.get("initial") or ())}
        mode, owner = octal(wanted["mode"]), _ids(wanted["owner"], wanted["group"], host)
        if info is None:
            yield Change(f"directory {path}", _maker(wanted), "", _line(path, wanted))
            continue
        if not stat.S_ISDIR(info.st_mode):
            raise HostError(f"{path} is to be a directory, but something else is there: move it away")
        if _same(info, mode, owner):
            continue
        foreign = owner is None or (info.st_uid, info.st_gid) != owner
        if foreign and wanted.get("keep_owner_of_data") and os.listdir(path):
            raise HostError(
                f"{path} holds data of {info.st_uid}:{info.st_gid}, not of {wanted['owner']}:{wanted['group']}: "
                "change the owner of the data yourself, or ask for no owner, then run again"
            )
        yield Change(f"directory {path}", _owner(path, wanted), _was(path, info), _line(path, wanted))


def plan_files(files: Sequence[Mapping[str, Any]], host: Host) -> Iterator[Change]:
    """Changes that make files hold the wanted content with the wanted owner and mode."""
    for wanted in files:
        path = wanted["path"]
        content = _content(wanted, host)
        owner = _ids(wanted["owner"], wanted["group"], host)
        info = _lstat(path)
        if info is not None and stat.S_ISDIR(info.st_mode):
            raise HostError(f"{path} is to be a file, but a directory is there")
        current = read(path) if info is not None and stat.S_ISREG(info.st_mode) else None
        new = current or b"" if content is None and wanted.get("source") is None else content
        if current is not None and new == current:
            if info is not None and not _same(info, octal(wanted["mode"]), owner):
                yield Change(f"file {path}", _owner(path, wanted), _was(path, info), _line(path, wanted))
            continue
        yield Change(
            f"file {path}",
            _writer(wanted, new),
            _shown(wanted, current),
            _shown(wanted, new),
            _triggers(wanted, current, new),
        )


def plan_blocks(blocks: Sequence[Mapping[str, Any]], host: Host) -> Iterator[Change]:
    """Changes to the marked part of files that others write too; the rest of such a file stays byte for byte."""
    for wanted in blocks:
        path = wanted["path"]
        before = read(path)
        text = (before or b"").decode(errors="surrogateescape")
        after = with_block(text, wanted["name"], wanted["content"])
        if after == text:
            continue
        info = _lstat(path)
        kept = {
            "path": path,
            "mode": f"{stat.S_IMODE(info.st_mode):04o}" if info else "0644",
            "owner": str(info.st_uid) if info else "root",
            "group": str(info.st_gid) if info else "root",
        }
        encoded = after.encode(errors="surrogateescape")
        yield Change(f"block in {path}", _writer(kept, encoded), text, after, wanted["triggers"])
    del host


def plan_absent(paths: Sequence[str], host: Host) -> Iterator[Change]:
    """Changes that remove files, links and empty directories; a directory that holds something is refused."""
    for path in paths:
        info = _lstat(path)
        if info is None or path in host.removed:
            continue
        host.removed.add(path)
        if not stat.S_ISDIR(info.st_mode):
            triggers = {UNITS_CHANGED} if path.startswith(UNIT_DIRECTORIES) else set()
            yield Change(f"{path} removed", _remover(os.unlink, path), f"{path}\n", "", triggers)
        elif os.listdir(path) and not host.check:
            raise HostError(f"{path} is not empty: what it holds is not removed by leaving it out")
        else:
            yield Change(f"{path} removed", _remover(os.rmdir, path), f"{path}\n", "")


def plan_sweep(sweeps: Sequence[Mapping[str, Any]], files: Sequence[Mapping[str, Any]], host: Host) -> Iterator[Change]:
    """Changes that remove the files that match a pattern of ours and that nobody wants any more."""
    wanted = {file["path"] for file in files}
    for sweep in sweeps:
        for path in sorted(set(glob.glob(sweep["pattern"])) - wanted):
            if not os.path.isdir(path):
                host.removed.add(path)
                yield Change(f"{path} removed", _remover(os.unlink, path), f"{path}\n", "", sweep["triggers"])


def plan_tidy(paths: Sequence[str], host: Host) -> Iterator[Change]:
    """Changes that remove directories in which nothing is left."""
    for path in paths:
        if os.path.isdir(path) and {os.path.join(path, name) for name in os.listdir(path)} <= host.removed:
            host.removed.add(path)
            yield Change(f"{path} removed", _remover(os.rmdir, path), f"{path}\n", "")


def with_block(text: str, name: str, content: str) -> str:
    """``text`` with the block ``name`` holding ``content``; an empty content takes the block away."""
    begin, end = f"# BEGIN longshore {name}", f"# END longshore {name}"
    lines = text.splitlines(keepends=True)
    bare = [line.rstrip("\n") for line in lines]
    body = content if content.endswith("\n") or not content else content + "\n"
    block = [f"{begin}\n", body, f"{end}\n"] if content else []
    if begin in bare and end in bare[bare.index(begin) :]:
        first = bare.index(begin)
        last = bare.index(end, first)
        return "".join(lines[:first] + block + lines[last + 1 :])
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join(lines + block) if block else text


def differing_keys(before: bytes | None, after: bytes | None) -> set[str] | None:
    """The top-level keys in which two JSON objects differ; None when one of them is not a JSON object."""
    try:
        old, new = json.loads(before or b"{}"), json.loads(after or b"{}")
    except ValueError:
        return None
    if not isinstance(old, dict) or not isinstance(new, dict):
        return None
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key) or (key in old) != (key in new)}


def read(path: str) -> bytes | None:
    """A file's content; None when there is no such file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def replace(path: str, content: bytes, mode: int, owner: tuple[int, int], validate: Sequence[str] = ()) -> None:
    """Put ``content`` at ``path`` in one step, after the program ``validate`` (``%s`` is the new file) accepted it."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    # One fixed name, so that a run that was killed leaves at most one, which the next run takes over.
    beside = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.longshore")
    if os.path.lexists(beside):
        os.unlink(beside)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchown(file.fileno(), *owner)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    if validate:
        code, out, error = attempt([part.replace("%s", beside) for part in validate])
        if code != 0:
            os.unlink(beside)
            raise Refused(f"{path} was left as it is, {validate[0]} refuses the new one: {last_lines(error or out)}")
    try:
        os.replace(beside, path)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # /etc/hosts and /etc/hostname of a container are mount points: those can only be written in place.
        with open(path, "wb") as file:
            file.write(content)
        os.unlink(beside)


def octal(mode: str) -> int:
    """ "0640" as a number; ``HostError`` for anything that is not an octal mode."""
    try:
        return int(mode, 8)
    except ValueError as error:
        raise HostError(f"{mode!r} is not an octal mode such as '0640'") from error


def identifiers(owner: str, group: str) -> tuple[int, int] | None:
    """The numbers of a user and a group, given by name or number; None when one of them does not exist."""
    try:
        return (
            int(owner) if owner.isdigit() else getpwnam(owner).pw_uid,
            int(group) if group.isdigit() else getgrnam(group).gr_gid,
        )
    except KeyError:
        return None


def _ids(owner: str, group: str, host: Host) -> tuple[int, int] | None:
    found = identifiers(owner, group)
    if found is None and not host.tentative:
        raise HostError(f"there is no user {owner} or no group {group}")
    return found


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _same(info: os.stat_result, mode: int, owner: tuple[int, int] | None) -> bool:
    return stat.S_IMODE(info.st_mode) == mode and (info.st_uid, info.st_gid) == owner


def _left_alone(info: os.stat_result | None, initial: Sequence[str]) -> dict[str, str]:
    """What a directory has of that which is wanted only of a new one."""
    found: dict[str, str] = {}
    if info is not None and "owner" in initial:
        found.update(owner=str(info.st_uid), group=str(info.st_gid))
    if info is not None and "mode" in initial:
        found.update(mode=f"{stat.S_IMODE(info.st_mode):04o}")
    return found


def _content(wanted: Mapping[str, Any], host: Host) -> bytes | None:
    if wanted.get("source"):
        found = read(wanted["source"])
        # In check mode, a task before this one may be about to make it.
        if found is None and not host.check:
            raise HostError(f"{wanted['source']}, of which {wanted['path']} is to be a copy, does not exist")
        return found
    if wanted.get("content_base64") is not None:
        return base64.b64decode(wanted["content_base64"])
    text = wanted.get("content")
    return None if text is None else str(text).encode(errors="surrogateescape")


def _triggers(wanted: Mapping[str, Any], before: bytes | None, after: bytes | None) -> set[str]:
    fired = set(wanted["triggers"])
    if wanted.get("soft_keys"):
        keys = differing_keys(before, after)
        if keys is not None and keys <= set(wanted["soft_keys"]):
            fired = set(wanted["soft_triggers"])
    if wanted["path"].startswith(UNIT_DIRECTORIES):
        fired.add(UNITS_CHANGED)
    return fired


def _shown(wanted: Mapping[str, Any], content: bytes | None) -> str:
    if content is None:
        return ""
    if wanted.get("secret"):
        return HIDDEN
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"({len(content)} bytes)\n"


def _was(path: str, info: os.stat_result) -> str:
    return f"{path} {info.st_uid}:{info.st_gid} {stat.S_IMODE(info.st_mode):04o}\n"


def _line(path: str, wanted: Mapping[str, Any]) -> str:
    found = identifiers(wanted["owner"], wanted["group"]) or (wanted["owner"], wanted["group"])
    return f"{path} {found[0]}:{found[1]} {octal(wanted['mode']):04o}\n"


def _must_exist(wanted: Mapping[str, Any]) -> tuple[int, int]:
    found = identifiers(wanted["owner"], wanted["group"])
    if found is None:
        raise HostError(f"there is no user {wanted['owner']} or no group {wanted['group']}")
    return found


def _maker(wanted: Mapping[str, Any]) -> Callable[[], None]:
    def make() -> None:
        parent, name = os.path.split(wanted["path"].rstrip("/"))
        # It appears with its owner and mode: what a killed run left half made would keep root's where they are initial.
        beside = os.path.join(parent, f".{name}.longshore")
        os.makedirs(parent, mode=0o755, exist_ok=True)
        os.makedirs(beside, mode=0o700, exist_ok=True)
        _owner(beside, wanted)()
        os.rename(beside, wanted["path"])

    return make


def _owner(path: str, wanted: Mapping[str, Any]) -> Callable[[], None]:
    def own() -> None:
        os.chown(path, *_must_exist(wanted), follow_symlinks=False)
        os.chmod(path, octal(wanted["mode"]))

    return own


def _writer(wanted: Mapping[str, Any], content: bytes | None) -> Callable[[], None]:
    def write() -> None:
        replace(
            wanted["path"],
            content or b"",
            octal(wanted["mode"]),
            _must_exist(wanted),
            wanted.get("validate") or (),
        )

    return write


def _remover(remove: Callable[[str], None], path: str) -> Callable[[], None]:
    return lambda: remove(path)
