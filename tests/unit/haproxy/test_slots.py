# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room for a service's tasks: what is allowed always has a slot, and one answer of DNS holds them all."""

from __future__ import annotations

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import HaproxyError, normalize
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_slots import (
    DNS_ANSWER,
    MOST_TASKS,
    fitting,
    slots,
    surge,
)
from longshore.definition.checks.ports import MOST_ROUTED


@pytest.mark.parametrize(
    ("replicas", "parallelism", "most"),
    [(1, 1, 15), (1, None, 16), (20, 1, 41), (20, 5, 45), (20, None, 40), (0, 1, 15), (4, 0, 8), (400, 1, 749)],
)
def test_a_service_can_be_scaled_so_far(replicas: int, parallelism: int | None, most: int) -> None:
    assert fitting(replicas, parallelism) == most


def test_an_update_replaces_no_more_tasks_than_there_are() -> None:
    assert (surge(2, 10000), surge(40, 3), surge(7, 0)) == (2, 3, 7)
    assert slots(2) == 16


def test_one_answer_of_dns_holds_all_addresses() -> None:
    # Docker compresses no names: header, question, the option record, then each address with the name again.
    assert MOST_TASKS == MOST_ROUTED, "what validate lets pass is served"
    name = 1 + len("tasks") + 1 + 64 + 1
    assert 12 + name + 4 + 11 + MOST_TASKS * (name + 14) <= DNS_ANSWER


@pytest.mark.parametrize("maximum", [MOST_TASKS, MOST_TASKS + 1])
def test_more_tasks_than_one_answer_holds_are_refused(maximum: int) -> None:
    given = ("shop", [], {"web": {"service": "shop_web", "port": 80, "maximum": maximum}}, {})
    if maximum <= MOST_TASKS:
        assert normalize(*given)["backends"]["web"]["maximum"] == maximum
        return
    with pytest.raises(HaproxyError, match="from 1 to 750"):
        normalize(*given)
