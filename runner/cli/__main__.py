# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore``, and ``python -m longshore.cli``."""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

from longshore.cli.ending import Ended

_BAD_INPUT = 3


def main() -> None:
    """Run the command line; ends the process with one of our exit codes."""
    from longshore.cli.app import app  # noqa: PLC0415 - what fails here should fail below the handlers

    try:
        code = app(prog_name="longshore", standalone_mode=False)
    except Ended:
        raise
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it flushes.
        sys.stdout = None
        sys.exit(1)
    except Exception as error:
        # A command line that is not understood: typer's error or click's, whichever typer is built on.
        if not hasattr(error, "format_message"):
            raise
        _refuse(error)
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(error: Any) -> NoReturn:
    error.show()
    if "--json" in sys.argv:
        from longshore.cli.guarding import refusal  # noqa: PLC0415 - only when something is wrong

        message = error.format_message()
        sys.stdout.write(json.dumps(refusal([{"text": message, "message": message}])) + "\n")
    sys.exit(_BAD_INPUT)


if __name__ == "__main__":
    main()
