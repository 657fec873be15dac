# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the model is made of: strict mappings, and values with a short way to write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict
from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue


class Model(BaseModel):
    """A mapping of known keys. Numbers are taken as text where text is asked for (``version: 17``)."""

    model_config = ConfigDict(
        extra="forbid",
        # One core schema is built, for the whole file: a third of the import time of one for each class.
        defer_build=True,
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )


class Short:
    """Marks a value that may be written shorter: ``convert`` turns the short form into the long one.

    ``convert`` gets whatever stands in the file and gives anything it does not know back as it is, so that the long
    form's own check speaks; it raises ValueError for a short form that is wrong. ``forms`` are the JSON Schemas of the
    short forms; ``alone`` leaves out the long one. ``single``: one item stands for a list of one. ``entries``: what
    the values of a mapping may be besides.
    """

    def __init__(
        self,
        convert: Callable[[Any], Any],
        *forms: dict[str, Any],
        alone: bool = False,
        single: bool = False,
        entries: tuple[dict[str, Any], ...] = (),
    ) -> None:
        self._convert = convert
        self._forms = forms
        self._alone = alone
        self._single = single
        self._entries = entries

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Check: convert first, then as the type says."""
        return core_schema.no_info_before_validator_function(self._convert, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe: one of the forms."""
        forms = list(self._forms)
        if not self._alone:
            long = handler(schema)
            forms += [long["items"]] if self._single else []
            forms.append(_with_entries(long, self._entries) if self._entries else long)
        return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _with_entries(schema: dict[str, Any], more: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """A mapping's schema whose values may be ``more`` besides."""

    def wider(values: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf": [*values.get("anyOf", [values]), *more]}

    result = dict(schema)
    if isinstance(values := schema.get("additionalProperties"), dict):
        result["additionalProperties"] = wider(values)
    if "patternProperties" in schema:
        result["patternProperties"] = {key: wider(values) for key, values in schema["patternProperties"].items()}
    return result


_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _flag(value: Any) -> Any:
    return _WORDS.get(value, value) if isinstance(value, str) else value


# YAML 1.2 takes yes and no for text; people write them all the same.
Flag = Annotated[bool, Strict(), Short(_flag)]


def one(description: str, default: Any = ..., **constraints: Any) -> Any:
    """A key of a mapping; without ``default`` it is required."""
    return Field(default, description=description, **constraints)


def many(description: str, factory: Callable[[], Any], **constraints: Any) -> Any:
    """A key whose default is an empty list or mapping, or a model's own defaults."""
    return Field(default_factory=factory, description=description, **constraints)


TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number"}
INTEGER: dict[str, Any] = {"type": "integer"}
BOOLEAN: dict[str, Any] = {"type": "boolean"}
NULL: dict[str, Any] = {"type": "null"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}
