# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted on a server, and whether a directory is fit for a database's data. Private to the collection."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MOUNTED, KEPT = "/proc/self/mountinfo", "/etc/fstab"
# File systems that forget, that know no owners, or on which one of the engines is not safe: locks, fsync.
UNFIT = {
    **dict.fromkeys(("tmpfs", "ramfs", "devtmpfs"), "it is in memory, and empty after a restart of the server"),
    **dict.fromkeys(
        ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs"),
        "it is reached over a network, where fsync and locks may be worth nothing: take a disk, or iSCSI",
    ),
    **dict.fromkeys(("vfat", "msdos", "exfat", "ntfs", "ntfs3"), "its file system knows no owners"),
    **dict.fromkeys(("squashfs", "iso9660", "erofs"), "its file system can't be written"),
    "overlay": "its layers belong to a container, which takes the data with it",
}


class Mounts:
    """What is mounted now, and what the server mounts at its start; ``text_of`` reads a file, empty when missing."""

    def __init__(self, text_of: Callable[[str], str] | None = None) -> None:
        self._text_of = text_of or _text

    def live(self) -> dict[str, str]:
        """Mount point → type of the file system, the later one where there are two."""
        found = {}
        for line in self._text_of(MOUNTED).splitlines():
            before, _dash, after = line.partition(" - ")
            if after:
                found[_plain(before.split(" ")[4])] = after.split(" ")[0]
        return found

    def point(self, path: str) -> str:
        """Where the file system is mounted on which a path is."""
        return max((point for point in self.live() if _within(path, point)), key=len, default="/")

    def kind(self, path: str) -> str:
        """The type of the file system on which a path is."""
        return self.live().get(self.point(path), "")

    def missing(self, path: str) -> str:
        """A mount point above a path, or the path itself, that the server is to have and has not; empty when none."""
        lines = (line.split() for line in self._text_of(KEPT).splitlines() if not line.lstrip().startswith("#"))
        points = {_plain(words[1]).rstrip("/") or "/" for words in lines if len(words) > 2 and words[1].startswith("/")}
        return max((point for point in points - set(self.live()) if _within(path, point)), key=len, default="")


def unfit(directory: str, mounts: Mounts, write: bool) -> str:
    """Why a directory can't hold a database's data; empty when it can. ``write``: whether files may be made to try."""
    missing = mounts.missing(directory)
    if missing:
        return f"{missing} is in {KEPT}, and not mounted"
    if not os.path.isdir(directory):
        return "there is no such directory: mount the disk, or make the directory, then run again"
    if os.path.realpath(directory) != directory:
        return f"it leads to {os.path.realpath(directory)}: name that one"
    words = UNFIT.get(mounts.kind(directory), "")
    if words:
        return f"{words} ({mounts.kind(directory)})"
    if os.statvfs(directory).f_flag & os.ST_RDONLY:
        return "its file system is mounted to be read only"
    return _tried(directory) if write else ""


def _tried(directory: str) -> str:
    """What an engine does there, done once: why it can't, or nothing."""
    try:
        with tempfile.TemporaryDirectory(prefix=".longshore-", dir=directory) as place:
            one, other = os.path.join(place, "one"), os.path.join(place, "other")
            with open(one, "wb") as file:
                file.write(b"\0" * 4096)
                os.fchown(file.fileno(), 65534, 65534)
                os.fchmod(file.fileno(), 0o600)
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.fsync(file.fileno())
            found = os.stat(one)
            os.link(one, other)
            os.rename(other, f"{other}-one")
    except OSError as error:
        return f"its file system refuses what a database needs: {error.strerror}"
    if (found.st_uid, found.st_mode & 0o777) != (65534, 0o600):
        return "its file system does not keep owners and modes"
    return ""


def _within(path: str, point: str) -> bool:
    return path == point or path.startswith(f"{point.rstrip('/')}/")


def _plain(text: str) -> str:
    """A path as the kernel and fstab(5) write it: blanks and the like are octal numbers there."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
