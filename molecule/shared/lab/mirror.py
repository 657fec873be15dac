"""The image mirror: a registry that serves official names, filled once per machine."""

from __future__ import annotations

from . import hosts, image

VOLUME = "longshore-mirror"
PORT = 5000


def kind() -> hosts.Kind:
    """Describe the mirror's host; the volume with the images belongs to all labs of the machine."""
    return hosts.Kind(image=image.ensure("registry"), volumes={VOLUME: "/var/lib/registry"})


def fill() -> None:
    """Fill the mirror with what it lacks."""


def remove() -> None:
    """Remove the mirror's images."""
