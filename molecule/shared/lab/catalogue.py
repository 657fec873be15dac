# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mirror serves: official names and tags, and the recipe in `image/mirror/` that each comes from."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Entry:
    """One repository of the mirror; the folder of its recipe is the last part of its name."""

    name: str
    tags: tuple[str, ...]

    @property
    def recipe(self) -> str:
        """The folder below `image/` that it is built from."""
        return f"mirror/{self.name.rpartition('/')[2]}"

    @property
    def official(self) -> str:
        """Its name as people write it."""
        return self.name.removeprefix("library/")


CATALOGUE = (
    Entry("library/gcc", ("latest", "14", "14-trixie")),
    Entry("library/postgres", ("latest", "17", "17-trixie")),
    Entry("library/python", ("latest", "3", "3.13", "slim", "3-slim", "3.13-slim", "3.13-slim-trixie", "3.13-trixie")),
    Entry("library/node", ("latest", "lts", "20", "slim", "lts-slim", "20-slim", "20-trixie", "20-trixie-slim")),
    Entry("library/debian", ("latest", "stable", "13", "trixie", "stable-slim", "13-slim", "trixie-slim")),
    Entry("library/nginx", ("latest", "1", "1.26", "stable")),
    Entry("library/haproxy", ("latest", "lts", "3", "3.0")),
    Entry("library/redis", ("latest", "8", "8.0", "8-trixie")),
    Entry("valkey/valkey", ("latest", "8", "8.1", "8-trixie")),
    Entry("library/busybox", ("latest", "1", "1.37", "stable", "musl", "glibc")),
)
