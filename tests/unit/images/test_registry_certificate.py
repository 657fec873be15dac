# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that end soon are told of while there is time."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.registry_certificate import warnings

Registry = Callable[[int], str]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Serve with a certificate that ends after some days, which is its own authority; gives the registry's name."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(context: ssl.SSLContext) -> None:
            connection, _address = listener.accept()
            context.wrap_socket(connection, server_side=True).close()

        def start(days: int) -> str:
            name = f"localhost:{listener.getsockname()[1]}"
            certificate, key = tmp_path / name / "ca.crt", tmp_path / "key"
            certificate.parent.mkdir()
            words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
            words += ["-days", str(days), "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
            subprocess.run([*words, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            threading.Thread(target=serve, args=(context,), daemon=True).start()
            return name

        yield start


def test_what_ends_soon_is_told(registry: Registry, tmp_path: Path) -> None:
    name = registry(20)
    authority, own = warnings(name, str(tmp_path))
    assert authority.startswith("the certificate of the cluster's authority ends on ")
    assert own.startswith(f"the certificate of {name} ends on ")
    assert "'longshore up' renews it" in own


def test_what_lives_long_is_not(registry: Registry, tmp_path: Path) -> None:
    assert warnings(registry(40), str(tmp_path)) == []


def test_without_a_registry_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert warnings("localhost:1", str(tmp_path)) == []
