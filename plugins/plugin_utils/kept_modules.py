# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that a server keeps: it is sent a module's name and arguments, not all that the module imports.

Ansible sends a module with all of its own code that this needs, some 170 kB, each time, and Python compiles it each
time: 0.1 to 0.2 s of processor time for every task on every server. A server that has it all once, in
``/var/cache/longshore/modules/DIGEST``, has it compiled from the second time on (docs/decisions/0004).

Where anything is not as expected, the module is sent as Ansible does.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.longshore.stack.plugins.plugin_utils import kept_on_server, payloads

DIRECTORY = "/var/cache/longshore/modules"
_MISSING = "longshore_modules_missing"
# What Ansible's payload says that it is started with; when it is debugged, or its coverage measured, that is more.
_GIVEN = re.compile(rb"^(module_fqn|profile|params|extensions|rlimit_nofile)=(.*),$", re.MULTILINE)
_PLAIN = {b"extensions": b"{}", b"rlimit_nofile": b"0"}
_SCRIPT = """import os, sys
try:
    os.getcwd()
except OSError:
    os.chdir("/")
sys.path = [path for path in sys.path if path not in ("", ".")]
sys.path.insert(0, {home!r})
try:
    os.utime({home!r})
except OSError:
    print('{{"{missing}": true}}')
    sys.exit()
from ansible.module_utils._internal._ansiballz import _loader
_loader.run_module(
    json_params={params}.encode(), profile={profile}, module_fqn={module_fqn}, modlib_path={home!r}, extensions={{}}
)
"""


def shortened(payload: bytes, home: str) -> bytes | None:
    """A program that runs on the server what the payload would; None when that isn't one of those that are known."""
    given = dict(_GIVEN.findall(payload))
    if any(given.get(key) != value for key, value in _PLAIN.items()) or len(given) != len(_PLAIN) + 3:
        return None
    words = {key.decode(): value.decode() for key, value in given.items()}
    return _SCRIPT.format(home=home, missing=_MISSING, **words).encode()


class KeptModule(ActionBase):  # type: ignore[misc]  # core has no types
    """An action whose module runs from what its server keeps."""

    _home = ""

    def _execute_module(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        run = super()._execute_module
        result: dict[str, Any]
        bundle = payloads.bundle() if self._may_keep() else None
        if bundle:
            for _attempt in range(2):
                self._home = f"{DIRECTORY}/{bundle.stem}"
                try:
                    result = run(*arguments, **named)
                finally:
                    self._home = ""
                if _MISSING not in result:
                    return result
                if not self._provide(bundle):
                    break
        result = run(*arguments, **named)
        return result

    def _may_keep(self) -> bool:
        """What runs here has it all, and a server is given things by its standard input only when Ansible may do so."""
        remote = self._connection.transport != "local" and not self._task.async_val
        return bool(remote and self._is_pipelining_enabled("new"))

    def _configure_module(self, *arguments: Any, **named: Any) -> tuple[Any, str]:
        built, path = super()._configure_module(*arguments, **named)
        script = shortened(built.b_module_data, self._home) if self._home else None
        return (dataclasses.replace(built, b_module_data=script) if script else built), path

    def _provide(self, bundle: Path) -> bool:
        """Have the server keep all modules. Whether it does."""
        python = self._used_interpreter.removeprefix("#!").strip()
        program = Path(kept_on_server.__file__).read_text(encoding="utf-8")
        command = shlex.join([*shlex.split(python), "-c", program, DIRECTORY, bundle.stem])
        answer = self._low_level_execute_command(command, in_data=bundle.read_bytes())
        return bool(answer["rc"] == 0)
