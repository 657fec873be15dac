# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module whose parameters stay out of the server's log, and out of its result.

Private to the collection. Ansible logs every module's parameters there and replaces the values of secret ones; in a
list of dictionaries it does not recognize those with line breaks, quotes or backslashes.
``AnsibleModule(no_log=True)`` is no way out: what the controller sends overrides it.
"""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class QuietModule(AnsibleModule):  # type: ignore[misc]  # core has no types
    """An ``AnsibleModule`` for parameters that have secrets inside of lists or dictionaries."""

    def _log_invocation(self) -> None:
        return

    def _return_formatted(self, kwargs: dict[str, Any]) -> None:
        # What ansible-playbook shows at -vvv.
        super()._return_formatted({"invocation": {"module_args": {}}, **kwargs})
