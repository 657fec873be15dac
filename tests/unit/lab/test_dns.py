"""Servers get resolvers that exist for them too."""

from __future__ import annotations

from lab.dns import nameservers


def test_local_resolvers_are_left_out() -> None:
    text = "# here\nsearch example\nnameserver 127.0.0.53\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver 192.0.2.53\n"
    assert nameservers(text) == ["192.0.2.53"]


def test_nonsense_is_no_resolver() -> None:
    assert nameservers("nameserver\nnameserver dns.example\n") == []
