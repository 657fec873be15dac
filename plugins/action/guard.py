# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first task of every playbook: is there a stack, and can its servers be reached well enough to be safe?

Ansible takes an inventory source that it cannot parse for a warning, says "no hosts matched" and ends with 0.
This action reads the sources again and fails with the definition's own errors.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.vault import EncryptedString
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template
from ansible_collections.longshore.stack.plugins.plugin_utils import given_certificates, reachability, stack_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.definition import Stack


class ActionModule(ActionBase):
    """Runs on the controller alone, and changes nothing."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fail with what is wrong; else return ``unreachable_servers`` (names)."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        known = task_vars or {}
        _options, given = self.validate_argument_spec(
            argument_spec={
                "groups": {"type": "list", "elements": "str", "default": []},
                "quorum": {"type": "bool", "default": True},
                "secrets": {"type": "str", "choices": ["none", "images", "all"], "default": "none"},
            }
        )
        sources = [str(source) for source in known.get("ansible_inventory_sources") or []]
        definition = _read(sources)
        groups: Mapping[str, list[str]] = known["groups"]
        for group in ("longshore", *given["groups"]):
            if not groups.get(group):
                raise AnsibleActionFail(
                    f"no server is in the group '{group}' (inventory: {', '.join(sources) or 'none'}): "
                    "give a stack file with -i; its first key is 'plugin: longshore.stack.stack'"
                )
        if definition is not None and given["secrets"] != "none":
            variables = known["hostvars"].raw_get(next(iter(definition.servers)))
            self._resolve(definition, variables, images_only=given["secrets"] == "images")
        if definition is not None and given["secrets"] == "all":
            self._check_certificates(definition)
        missing = reachability.unreachable({name: known["hostvars"][name] for name in groups["longshore"]})
        result["changed"] = False
        result["unreachable_servers"] = sorted(missing)
        if given["quorum"]:
            problem = reachability.unsafe(groups, missing)
            if problem:
                raise AnsibleActionFail(f"{problem}; nothing was touched", result=result)
        return result

    def _resolve(self, definition: Stack, variables: Mapping[str, Any], *, images_only: bool) -> None:
        """Fail when a secret value cannot be had: else it would be found out once servers have changed."""
        from longshore.definition.needs import needs  # noqa: PLC0415 - there when a definition is, else missing

        needed = needs(definition, images_only=images_only)
        wrong = [
            f"{path}: the environment variable {name} is not set"
            for name, path in needed.variables.items()
            if name not in os.environ
        ]
        templar = self._templar.copy_with_new_env(available_variables=variables)
        for template, path in {} if wrong else needed.lookups.items():
            try:
                templar.template(trust_as_template(template))
            except AnsibleError as error:
                wrong.append(f"{path}: {_cause(error)}")
        for ciphertext, path in needed.vault.items():
            try:
                str(EncryptedString(ciphertext=ciphertext))
            except AnsibleError as error:
                wrong.append(f"{path}: {_cause(error)} (--vault-password-file, or ANSIBLE_VAULT_PASSWORD_FILE)")
        if wrong:
            message = "\n".join(["a secret value can't be had, nothing was touched:", *wrong])
            raise AnsibleActionFail(message, result={"bad_input": True})

    def _check_certificates(self, definition: Stack) -> None:
        """Fail when a certificate that is given could not be served."""
        try:
            wrong = given_certificates.wrong(definition, self._loader.get_text_file_contents)
        except AnsibleError as error:
            wrong = [_cause(error)]
        if wrong:
            message = "\n".join(["a certificate can't be used, nothing was touched:", *wrong])
            raise AnsibleActionFail(message, result={"bad_input": True})


def _cause(error: BaseException | None) -> str:
    # Ansible's outermost words only say that something could not be resolved.
    words: list[str] = []
    while error is not None:
        words.append(str(error).rstrip("."))
        error = error.__cause__
    return ": ".join(dict.fromkeys(words))


def _read(sources: list[str]) -> Stack | None:
    """The definition in the one stack file among ``sources``; None when there is none."""
    stacks = stack_file.among(sources)
    if len(stacks) > 1:
        message = f"a run is about one stack, but these are {len(stacks)}, nothing was touched: {', '.join(stacks)}"
        raise AnsibleActionFail(f"{message}. Give one of them with -i", result={"bad_input": True})
    try:
        return stack_file.read(stacks[0]) if stacks else None
    except ValueError as error:
        message = f"the stack file was refused, nothing was touched:\n{error}"
        raise AnsibleActionFail(message, result={"bad_input": True}) from error
