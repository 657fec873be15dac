# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stack files by the hundred thousand: each is understood, or refused with places; none ends in a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest
from stack.support import ROOT

from .conftest import LONG, Campaign

pytestmark = pytest.mark.soak


@pytest.mark.skipif(not LONG, reason="the gate `unit` has the short form: the same files each time")
def test_generated_files(campaign: Campaign) -> None:
    """Files that are nearly right, and texts that are hardly YAML, each made from a description of what there is."""
    environment = os.environ | {"LONGSHORE_HYPOTHESIS_PROFILE": "soak"}
    test = "tests/unit/definition/test_generated.py::test_any_file_is_understood_or_refused_with_places"
    command = [sys.executable, "-m", "pytest", "-q", "--hypothesis-show-statistics", test]
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
    passing = re.search(r"(\d+) passing, 0 failing", done.stdout)
    understood = re.search(r"([\d.]+)%, understood", done.stdout)
    assert passing, done.stdout
    assert understood, done.stdout
    figures = {"files": int(passing[1]), "understood_percent": float(understood[1])}
    campaign.record("soak-generated", {**figures, "seconds": round(time.monotonic() - began)})


def test_fuzzed_files(campaign: Campaign) -> None:
    """Files that a fuzzer bends until they reach code that no other has reached."""
    pytest.importorskip("atheris")
    runs = campaign.rounds(short=3_000, long=300_000)
    command = [sys.executable, "tests/soak/fuzz_definition.py", f"-runs={runs}"]
    command += [] if LONG else ["-seed=1"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 0, (done.stdout.decode(errors="replace") + said)[-5000:]
    ended = re.search(r"Done (\d+) (?:runs )?in (\d+) second", said)
    covered = re.findall(r"cov: (\d+)", said)
    assert ended, said[-2000:]
    campaign.record(
        "soak-fuzz", {"files": int(ended[1]), "branches_reached": int(covered[-1]), "seconds": int(ended[2])}
    )
