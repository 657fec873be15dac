# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands about files, and what all commands do with input that cannot be used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_bench import longshore, write


def test_validate_accepts_a_good_file_and_finds_the_default_one(tmp_path: Path) -> None:
    write(tmp_path / "stack.yml")
    done = longshore("validate", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "is valid" in done.stdout


def test_validate_reports_every_problem_with_its_place(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yml", servces={}, services={"web": {"image": "nginx:1", "replcas": 2}})
    done = longshore("validate", "-f", path)
    assert done.returncode == 3
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{path}:") for line in lines)
    assert "did you mean 'replicas'?" in done.stderr
    told = json.loads(longshore("validate", "--json", "-f", path).stdout)
    assert told["valid"] is False
    assert {problem["path"] for problem in told["problems"]} == {"servces", "services.web.replcas"}
    assert all(problem["line"] > 0 for problem in told["problems"])


def test_validate_tells_what_may_surprise(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yml", databases={"main": {"engine": "redis", "servers": ["app1"]}})
    done = longshore("validate", "-f", path)
    assert (done.returncode, done.stdout) == (0, f"{path} is valid\n")
    assert done.stderr.startswith(f"{path}:")
    assert "it has no backup" in done.stderr
    told = json.loads(longshore("validate", "--json", "-f", path).stdout)
    assert told["valid"] is True
    assert [notice["path"] for notice in told["notices"]] == ["databases.main"]


def test_the_stack_file_may_stand_before_the_command(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yml")
    assert longshore("-f", path, "validate").returncode == 0


def test_an_environments_overlay_is_used(tmp_path: Path) -> None:
    path = write(tmp_path / "shop.yml")
    (tmp_path / "shop.staging.yml").write_text("services: {web: {replcas: 1}}\n")
    assert longshore("validate", "-f", path).returncode == 0
    done = longshore("validate", "-f", path, "-e", "staging")
    assert done.returncode == 3
    assert "shop.staging.yml:1:" in done.stderr


def test_environment_variables_stand_behind_what_the_command_line_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "shop.yml")
    for name in ("staging", "trial"):
        (tmp_path / f"shop.{name}.yml").write_text(
            f"services: {{web: {{image: 'nginx:{name}', wrong-in-{name}: 1}}}}\n"
        )
    monkeypatch.setenv("LONGSHORE_ENVIRONMENT", "staging")
    monkeypatch.setenv("LONGSHORE_FILE", str(path))
    for words, told in (
        (("validate",), "wrong-in-staging"),
        (("validate", "-e", "trial"), "wrong-in-trial"),
        (("-e", "trial", "validate"), "wrong-in-trial"),
        (("-f", str(tmp_path / "other.yml"), "validate"), "other.yml"),
    ):
        assert told in longshore(*words).stderr


def test_schema_is_json_schema() -> None:
    schema = json.loads(longshore("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "services" in schema["properties"]


def test_import_writes_a_stack_file_that_is_valid(tmp_path: Path) -> None:
    compose = tmp_path / "compose.yml"
    compose.write_text("name: blog\nservices:\n  web: {image: 'nginx:1', ports: ['80:80'], container_name: x}\n")
    done = longshore("import", compose)
    assert done.returncode == 0
    assert "note: " in done.stderr
    (tmp_path / "stack.yml").write_text(done.stdout)
    assert longshore("validate", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["deploy", "wbe"], "did you mean 'web'?"),
        (["scale", "web=many"], "web=5"),
        (["scale", "agent=2"], "once on every server"),
        (["server", "drain", "app9"], "there is no server 'app9'"),
        (["destroy", "--yes-destroy", "shopp"], "is not the name of this stack"),
        (["exec", "web", "--slot", "2", "--", "true"], "--slot: options stand before the service's name"),
        (["run", "web", "--diff", "--", "true"], "--diff: options stand before the service's name"),
        (["exec", "nobody", "true"], "there is no service 'nobody'"),
        (["logs", "nobody"], "there is no service 'nobody'"),
        (["rollback", "0"], "greater than"),
        (["up", "--nonsense"], "--nonsense"),
        (["fly"], "fly"),
        (["logs", "--since", "yesterday"], "2h30m"),
        (["up", "--vault-password-file", "/nonexistent/password"], "/nonexistent/password"),
        (["destroy", "--json"], "--yes-destroy NAME"),
    ],
)
def test_bad_input_is_refused_with_three_before_anything_runs(tmp_path: Path, words: list[str], reason: str) -> None:
    path = write(tmp_path / "s.yml")
    done = longshore("-f", path, *words)
    assert done.returncode == 3
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_a_refusal_is_json_when_json_is_wanted(tmp_path: Path) -> None:
    done = longshore("deploy", "--json", "-f", write(tmp_path / "s.yml"), "wbe")
    told = json.loads(done.stdout)
    assert (told["status"], told["exit_code"]) == ("bad_input", 3)
    assert "wbe" in told["problems"][0]["message"]


@pytest.mark.parametrize(
    "words", [["up", "--nonsense"], ["rollback", "0"], ["logs", "nobody"], ["destroy"], ["import", "/nonexistent"]]
)
def test_every_refusal_is_json_when_json_is_wanted(tmp_path: Path, words: list[str]) -> None:
    done = longshore("-f", write(tmp_path / "s.yml"), *words, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["status"], told["exit_code"]) == (3, "bad_input", 3)
    assert told["problems"][0]["message"]


def test_schema_and_import_take_json(tmp_path: Path) -> None:
    assert "properties" in json.loads(longshore("schema", "--json").stdout)
    (tmp_path / "compose.yml").write_text("services: {web: {image: 'nginx:1', container_name: x}}\n")
    told = json.loads(longshore("import", "--json", tmp_path / "compose.yml").stdout)
    assert "image: nginx:1" in told["text"]
    assert [note for note in told["notes"] if "container_name" in note]


def test_a_state_directory_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    done = longshore("status", "-f", write(tmp_path / "s.yml"))
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert "XDG_STATE_HOME" in done.stderr


def test_ctrl_c_at_a_question_is_a_cancellation(tmp_path: Path) -> None:
    program = (
        "import sys; from longshore.cli.__main__ import main\n"
        "class Keyboard:\n    def readline(self): raise KeyboardInterrupt\n"
        "sys.stdin = Keyboard(); sys.argv = ['longshore', 'destroy', '-f', sys.argv[1]]; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(write(tmp_path / "s.yml"))], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert "Its name, to go on" in done.stderr


def test_exec_says_when_no_server_could_be_asked(tmp_path: Path) -> None:
    servers = {"app1": {"address": "127.0.0.1", "ssh": {"port": 1}, "tags": ["lb"]}}
    done = longshore("exec", "-f", write(tmp_path / "s.yml", servers=servers), "web", "true")
    assert done.returncode == 1
    assert "no server answered" in done.stderr
    told = longshore("exec", "--json", "-f", tmp_path / "s.yml", "web", "true")
    assert told.returncode == 1
    assert "no server answered" in json.loads(told.stdout)["problems"][-1]["message"]


def test_destroy_asks_for_the_name(tmp_path: Path) -> None:
    done = longshore("destroy", "-f", write(tmp_path / "s.yml"))
    assert done.returncode != 0
    assert "Its name, to go on" in done.stdout + done.stderr


def test_an_installed_package_says_where_the_lab_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from longshore.cli import lab  # noqa: PLC0415 - the one test that needs it

    assert lab.program() is not None
    monkeypatch.setattr(lab, "__file__", str(tmp_path / "a" / "b" / "c" / "lab.py"))
    assert lab.program() is None


def test_what_may_be_left_out_may_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yml")
    for words in ((), ("main",), ("main", "3"), ("main", "3", "4")):
        done = longshore("config", "diff", "-f", path, *words)
        # There is no database, which is said of the file and not of the words.
        assert done.returncode == 3
        assert "Usage:" not in done.stderr
        assert "database" in done.stderr
    assert "Usage:" in longshore("config", "diff", "-f", path, "main", "0").stderr
