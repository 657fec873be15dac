# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes whose requests a web application firewall judges first, by the OWASP core rule set."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .base import BOOLEAN, INTEGER, TEXT, Flag, Model, Short, many, one
from .scalars import UrlPath, Whole, matching


def _rule(value: Any) -> Any:
    """A rule's number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _several(value: Any) -> Any:
    return [value] if isinstance(value, int | str) and not isinstance(value, bool) else value


Rule = Annotated[
    str,
    Short(_rule, INTEGER),
    Field(**matching(r"^[0-9]{1,9}(?:-[0-9]{1,9})?$", "must be a rule's number such as 942100, or 942100-942199")),
]
Parameter = Annotated[
    str,
    Field(
        max_length=100,
        **matching(r"^[A-Za-z0-9_.:\[\]-]+$", "must be a parameter's name such as comment, or json.comment in JSON"),
    ),
]


class Exclusion(Model):
    """What is not looked at."""

    rules: Annotated[list[Rule], Short(_several, INTEGER, TEXT)] = many(
        "Rules that are left out, by number or as 942100-942199; left out: all.", list
    )
    paths: Annotated[list[UrlPath], Short(_several, TEXT)] = many("Only for these paths and what is below.", list)
    parameters: Annotated[list[Parameter], Short(_several, TEXT)] = many(
        "Only in these parameters, fields of forms, and json.FIELD of JSON bodies.", list
    )

    @model_validator(mode="after")
    def _some(self) -> Exclusion:
        if not (self.rules or self.paths or self.parameters):
            raise ValueError("needs rules, paths or parameters; waf: false judges nothing")
        if self.parameters and any("-" in rule for rule in self.rules):
            raise ValueError("needs single rules beside parameters, no range")
        return self


class Waf(Model):
    """A web application firewall before services."""

    enabled: Flag = one("false: nothing is judged.", True)
    mode: Literal["detect", "block"] = one("What would be refused is logged (detect), or refused (block).", "detect")
    paranoia: Whole = one("Which rules count, 1 to 4; from 2 on, expect to need exclusions.", 1, ge=1, le=4)
    threshold: Whole = one("The score that refuses a request; one critical finding is 5.", 5, ge=1, le=1000)
    on_failure: Literal["pass", "refuse"] = one("What becomes of requests while nothing can judge them.", "pass")
    exclude: list[Exclusion] = many("What is not looked at; a route's own come besides.", list)


class BalancerWaf(Waf):
    """A web application firewall before all routes; a route's own waf changes it there."""

    rules: str | None = one(
        "A file with rules of your own in ModSecurity's language, with numbers below 100000.", None, min_length=1
    )


def switch(value: Any) -> Any:
    """true, false, and the mode alone."""
    if isinstance(value, bool):
        return {"enabled": value}
    return {"mode": value} if isinstance(value, str) else value


_FORMS = (BOOLEAN, {"enum": ["detect", "block"]})
RouteFirewall = Annotated[Waf, Short(switch, *_FORMS)]
BalancerFirewall = Annotated[BalancerWaf, Short(switch, *_FORMS)]


def effective(whole: Waf | None, own: Waf | None) -> Waf | None:
    """What holds for a route: ``own`` says, ``whole`` is what all routes have; none where nothing is judged."""
    if own is None:
        return whole if whole is not None and whole.enabled else None
    if not own.enabled:
        return None
    said = {name: getattr(own, name) for name in own.model_fields_set}
    base = {name: getattr(whole, name) for name in Waf.model_fields} if whole is not None else {}
    exclude = [*base.get("exclude", []), *own.exclude]
    return Waf.model_construct(**{**Waf().__dict__, **base, **said, "enabled": True, "exclude": exclude})
