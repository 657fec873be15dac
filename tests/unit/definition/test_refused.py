# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong is said in full: every problem, its place, its cure. The cases are in refused.txt."""

from __future__ import annotations

from pathlib import Path

import pytest
from longshore.definition import DefinitionError, load
from longshore.definition.load import load_text

HEAD = """\
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, tags: [app, lb]}
  app2: {address: 198.51.100.12, tags: [app]}
"""


def _cases() -> list[tuple[str, list[str]]]:
    cases = []
    for block in Path(__file__).with_name("refused.txt").read_text("utf-8").split("\n=== ")[1:]:
        kind, _, rest = block.partition("\n")
        body, _, expected = rest.partition("\n---\n") if not rest.startswith("---\n") else ("", "", rest[4:])
        cases.append((body if kind == "whole" else f"{HEAD}{body}", expected.strip().splitlines()))
    return cases


@pytest.mark.parametrize(
    ("text", "expected"), _cases(), ids=lambda value: value[0][:60] if isinstance(value, list) else ""
)
def test_every_problem_is_reported_with_its_place(text: str, expected: list[str]) -> None:
    with pytest.raises(DefinitionError) as raised:
        load_text(text.encode(), Path("/srv/none/shop.yml"))
    assert str(raised.value).replace("/srv/none/", "").splitlines() == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: \xff", "shop.yml:1:4: is not UTF-8: byte 0xff"),
        (b"a: b\nc: \x07", "shop.yml:2:4: has a control character: '\\x07'"),
        (b"[" * 100_000, "shop.yml:1:49: is not YAML: nested deeper than 48 levels"),
        (b"- " * 100_000, "shop.yml:1:97: is not YAML: nested deeper than 48 levels"),
        (b"a: 1\n---\nb: 2", "shop.yml:2:1: is not YAML: a second document starts here; a stack file is one"),
    ],
)
def test_what_is_no_text_or_no_document(content: bytes, expected: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        load_text(content, Path("shop.yml"))
    assert str(raised.value) == expected


def test_aliases_that_grow_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(DefinitionError, match="aliases make more than"):
        load_text("\n".join(lines).encode(), Path("shop.yml"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as raised:
        load(tmp_path / "shop.yml")
    assert str(raised.value) == f"{tmp_path}/shop.yml:1:1: cannot be read: No such file or directory"
