# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack tells the firewall, how stacks are put together, and what nftables gets of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.firewall_known import elements
from ansible_collections.longshore.stack.plugins.module_utils.firewall_leases import Lease, parsed
from ansible_collections.longshore.stack.plugins.module_utils.firewall_model import (
    FirewallError,
    is_in_force,
    merged,
    networks,
    normalize,
)
from ansible_collections.longshore.stack.plugins.module_utils.firewall_render import LEASES, render


def fragment(stack: str = "shop", *, enabled: bool = True, **rules: Any) -> dict[str, Any]:
    settings = rules.pop("settings", {})
    return normalize(stack, rules, settings, enabled)


def chain(text: str, name: str) -> list[str]:
    """The rules of a chain, in their order."""
    body = text[text.index("flush table") :]
    start = body.index(f"  chain {name} {{\n")
    return [line.strip() for line in body[start : body.index("\n  }", start)].splitlines()[1:]]


def test_a_fragment_says_the_same_however_it_is_written() -> None:
    given = fragment(allow=[{"from": ["192.0.2.7/24", "containers", "192.0.2.0/24"], "ports": [443, "80-81", "82"]}])
    assert given["allow"] == [
        {"name": "", "from": ["192.0.2.0/24", "containers"], "ports": ["80-82", "443"], "protocol": "tcp"}
    ]
    assert normalize(given["stack"], given, given["settings"], given["enabled"]) == given
    assert json.loads(json.dumps(given)) == given


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"allow": [{"from": ["shop.example"]}]}, "allow[0].from: 'shop.example' is neither an address"),
        ({"allow": [{"ports": ["0"]}]}, "allow[0].ports: '0' is neither a port"),
        ({"allow": [{"ports": ["90-80"]}]}, "allow[0].ports: '90-80' is neither a port"),
        ({"allow": [{"ports": ["80;drop"]}]}, "allow[0].ports: '80;drop' is neither a port"),
        ({"allow": [{"protocol": "icmp"}]}, "allow[0].protocol: 'icmp' is not one of"),
        ({"allow": [{"protocol": "vrrp", "ports": ["1"]}]}, "allow[0].ports: vrrp has no ports"),
        ({"allow": [{"name": 'x" accept'}]}, "allow[0].name: must be"),
        ({"allow": [{"port": 80}]}, "allow[0]: unknown port"),
        ({"allow": ["80"]}, "allow[0]: must be a mapping"),
        ({"deny": [{}]}, "deny[0]: keeps everybody out of everything"),
        ({"deny": [{"from": ["containers"], "ports": ["1"]}]}, "deny[0].from: containers are kept out"),
        ({"settings": {"trusted_interfaces": ['wg0" accept']}}, "settings.trusted_interfaces"),
        ({"settings": {"colour": 1}}, "settings: unknown colour"),
    ],
)
def test_what_can_not_be_is_refused_with_its_place(rules: dict[str, Any], words: str) -> None:
    with pytest.raises(FirewallError) as raised:
        fragment(**rules)
    assert words in str(raised.value)


@pytest.mark.parametrize("name", ["cluster", "firewall", "haproxy", "a/b", ""])
def test_a_stack_is_not_called_like_a_directory_of_ours(name: str) -> None:
    with pytest.raises(FirewallError):
        fragment(name)


def test_stacks_are_put_together_and_one_denies_for_all() -> None:
    shop = fragment(allow=[{"ports": ["80"]}], settings={"trusted_interfaces": ["wg0"], "log": False})
    blog = fragment(
        "blog",
        enabled=False,
        allow=[{"ports": ["80"]}, {"ports": ["81"]}],
        deny=[{"from": ["192.0.2.1"]}],
        settings={"strict_source": False},
    )
    together = merged([shop, blog])
    assert together == merged([blog, shop])
    assert [rule["ports"] for rule in together["allow"]] == [["80"], ["81"]]
    assert len(together["deny"]) == 1
    settings = together["settings"]
    assert (settings["log"], settings["strict_source"], settings["trusted_interfaces"]) == (True, False, ["wg0"])
    assert is_in_force([shop, blog])
    assert not is_in_force([blog])


def test_overlapping_networks_of_a_family_are_one() -> None:
    listed = ["192.0.2.0/25", "192.0.2.128/25", "192.0.2.7", "2001:db8::1", "containers"]
    assert networks(listed, 4) == ["192.0.2.0/24"]
    assert networks(listed, 6) == ["2001:db8::1"]


def test_what_goes_on_is_cut_by_deny_and_by_nothing_else() -> None:
    text = render(merged([fragment(deny=[{"from": ["192.0.2.1", "2001:db8::/32"], "protocol": "any"}])]))
    order = chain(text, "prerouting")
    assert order.index("ct direction original jump denied") < order.index("ct state established,related accept")
    assert chain(text, "denied") == ["ip saddr 192.0.2.1 counter drop", "ip6 saddr 2001:db8::/32 counter drop"]


