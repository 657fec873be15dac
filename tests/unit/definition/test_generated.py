# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever stands in the file: a definition, or errors with their places; never a traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from longshore.definition import DefinitionError
from longshore.definition.load import load_text

from .strategies import texts

_PROFILES = {"test": 2_000, "soak": 100_000}
for _name, _examples in _PROFILES.items():
    settings.register_profile(
        _name, max_examples=_examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
_PROFILE = os.environ.get("LONGSHORE_HYPOTHESIS_PROFILE", "test")


@settings(settings.get_profile(_PROFILE))
@given(texts())
def test_any_file_is_understood_or_refused_with_places(content: bytes) -> None:
    try:
        stack = load_text(content, Path("shop.yml"))
    except DefinitionError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.line >= 1
            assert problem.column >= 1
            assert problem.message
            assert "\n" not in str(problem)
        return
    for service in stack.services.values():
        json.dumps(service.normalized(), allow_nan=False)
        assert stack.eligible_servers(service)
    for server in stack.servers.values():
        assert server.connection().ssh_options()
    assert set(stack.managers()) <= set(stack.docker_hosts()) <= set(stack.servers)
