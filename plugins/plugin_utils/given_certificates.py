# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates that a stack file names, checked on the controller: before a server is touched."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from ansible_collections.longshore.stack.plugins.module_utils.haproxy_certificates import problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.definition import Stack


def wrong(definition: Stack, read: Callable[[str], str]) -> list[str]:
    """What is wrong with them, each with its place; ``read`` gives a file's text and knows how to decrypt it.

    Without openssl here the servers check them, each before it is touched.
    """
    tls = definition.load_balancer.tls
    if tls is None or shutil.which("openssl") is None:
        return []
    found = []
    for index, each in enumerate(tls.certificates):
        files = [path for path in (each.certificate, each.key) if path is not None]
        bundle = "\n".join(read(str(definition.file(path))) for path in files)
        found += [f"load_balancer.tls.certificates.{index}: {problem}" for problem in problems(bundle, time.time())]
    return found
