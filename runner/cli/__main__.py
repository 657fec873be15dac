# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore``, and ``python -m longshore.cli``."""

from __future__ import annotations

import sys

from longshore.cli.ending import Ended

# Of the exit codes only 3 fits a command line that is not understood: 2 says that a plan has changes.
_USAGE = 2
_BAD_INPUT = 3


def main() -> None:
    """Run the command line; ends the process with one of our exit codes."""
    from longshore.cli.app import app  # noqa: PLC0415 - what fails here should fail below the handlers

    try:
        app(prog_name="longshore")
    except Ended:
        raise
    except SystemExit as ended:
        sys.exit(_BAD_INPUT if ended.code == _USAGE else ended.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it flushes.
        sys.stdout = None
        sys.exit(1)


if __name__ == "__main__":
    main()
