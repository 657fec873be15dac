# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that may be secret: Vault texts and ``{{ … }}`` references."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic_core import core_schema

from .document import VaultValue

# Longer than any real one; the patterns below would take long over what is much longer.
_LONGEST = 1000
# Docker's own templates ({{.Node.Hostname}}) start with a dot; Swarm expands them, and they are no secret.
_DOCKER = re.compile(r"-?\s*(?:\.|index\s|json\s|env\s+\"|if\s|range\s|end\s*$)")
_FILTERS = r"(?:\s*\|\s*[a-z_.0-9]+(?:\([^|]*\))?)*"
_SECRET = re.compile(rf"\s*secrets\.([A-Za-z0-9_.-]+?){_FILTERS}\s*")
_DATABASE = re.compile(rf"\s*databases\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_]+){_FILTERS}\s*")
_LOOKUP = re.compile(rf"\s*(?:lookup|query)\(.+\){_FILTERS}\s*", re.DOTALL)
_VARIABLE = re.compile(
    r"((?:lookup|query)\(\s*(['\"])(?:ansible\.builtin\.)?env\2\s*,\s*(['\"])(?P<name>[A-Za-z_][A-Za-z0-9_]*)\3\s*)\)"
)
_DEFAULT = re.compile(r"\|\s*(?:ansible\.builtin\.)?(?:default|d)\b")
# Parts of a database in which a credential is.
_LOGINS = ("url", "replica_url", "reader_url", "user", "password", "reader_user", "reader_password")
# {{ '{{' }} is how braces themselves are written.
_BRACES = re.compile(r"\{\{\s*(?:'\{\{'|\"\{\{\")\s*\}\}")


class _Keep:
    """Lets a VaultValue pass as what it is; anything else is checked as text."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        text = handler(source)

        def check(value: Any, inner: core_schema.ValidatorFunctionWrapHandler) -> Any:
            return value if value.__class__ is VaultValue else inner(value)

        return core_schema.no_info_wrap_validator_function(check, text)


SecretText = Annotated[str, _Keep()]


def _expressions(value: str) -> list[str]:
    """What stands between each ``{{`` and the next ``}}``, without braces that are meant as such."""
    found = []
    value = _BRACES.sub("", value)
    begin = value.find("{{")
    while begin >= 0 and (end := value.find("}}", begin + 2)) >= 0:
        found.append(value[begin + 2 : end])
        begin = value.find("{{", end + 2)
    return found


def is_secret(value: str) -> bool:
    """Whether ``value`` must not be shown: it comes from Vault or has a reference in it."""
    return isinstance(value, VaultValue) or any(not _DOCKER.match(found) for found in _expressions(value))


def references(value: str) -> tuple[set[str], set[str], list[str]]:
    """The secrets and databases that ``value`` names, and what is wrong with its ``{{ … }}``."""
    secrets: set[str] = set()
    databases: set[str] = set()
    wrong: list[str] = []
    if isinstance(value, VaultValue) or "{{" not in value:
        return secrets, databases, wrong
    expressions = _expressions(value)
    if len(expressions) != _BRACES.sub("", value).count("{{"):
        wrong.append("has a '{{' without its '}}'")
    for expression in expressions:
        if len(expression) > _LONGEST:
            wrong.append(f"has a '{{{{ … }}}}' of more than {_LONGEST} characters")
        elif found := _SECRET.fullmatch(expression):
            secrets.add(found[1])
        elif found := _DATABASE.fullmatch(expression):
            databases.add(found[1])
        elif not _LOOKUP.fullmatch(expression) and not _DOCKER.match(expression):
            wrong.append(f"does not know '{{{{{expression[:40]}}}}}'")
    return secrets, databases, wrong


def database_parts(value: str) -> set[tuple[str, str]]:
    """Name and part of each ``{{ databases.NAME.PART }}`` in ``value``."""
    if isinstance(value, VaultValue):
        return set()
    found = (_DATABASE.fullmatch(expression) for expression in _expressions(value))
    return {(each[1], each[2]) for each in found if each}


def unbound_databases(value: str) -> set[str]:
    """The databases whose password a filter sees in ``value``, so that it is part of the value."""
    if isinstance(value, VaultValue):
        return set()
    found = (_DATABASE.fullmatch(expression) for expression in _expressions(value) if "|" in expression)
    return {each[1] for each in found if each and each[2] in _LOGINS}


def has_reference(text: str) -> bool:
    """Whether ``text`` holds a ``{{`` that is not one of Docker's own templates, and not meant as such."""
    text = _BRACES.sub("", text)
    position = text.find("{{")
    while position >= 0:
        if not _DOCKER.match(text, position + 2):
            return True
        position = text.find("{{", position + 2)
    return False


def template(value: str, bindings: str = "databases") -> str:
    """``value`` as the template that is resolved: any secret's name works, a variable that is not set is an error.

    ``bindings`` is the variable that a part of a database is read from where no filter would see it.
    """
    pieces: list[str] = []
    position = 0
    while (begin := value.find("{{", position)) >= 0 and (end := value.find("}}", begin + 2)) >= 0:
        pieces += [value[position : begin + 2], _strict(value[begin + 2 : end], bindings)]
        position = end
    return "".join([*pieces, value[position:]])


def _strict(expression: str, bindings: str) -> str:
    # As an attribute, a name with '-' would be a subtraction, and 'keys' a method.
    for known in (_SECRET, _DATABASE):
        if found := known.fullmatch(expression):
            if known is _DATABASE and "|" not in expression:
                return f" {bindings}['{found[1]}'].{found[2]} "
            return f"{expression[: found.start(1) - 1]}['{found[1]}']{expression[found.end(1) :]}"
    return _VARIABLE.sub(r"\1, default=undef())", expression)


def variables(value: str) -> list[str]:
    """The operator's environment variables that ``value`` looks up and has no default for."""
    return [
        found["name"]
        for expression in _expressions(value)
        if not _DEFAULT.search(expression)
        for found in _VARIABLE.finditer(expression)
    ]


def lookups(value: str) -> list[str]:
    """The lookups in ``value``, each as a template of its own."""
    return [template(f"{{{{{found}}}}}") for found in _expressions(value) if _LOOKUP.fullmatch(found)]


def plain(text: str) -> str:
    """``text`` that nothing resolves, as it is meant: braces written as ``{{ '{{' }}`` are ``{{``."""
    return _BRACES.sub("{{", text)


def unexpanded(text: str) -> str:
    """As ``plain``, where Swarm expands Docker's templates: written so that it leaves the braces."""
    return _BRACES.sub('{{"{{"}}', text)
