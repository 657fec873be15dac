# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab keeps its files."""

from __future__ import annotations

from pathlib import Path

SHARED = Path(__file__).resolve().parent.parent
CHECKOUT = SHARED.parent.parent
IMAGES = SHARED / "image"
REPOSITORIES = SHARED / "repositories"
LABS = CHECKOUT / ".lab"
CERTIFICATES = Path("/usr/local/share/ca-certificates")
