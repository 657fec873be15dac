"""The client host: on the public network only, it judges the servers from outside."""

from __future__ import annotations

from . import hosts, image
from .paths import SHARED


def kind() -> hosts.Kind:
    """Describe the client; the tools of `molecule/shared/client/` are at /opt/lab, as they are in the checkout."""
    return hosts.Kind(
        image=image.ensure("client"),
        private=False,
        volumes={str(SHARED / "client"): "/opt/lab"},
        capabilities=("NET_ADMIN",),
    )
