# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a file to a checked definition, or to every reason why not."""

from __future__ import annotations

import gc
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from .checks import check
from .checks.context import Context, problem
from .document import Map, parse, read
from .errors import words
from .overlay import overlaid
from .partly import valid_part
from .problems import DefinitionError, Problem
from .stack import Stack
from .support import not_yet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,29}")


def load(path: str | os.PathLike[str], environment: str | None = None) -> Stack:
    """The checked definition in the stack file at ``path``.

    ``environment`` (such as ``staging``) lays ``<stem>.<environment>.yml`` beside the file over it; the file's own
    environment needs no overlay. Raises DefinitionError with everything that is wrong.
    """
    return _quietly(lambda: _checked(*read(Path(path), os.fspath(path)), Path(path), environment))


def load_text(content: bytes, path: Path) -> Stack:
    """As ``load``, from the bytes of a file that would stand at ``path``."""
    return _quietly(lambda: _checked(*parse(content, os.fspath(path)), path, None))


def _quietly(work: Callable[[], Stack]) -> Stack:
    # Thousands of small objects and no garbage among them: collections would only walk them all again and again.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return work()
    finally:
        if collecting:
            gc.enable()


def _checked(root: Map, problems: list[Problem], path: Path, environment: str | None) -> Stack:
    if environment is not None:
        root = _with_overlay(root, path, environment, problems)
    problems += [problem(root, place, message, key=True) for place, message in not_yet(root)]
    data = _without_extensions(root)
    context: Context | None = None
    try:
        context = Context(Stack.model_validate(data), root)
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems += _problems(root, found)
        context = valid_part(data, root, found)
    if context is not None:
        context.stack.bind(path.absolute())
        check(context)
        problems += context.problems
    if problems or context is None:
        raise DefinitionError(problems)
    context.stack.settle(context.notices)
    return context.stack


def _with_overlay(root: Map, path: Path, environment: str, problems: list[Problem]) -> Map:
    if not _ENVIRONMENT.fullmatch(environment):
        words_ = f"'{environment[:40]}' is no environment's name: lower-case letters, digits and '-'"
        raise DefinitionError([*problems, Problem(os.fspath(path), 1, 1, "environment", words_)])
    beside = path.with_name(f"{path.stem}.{environment}{path.suffix}")
    own = root.get("environment", "production")
    if not beside.exists():
        if own == environment:
            return root
        message = f"there is no environment '{environment}': no file {beside.name} beside this one"
        raise DefinitionError([*problems, Problem(os.fspath(path), 1, 1, "", message)])
    hint = f"it holds what {environment} has that {path.name} has not; {{}} for nothing"
    overlay, more = read(beside, os.fspath(beside), hint)
    problems += more
    result = overlaid(root, overlay, problems)
    if "environment" not in overlay:
        result.put("environment", environment, (overlay.mark, overlay.mark))
    return result


def _without_extensions(root: Map) -> dict[str, Any]:
    """``root`` without Compose's ``x-…`` keys, which may stand at the top and in services."""
    data: dict[str, Any] = {name: value for name, value in root.items() if not name.startswith("x-")}
    services = data.get("services")
    if isinstance(services, dict):
        data["services"] = {
            name: {part: item for part, item in service.items() if not part.startswith("x-")}
            if isinstance(service, dict)
            else service
            for name, service in services.items()
            if not name.startswith("x-")
        }
    return data


def _problems(root: Map, errors: Iterable[Any]) -> list[Problem]:
    result = []
    for error in errors:
        path, message, hint = words(Stack, error)
        at_key = error["type"] == "extra_forbidden" or "[key]" in error["loc"]
        place = path[:-1] if error["type"] == "missing" else path
        found = problem(root, place, message, hint, key=at_key or error["type"] == "missing")
        dotted = ".".join(str(part)[:64] for part in path)
        result.append(Problem(found.file, found.line, found.column, dotted, message, hint))
    return result
