# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine's configuration → what settings can change in it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: changeable_settings
short_description: What settings can change in an engine's configuration
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - The roles of databases write first what settings can change, then what is their own. This reads the first part.
  - What may be secret, such as a setting with C(pass) in its name, is left out.
positional: engine
options:
  _input:
    description: The configuration, as the role's template gives it.
    type: str
    required: true
  engine:
    description: Whose configuration it is.
    type: str
    choices: [mariadb, postgresql, rabbitmq, redis]
    required: true
"""

EXAMPLES = r"""
- name: Show what settings can change
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'shop.cnf') | longshore.stack.changeable_settings('mariadb') }}"
"""

RETURN = r"""
_value:
  description: Name to value, in the engine's words.
  type: dict
"""

from typing import TYPE_CHECKING, Any

from ansible_collections.longshore.stack.plugins.module_utils.settings_text import (
    changeable,
    equals,
    mariadb,
    postgresql,
    shown,
    spaced,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_PARSERS = {"mariadb": mariadb, "postgresql": postgresql, "rabbitmq": equals, "redis": spaced}


def changeable_settings(text: str, engine: str) -> dict[str, str]:
    """Name → value, of what settings can change in ``text``, but for what may be secret."""
    return shown(changeable(text, _PARSERS[engine]))


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"changeable_settings": changeable_settings}
