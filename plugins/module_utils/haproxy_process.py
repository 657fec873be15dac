# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaking to a running HAProxy over its sockets, and checking a configuration before it is live.

Private to the collection.
"""

from __future__ import annotations

import os
import re
import shlex

from .haproxy_certificates import answer_of as _ask
from .haproxy_files import Wanted
from .haproxy_model import HaproxyError
from .haproxy_render import STATE_FILE
from .haproxy_text import CONFIG_DIR, STATE_DIR
from .haproxy_unit import USER_ID, run_options
from .host_change import attempt

_WORKER = f"{STATE_DIR}/admin.sock"
_MASTER = f"{STATE_DIR}/master.sock"


def loaded_config() -> str:
    """The ``description`` of the configuration that the running worker has loaded; empty when none answers."""
    try:
        answer = _ask(_WORKER, "show info", 5.0)
    except OSError:
        return ""
    found = re.search(r"^description: *(\S+)", answer, re.MULTILINE | re.IGNORECASE)
    return found.group(1) if found else ""


def description_in(text: str) -> str:
    """The ``description`` that a configuration's text sets."""
    found = re.search(r"^ +description (\S+)", text, re.MULTILINE)
    return found.group(1) if found else ""


def reload_worker() -> None:
    """Replace the worker by one with the configuration that is in place, keeping what it knows of its servers.

    The servers' addresses and states go to the new worker through a file that is there for this moment only: a later
    start without it asks DNS. Raises ``HaproxyError`` with HAProxy's own message; the old worker serves on then.
    """
    try:
        Wanted(STATE_FILE, _ask(_WORKER, "show servers state", 10.0), 0o640, USER_ID).write()
        answer = _ask(_MASTER, "reload", 60.0)
    except OSError as error:
        raise HaproxyError([f"HAProxy did not answer while it was reloaded: {error}"]) from error
    finally:
        if os.path.exists(STATE_FILE):
            os.unlink(STATE_FILE)
    if "Success=1" not in answer:
        raise HaproxyError([f"HAProxy refused the new configuration and serves on with the old one: {said(answer)}"])


def statistics() -> str:
    """The answer to ``show stat`` for all backends, as CSV; empty when none answers."""
    try:
        return _ask(_WORKER, "show stat -1 2 -1", 5.0)
    except OSError:
        return ""


def map_keys(path: str) -> set[str] | None:
    """The keys of a map as the running worker has it; None when no worker runs that knows the map."""
    try:
        answer = _ask(_WORKER, f"show map {path}", 5.0)
    except OSError:
        return None
    rows = [line.split() for line in answer.splitlines() if line.strip()]
    # Each is its address, the key and the value; anything else is a complaint.
    return {row[1] for row in rows} if all(row[0].startswith("0x") for row in rows) else None


def change_map(path: str, key: str, value: str | None) -> None:
    """Set a key of the running worker's map, or remove it (None). Raises ``HaproxyError`` with its message."""
    command = f"del map {path} {key}" if value is None else f"add map {path} {key} {value}"
    try:
        answer = _ask(_WORKER, command, 5.0).strip()
    except OSError as error:
        raise HaproxyError([f"HAProxy did not answer: {error}"]) from error
    if answer:
        raise HaproxyError([f"HAProxy does not change its map: {said(answer)}"])


def check_config(image: str, maxconn: int, name: str) -> None:
    """Let ``image``'s HAProxy read the file ``name`` of its directory; raises ``HaproxyError`` with its message."""
    options = shlex.split(" ".join(run_options(maxconn)))
    argv = ["docker", "run", *options, "--network", "none", image, "-c", "-f", f"{CONFIG_DIR}/{name}"]
    code, out, error = attempt(argv, timeout=60.0)
    if code != 0:
        raise HaproxyError([f"HAProxy refuses the configuration: {said(error or out)}"])


def said(text: str) -> str:
    """HAProxy's output without notices, markers and prompts, as one line."""
    lines = [line.strip() for line in text.splitlines()]
    telling = [line for line in lines if line and not re.match(r"\[NOTICE\]|Success=|--$|>", line)]
    return " | ".join(re.sub(r"^\[\w+\]\s*\(\d+\) : ", "", line) for line in telling[-8:]) or "(no message)"
