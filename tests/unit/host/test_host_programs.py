# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that run although their file was replaced."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.host_programs import replaced


def test_a_program_whose_file_was_replaced_is_noticed(tmp_path: Path) -> None:
    program = tmp_path / "sleep"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        try:
            assert not replaced(str(process.pid))
            shutil.copy("/bin/sleep", tmp_path / "newer")
            (tmp_path / "newer").rename(program)
            assert replaced(str(process.pid))
        finally:
            process.kill()


@pytest.mark.parametrize("pid", ["", "0", "none", "4194304999"])
def test_nobody_runs_nothing_outdated(pid: str) -> None:
    assert not replaced(pid)
