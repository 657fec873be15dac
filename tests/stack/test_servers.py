# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that is drained and put back to work."""

from __future__ import annotations

from .support import Lab, StackFile, longshore
from .test_faults import healthy_on


def test_drained_server_takes_tasks_again_when_it_is_active(lab: Lab, shop: StackFile) -> None:
    drained = longshore(shop, "server", "drain", "app3")
    assert drained.code == 0, drained.end
    assert healthy_on(lab, "app3") == 0
    assert longshore(shop, "up").code == 0
    assert healthy_on(lab, "app3") == 0, "a drained server stays so"
    active = longshore(shop, "server", "activate", "app3")
    assert active.code == 0, active.end
    # No more than four on each server: a ninth task finds a place on the third alone.
    assert longshore(shop, "scale", "web=9").code == 0
    assert healthy_on(lab, "app3") >= 1
    again = longshore(shop, "server", "activate", "app3")
    assert "nothing changed" in again.output, again.end
    assert longshore(shop, "scale", "web=6").code == 0
