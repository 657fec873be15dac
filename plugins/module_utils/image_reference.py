# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of images, read and written as Docker does.

Private to the collection. Pure.
"""

from __future__ import annotations

import re

HUB = "docker.io"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.|(?=$|:))|\[[0-9a-fA-F:]+\](?=$|:))+(?::\d+)?")
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Reference:
    """One image's name: ``domain`` (``docker.io`` when none was written), ``path`` (``library/python``),
    ``tag`` (empty when only a digest was written) and ``digest`` (``sha256:…`` or empty)."""

    def __init__(self, domain: str, path: str, tag: str = "", digest: str = "") -> None:
        self.domain = domain
        self.path = path
        self.tag = tag
        self.digest = digest

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read ``[domain/]path[:tag][@digest]``; the tag is ``latest`` when there is neither tag nor digest.

        Raises ``ValueError`` when no image can have that name.
        """
        rest, at, digest = text.partition("@")
        domain, path, tag = _split(rest)
        if not _PATH.fullmatch(path):
            cure = ": a repository's name is in small letters" if path != path.lower() else ""
            raise ValueError(f"{text!r} is no name of an image{cure}")
        if tag and not _TAG.fullmatch(tag):
            raise ValueError(f"{text!r} is no name of an image: the tag {tag!r} cannot be one")
        if at and not _DIGEST.fullmatch(digest):
            raise ValueError(f"{text!r} is no name of an image: after '@' comes sha256: and 64 hexadecimal digits")
        if not _DOMAIN.fullmatch(domain):
            raise ValueError(f"{text!r} is no name of an image: {domain!r} is no registry")
        return cls(domain, path, tag or ("" if digest else "latest"), digest)

    @property
    def name(self) -> str:
        """The repository as people write it: without ``docker.io/`` and ``library/``."""
        if self.domain != HUB:
            return f"{self.domain}/{self.path}"
        prefix, _slash, last = self.path.partition("/")
        return last if prefix == "library" and "/" not in last else self.path

    def pinned(self, digest: str) -> str:
        """The name with the tag, for people, and the digest, which is what counts: ``python:3.13-slim@sha256:…``."""
        return f"{self.name}:{self.tag}@{digest}" if self.tag else f"{self.name}@{digest}"

    @property
    def exact(self) -> str:
        """What the engine finds the image by: with a digest, ``name@digest``, since a tag beside it may have moved."""
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"

    def __str__(self) -> str:
        return self.pinned(self.digest) if self.digest else f"{self.name}:{self.tag}"


def _split(rest: str) -> tuple[str, str, str]:
    first, slash, others = rest.partition("/")
    # Docker's own rule: what stands before the first slash is a registry when it looks like a host.
    if slash and (first == "localhost" or "." in first or ":" in first or first != first.lower()):
        domain, remainder = first, others
    else:
        domain, remainder = HUB, rest
    path, _colon, tag = remainder.partition(":")
    if domain in (f"index.{HUB}", f"registry-1.{HUB}"):
        domain = HUB
    if domain == HUB and "/" not in path:
        path = f"library/{path}"
    if ":" in remainder and not tag:
        raise ValueError(f"{rest!r} is no name of an image: nothing stands after the colon")
    return domain, path, tag
