# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the role asks what the kept releases need."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from jinja2 import Environment

TASKS = Path(__file__).resolve().parents[3] / "roles/images/tasks/resolve.yml"


@pytest.mark.parametrize(
    ("pulled", "built", "unbuilt", "stack", "asked"),
    [
        ({"cache": "redis:8"}, [], {}, "", True),
        ({}, ["web"], {"web": "app1 does not answer"}, "shop", True),
        # A stack that only builds: without the releases, its list of spared images would only grow.
        ({}, ["web"], {}, "shop", True),
        ({}, ["web"], {}, "", False),
        ({}, [], {}, "shop", False),
    ],
)
def test_the_releases_are_read_whenever_the_list_may_change(
    pulled: dict[str, str], built: list[str], unbuilt: dict[str, str], stack: str, asked: bool
) -> None:
    [task] = [each for each in yaml.safe_load(TASKS.read_text()) if "longshore.stack.image_resolve" in each]
    known = {"images_pulled": pulled, "images_built": built, "__images_unbuilt": unbuilt, "images_stack": stack}
    assert Environment(autoescape=False).compile_expression(task["when"])(**known) is asked  # noqa: S701
