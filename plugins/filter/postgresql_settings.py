# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of PostgreSQL → what settings can change in each."""

from __future__ import annotations

DOCUMENTATION = r"""
name: postgresql_settings
short_description: What settings can change in instances of PostgreSQL
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - What is worked out from the server, and above it what each instance is given; as
    P(longshore.stack.patroni_configs#filter) has it, but without passwords.
positional: size, share
options:
  _input:
    description: The instances, as the role P(longshore.stack.postgresql#role) takes them.
    type: list
    elements: dict
    required: true
  size:
    description: C(memory) in bytes and C(processors), as M(longshore.stack.host_size) gives them.
    type: dict
    required: true
  share:
    description: How much of the memory is for the instances, from 0 to 1.
    type: float
    required: true
"""

EXAMPLES = r"""
- name: Show the settings
  ansible.builtin.debug:
    msg: "{{ postgresql_instances | longshore.stack.postgresql_settings(ansible_facts.longshore_size, 0.5) }}"
"""

RETURN = r"""
_value:
  description: Instance to names and values.
  type: dict
"""

from typing import TYPE_CHECKING, Any

from ansible_collections.longshore.stack.plugins.plugin_utils.patroni_config import changeable, share_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def postgresql_settings(
    instances: Sequence[Mapping[str, Any]], size: Mapping[str, int], share: float
) -> dict[str, dict[str, str]]:
    """Instance → name → value, of what settings can change."""
    had = share_of(size, float(share), len(instances))
    return {each["name"]: changeable(each, *had) for each in instances}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"postgresql_settings": postgresql_settings}
