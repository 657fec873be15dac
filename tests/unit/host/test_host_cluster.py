# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stacks say of settings that they share, and the lock of a server."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import host_cluster, host_lock
from ansible_collections.longshore.stack.plugins.module_utils import run as run_module
from ansible_collections.longshore.stack.plugins.module_utils.host_change import Host, HostError
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

if TYPE_CHECKING:
    from pathlib import Path

SHOP: dict[str, Any] = {"timezone": "Europe/Berlin", "sysctl": {"vm.swappiness": "10"}, "registry.server": None}


def say(root: Path, stack: str, says: dict[str, Any], *, instead: bool = False) -> list[str]:
    """What a run of ``stack`` does to the statements."""
    if not instead:
        host_cluster.check(stack, says, str(root))
    done = []
    for change in host_cluster.plan(stack, says, instead, Host(check=False), str(root)):
        change.apply()
        done.append(change.what)
    return done


class TestStatements:
    def test_equal_and_unsaid_are_no_difference(self, tmp_path: Path) -> None:
        assert say(tmp_path, "shop", SHOP) == [f"file {tmp_path}/shop/cluster.json"]
        assert say(tmp_path, "shop", SHOP) == []
        assert "registry.server" not in json.loads((tmp_path / "shop/cluster.json").read_text())
        assert say(
            tmp_path, "blog", {**SHOP, "registry.server": "app2", "users.anna": {"sudo": True}, "timezone": None}
        )
        # What only one of them says, the other may say afterwards too, but not otherwise.
        with pytest.raises(HostError, match=r"registry\.server: shop says app1, blog says app2"):
            say(tmp_path, "shop", {**SHOP, "registry.server": "app1"})

    def test_a_difference_names_both_and_the_parts(self, tmp_path: Path) -> None:
        say(tmp_path, "shop", SHOP)
        with pytest.raises(host_cluster.Conflict) as refused:
            say(tmp_path, "blog", {"timezone": "Etc/UTC", "sysctl": {"vm.swappiness": "10", "vm.max_map_count": "9"}})
        assert refused.value.stacks == ["shop"]
        assert "timezone: blog says Etc/UTC, shop says Europe/Berlin" in str(refused.value)
        assert "sysctl.vm.max_map_count: blog says 9, shop says nothing" in str(refused.value)
        assert "swappiness" not in str(refused.value)
        assert not (tmp_path / "blog").exists()

    def test_passwords_in_addresses_are_not_shown(self, tmp_path: Path) -> None:
        say(tmp_path, "shop", {"docker.daemon": {"proxies": {"http-proxy": "http://me:hunter2@proxy"}}})
        with pytest.raises(host_cluster.Conflict) as refused:
            say(tmp_path, "blog", {"docker.daemon": {}})
        assert "hunter2" not in str(refused.value)
        assert "proxy" in str(refused.value)

    def test_change_for_all(self, tmp_path: Path) -> None:
        say(tmp_path, "shop", SHOP)
        say(tmp_path, "blog", SHOP)
        new = {**SHOP, "timezone": "Etc/UTC"}
        assert len(say(tmp_path, "shop", new, instead=True)) == 2
        # Neither the same run again nor the other stack with the new word is refused; with the old one it is.
        assert say(tmp_path, "shop", new) == []
        with pytest.raises(HostError, match="blog says Europe/Berlin"):
            say(tmp_path, "blog", SHOP)
        assert say(tmp_path, "blog", new) == [f"file {tmp_path}/blog/cluster.json"]

    def test_what_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop/cluster.json").write_text("{")
        with pytest.raises(HostError, match=r"shop/cluster\.json is not what Longshore wrote"):
            say(tmp_path, "blog", SHOP)


class TestLock:
    def test_second_run_waits_and_then_names_the_first(self, tmp_path: Path) -> None:
        lock = str(tmp_path / "run/host.lock")
        late = host_lock.held("server", Run(), lock, timeout=0.1)
        named = pytest.raises(HostError, match=r"the step docker_host, process [0-9]+, since 20")
        with host_lock.held("docker_host", Run(), lock), named, late:
            pass
        with host_lock.held("server", Run(), lock, timeout=0.1):
            pass

    def test_waits_until_the_first_has_ended(self, tmp_path: Path) -> None:
        lock, order, begun = str(tmp_path / "host.lock"), [], threading.Event()

        def second() -> None:
            begun.set()
            with host_lock.held("second", Run(), lock, timeout=30):
                order.append("second")

        thread = threading.Thread(target=second)
        with host_lock.held("first", Run(), lock):
            thread.start()
            assert begun.wait(10)
            order.append("first")
        thread.join(10)
        assert order == ["first", "second"]

    def test_who_is_cancelled_waits_no_longer(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run_module, "CANCEL_MARKS", str(tmp_path))
        lock = str(tmp_path / "host.lock")
        (tmp_path / "r1").touch()
        late = host_lock.held("server", Run("r1"), lock, timeout=30)
        with host_lock.held("docker_host", Run(), lock), pytest.raises(Cancelled), late:
            pass
