# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A credential of what runs inside a database, which takes turns → users and passwords."""

from __future__ import annotations

DOCUMENTATION = r"""
name: internal_login
short_description: With what programs inside a database log in, and whom it lets in
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - While a credential has two values both are let in, and the former one is used until everybody takes both.
positional: user, alternating
options:
  _input:
    description: The credential's text, as M(longshore.stack.credentials) keeps it.
    type: str
    required: true
  user:
    description: The user whose password it is.
    type: str
    required: true
  alternating:
    description: Whether O(user) and the user with V(_2) behind its name take turns, since each has one password only.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Show who replicates
  ansible.builtin.debug:
    msg: "{{ ('1:new:former' | longshore.stack.internal_login('replication')).user }}"
"""

RETURN = r"""
_value:
  description:
    - C(user) and C(password) that are used; C(good), the passwords of each user that is let in; C(unwanted), the other
      users of the two.
  type: dict
"""

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError
from ansible_collections.longshore.stack.plugins.module_utils import turns

if TYPE_CHECKING:
    from collections.abc import Callable


def internal_login(text: str, user: str, alternating: bool = True) -> dict[str, Any]:
    """``user``, ``password``, ``good`` and ``unwanted``. Raises ``AnsibleFilterError`` for a damaged text."""
    try:
        used, password = turns.inside(text, user, alternating)
        good = turns.good(text, user, alternating)
    except ValueError as error:
        raise AnsibleFilterError(f"{user}: {error}") from error
    both = [user, f"{user}_2"] if alternating else [user]
    return {"user": used, "password": password, "good": good, "unwanted": [each for each in both if each not in good]}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"internal_login": internal_login}
