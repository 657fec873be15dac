# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference pages, made from the model: ``python -m longshore.definition.reference docs/reference``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from .compose_keys import ELSEWHERE, NOT_YET, REFUSED, SERVICE_KEYS, SUPPORTED
from .schema import json_schema

_MADE = "<!-- Made by `python -m longshore.definition.reference docs/reference`; do not edit. -->"

_INTRODUCTION = """\
Every key, its type, its default and its meaning. Service keys are those of the Compose Specification wherever it has
the concept ([all of Compose's keys](compose-keys.md)). Durations are written `500ms`, `30s`, `1m30s`, `14d`; sizes
`512M`, `1.5G`; modes in octal, `"0440"`. Where the type says "text or list of text", one item stands for a list of one.

`shop.staging.yml` beside `shop.yml` overlays it (`longshore -e staging …`): mappings merge, anything else replaces,
`null` removes a key. Keys that begin with `x-` at the top or in a service are not read: a place for YAML anchors.

Vault values (`!vault`), `{{ secrets.NAME }}` and `{{ lookup('env', 'NAME') }}` may stand in a service's `environment`,
in `secrets`, and in passwords of `registries` and `load_balancer.stats`; elsewhere they are refused.
`{{ '{{' }}` stands for the braces themselves.""".splitlines()
_COMPOSE_INTRODUCTION = """\
Every key of a service in the Compose Specification: {supported} are supported with the same meaning, {later} are not
supported yet, {refused} are refused, each with the reason and what to write instead. Nothing is ever ignored.
`longshore import compose.yml` translates what has another place here."""


def reference_markdown() -> dict[str, str]:
    """File name → content of each page."""
    return {"stack-file.md": _stack_file(), "compose-keys.md": _compose_keys()}


def _stack_file() -> str:
    schema = json_schema(plain=True)
    definitions = schema["$defs"]
    lines = [
        "# The stack file",
        "",
        _MADE,
        "",
        *_INTRODUCTION,
        "",
        "## Top level",
        "",
        *_table(schema, definitions),
    ]
    done: set[str] = set()
    queue = [((name,), item) for name, item in schema["properties"].items()]
    while queue:
        path, item = queue.pop(0)
        for reference, inner in _references(item, path):
            if reference in done:
                continue
            done.add(reference)
            target = definitions[reference]
            lines += ["", f"## {_heading(inner)}", "", target.get("description", "").replace("``", "`"), ""]
            lines += _table(target, definitions)
            if reference != "Service":
                queue = [*(((*inner, name), each) for name, each in target["properties"].items()), *queue]
            else:
                queue = [
                    *(((*inner, n), each) for n, each in target["properties"].items() if each.get("not") is None),
                    *queue,
                ]
    return "\n".join(lines) + "\n"


def _heading(path: tuple[str, ...]) -> str:
    return f"`{'.'.join(path).replace('.*', '.NAME').replace('.[]', '[]')}`"


def _references(item: Any, path: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """The definitions that ``item`` leads to, each with its path."""
    if not isinstance(item, dict):
        return []
    found = []
    if "$ref" in item:
        found.append((item["$ref"].rsplit("/", 1)[1], path))
    for one in (*item.get("anyOf", ()), *item.get("allOf", ())):
        found += _references(one, path)
    found += _references(item.get("items"), (*path, "[]"))
    if isinstance(item.get("additionalProperties"), dict):
        found += _references(item["additionalProperties"], (*path, "*"))
    for one in (item.get("patternProperties") or {}).values():
        found += _references(one, (*path, "*"))
    return found


def _table(schema: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    required = set(schema.get("required", ()))
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, item in schema["properties"].items():
        if "not" in item:
            continue
        default = "required" if name in required else _default(item)
        text = item.get("description", "").replace("|", "\\|").replace("Not supported yet.", "**Not supported yet.**")
        lines.append(f"| `{name}` | {_type(item, definitions)} | {default} | {text} |")
    return lines


def _default(item: dict[str, Any]) -> str:
    value = item.get("default")
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float) and value.is_integer():
        return f"`{int(value)}`"
    return f"`{value}`"


def _type(item: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "const" in item:
        return f"`{item['const']}`"
    if "enum" in item:
        return ", ".join(f"`{value}`" for value in item["enum"])
    if "$ref" in item:
        return "mapping"
    if "anyOf" in item:
        parts = [_type(one, definitions) for one in item["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(parts))
    kind = item.get("type")
    if kind == "array":
        inner = _type(item.get("items", {}), definitions)
        return f"list of {inner}" if inner else "list"
    if kind == "object":
        return "mapping"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    return names.get(str(kind), "")


def _compose_keys() -> str:
    counts = {
        status: sum(1 for known in SERVICE_KEYS.values() if known.status == status)
        for status in (SUPPORTED, NOT_YET, REFUSED)
    }
    lines = [
        "# Compose's keys",
        "",
        _MADE,
        "",
        *_COMPOSE_INTRODUCTION.format(
            supported=counts[SUPPORTED], later=counts[NOT_YET], refused=counts[REFUSED]
        ).splitlines(),
        "",
        "| key | status | remark |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {known.status} | {known.note.replace('|', chr(92) + '|')} |"
        for name, known in SERVICE_KEYS.items()
    ]
    lines += ["", "## Elsewhere in the file", "", "| key | what to write |", "|---|---|"]
    lines += [f"| `{'.'.join(path).replace('*', 'NAME')}` | {cure} |" for path, cure in ELSEWHERE.items()]
    return "\n".join(lines) + "\n"


def main(directory: Path) -> None:
    """Write the pages into ``directory``."""
    for name, content in reference_markdown().items():
        (directory / name).write_text(content, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
