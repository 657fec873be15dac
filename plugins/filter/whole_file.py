# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a template of a whole configuration gave → the same, if it says nothing that it must not."""

from __future__ import annotations

DOCUMENTATION = r"""
name: whole_file
short_description: A whole configuration of an engine, if it may be one
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Fails for what brings in other files, what may be secret, and what is said twice, with the template's file and line.
positional: engine, template
options:
  _input:
    description: What the template gave.
    type: str
    required: true
  engine:
    description: Whose configuration it is.
    type: str
    choices: [mariadb, postgresql, rabbitmq, redis]
    required: true
  template:
    description: The template's path on the controller.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Show the configuration
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.template', place) | longshore.stack.whole_file('mariadb', place) }}"
  vars:
    place: /srv/my.cnf.j2
"""

RETURN = r"""
_value:
  description: The same text, without its last line's end.
  type: str
"""

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError
from ansible_collections.longshore.stack.plugins.plugin_utils.whole_file import named, problem

if TYPE_CHECKING:
    from collections.abc import Callable


def whole_file(text: str, engine: str, template: str) -> str:
    """``text``; raises ``AnsibleFilterError`` for what it must not say."""
    name, words = problem(text, engine)
    if words:
        raise AnsibleFilterError(f"{named(template, name)}: {f'{name} ' if name else ''}{words}")
    return text.rstrip("\n")


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"whole_file": whole_file}
