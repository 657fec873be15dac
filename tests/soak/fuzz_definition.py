# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage-guided nonsense for the definition: ``python tests/soak/fuzz_definition.py -runs=100000``.

Arguments are libFuzzer's. It begins with the stack files and the refused ones that the tests have, knows the keys of a
stack file, and keeps what led somewhere new in ``.cache/fuzz``. Where there is no atheris (it has wheels for Linux on
x86-64 and Python 3.12 and newer only) it says so and ends with 0.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None

if atheris is not None:
    with atheris.instrument_imports(include=["longshore.definition"]):
        from longshore.definition import DefinitionError, json_schema
        from longshore.definition.load import load_text
else:
    from longshore.definition import DefinitionError, json_schema
    from longshore.definition.load import load_text

ROOT = Path(__file__).resolve().parents[2]
HEAD = b"plugin: longshore.stack.stack\nname: shop\nservers: {a: {address: 192.0.2.1}}\n"
WHOLE, REST = b"\xff", b"\0"


def one_input(data: bytes) -> None:
    """Every input is a definition or errors with places; the first byte says whether it is a whole file or the rest."""
    content = data[1:] if data[:1] >= b"\x80" else HEAD + data[1:]
    try:
        stack = load_text(content, Path("shop.yml"))
    except DefinitionError as error:
        if not error.problems or any(problem.line < 1 or problem.column < 1 for problem in error.problems):
            raise AssertionError(f"an error without a place: {error}") from error
        return
    for service in stack.services.values():
        json.dumps(service.normalized(), allow_nan=False)


def seeds(directory: Path) -> None:
    """Put what the fuzzer begins with into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    refused = (ROOT / "tests/unit/definition/refused.txt").read_bytes().split(b"\n=== ")[1:]
    found = [WHOLE + path.read_bytes() for path in sorted((ROOT / "inventories").glob("*.yml"))]
    found += [REST + case.partition(b"\n")[2].partition(b"\n---\n")[0] for case in refused]
    for number, content in enumerate(found):
        (directory / f"seed-{number}").write_bytes(content)


def keys(path: Path) -> None:
    """Write the keys and words of a stack file as libFuzzer's dictionary."""
    words = set(re.findall(r'"([A-Za-z0-9_-]{2,30})"', json.dumps(json_schema())))
    pieces = ["{{ secrets.", "}}", "!vault ", "$ANSIBLE_VAULT;1.1", "<<: ", "&a ", "*a"]
    path.write_text("".join(f'"{word}"\n' for word in [*sorted(words), *pieces]))


def main() -> int:
    """Run the fuzzer with the arguments of the command line; it ends the process itself."""
    if atheris is None:
        sys.stdout.write("atheris is not installed: skipped\n")
        return 0
    place = ROOT / ".cache/fuzz"
    seeds(place / "corpus")
    keys(place / "keys.txt")
    options = [f"-dict={place / 'keys.txt'}", f"-artifact_prefix={place}/", "-max_len=4096", "-timeout=10"]
    atheris.Setup([sys.argv[0], *options, *sys.argv[1:], str(place / "corpus")], one_input)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
