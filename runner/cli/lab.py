# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore lab``: servers to try it all on. They belong to the source checkout, so this only calls its program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer
from longshore.cli.ending import end

app = typer.Typer()

_MISSING = """\
The lab (servers to try Longshore on, as containers on this machine) belongs to the source checkout, and this is an
installed package. In a checkout: make setup && .venv/bin/longshore lab up"""


def program() -> Path | None:
    """The lab of the checkout that this package is linked from; None when it is installed without one."""
    found = Path(__file__).resolve().parents[2] / "molecule" / "shared" / "lab"
    return found if (found / "__main__.py").exists() else None


@app.command(
    "lab",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def lab(context: typer.Context) -> None:
    """Servers to try it on: lab up, lab ssh HOST, lab down.

    They are containers on this machine, and belong to the source checkout.
    """
    found = program()
    if found is None:
        typer.echo(_MISSING, err=True)
        end(3)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, str(found), *(context.args or ["--help"])])  # noqa: S606 - no shell
