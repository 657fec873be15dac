# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database's whole configuration file: a template that can be read, and that asks for nothing but what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..file_text import read
from ..problems import Problem
from ..servers import resolved

if TYPE_CHECKING:
    from ..databases import Database
    from .context import Context

Path = tuple[str | int, ...]

# What the roles tell it (roles/mariadb/vars/main.yml and its like); what Jinja2 and Ansible have besides.
_TOLD = ("address", "database", "memory", "port", "processors", "server", "servers", "settings")
_FUNCTIONS = frozenset({"range", "dict", "namespace", "lookup", "query"})


def check(context: Context, database: Database, base: Path) -> None:
    """Check ``template``, with places in the file that it names."""
    if database.template is None:
        return
    if database.engine == "memcached":
        context.complain((*base, "template"), "a memcached has no file, only options", "use settings")
        return
    file = resolved(context.stack.path, database.template)
    try:
        text = read(file) if file is not None and file.is_file() else ""
    except ValueError:
        # That has been said.
        return
    context.problems.extend(Problem(str(file), line, 1, "", words) for line, words in problems(text))


def problems(text: str) -> list[tuple[int, str]]:
    """Line and words for each thing that is wrong with a template's text."""
    from jinja2 import Environment, TemplateSyntaxError, meta, nodes  # noqa: PLC0415 - its 0.1 s only for a template

    try:
        parsed = Environment(autoescape=True).parse(text)
    except TemplateSyntaxError as error:
        return [(error.lineno, f"is no template: {error.message}")]
    unknown = meta.find_undeclared_variables(parsed) - {*_TOLD} - _FUNCTIONS
    lines = {node.name: node.lineno for node in reversed([*parsed.find_all(nodes.Name)]) if node.name in unknown}
    return [
        (line, f"there is no {name} (there are: {', '.join(_TOLD)})")
        for name, line in sorted(lines.items(), key=lambda pair: pair[1])
    ]
