# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that is dead, or dies meanwhile, is told from an HAProxy that is broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.longshore.stack.plugins.module_utils import haproxy_converge as converge
from ansible_collections.longshore.stack.plugins.module_utils import haproxy_docker, haproxy_files
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_docker import NoEngineError
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import HaproxyError, normalize
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.run import Run
from ansible_collections.longshore.stack.plugins.modules import haproxy_config

ROUTES = [{"host": "shop.example", "backend": "web"}]
BACKENDS = {"web": {"service": "shop_web", "port": 80}}
NO_ANSWER = DockerError(0, "no answer from the Docker engine at /var/run/docker.sock: [Errno 111] Connection refused")
ALIVE = SimpleNamespace()


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A server with nothing of a stack, and no systemd; gives its ``/etc/longshore``."""
    monkeypatch.setattr(haproxy_files, "BASE", str(tmp_path))
    monkeypatch.setattr(haproxy_files, "LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(converge, "attempt", lambda *_, **__: (0, "", ""))
    monkeypatch.setattr(haproxy_files, "remove_all", lambda: None)
    return tmp_path


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says what the engine is, each time one looks for it: an engine, or None for a dead one."""

    def answer(*engines: Any) -> None:
        turns: Iterator[Any] = iter(engines)
        monkeypatch.setattr(Docker, "connect", lambda: next(turns))

    return answer


def store(server: Path, stack: str) -> Path:
    """The piece of a stack that is served here."""
    path = server / stack / "haproxy.json"
    path.parent.mkdir()
    path.write_text(haproxy_files.dumped(normalize(stack, [], {}, {})))
    return path


def ended(capsys: pytest.CaptureFixture[str], **given: Any) -> dict[str, Any]:
    """What the module says at its end."""
    with patch_module_args({"stack": "shop", **given}), pytest.raises(SystemExit):
        haproxy_config.main()
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


