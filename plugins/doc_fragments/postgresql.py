# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of modules that speak to Patroni."""

from __future__ import annotations


class ModuleDocFragment:
    """Who we are, and the instances of this server."""

    DOCUMENTATION = r"""
options:
  member:
    description: This server's name in its groups.
    type: str
    required: true
  authority:
    description: Path of the authority's certificate.
    type: path
    required: true
  certificate:
    description: Path of this server's certificate as a client.
    type: path
    required: true
  key:
    description: Path of its key.
    type: path
    required: true
"""
