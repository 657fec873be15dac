# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs of several servers in one stream; finding containers; the ssh command line."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from longshore.definition import Connection, Hop
from longshore.runs import containers, ssh
from longshore.runs.logs import LogLine, Merger, Query, Streams, parse


def line(time: str, text: str = "x", sequence: int = 0) -> LogLine:
    return LogLine(time, sequence, "app1", "web.1", text)


def test_lines_come_in_the_order_of_their_times_within_the_window() -> None:
    merger = Merger(0.5)
    merger.add(line("2026-01-01T00:00:02Z", "second"), now=10.0)
    merger.add(line("2026-01-01T00:00:01Z", "first"), now=10.4)
    assert list(merger.due(10.6)) == []
    assert [entry.text for entry in merger.due(10.9)] == ["first", "second"]
    merger.add(line("2026-01-01T00:00:03Z", "third"), now=11.0)
    assert [entry.text for entry in merger.rest()] == ["third"]


def test_a_line_is_taken_apart() -> None:
    raw = "shop_web.2.k3j4h5 2026-01-31T14:25:01.5Z  two  words"
    parsed = parse("app1", "shop", raw, 1)
    assert parsed is not None
    assert (parsed.task, parsed.server, parsed.text) == ("web.2", "app1", " two  words")
    # Docker leaves out trailing zeros, and the order is that of the texts.
    later = parse("app1", "shop", "shop_web.2.k3j4h5 2026-01-31T14:25:01.51Z x", 0)
    assert later is not None
    assert parsed < later


def test_a_global_task_has_no_slot_and_other_words_are_no_lines() -> None:
    agent = parse("app1", "shop", "shop_agent.n0d3id.k3j4h5 2026-01-31T14:25:01Z x", 1)
    assert agent is not None
    assert agent.task == "agent"
    assert parse("app1", "shop", "shop_web.1.x Error response from daemon: no such container", 1) is None


def test_streams_merge_servers_and_name_those_that_fail() -> None:
    told = {
        "app1": ["printf", "s_w.1.x 2026-01-01T00:00:01Z a\\ns_w.1.x 2026-01-01T00:00:03Z c\\n"],
        "app2": ["printf", "s_w.2.y 2026-01-01T00:00:02Z b\\n"],
        "app3": ["sh", "-c", "echo Permission denied >&2; exit 255"],
    }
    with Streams(told, "s", window=60) as streams:
        assert [(entry.server, entry.text) for entry in streams.lines()] == [
            ("app1", "a"),
            ("app2", "b"),
            ("app1", "c"),
        ]
        assert streams.failed == {"app3": "Permission denied"}


def test_leaving_the_streams_ends_them() -> None:
    with Streams(
        {"app1": ["sh", "-c", "echo s_w.1.x 2026-01-01T00:00:01Z a; exec sleep 600"]}, "s", window=0.05
    ) as streams:
        assert next(streams.lines()).text == "a"
        process = streams._processes["app1"]
    assert process.returncode is not None


def fake_docker(directory: Path) -> dict[str, str]:
    """A ``docker`` with one container whose log goes on for ever."""
    program = directory / "docker"
    program.write_text(
        "#!/bin/sh\ncase $1 in\nps) echo c1;;\ninspect) echo shop_web.1.abc;;\n"
        'logs) echo 2026-01-01T00:00:01Z hello; case "$*" in *--follow*) exec sleep 601;; esac;;\n'
        "events) exec sleep 602;;\nesac\n"
    )
    program.chmod(0o755)
    return {"PATH": f"{directory}:/usr/bin:/bin"}


