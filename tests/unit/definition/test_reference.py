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
from longshore.definition.document import parse
from longshore.definition.load import load_text
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


FORMS = [
    "environment: {PORT: 3000, DEBUG: true, RATE: 1.5}", "environment: [A=1]", "user: 1000", "command: [a, 1]",
    "networks: {default: }", "depends_on: {api: }", "resources: {limits: {cpus: '0.5', memory: 512M}}", "replicas: '2'",
    "ports: [{target: 80, published: '8080'}]", "env_file: {path: x, required: no}",
    "env_file: [{path: x, required: no}]",
    "labels: {a: 1, b: true, c: }", "read_only: 'true'", "tty: yes", "secrets: [{source: k, uid: 1000, mode: '0440'}]",
    "routes: [{host: a.b, port: '80'}]", "hostname: 5", "stop_signal: 15", "sysctls: {a: 1}", "ulimits: {nofile: 5}",
    "healthcheck: {tcp: true, port: '80', interval: 0.5}", "restart: no", "volumes: ['d:/d']", "init: true",
]  # fmt: skip


@pytest.mark.parametrize("keys", FORMS)
def test_the_schema_takes_what_the_model_takes(keys: str) -> None:
    text = (
        "plugin: longshore.stack.stack\nname: shop\nservers: {app1: {address: 192.0.2.1, tags: lb}}\n"
        "secrets: {k: {generate: '32'}}\nvolumes: {d: }\nnetworks: {back: }\nsysctl: {a: 1, b: true}\n"
        f"services: {{web: {{image: x, {keys}}}, api: {{image: x}}}}\n"
    ).encode()
    assert load_text(text, Path("/srv/none/shop.yml"))
    found = jsonschema.Draft202012Validator(json_schema()).iter_errors(parse(text, "shop.yml")[0])
    assert not [error.message for error in found]


def test_what_is_not_built_yet_is_said_in_the_schema() -> None:
    schema = json_schema()
    assert schema["properties"]["jobs"]["description"].endswith("Not supported yet.")
    assert schema["$defs"]["Swarm"]["properties"]["certificate_expiry"]["description"].endswith("Not supported yet.")
    assert "nfs: not supported yet" in schema["$defs"]["Volume"]["properties"]["type"]["description"]


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
