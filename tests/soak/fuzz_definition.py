# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage-guided nonsense for the definition: ``python tests/soak/fuzz_definition.py -runs=100000``.

Needs atheris, which ``make setup`` does not install; without it, this says so and ends with 0 (the generated inputs of
tests/unit/definition run in any case).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None

if atheris is not None:
    with atheris.instrument_imports(include=["longshore.definition"]):
        from longshore.definition import DefinitionError
        from longshore.definition.load import load_text
else:
    from longshore.definition import DefinitionError
    from longshore.definition.load import load_text

HEAD = b"plugin: longshore.stack.stack\nname: shop\nservers: {a: {address: 192.0.2.1}}\n"


def one_input(data: bytes) -> None:
    """Every input is a definition or errors with places; half of them start as a stack file does."""
    content = HEAD + data[1:] if data[:1] < b"\x80" else data
    try:
        stack = load_text(content, Path("shop.yml"))
    except DefinitionError as error:
        if not error.problems or any(problem.line < 1 or problem.column < 1 for problem in error.problems):
            raise AssertionError(f"an error without a place: {error}") from error
        return
    for service in stack.services.values():
        json.dumps(service.normalized(), allow_nan=False)


def main() -> int:
    """Run the fuzzer with the arguments of the command line."""
    if atheris is None:
        sys.stdout.write("atheris is not installed: skipped\n")
        return 0
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
