#!/usr/bin/env python3
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of Molecule's scenarios: the servers of the lab that the variable LAB names (default: `lab`).

A program and not a file, since testinfra doesn't template: it needs the key's absolute path.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))

from lab import state
from lab.addresses import server_number


def inventory(lab: state.Lab) -> dict[str, Any]:
    """Ansible's JSON form: the group ``servers``, with the addresses that a scenario may hand to a role."""
    hosts = {}
    for name in lab.servers:
        public, private = (network.at(server_number(name)) for network in (lab.plan.public, lab.plan.private))
        hosts[name] = {
            "ansible_host": public.v4,
            "private_address": private.v4,
            "public_address6": public.v6,
            "private_address6": private.v6,
        }
    connection = {
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_pipelining": True,
        "ansible_ssh_private_key_file": str(lab.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.known_hosts} -o IdentitiesOnly=yes"
        " -o StrictHostKeyChecking=yes -o ControlMaster=auto -o ControlPersist=60s",
    }
    return {"servers": {"hosts": sorted(hosts), "vars": connection}, "_meta": {"hostvars": hosts}}


def main() -> int:
    """Answer ``--list``; variables of single hosts are in there already."""
    name = os.environ.get("LAB", "lab")
    lab = state.load(name)
    if lab is None:
        sys.stderr.write(f"there is no lab {name}: `python molecule/shared/lab up --name {name}` makes it\n")
        return 1
    json.dump(inventory(lab), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
