# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the servers that no key of the file chooses."""

from __future__ import annotations

# What Swarm uses between servers (docs.docker.com, "Open protocols and ports between the hosts").
SWARM = ((2377, "tcp"), (7946, "tcp"), (7946, "udp"), (4789, "udp"))
REGISTRY = 5000
BACKUP = 8432
# Of etcd: for clients and between its members.
QUORUM = (2379, 2380)
SENTINEL = 26379
# Where the nodes of Erlang, in which RabbitMQ is written, ask for each other's ports.
EPMD = 4369