class TestDeadFromTheStart:
    """Nothing is touched, and the module says which of the two it is."""

    @pytest.mark.parametrize("state", ["present", "absent", "absent beside another"])
    def test_it_is_no_failure_where_none_is_required(
        self, server: Path, answers: Callable[..., None], capsys: pytest.CaptureFixture[str], state: str
    ) -> None:
        fragment = store(server, "shop")
        if state == "absent beside another":
            store(server, "blog")
        wanted: dict[str, Any] = {"state": state.split(maxsplit=1)[0], "routes": ROUTES, "backends": BACKENDS}
        answers(None)
        told = ended(capsys, required=False, **wanted)
        assert (told.get("failed", False), told["changed"], told["unable"]) == (False, False, "engine")
        assert told["msg"] == "no Docker engine answers on this server"
        assert fragment.exists()

    def test_it_is_a_failure_otherwise(self, answers: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
        answers(None)
        told = ended(capsys, routes=ROUTES, backends=BACKENDS)
        assert (told["failed"], told["unable"]) == (True, "engine")

    def test_the_last_stack_goes_without_an_engine_where_that_is_wanted(
        self, server: Path, answers: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        fragment = store(server, "shop")
        answers(None)
        assert ended(capsys, state="absent")["changed"] is True
        assert not fragment.exists()

    def test_check_mode_takes_it_for_one_that_comes(
        self, answers: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        answers(None)
        told = ended(capsys, routes=ROUTES, backends=BACKENDS, required=False, _ansible_check_mode=True)
        assert "unable" not in told
        assert "pull haproxy:3.0" in told["changes"]

    def test_bad_input_stays_bad_input(self, answers: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
        answers(None)
        told = ended(capsys, routes=ROUTES, backends={}, required=False)
        assert told["failed"] is True
        assert "unable" not in told


@pytest.mark.parametrize(
    "error",
    [
        NO_ANSWER,
        HaproxyError(["HAProxy refuses the configuration: Cannot connect to the Docker daemon"]),
        HostError("systemctl restart longshore-haproxy.service ended with 1: A dependency job failed"),
    ],
    ids=["the engine's", "docker run's", "systemd's"],
)
class TestDyingMeanwhile:
    """Whatever says so, the engine is asked before it is blamed."""

    @pytest.fixture(autouse=True)
    def fails(self, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        def apply(*_: Any) -> None:
            raise error

        change = SimpleNamespace(interrupts=False, words=["start HAProxy"], apply=apply)
        monkeypatch.setattr(converge, "_Change", lambda *_: change)

    def test_a_dead_engine_is_no_failure_where_none_is_required(
        self, answers: Callable[..., None], capsys: pytest.CaptureFixture[str], error: Exception
    ) -> None:
        answers(ALIVE, None)
        told = ended(capsys, routes=ROUTES, backends=BACKENDS, required=False)
        assert (told.get("failed", False), told["unable"]) == (False, "engine")
        assert told["msg"] == f"no Docker engine answers on this server any more: {error}"

    def test_it_is_a_failure_otherwise(
        self, answers: Callable[..., None], capsys: pytest.CaptureFixture[str], error: Exception
    ) -> None:
        answers(ALIVE, None)
        told = ended(capsys, routes=ROUTES, backends=BACKENDS)
        assert (told["failed"], told["unable"]) == (True, "engine")
        assert str(error) in told["msg"]

    def test_with_an_engine_that_answers_haproxy_is_broken(
        self, answers: Callable[..., None], capsys: pytest.CaptureFixture[str], error: Exception
    ) -> None:
        answers(ALIVE, ALIVE)
        told = ended(capsys, routes=ROUTES, backends=BACKENDS, required=False)
        assert (told["failed"], told["msg"]) == (True, str(error))
        assert "unable" not in told


def test_an_engine_that_dies_while_one_looks(answers: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    def get(_path: str) -> None:
        raise NO_ANSWER

    answers(SimpleNamespace(get=get), None)
    with pytest.raises(NoEngineError):
        converge.converge("shop", normalize("shop", ROUTES, BACKENDS, {}), True, Run())


def test_an_engine_that_dies_while_the_last_stack_goes_leaves_it_to_the_next_run(
    server: Path, answers: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete(_path: str, **_query: bool) -> None:
        raise NO_ANSWER

    fragment = store(server, "shop")
    now = SimpleNamespace(docker=SimpleNamespace(delete=delete), running=True, joined=set(), gone=False)
    monkeypatch.setattr(converge, "Present", lambda *_: now)
    answers(ALIVE, None)
    with pytest.raises(NoEngineError):
        converge.converge("shop", None, False, Run())
    assert fragment.exists()


class TestStart:
    """A new HAProxy, from its container to its services."""

    @pytest.fixture
    def steps(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """What systemd was asked for."""
        asked: list[str] = []
        now = SimpleNamespace(
            docker=ALIVE, image=True, network={}, running=False, joined=set(), loaded="", active=False, enabled=True,
            outdated=False, unit="",
        )  # fmt: skip
        monkeypatch.setattr(converge, "Present", lambda *_: now)
        monkeypatch.setattr(converge.engine, "network_fits", lambda *_: True)
        monkeypatch.setattr(converge.engine, "host_has_ipv6", lambda: False)
        monkeypatch.setattr(converge.engine, "join", lambda *_: None)
        monkeypatch.setattr(converge.process, "check_config", lambda *_: None)
        monkeypatch.setattr(haproxy_files.Wanted, "differs", lambda _self: False)
        monkeypatch.setattr(haproxy_files.Wanted, "write", lambda _self: None)
        monkeypatch.setattr(haproxy_files, "wrong_directories", list)
        monkeypatch.setattr(converge, "attempt", lambda argv, **_: (asked.append(argv[1]), (0, "", ""))[1])
        return asked

    def test_an_engine_that_dies_before_the_container_is_made(
        self, answers: Callable[..., None], monkeypatch: pytest.MonkeyPatch, steps: list[str]
    ) -> None:
        def run_program(argv: list[str]) -> None:
            raise HostError(f"{' '.join(argv)} ended with 1: A dependency job failed")

        monkeypatch.setattr(converge, "run_program", run_program)
        answers(ALIVE, None)
        with pytest.raises(NoEngineError, match=r"any more: systemctl restart .* dependency job"):
            converge.converge("shop", normalize("shop", ROUTES, BACKENDS, {}), False, Run())
        # What was begun is taken back first.
        assert steps == ["disable", "daemon-reload"]

    @pytest.mark.parametrize(("later", "dead"), [(None, True), (ALIVE, False)])
    def test_services_that_never_come_may_be_a_dead_engines(
        self,
        answers: Callable[..., None],
        monkeypatch: pytest.MonkeyPatch,
        steps: list[str],
        later: object,
        dead: bool,
    ) -> None:
        monkeypatch.setattr(converge._Change, "_start", lambda _self: None)
        monkeypatch.setattr(converge.ready, "wait", lambda names, *_, **__: sorted(names))
        answers(ALIVE, later)
        fragment = normalize("shop", ROUTES, BACKENDS, {})
        if dead:
            with pytest.raises(NoEngineError, match=r"on this server any more$"):
                converge.converge("shop", fragment, False, Run())
        else:
            told = converge.converge("shop", fragment, False, Run())
            assert told["warnings"] == ["no task answers yet behind shop.web"]
        assert steps == []


def test_a_stack_is_not_blamed_for_a_dead_engine() -> None:
    def post(*_: Any) -> None:
        raise NO_ANSWER

    with pytest.raises(DockerError, match=r"Connection refused$"):
        haproxy_docker.join(SimpleNamespace(post=post), "shop_edge")  # type: ignore[arg-type]
