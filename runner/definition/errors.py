# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pydantic's errors in the words of a stack file."""

from __future__ import annotations

import re
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from .compose_keys import ELSEWHERE, NOT_YET, REFUSED, SERVICE_KEYS
from .problems import suggestion
from .scalars import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORDS = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "missing": "is required",
}
# What pydantic puts into a place beside keys and positions.
_NOISE = re.compile(r"^(?:function-(?:wrap|before|after|plain)\[.*|\[key\]|nullable\[.*|constrained-.*|literal\[.*)$")


def place(location: Iterable[str | int]) -> tuple[str | int, ...]:
    """The path in the file of an error's location."""
    return tuple(part for part in location if not (isinstance(part, str) and _NOISE.match(part)))


def words(model: type[BaseModel], error: Any) -> tuple[tuple[str | int, ...], str, str]:
    """Path, message and hint of one of pydantic's ``error``s about ``model``."""
    path, kind, context = place(error["loc"]), error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return path, *_unknown(model, path)
    if kind == "value_error":
        return path, str(context["error"]), ""
    if kind == "literal_error":
        expected = str(context["expected"]).replace(" or ", ", ")
        choices = re.findall(r"'([^']*)'", expected) or [expected]
        message = f"must be {' or '.join(choices)}" if len(choices) < 3 else f"must be one of {', '.join(choices)}"
        given = error.get("input")
        return path, message, suggestion(given, choices) if isinstance(given, str) and len(choices) > 1 else ""
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return path, WORDS.get(pattern, f"must match {pattern}"), ""
    if error.get("input") is None and kind != "missing":
        return path, "has no value", ""
    return path, _WORDS.get(kind) or _limit(kind, context) or error["msg"], ""


def _limit(kind: str, context: Any) -> str:
    if kind in ("string_too_long", "too_long"):
        unit = "characters" if kind == "string_too_long" else "items"
        return f"has more than {context['max_length']} {unit}"
    if kind in ("string_too_short", "too_short"):
        return "must not be empty"
    comparisons = {
        "greater_than": ("more than", "gt"),
        "greater_than_equal": ("at least", "ge"),
        "less_than": ("less than", "lt"),
        "less_than_equal": ("at most", "le"),
    }
    if kind in comparisons:
        text, name = comparisons[kind]
        limit = context[name]
        return f"must be {text} {int(limit) if float(limit).is_integer() else limit}"
    return ""


def _unknown(model: type[BaseModel], path: tuple[str | int, ...]) -> tuple[str, str]:
    name = str(path[-1])
    if len(path) == 3 and path[0] == "services" and name in SERVICE_KEYS:
        known = SERVICE_KEYS[name]
        if known.status == REFUSED:
            return f"is not used here: {known.note}", ""
        if known.status == NOT_YET:
            return "not supported yet", known.note
    for pattern, cure in ELSEWHERE.items():
        if len(pattern) == len(path) and all(p in ("*", str(q)) for p, q in zip(pattern, path, strict=True)):
            return (cure, "") if cure == NOT_YET else (f"is not used here: {cure}", "")
    return "unknown key", suggestion(name, allowed(model, path[:-1]))


def allowed(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """The keys that the mapping at ``path`` may have."""
    current: Any = model
    for part in path:
        current = next((inner for one in _variants(current) if (inner := _within(one, part)) is not None), None)
    known: list[str] = []
    for one in _variants(current):
        if _is_model(one):
            known += [field.alias or name for name, field in one.model_fields.items()]
    return known


def _variants(annotation: Any) -> list[Any]:
    """The types that ``Annotated[…]`` and ``… | None`` stand for."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _variants(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [one for argument in get_args(annotation) for one in _variants(argument)]
    return [annotation]


def _within(annotation: Any, part: str | int) -> Any:
    """The type of what ``part`` leads to in a value of the type ``annotation``."""
    if _is_model(annotation):
        fields = annotation.model_fields
        field = fields.get(str(part)) or next((item for item in fields.values() if item.alias == part), None)
        return field.annotation if field is not None else None
    arguments = get_args(annotation)
    return arguments[-1] if get_origin(annotation) in (dict, list) else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