def test_containers_get_what_everybody_gets_and_what_is_theirs() -> None:
    rules = [
        {"ports": ["80"]},
        {"from": ["0.0.0.0/0", "::/0"], "ports": ["22"]},
        {"from": ["192.0.2.1", "containers"], "ports": ["5432"]},
        {"from": ["containers"], "ports": ["53"], "protocol": "any"},
    ]
    text = render(merged([fragment(allow=rules)]))
    inside, outside = chain(text, "containers"), chain(text, "outside")
    own = ["tcp dport 80 accept", "tcp dport 5432 accept", "meta l4proto { tcp, udp } th dport 53 accept"]
    assert [line for line in inside if "dport" in line] == own
    assert "tcp dport 80 accept" in outside
    assert "ip saddr 0.0.0.0/0 tcp dport 22 accept" in outside
    assert "ip saddr 192.0.2.1 tcp dport 5432 accept" in outside
    assert not any("dport 53 " in line for line in outside)
    assert inside[-1].startswith("counter reject")
    assert outside[-1] == "counter drop"


def test_nobody_outside_reaches_a_container_past_the_servers_ports() -> None:
    rules = [{"ports": ["80"]}, {"from": ["192.0.2.1"], "protocol": "vrrp"}]
    outside = chain(render(merged([fragment(allow=rules)])), "outside")
    local = outside.index("fib daddr type != local counter drop")
    # Its packets go to an address that is nobody's own.
    assert outside.index("ip saddr 192.0.2.1 meta l4proto 112 accept") < local < outside.index("tcp dport 80 accept")


def test_settings_turn_parts_off() -> None:
    quiet = {"log": False, "strict_source": False, "container_interfaces": [], "trusted_interfaces": ["wg0"]}
    text = render(merged([fragment(settings=quiet)]))
    assert " log " not in text
    assert "fib saddr" not in text
    assert chain(text, "prerouting")[-2:] == ['iifname "wg0" accept', "goto outside"]


def test_leases_are_kept_by_new_rules() -> None:
    text = render(merged([fragment()]))
    head = text[: text.index("flush table")]
    assert all(f"set {name} {{" in head for name in LEASES.values())
    assert "flush set" not in text
    assert "delete" not in text


def test_a_lease_is_for_an_address_or_for_everybody() -> None:
    assert (Lease("192.0.2.1", 22, "tcp").set, Lease("192.0.2.1", 22, "tcp").element) == (
        "leases4",
        "192.0.2.1 . tcp . 22",
    )
    assert Lease("2001:DB8::1", 53, "udp").element == "2001:db8::1 . udp . 53"
    assert Lease("any", 22, "tcp").element == "tcp . 22"
    for source, port in (("192.0.2.0/24", 22), ("any", 0), ("shop.example", 22)):
        with pytest.raises(ValueError, match=r"from|port"):
            Lease(source, port, "tcp")


def test_leases_are_read_as_nft_lists_them() -> None:
    elements = [{"elem": {"val": {"concat": ["192.0.2.1", "tcp", 22]}, "timeout": 60, "expires": 59}}]
    text = json.dumps({"nftables": [{"metainfo": {}}, {"set": {"name": "leases4", "elem": elements}}]})
    assert parsed(text) == [{"from": "192.0.2.1", "protocol": "tcp", "port": 22, "seconds": 59}]
    assert parsed(json.dumps({"nftables": [{"set": {"name": "leases4"}}]})) == []
    elements[0]["elem"]["val"]["concat"] = ["udp", 53]  # type: ignore[index]
    text = json.dumps({"nftables": [{"set": {"elem": elements}}]})
    assert parsed(text)[0]["from"] == "any"


# 10.77.0.11 to 10.77.0.12:5432, one from outside to its own 5432, its own to itself, and who listens there.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B004D0A:A000 0C004D0A:1538 01 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0B004D0A:1538 0C004D0A:A001 01 00000000:00000000 00:00000000 00000000     0        0 2 1
   2: 0100007F:A002 0100007F:1538 01 00000000:00000000 00:00000000 00000000     0        0 3 1
   3: 00000000:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4 1
   4: 0B004D0A:A003 0C004D0A:1538 06 00000000:00000000 00:00000000 00000000     0        0 5 1
"""
# An IPv4 connection as a socket of both families has it, and one of IPv6.
TCP6 = """\
  sl  local_address                         remote_address                        st
   0: 0000000000000000FFFF00000B004D0A:A004 0000000000000000FFFF00000C004D0A:0BEA 01
   1: B80D0120000000000000000001000000:A005 B80D0120000000000000000002000000:01BB 01
"""


def test_connections_of_before_the_first_rules_are_let_in() -> None:
    assert elements([TCP, TCP6]).splitlines() == [
        "add element inet longshore known4 { 10.77.0.12 . 3050 . 40964 timeout 10800s }",
        "add element inet longshore known4 { 10.77.0.12 . 5432 . 40960 timeout 10800s }",
        "add element inet longshore known6 { 2001:db8::2 . 443 . 40965 timeout 10800s }",
    ]
    assert elements([]) == ""
