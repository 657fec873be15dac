# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: the base root file system made from Debian's packages, and everything that is built on it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from . import engine, sdk
from .paths import CERTIFICATES, IMAGES
from .report import LabError, run, step
from .state import locked

SUITE = "trixie"
BASE = "longshore/debian"
BASE_PACKAGES = ["ca-certificates"]
EXCLUDED = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"]
RECIPE = "3"  # raised when make_base changes in another way than by these lists
APT_CLEAN = IMAGES / "docker-clean"  # as in the official images
Files = dict[str, bytes]


def digest(parts: list[bytes]) -> str:
    """Give 12 hexadecimal digits that stand for the content."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()[:12]


def certificates() -> Files:
    """Read the machine's additional certificate authorities, which builds in containers need too."""
    if not CERTIFICATES.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in sorted(CERTIFICATES.rglob("*.crt"))}


def context(folder: Path) -> Files:
    """Read a build context: relative name to content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def exists(reference: str) -> bool:
    """Tell whether the engine has an image."""
    try:
        engine.client().images.get(reference)
    except sdk.ImageNotFound:
        return False
    return True


def pack(files: Files, *, mode: int = 0o755, owner: int = 0) -> bytes:
    """Make a tar archive of files of one mode and owner, with fixed times: the same content gives the same archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid, member.gid = len(content), mode, owner, owner
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def build(reference: str, files: Files, arguments: dict[str, str]) -> None:
    """Build an image from a context in memory with the engine's own builder."""
    lines: list[str] = []
    stream = engine.client().api.build(
        fileobj=io.BytesIO(pack(files)),
        custom_context=True,
        tag=reference,
        rm=True,
        forcerm=True,
        decode=True,
        buildargs=arguments,
        labels={engine.LABEL: ""},
        network_mode="default",
    )
    for event in stream:
        lines += str(event.get("stream", "")).splitlines()
        if "error" in event:
            raise LabError(f"building {reference} failed: {event['error']}\n" + "\n".join(lines[-15:]))


def base_reference() -> str:
    """Give the reference of the base image, which stands for all that goes into it."""
    trust = certificates()
    words = [RECIPE, SUITE, *BASE_PACKAGES, *EXCLUDED, *trust]
    recipe = digest([*[word.encode() for word in words], APT_CLEAN.read_bytes(), *trust.values()])
    return f"{BASE}:{recipe}"


def ensure_base() -> str:
    """Give the reference of the base image, made with mmdebstrap if it is not there; about 20 s."""
    reference = base_reference()
    if not exists(reference):
        with locked("base"):
            if not exists(reference):
                engine.install("mmdebstrap")
                with step(f"root file system of Debian {SUITE} made"):
                    make_base(reference, certificates())
    return reference


def make_base(reference: str, trust: Files) -> None:
    """Make the root file system and import it."""
    with tempfile.TemporaryDirectory() as folder:
        authorities = Path(folder) / "ca"
        authorities.mkdir()
        for name, content in trust.items():
            (authorities / name).write_bytes(content)
        authorities.chmod(0o755)
        Path(folder).chmod(0o755)
        target = Path(folder) / "base.tar"
        run(
            [
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                f"--include={','.join(BASE_PACKAGES)}",
                *[f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED],
                "--dpkgopt=force-unsafe-io",  # who crashes in the middle of an install is thrown away
                f"--customize-hook=copy-in {authorities}/. /usr/local/share/ca-certificates"
                if trust
                else "--customize-hook=true",
                "--customize-hook=rm -f $1/var/cache/apt/*.bin",
                f"--customize-hook=copy-in {APT_CLEAN} /etc/apt/apt.conf.d",
                '--customize-hook=chroot "$1" update-ca-certificates',
                SUITE,
                str(target),
            ]
        )
        repository, tag = reference.split(":")
        engine.client().api.import_image_from_file(
            str(target),
            repository=repository,
            tag=tag,
            changes=["CMD bash", f"LABEL {engine.LABEL}="],
        )


def planned(name: str) -> str:
    """Give the reference that the image of `image/<name>/` has as long as nothing that goes into it changes."""
    parts = [part for item, body in context(IMAGES / name).items() for part in (item.encode(), body)]
    return f"longshore/{name.replace('/', '-')}:{digest([base_reference().encode(), *parts])}"


def ensure(name: str) -> str:
    """Give the reference of the image of `image/<name>/`, built on the base image if it is not there."""
    reference = planned(name)
    if not exists(reference):
        base = ensure_base()
        with locked(f"image-{name.replace('/', '-')}"):
            if not exists(reference):
                with step(f"image {name} built"):
                    build(reference, context(IMAGES / name), {"BASE": base})
    return reference


def remove_all() -> None:
    """Remove every image that the lab made, what is built on others first."""
    images: list[Any] = engine.client().images.list(filters={"label": engine.LABEL})
    for found in sorted(images, key=lambda each: str(each.attrs["Created"]), reverse=True):
        with contextlib.suppress(sdk.ImageNotFound):
            engine.client().images.remove(found.id, force=True)
