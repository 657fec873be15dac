"""The client host: on the public network only, it judges the servers from outside."""

from __future__ import annotations

from . import hosts, image
from .paths import SHARED


def kind() -> hosts.Kind:
    """Describe the client."""
    tools = {f"opt/lab/{path.name}": path.read_bytes() for path in sorted((SHARED / "client").glob("*.py"))}
    return hosts.Kind(image=image.ensure("client"), private=False, files=tools)
