# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong is said in full: every problem, its place, its cure. The cases are in refused.txt."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from longshore.definition import DefinitionError, load
from longshore.definition.load import load_text

HEAD = """\
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, tags: [app, lb]}
  app2: {address: 198.51.100.12, tags: [app]}
"""


def _cases() -> list[tuple[str, list[str]]]:
    cases = []
    for block in Path(__file__).with_name("refused.txt").read_text("utf-8").split("\n=== ")[1:]:
        kind, _, rest = block.partition("\n")
        body, _, expected = rest.partition("\n---\n") if not rest.startswith("---\n") else ("", "", rest[4:])
        cases.append((body if kind == "whole" else f"{HEAD}{body}", expected.strip().splitlines()))
    return cases


@pytest.mark.parametrize(
    ("text", "expected"), _cases(), ids=lambda value: value[0][:60] if isinstance(value, list) else ""
)
def test_every_problem_is_reported_with_its_place(text: str, expected: list[str]) -> None:
    with pytest.raises(DefinitionError) as raised:
        load_text(text.encode(), Path("/srv/none/shop.yml"))
    assert str(raised.value).replace("/srv/none/", "").splitlines() == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: \xff", "shop.yml:1:4: is not UTF-8: byte 0xff"),
        (b"a: b\nc: \x07", "shop.yml:2:4: has a control character: '\\x07'"),
        (
            f'{HEAD}services: {{web: {{image: x, command: ["a\\0"]}}}}'.encode(),
            "shop.yml:6:38: has a control character: '\\x00'",
        ),
        (b"[" * 100_000, "shop.yml:1:49: is not YAML: nested deeper than 48 levels"),
        (b"- " * 100_000, "shop.yml:1:97: is not YAML: nested deeper than 48 levels"),
        (b"", "shop.yml:1:1: is empty (it starts with 'plugin: longshore.stack.stack')"),
        (b"- a", "shop.yml:1:1: must be a mapping (it starts with 'plugin: longshore.stack.stack')"),
        ("a: b".encode("utf-16"), "shop.yml:1:1: is not UTF-8: byte 0xff"),
        (b"a: &a [*a]", "shop.yml:1:8: is not YAML: no anchor '&a' is complete before its use here"),
        (
            b"$ANSIBLE_VAULT;1.1;AES256\n3633\n",
            "shop.yml:1:1: is encrypted as a whole "
            "(decrypt it, and encrypt single values with ansible-vault encrypt_string)",
        ),
        (b"a: 1\n---\nb: 2", "shop.yml:2:1: is not YAML: a second document starts here; a stack file is one"),
    ],
)
def test_what_is_no_text_or_no_document(content: bytes, expected: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        load_text(content, Path("shop.yml"))
    assert str(raised.value) == expected


def test_aliases_that_grow_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(DefinitionError, match="aliases make more than"):
        load_text("\n".join(lines).encode(), Path("shop.yml"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{{" * 50_000, "has a '{{' without its '}}'"),
        ("{{ lookup(" + ") | a(" * 30_000 + "! }}", "has a '{{ … }}' of more than 1000 characters"),
        ("{{ secrets.a" + " " * 50_000 + "! }}", "has a '{{ … }}' of more than 1000 characters"),
    ],
    ids=["open", "lookup", "secret"],
)
def test_what_would_take_long_to_understand_is_refused_at_once(value: str, message: str) -> None:
    began = time.process_time()
    with pytest.raises(DefinitionError) as raised:
        load_text(f"{HEAD}services: {{web: {{image: x, environment: {{A: '{value}'}}}}}}".encode(), Path("shop.yml"))
    assert [(problem.line, problem.message) for problem in raised.value.problems] == [(6, message)]
    assert time.process_time() - began < 2


def test_a_command_longer_than_any_that_could_be_run_is_not_split() -> None:
    with pytest.raises(DefinitionError) as raised:
        load_text(f"{HEAD}services: {{web: {{image: x, command: {'a' * 3_000_000}}}}}".encode(), Path("shop.yml"))
    assert str(raised.value) == "shop.yml:6:37: services.web.command: has more than 131072 characters"


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yml")
    (tmp_path / "loop.yml").symlink_to("loop.yml")
    with (tmp_path / "large.yml").open("wb") as file:
        file.truncate(2**40)
    expected = {
        "pipe.yml": "is not a file",
        ".": "is not a file",
        "loop.yml": "cannot be read: Too many levels of symbolic links",
        "large.yml": "is larger than 16 MiB",
    }
    for name, message in expected.items():
        with pytest.raises(DefinitionError) as raised:
            load(tmp_path / name)
        assert str(raised.value) == f"{tmp_path / name}:1:1: {message}"


def test_files_that_cannot_be_used_are_refused_before_a_run(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\xff")
    (tmp_path / "large").write_text("x" * 1_024_000)
    (tmp_path / "fits").write_text("x" * 1_023_999)
    (tmp_path / "secret").write_text("x" * 512_000)
    (tmp_path / "empty").write_text("")
    text = (
        f"{HEAD}configs: {{logo: {{file: logo.png}}, large: {{file: large}}, fits: {{file: fits}}, "
        "empty: {content: ''}}\n"
        "secrets: {large: {file: secret}, empty: {file: empty}}\n"
        "ca_certificates: [logo.png]\nusers: {ops: {keys: [logo.png]}}\nssh: {known_hosts: logo.png}\n"
        "services: {web: {image: x, env_file: logo.png}}\n"
    )
    with pytest.raises(DefinitionError) as raised:
        load_text(text.encode(), tmp_path / "shop.yml")
    no_text = f"{tmp_path}/logo.png is not text: byte 0x89 is not UTF-8"
    assert [(problem.path, problem.message) for problem in raised.value.problems] == [
        ("configs.logo.file", no_text),
        ("configs.large.file", "has 1024000 bytes; Swarm takes 1023999"),
        ("configs.empty.content", "is empty; Swarm takes no empty secret or config"),
        ("secrets.large.file", "has 512000 bytes; Swarm takes 511999"),
        ("secrets.empty.file", "is empty; Swarm takes no empty secret or config"),
        ("ca_certificates.0", no_text),
        ("users.ops.keys.0", no_text),
        ("ssh.known_hosts", no_text),
        ("services.web.env_file.0", no_text),
    ]


PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAMc+g9vEPAMyDVEOJbqK3kI9PvKc9k9nQw+1n9wyh5m"
OTHER = PUBLIC.replace("wyh5m", "wyh5n")


def _with_users(directory: Path, users: str) -> str:
    """What is wrong with a file whose servers are logged in to with the key ``id``."""
    (directory / "id").touch()
    try:
        load_text(f"{HEAD}ssh: {{user: ops, key: id}}\nusers: {{{users}}}\n".encode(), directory / "shop.yml")
    except DefinitionError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("users", "place"),
    [
        (f"ops: {{sudo: true, keys: ['{OTHER} me', others.pub]}}", "7:27: users.ops.keys"),
        ("ops: {sudo: true, keys: []}", "7:27: users.ops.keys"),
        ("ops: {sudo: true}", "7:9: users.ops"),
    ],
)
def test_the_key_in_use_is_among_the_keys_of_who_logs_in(users: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "id.pub").write_text(f"{PUBLIC} me@here\n")
    (tmp_path / "others.pub").write_text(f"# {PUBLIC}\n{OTHER}\n")
    assert _with_users(tmp_path, users) == (
        f"{tmp_path}/shop.yml:{place}: Longshore logs in to app1 as ops with {tmp_path}/id, whose public key is not "
        f"among the keys (add {tmp_path}/id.pub to keys)"
    )


@pytest.mark.parametrize(
    "users",
    [
        f"ops: {{sudo: true, keys: ['{PUBLIC} other comment']}}",
        f"ops: {{sudo: true, keys: ['from=\"192.0.2.0/24\" {PUBLIC}']}}",
        "ops: {sudo: true, keys: [id.pub]}",
        f"ops: {{sudo: true, keys: ['{OTHER}', others.pub]}}",
        f"anna: {{keys: ['{OTHER}']}}",
    ],
)
def test_a_key_is_known_by_type_and_key_alone(users: str, tmp_path: Path) -> None:
    (tmp_path / "id.pub").write_text(f"{PUBLIC} me@here\n")
    (tmp_path / "others.pub").write_text(f"{OTHER}\n{PUBLIC} me\n")
    assert _with_users(tmp_path, users) == ""


def test_of_keys_that_cannot_be_known_nothing_is_said(tmp_path: Path) -> None:
    users = f"ops: {{sudo: true, keys: ['{OTHER}']}}"
    assert _with_users(tmp_path, users) == ""
    (tmp_path / "id.pub").write_text(PUBLIC)
    # Whoever has signed the key lets it in.
    (tmp_path / "id-cert.pub").touch()
    assert _with_users(tmp_path, users) == ""
    (tmp_path / "id-cert.pub").unlink()
    missing = _with_users(tmp_path, "ops: {sudo: true, keys: [nofile]}")
    assert missing == f"{tmp_path}/shop.yml:7:34: users.ops.keys.0: no file {tmp_path}/nofile"


def test_the_home_of_nobody(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as raised:
        load_text(f"{HEAD}services: {{web: {{build: {{path: ~nobody.here/web}}}}}}".encode(), tmp_path / "shop.yml")
    place = f"{tmp_path}/shop.yml:6:32"
    assert str(raised.value) == f"{place}: services.web.build.path: no directory {tmp_path}/~nobody.here/web"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as raised:
        load(tmp_path / "shop.yml")
    assert str(raised.value) == f"{tmp_path}/shop.yml:1:1: cannot be read: No such file or directory"
