# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schema of the stack file, for editors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from .compose_keys import NOT_YET as KEY_NOT_YET
from .compose_keys import SERVICE_KEYS, SUPPORTED
from .stack import Stack
from .support import NOT_YET

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"


# What a text may be written as where something else is meant (base.Flag; pydantic reads numbers).
_NUMBER = {"type": "string", "pattern": r"^\s*[+-]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9]+)?\s*$"}
_FLAG = {"enum": ["true", "false", "yes", "no", "on", "off"]}


class _AsWritten(GenerateJsonSchema):
    """The model takes numbers for texts, and texts for numbers: ``user: 1000``, ``cpus: "0.5"``."""

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        """A text, or a number."""
        return {**super().str_schema(schema), "type": ["string", "number"]}

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        """A whole number, or one as text."""
        return {"anyOf": [super().int_schema(schema), _NUMBER]}

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        """A number, or one as text."""
        return {"anyOf": [super().float_schema(schema), _NUMBER]}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        """True or false, or the word."""
        return {"anyOf": [super().bool_schema(schema), _FLAG]}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """A mapping; its keys are always texts."""
        result = super().dict_schema(schema)
        if "propertyNames" in result:
            result["propertyNames"] = {**result["propertyNames"], "type": "string"}
        return result


def json_schema(*, plain: bool = False) -> dict[str, Any]:
    """The schema, in JSON Schema 2020-12. Every key has a description; what is not built yet is said there.

    ``plain`` names each value's own type alone, not what else is taken for it.
    """
    generator = GenerateJsonSchema if plain else _AsWritten
    schema = Stack.model_json_schema(by_alias=True, schema_generator=generator)
    definitions = schema["$defs"]
    schema = {"$schema": DIALECT, "title": "Longshore stack file", **{k: v for k, v in schema.items() if k != "title"}}
    _allow_extensions(schema)
    _allow_extensions(definitions["Service"])
    for part in (schema, *definitions.values()):
        _describe(part["properties"], definitions)
    properties = definitions["Service"]["properties"]
    for name, known in SERVICE_KEYS.items():
        if known.status != SUPPORTED:
            why = f"{known.status}. {known.note}" if known.status == KEY_NOT_YET else f"Not used here: {known.note}"
            properties[name] = {"not": {}, "description": why.rstrip(". ")}
    for path in NOT_YET:
        _mark(schema, definitions, path)
    return schema


def _mark(schema: dict[str, Any], definitions: dict[str, Any], path: tuple[str, ...]) -> None:
    """Say in the description of ``path`` that it is not built yet."""
    *way, last = path
    part = schema
    for name in way:
        if name != "*":
            part = definitions[_reference(part["properties"][name])]
    name, _, value = last.partition("=")
    described = part["properties"][name]
    words = f"{value}: not supported yet." if value else "Not supported yet."
    described["description"] = f"{described.get('description', '')} {words}".strip()


def _reference(item: Any) -> str:
    """The name of the first definition that ``item`` leads to."""
    if isinstance(item, dict):
        if "$ref" in item:
            return str(item["$ref"]).rsplit("/", 1)[1]
        item = list(item.values())
    return next((found for one in item for found in [_reference(one)] if found), "") if isinstance(item, list) else ""


def _allow_extensions(schema: dict[str, Any]) -> None:
    schema["patternProperties"] = {"^x-": {"description": "An extension; not read."}}


def _describe(properties: dict[str, Any], definitions: dict[str, Any]) -> None:
    """A key without words of its own has those of what it holds: pydantic leaves out what is said there too."""
    for name, item in properties.items():
        if "description" not in item and "$ref" in item:
            properties[name] = {**item, "description": definitions[item["$ref"].rsplit("/", 1)[1]]["description"]}
