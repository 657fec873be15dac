# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Campaigns on the servers and the stack of tests/databases."""

from __future__ import annotations

from databases.conftest import first_up, lab, ledger, running, stack

__all__ = ["first_up", "lab", "ledger", "running", "stack"]
