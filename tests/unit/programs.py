# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that are no part of a package, such as those that roles put on servers, as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import backup_keeper, haproxy_certificates, pg_upgrade

ROOT = Path(__file__).resolve().parents[2]


def program(path: str) -> Any:
    """The program at this path of the project, loaded anew; what it imports stands beside it, as on a server."""
    file = ROOT / path
    name = f"program_{file.stem.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look for it there
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(file.parent))
        # The role pgbackrest copies them there.
        patch.setitem(sys.modules, "keeper", backup_keeper)
        patch.setitem(sys.modules, "pg_upgrade", pg_upgrade)
        patch.setitem(sys.modules, "haproxy_certificates", haproxy_certificates)
        spec.loader.exec_module(module)
    return module
