"""Make the lab and its load generator importable."""

from __future__ import annotations

import sys
from pathlib import Path

SHARED = Path(__file__).resolve().parents[3] / "molecule" / "shared"
sys.path[:0] = [str(SHARED), str(SHARED / "client")]
