# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of modules that speak to etcd or Patroni."""

from __future__ import annotations


class ModuleDocFragment:
    """Whom to trust, and who we are: ``module_utils/rest.py``."""

    DOCUMENTATION = r"""
options:
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
