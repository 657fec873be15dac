# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is built, and the name that its image gets.

Private to the collection. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from urllib.parse import urlsplit, urlunsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# Raised when the way of building changes so much that an image of before is no answer any more.
RECIPE = 1
KEYS = ("git", "path", "ref", "context", "dockerfile", "target", "args")
_SCP = re.compile(r"(?:(?P<user>[^@/]+)@)?(?P<host>[^:/@]+):(?P<path>(?!//|:).+)")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class Build:
    """One service's build.

    Attributes: ``service``; ``git`` (URL without any password, empty for a directory), ``host`` (of the URL),
    ``user`` and ``password`` (that stood in the URL), ``ref``; ``content`` (hash of a directory's content, empty for
    Git); ``context``, ``dockerfile`` (relative to the context), ``target``, ``args`` (texts).
    """

    def __init__(self, service: str, given: Mapping[str, Any], content: str = "") -> None:
        unknown = sorted(set(given) - set(KEYS))
        if unknown:
            raise ValueError(f"{service}: a build has no key {', '.join(unknown)}; there are {', '.join(KEYS)}")
        if bool(given.get("git")) == bool(given.get("path")):
            raise ValueError(f"{service}: a build comes either from 'git' or from 'path'")
        if not _SERVICE.fullmatch(service):
            raise ValueError(f"{service!r} cannot name a service: letters, digits, '_', '.' and '-'")
        self.service = service
        self.git, self.host, self.user, self.password = _address(str(given.get("git") or ""))
        self.ref = str(given.get("ref") or "HEAD")
        if self.ref.startswith("-"):
            raise ValueError(f"{service}: {self.ref!r} is no branch, tag or commit")
        self.content = content
        self.context = _inside(service, "context", str(given.get("context") or "."))
        self.dockerfile = str(given.get("dockerfile") or "Dockerfile")
        _inside(service, "dockerfile", f"{self.context}/{self.dockerfile}")
        self.target = str(given.get("target") or "")
        self.args = {str(name): _text(value) for name, value in (given.get("args") or {}).items()}

    @property
    def inputs(self) -> str:
        """Eight hexadecimal digits that stand for everything but the source that decides what the image holds."""
        decides = [RECIPE, self.context, self.dockerfile, self.target, sorted(self.args.items())]
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:8]


def repository(registry: str, stack: str, build: Build) -> str:
    """Where the service's images are."""
    return f"{registry}/{stack}/{build.service.lower()}"


def image_name(registry: str, stack: str, build: Build, commit: str) -> str:
    """The name of the image: the same source, built the same way, has the same name. ``commit``: full hash."""
    return f"{repository(registry, stack, build)}:{commit[:12]}-{build.inputs}"


def command(build: Build, image: str, dockerfile: str, context: str, options: Sequence[str]) -> list[str]:
    """The command that builds; ``dockerfile`` and ``context`` are absolute paths."""
    argv = ["docker", "buildx", "build", "--progress=plain", "--load", "--provenance=false", f"--tag={image}"]
    argv += [f"--file={dockerfile}", *options]
    if build.target:
        argv.append(f"--target={build.target}")
    argv += [f"--build-arg={name}={value}" for name, value in sorted(build.args.items())]
    return [*argv, context]


def _address(url: str) -> tuple[str, str, str, str]:
    """URL without password, host, user, password."""
    scp = None if "://" in url else _SCP.fullmatch(url)
    if scp:
        return url, scp["host"], scp["user"] or "", ""
    if not url:
        return "", "", "", ""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http", "ssh", "git") or not parts.hostname:
        raise ValueError(f"{_shown(url)} is no address of a Git repository: https://…, ssh://… or user@host:path")
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme in ("https", "http"):
        bare = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
        return bare, host, parts.username or "", parts.password or ""
    return url, parts.hostname, parts.username or "", ""


def _shown(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//***@", url)


def _inside(service: str, key: str, path: str) -> str:
    depth = 0
    for part in path.split("/"):
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if depth < 0:
            raise ValueError(f"{service}: the {key} {path!r} leads out of the repository")
    if path.startswith("/"):
        raise ValueError(f"{service}: the {key} {path!r} is not relative to the repository")
    return path


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
