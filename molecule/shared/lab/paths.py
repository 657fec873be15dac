"""Where the lab keeps its files."""

from __future__ import annotations

from pathlib import Path

SHARED = Path(__file__).resolve().parent.parent
CHECKOUT = SHARED.parent.parent
IMAGES = SHARED / "image"
REPOSITORIES = SHARED / "repositories"
LABS = CHECKOUT / ".lab"
CERTIFICATES = Path("/usr/local/share/ca-certificates")
