# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's modules as they are sent to servers, kept from run to run (docs/decisions/0004).

To send a module, Ansible reads and parses it with all that it imports, 0.15 s of processor time for each, and keeps
what it made for as long as the run lasts. As long as no file changes it is the same in the next run: so it is kept in
``$XDG_CACHE_HOME/longshore/payloads``, and laid where Ansible looks for it. Where anything is not as expected, Ansible
makes its own.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
import zipfile
from functools import cache
from pathlib import Path

import ansible.module_utils
from ansible import constants
from ansible.release import __version__ as ansible_version

_PLUGINS = Path(__file__).resolve().parents[1]
_COLLECTION = "ansible_collections/longshore/stack/plugins"
# Where modules expect what they import, and where it is here.
_SOURCES = {
    f"{_COLLECTION}/modules": _PLUGINS / "modules",
    f"{_COLLECTION}/module_utils": _PLUGINS / "module_utils",
    "ansible/module_utils": Path(ansible.module_utils.__file__).parent,
}
_OURS = "ansible_collections.longshore.stack.plugins.modules.*-none"  # none: no debugger, no coverage
_VERSIONS = 5  # so many are kept: who changes modules makes a new one each time
_IN_USE = 2 * 3600.0  # and those that a run may still be using


def reuse() -> None:
    """Lay out what earlier runs have made; what this one makes is kept when it ends."""
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: nobody's home
        kept = _kept()
        made = Path(constants.DEFAULT_LOCAL_TMP) / "ansiballz_cache"
        made.mkdir(exist_ok=True)
        bundle()  # before there are workers, who then know it
        for payload in kept.glob(_OURS):
            with contextlib.suppress(FileExistsError):
                (made / payload.name).symlink_to(payload)
        atexit.register(_keep, made, kept)  # before Ansible's own, which removes `made`; workers end without


@cache
def bundle() -> Path | None:
    """A zip file of all modules and what they may import, called after its content; None when none can be made."""
    with contextlib.suppress(OSError, RuntimeError):
        kept = _kept()
        found = next(kept.glob("*.zip"), None)
        return found or _bundled(kept)
    return None


def _bundled(kept: Path) -> Path:
    content = {
        f"{place}/{file.relative_to(source)}": file.read_bytes()
        for place, source in _SOURCES.items()
        for file in sorted(source.rglob("*.py"))
    }
    above = {parent.as_posix() for name in content for parent in Path(name).parents[:-1]}
    content = {**{f"{package}/__init__.py": b"" for package in sorted(above)}, **content}
    content["ansible/__init__.py"] = f"__version__ = {ansible_version!r}\n".encode()
    digest = hashlib.sha256()
    with (
        tempfile.NamedTemporaryFile(dir=kept, prefix=".", delete=False) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name, text in content.items():
            packed.writestr(name, text)
            digest.update(f"{name} {len(text)}\n".encode() + text)
    return Path(file.name).replace(kept / f"{digest.hexdigest()[:32]}.zip")


def _kept() -> Path:
    """The directory of what was made of the files as they are. Raises ``OSError`` when others may write there."""
    kept = _store() / _version()
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = kept.stat()
    if known.st_uid != os.geteuid() or known.st_mode & 0o022:
        raise PermissionError(f"{kept} is not ours alone")
    os.utime(kept)
    return kept


def _keep(made: Path, kept: Path) -> None:
    with contextlib.suppress(OSError):
        for payload in made.glob(_OURS):
            if not payload.is_symlink():
                descriptor, name = tempfile.mkstemp(dir=kept, prefix=".")
                os.close(descriptor)
                shutil.copyfile(payload, name)
                Path(name).replace(kept / payload.name)
        used = {other: other.stat().st_mtime for other in kept.parent.iterdir()}
        for other in sorted(used, key=lambda each: used[each])[:-_VERSIONS]:
            if used[other] < time.time() - _IN_USE:
                shutil.rmtree(other, ignore_errors=True)


def _store() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "longshore" / "payloads"


def _version() -> str:
    """Another one for every change of a file that a payload may hold."""
    found = hashlib.sha256(f"{ansible_version} {sys.version}".encode())
    for source in _SOURCES.values():
        for directory, _below, names in sorted(os.walk(source)):
            for name in sorted(names):
                if name.endswith(".py"):
                    known = os.stat(os.path.join(directory, name))
                    found.update(f"{directory}/{name} {known.st_size} {known.st_mtime_ns}\n".encode())
    return found.hexdigest()[:32]
