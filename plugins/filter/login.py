# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A credential that takes turns → user and passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError
from ansible_collections.longshore.stack.plugins.module_utils import turns

if TYPE_CHECKING:
    from collections.abc import Callable


def login(text: str, user: str, alternating: bool = False) -> dict[str, str]:
    """``user``, ``password``, and the ``former`` password while that is good too, else empty."""
    try:
        turn = turns.read(text)
        name = turns.user_of(text, user) if alternating else user
    except ValueError as error:
        raise AnsibleFilterError(f"{user}: {error}") from error
    return {"user": name, "password": turn.value, "former": turn.former}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"login": login}
