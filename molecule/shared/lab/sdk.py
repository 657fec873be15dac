# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's SDK, which comes without types: what the lab uses of it, in one place, loaded when it is used.

Most commands are `lab ssh`, which needs none of it; loading it takes five times as long as all else that they do.
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "docker": "docker",
    "types": "docker.types",
    "APIError": "docker.errors",
    "DockerException": "docker.errors",
    "ImageNotFound": "docker.errors",
    "NotFound": "docker.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_WHERE[name])
    return module if name in ("docker", "types") else getattr(module, name)
