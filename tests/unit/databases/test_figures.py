# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of figures says what was measured."""

from __future__ import annotations

from programs import ROOT, program


def test_the_page_is_that_of_the_figures() -> None:
    made = program("tests/soak/page.py")
    assert (ROOT / "docs/figures" / made.PAGE).read_text("utf-8") == made.page(), "python tests/soak/page.py"
