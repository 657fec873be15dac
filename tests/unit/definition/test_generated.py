# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever stands in the file: a definition, or errors with their places; never a traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import event, given, settings
from longshore.definition import DefinitionError, Problem, Stack, import_compose, json_schema
from longshore.definition.document import parse
from longshore.definition.load import load_text

from .strategies import near_stacks, texts

settings.register_profile("test", max_examples=2_000)
# New files are for the long campaign: what is judged with every change has to be the same each time.
settings.register_profile("soak", max_examples=100_000, derandomize=False, database=None)
_PROFILE = os.environ.get("LONGSHORE_HYPOTHESIS_PROFILE", "test")


def _loaded(content: bytes) -> tuple[list[Problem], Stack | None]:
    try:
        return [], load_text(content, Path("shop.yml"))
    except DefinitionError as error:
        return error.problems, None


_SCHEMA = jsonschema.Draft202012Validator(json_schema())


@settings(settings.get_profile(_PROFILE))
@given(texts())
def test_any_file_is_understood_or_refused_with_places(content: bytes) -> None:
    problems, stack = _loaded(content)
    event("refused" if stack is None else "understood")
    for problem in problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message
        assert "\n" not in str(problem)
    if stack is None:
        assert problems
        return
    # What is taken here, an editor must not mark.
    assert not [error.message for error in _SCHEMA.iter_errors(parse(content, "shop.yml")[0])]
    for service in stack.services.values():
        json.dumps(service.normalized(), allow_nan=False)
        assert stack.eligible_servers(service)
    for server in stack.servers.values():
        assert server.connection().ssh_options()
    assert set(stack.managers()) <= set(stack.docker_hosts()) <= set(stack.servers)


@settings(settings.get_profile(_PROFILE), max_examples=200)
@given(near_stacks())
def test_any_compose_file_is_imported_with_notes(
    tmp_path_factory: pytest.TempPathFactory, services: dict[str, Any]
) -> None:
    file = tmp_path_factory.getbasetemp() / "compose.yml"
    file.write_text(yaml.safe_dump(services, allow_unicode=True))
    try:
        result = import_compose(file)
    except DefinitionError:
        return
    assert result.notes
    assert yaml.safe_load(result.text)["plugin"] == "longshore.stack.stack"
