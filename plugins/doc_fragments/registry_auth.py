# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of modules that speak to registries."""

from __future__ import annotations


class ModuleDocFragment:
    """``registry_auth``, as ``module_utils/registry_auth.py`` takes it."""

    DOCUMENTATION = r"""
options:
  registry_auth:
    description: Credentials for registries.
    type: list
    elements: dict
    default: []
    suboptions:
      registry:
        description: Host name and port, V(docker.io) for Docker Hub.
        type: str
        required: true
      username:
        description: Name of the user.
        type: str
        required: true
      password:
        description: Password or token.
        type: str
        required: true
"""
