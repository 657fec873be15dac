# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack file as an Ansible inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stack
short_description: A Longshore stack file as an inventory
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Reads one stack file and gives Ansible its servers, their groups and the variables of every role.
  - The file is checked whole before anything is given; all its errors are reported at once.
  - The environment variable E(LONGSHORE_ENVIRONMENT) (C(longshore -e)) overlays C(<name>.<environment>.yml), which
    stands beside the file.
  - A run is about one stack. Nothing is taken of a second stack file among the sources, and every playbook refuses it.
  - Secret values are not part of the inventory. They are references, resolved when a task uses them.
requirements:
  - The Python package C(longshore), which brings this collection and the definition model.
options:
  plugin:
    description: The name of this plugin; marks a file as a stack file.
    type: str
    required: true
    choices: [longshore.stack.stack]
seealso:
  - name: The stack file
    description: Every key of the stack file.
    link: https://longshore.example/docs/reference/stack-file
"""

EXAMPLES = r"""
# stack.yml; run with: ansible-playbook -i stack.yml longshore.stack.site
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, tags: [app, lb]}
services:
  web:
    image: nginx:1
    routes:
      - {host: shop.example, port: 80}
"""

from typing import TYPE_CHECKING

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible_collections.longshore.stack.plugins.plugin_utils import payloads, workers
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import groups, variables
from ansible_collections.longshore.stack.plugins.plugin_utils.stack_file import is_stack_file, read

if TYPE_CHECKING:
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader


class InventoryModule(BaseInventoryPlugin):
    """One stack file in, groups and role variables out."""

    NAME = "longshore.stack.stack"

    def verify_file(self, path: str) -> bool:
        """Whether ``path`` is a stack file (its ``plugin`` key names this plugin)."""
        return super().verify_file(path) and is_stack_file(path)

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Fill ``inventory`` from the stack file at ``path``."""
        super().parse(inventory, loader, path, cache)
        known = inventory.groups.get("longshore")
        if known is not None and "services_stack" in known.vars:
            # Its servers would get the variables of the other stack.
            raise AnsibleParserError(f"a run is about one stack, and '{known.vars['services_stack']}' was read before")
        try:
            definition = read(path)
        except ValueError as error:
            raise AnsibleParserError(str(error)) from error
        # Everything is worked out before anything is given: half an inventory must not look like a whole one.
        members = groups.members(definition)
        shared = variables.of_stack(definition)
        own = {server: variables.of_server(definition, server) for server in definition.servers}
        for group, servers in members.items():
            inventory.add_group(group)
            for server in servers:
                inventory.add_host(server, group=group)
        for name, value in shared.items():
            inventory.set_variable("longshore", name, value)
        for server, known in own.items():
            for name, value in known.items():
                inventory.set_variable(server, name, value)
        payloads.reuse()
        workers.prepare(("longshore.stack.image_results", "longshore.stack.login"))
