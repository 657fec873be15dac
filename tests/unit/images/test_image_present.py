# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that is dead, or dies while it pulls, is told from an image that cannot be had."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.image_engine import ImageError
from ansible_collections.longshore.stack.plugins.modules import image_present

IMAGE = f"redis:8@sha256:{'0' * 64}"
ALIVE = SimpleNamespace()


def ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *engines: Any, **given: Any
) -> dict[str, Any]:
    """What the module says when looking for the engine finds ``engines`` in turn."""
    turns = iter(engines)
    monkeypatch.setattr(Docker, "connect", lambda: next(turns))
    with patch_module_args({"images": [IMAGE], **given}), pytest.raises(SystemExit):
        image_present.main()
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


@pytest.mark.parametrize("required", [True, False])
def test_a_dead_engine_is_a_failure_where_one_is_required(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], required: bool
) -> None:
    told = ended(monkeypatch, capsys, None, required=required)
    assert (told.get("failed", False), told["unable"]) == (required, "engine")
    assert told["msg"] == "no Docker engine answers on this server"


@pytest.mark.parametrize(
    "error", [ImageError("redis:8: docker.io cannot be reached (no answer)"), DockerError(0, "no answer")]
)
@pytest.mark.parametrize("later", [None, ALIVE], ids=["dies", "answers"])
def test_an_engine_that_dies_meanwhile_is_a_dead_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, later: object
) -> None:
    def converge(*_: Any) -> None:
        raise error

    monkeypatch.setattr(image_present, "converge", converge)
    told = ended(monkeypatch, capsys, ALIVE, later, required=False)
    if later is None:
        assert (told.get("failed", False), told["unable"]) == (False, "engine")
        assert told["msg"] == f"no Docker engine answers on this server any more: {error}"
    else:
        assert (told["failed"], told["msg"]) == (True, str(error))
        assert "unable" not in told
