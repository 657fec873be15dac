# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schema of the stack file, for editors."""

from __future__ import annotations

from typing import Any

from .compose_keys import NOT_YET as KEY_NOT_YET
from .compose_keys import SERVICE_KEYS, SUPPORTED
from .stack import Stack
from .support import NOT_YET

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema, in JSON Schema 2020-12. Every key has a description; what is not built yet is said there."""
    schema = Stack.model_json_schema(by_alias=True)
    definitions = schema["$defs"]
    schema = {"$schema": DIALECT, "title": "Longshore stack file", **{k: v for k, v in schema.items() if k != "title"}}
    _allow_extensions(schema)
    _allow_extensions(definitions["Service"])
    _numbers_are_text(schema)
    for part in (schema, *definitions.values()):
        _describe(part["properties"], definitions)
    properties = definitions["Service"]["properties"]
    for name, known in SERVICE_KEYS.items():
        if known.status != SUPPORTED:
            why = f"{known.status}. {known.note}" if known.status == KEY_NOT_YET else f"Not used here: {known.note}"
            properties[name] = {"not": {}, "description": why.rstrip(". ")}
    for path in NOT_YET:
        if len(path) == 1:
            described = schema["properties"][path[0]]
            described["description"] = f"{described.get('description', '')} Not supported yet.".strip()
    return schema


def _allow_extensions(schema: dict[str, Any]) -> None:
    schema["patternProperties"] = {"^x-": {"description": "An extension; not read."}}


def _describe(properties: dict[str, Any], definitions: dict[str, Any]) -> None:
    """A key without words of its own has those of what it holds: pydantic leaves out what is said there too."""
    for name, item in properties.items():
        if "description" not in item and "$ref" in item:
            properties[name] = {**item, "description": definitions[item["$ref"].rsplit("/", 1)[1]]["description"]}


def _numbers_are_text(node: Any) -> None:
    """Mappings of texts take numbers, true and false too (``PORT: 3000``)."""
    if isinstance(node, list):
        for item in node:
            _numbers_are_text(item)
    elif isinstance(node, dict):
        for name, item in node.items():
            if name == "additionalProperties" and item == {"type": "string"}:
                node[name] = {"type": ["string", "number", "boolean"]}
            elif name not in ("default", "const", "enum"):
                _numbers_are_text(item)
