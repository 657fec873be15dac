# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference and the schema come from the model, and say what is so."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml
from longshore.definition import json_schema, load
from longshore.definition.compose_keys import NOT_YET, REFUSED, SERVICE_KEYS, SUPPORTED
from longshore.definition.reference import reference_markdown
from longshore.definition.service import Service

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["stack-file.md", "compose-keys.md"])
def test_the_pages_are_up_to_date(name: str) -> None:
    content = (ROOT / "docs/reference" / name).read_text("utf-8")
    assert content == reference_markdown()[name], "run: python -m longshore.definition.reference docs/reference"


def test_every_supported_compose_key_is_a_key_of_a_service_and_no_other_is() -> None:
    supported = {name for name, known in SERVICE_KEYS.items() if known.status == SUPPORTED}
    assert supported <= set(Service.model_fields)
    assert not set(Service.model_fields) & (set(SERVICE_KEYS) - supported)


def test_a_refused_key_says_why() -> None:
    assert all(known.note for known in SERVICE_KEYS.values() if known.status == REFUSED)
    assert {known.status for known in SERVICE_KEYS.values()} == {SUPPORTED, NOT_YET, REFUSED}


def test_every_key_of_the_schema_is_described() -> None:
    schema = json_schema()
    parts = {"": schema, **schema["$defs"]}
    assert not [
        f"{name}.{key}"
        for name, part in parts.items()
        for key, item in part["properties"].items()
        if not item.get("description")
    ]


EXAMPLES = [file for file in sorted((ROOT / "inventories").glob("*.yml")) if "\nplugin:" in file.read_text("utf-8")]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_the_examples_fit_the_schema(file: Path) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    assert not [error.message for error in validator.iter_errors(yaml.safe_load(file.read_text("utf-8")))]


def test_the_schema_sees_what_is_wrong() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    text = (
        "{plugin: longshore.stack.stack, name: shop, servers: {a: {address: a}}, "
        "services: {web: {image: x, privileged: true}}}"
    )
    assert [list(error.path) for error in validator.iter_errors(yaml.safe_load(text))] == [
        ["services", "web", "privileged"]
    ]


@pytest.mark.parametrize(
    ("name", "environment"), [("shop", None), ("shop", "staging"), ("minimal", None), ("gateway", None)]
)
def test_the_examples_load(name: str, environment: str | None) -> None:
    assert load(ROOT / f"inventories/{name}.yml", environment).services
