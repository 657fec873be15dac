# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two pages in Flask."""

import os

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index() -> str:
    """Greet."""
    return f"Hello from {os.uname().nodename}\n"


@app.get("/healthz")
def healthz() -> dict[str, bool]:
    """Tell that it works."""
    return {"ok": True}
