# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An exporter that the file wants no longer ends, and nothing else does."""

from __future__ import annotations

from ..conftest import SERVERS
from ..test_exporters import PORTS, unit
from .conftest import First


def test_one_that_is_not_wanted_ends_and_the_others_go_on(first: First) -> None:
    before, after = first.exporters
    assert [each[-1] for each in before if each[-1] == "0"] == []
    for server, (*others, _ended), (*still, cache) in zip(SERVERS, before, after, strict=True):
        assert cache == "0"
        # Who is rid of its memcached has another certificate, which an exporter reads when it starts.
        assert "0" not in still if server == "app3" else still == others, f"on {server} one was restarted"
    for server in SERVERS:
        left = "ls /etc/systemd/system /etc/systemd/system/multi-user.target.wants /etc/longshore/ledger/exporters"
        files = first.ledger.lab.on(server, "sh", "-c", left).stdout
        assert (unit("main") in files, "ledger-main.login" in files) == (True, True)
        assert (unit("cache") in files, "ledger-cache.login" in files) == (False, False)
        assert first.ledger.lab.on(server, "ss", "-Hltn", f"sport = :{PORTS['cache']}").stdout == "", server
