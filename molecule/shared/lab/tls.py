# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own certificate authority and the certificate of its Git server."""

from __future__ import annotations

from pathlib import Path

from .report import run

DAYS = "3650"


def authority(folder: Path) -> tuple[Path, Path]:
    """Give certificate and key of the lab's authority, made when asked for first."""
    certificate, key = folder / "ca.crt", folder / "ca.key"
    if not certificate.exists():
        run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                DAYS,
                "-subj",
                f"/CN=Longshore lab {folder.name}",
                "-addext",
                "keyUsage=critical,keyCertSign,cRLSign",
                "-keyout",
                str(key),
                "-out",
                str(certificate),
            ]
        )
    return certificate, key


def certificate(folder: Path, name: str, addresses: list[str]) -> tuple[Path, Path]:
    """Give certificate and key of a server called `name`, valid for its addresses too, signed by the authority."""
    signed, key, request = (folder / f"{name}.{ending}" for ending in ("crt", "key", "csr"))
    if not signed.exists():
        issuer, issuer_key = authority(folder)
        names = ",".join([f"DNS:{name}", *[f"IP:{each}" for each in addresses]])
        extensions = folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
        run(
            [
                "openssl",
                "req",
                "-new",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                f"/CN={name}",
                "-keyout",
                str(key),
                "-out",
                str(request),
            ]
        )
        run(
            [
                "openssl",
                "x509",
                "-req",
                "-in",
                str(request),
                "-CA",
                str(issuer),
                "-CAkey",
                str(issuer_key),
                "-CAcreateserial",
                "-days",
                DAYS,
                "-extfile",
                str(extensions),
                "-out",
                str(signed),
            ]
        )
        request.unlink()
        extensions.unlink()
    return signed, key
