# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the model is made of: strict mappings, and values with a short way to write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
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
    short forms; ``alone`` leaves out the long one.
    """

    def __init__(self, convert: Callable[[Any], Any], *forms: dict[str, Any], alone: bool = False) -> None:
        self._convert = convert
        self._forms = forms
        self._alone = alone

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Check: convert first, then as the type says."""
        return core_schema.no_info_before_validator_function(self._convert, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe: one of the forms."""
        forms = [*self._forms, *([] if self._alone else [handler(schema)])]
        return forms[0] if len(forms) == 1 else {"anyOf": forms}


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
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}
