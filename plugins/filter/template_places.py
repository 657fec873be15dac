# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A template of a configuration → where it says what."""

from __future__ import annotations

DOCUMENTATION = r"""
name: template_places
short_description: Where a template of a configuration says what
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - As M(longshore.stack.host_state) takes it as the origin of a file, to say where what a program refuses stands.
options:
  _input:
    description: The template's path on the controller; empty for none.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Show where it says what
  ansible.builtin.debug:
    msg: "{{ '/srv/my.cnf.j2' | longshore.stack.template_places }}"
"""

RETURN = r"""
_value:
  description: C(file), and C(lines), by the word with which each begins; empty for no template.
  type: dict
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.longshore.stack.plugins.plugin_utils.whole_file import places

if TYPE_CHECKING:
    from collections.abc import Callable


def template_places(template: str) -> dict[str, Any]:
    """``file`` and ``lines`` of a template."""
    if not template:
        return {}
    return {"file": template, "lines": places(Path(template).read_text(encoding="utf-8"))}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"template_places": template_places}
