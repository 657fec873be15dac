# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``longshore db status`` complains of; that PostgreSQL says so is tried on real servers."""

from __future__ import annotations

from ansible_collections.longshore.stack.plugins.modules.database_info import notices


def test_only_a_log_that_waits_is_worth_a_notice() -> None:
    found = {"main": {"role": "primary", "unsent": 48 << 20}, "other": {"unsent": 0}, "silent": {"state": "no answer"}}
    (notice,) = notices(found, "db1")
    assert notice.startswith("main: the log of db1 can't be sent")
    assert "48 MB" in notice