def test_the_script_shows_what_is_there_and_ends(tmp_path: Path) -> None:
    words = Query(labels=["longshore.stack=shop"], tail="5").words()
    done = subprocess.run(words, env=fake_docker(tmp_path), capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "shop_web.1.abc 2026-01-01T00:00:01Z hello\n"


@pytest.mark.parametrize(
    ("part", "failed", "unread"),
    [
        ("ps", {"app1": "Cannot connect to the Docker daemon"}, {}),
        ("logs", {}, {"shop_web.1@app1": "Cannot connect to the Docker daemon"}),
    ],
)
def test_what_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, failed: dict[str, str], unread: dict[str, str]
) -> None:
    path = fake_docker(tmp_path)["PATH"]
    program = tmp_path / "docker"
    broken = f"case $1 in\n{part}) echo Cannot connect to the Docker daemon >&2; exit 1;;"
    program.write_text(program.read_text().replace("case $1 in", broken, 1))
    monkeypatch.setenv("PATH", path)
    with Streams({"app1": Query(labels=["longshore.stack=shop"]).words()}, "shop", window=0.05) as streams:
        assert list(streams.lines()) == []
    assert (streams.failed, streams.unread) == (failed, unread)


def test_a_container_that_has_gone_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_docker(tmp_path)["PATH"]
    program = tmp_path / "docker"
    gone = 'case "$1 $*" in\nlogs*) echo No such container >&2; exit 1;;\ninspect*State*) echo removing; exit;;\nesac\n'
    program.write_text(program.read_text().replace("case $1 in", gone + "case $1 in", 1))
    monkeypatch.setenv("PATH", path)
    with Streams({"app1": Query(labels=["longshore.stack=shop"]).words()}, "shop", window=0.05) as streams:
        assert list(streams.lines()) == []
    assert (streams.failed, streams.unread) == ({}, {})


def test_following_ends_with_its_connection_and_leaves_nothing(tmp_path: Path) -> None:
    words = Query(labels=["longshore.stack=shop"], follow=True).words()
    process = subprocess.Popen(
        words, env=fake_docker(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline().strip().endswith(b"hello")
    process.stdin.close()
    # Standard output is closed only when the last process that could write to it has ended.
    assert process.stdout.read() == b""
    process.wait(20)


def test_containers_that_are_healthy_come_first() -> None:
    output = (
        "container c1 a shop_web.1.a Up 3 seconds (health: starting)\n"
        "container c2 b shop_web.2.b Up 3 minutes (healthy)\n"
        "container c3 c shop_web.3.c Up 3 minutes (unhealthy)\n"
    )
    assert [found.id for found in sorted(containers.parse("app1", output))] == ["c2", "c1", "c3"]


def test_servers_that_do_not_answer_are_named() -> None:
    one = ["echo", "container c1 a shop_web.1.a Up 3 seconds"]
    found, failed = containers.find({"a": one, "b": ["sh", "-c", "echo gone >&2; exit 1"]})
    assert ([entry.server for entry in found], failed) == (["a"], {"b": "gone"})


def test_containers_on_their_way_out_are_not_offered() -> None:
    old, new = "container c1 a shop_web.1.a Up 3 hours", "container c2 b shop_web.1.b Up 3 seconds"
    found, _ = containers.find({"worker": ["printf", f"{old}\n{new}\n"], "manager": ["echo", "task b"]})
    assert [container.id for container in found] == ["c2"]


def test_the_ssh_command_line_quotes_and_raises_rights() -> None:
    gateway = Hop("203.0.113.9", 22, "root", None, None)
    there = Connection("10.0.0.5", 2222, "ops", Path("/keys/k"), None, (gateway,))
    argv = ssh.argv(there, ["sh", "-c", "echo 'a b'"], terminal=True)
    assert argv[:2] == ["ssh", "-tt"]
    assert argv[-2] == "10.0.0.5"
    assert shlex.split(argv[-1]) == ["sudo", "-n", "--", "sh", "-c", "echo 'a b'"]
    joined = " ".join(argv)
    for text in ("-p 2222", "-l ops", "-i /keys/k", "BatchMode=yes", "ProxyCommand="):
        assert text in joined
    assert "sudo" not in " ".join(ssh.argv(Connection("h", 22, "root", None, None), ["id"]))
