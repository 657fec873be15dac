# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server's firewall made as the fragments of its stacks say. Private to the collection.

New rules go in force before they are on disk, and with them a timer that takes them back. Only who reaches the server
over a new connection confirms them: then the timer ends, and the files are written. So a server that restarts
meanwhile, and a run that is killed, come back to what was confirmed last.
"""

from __future__ import annotations

import glob
import json
import os

from . import firewall_known as known
from . import firewall_nft as nft
from .firewall_model import FirewallError, is_in_force, merged, normalize
from .firewall_render import render
from .firewall_unit import CHECK, DIRECTORY, RULES, SCRIPT, UNIT, UNIT_DIRECTORY, files, units
from .host_change import HostError
from .host_converge import converge as converge_host
from .host_files import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .run import Run

BASE = "/etc/longshore"
FRAGMENT = "firewall.json"
# What `host_converge.converge` wants to be told of.
_NOTHING: dict[str, Any] = {
    "name": "firewall",
    "cluster": None,
    "addresses": None,
    "packages": [],
    "packages_absent": [],
    "packages_refused": {},
    "paths_refused": {},
    "paths_told": [],
    "packages_held": [],
    "packages_upgraded": [],
    "groups": [],
    "users": [],
    "hostname": "",
    "timezone": "",
    "directories": [],
    "files": [],
    "repositories": [],
    "blocks": [],
    "absent": [],
    "tidy": [],
    "sweep": [],
    "sysctl": None,
    "commands": [],
    "units": [],
    "units_former": [],
}


class Wanted:
    """What is to be on this server, and what of it is not.

    Attributes: ``text`` (the rules, empty for none), ``listing`` (how nft lists them), ``live`` (what it lists now),
    ``former`` (the rules that were confirmed last).
    """

    def __init__(self, stack: str, fragment: dict[str, Any] | None) -> None:
        others = read_fragments(stack)
        fragments = [*others, fragment] if fragment is not None else others
        self.in_force = is_in_force(fragments)
        if self.in_force:
            _know_all(stack, fragments)
        self.stack, self.fragment = stack, fragment
        self.text = render(merged(fragments)) if self.in_force else ""
        self.former = (read(RULES) or b"").decode(errors="replace")
        self.listing = self.live = ""

    def look(self) -> None:
        """Ask nft; it must be there."""
        self.listing, self.live = nft.expected(self.text), nft.live()

    @property
    def differs(self) -> bool:
        """Whether other rules are in force than are wanted."""
        return self.live != self.listing

    def state(self) -> dict[str, Any]:
        """Files and units, as ``host_converge`` takes them."""
        path = f"{BASE}/{self.stack}/{FRAGMENT}"
        own: dict[str, Any] = {**_NOTHING, "units": units(self.in_force)}
        if self.fragment is not None:
            content = json.dumps(self.fragment, indent=1, sort_keys=True) + "\n"
            own["files"] = [
                {"path": path, "content": content, "mode": "0600", "owner": "root", "group": "root", "triggers": []}
            ]
        else:
            own["absent"] = [path]
            own["tidy"] = [os.path.dirname(path)]
        if self.in_force:
            # What is loaded at the next start comes last: it must not be there when what it says of others is not.
            own["files"] = [*own["files"], *reversed(files(self.text))]
        else:
            paths = [SCRIPT, *(f"{UNIT_DIRECTORY}/{name}" for name in (UNIT, f"{CHECK}.service", f"{CHECK}.timer"))]
            own["absent"] = [RULES, *paths, *own["absent"]]
            own["tidy"] = [DIRECTORY, os.path.dirname(SCRIPT), *own.get("tidy", [])]
        return own


def converge(
    stack: str, fragment: dict[str, Any] | None, check: bool, work: Run, *, revert_after: int, confirm: bool
) -> dict[str, Any]:
    """Make the rules of this server those of its stacks, ``stack`` with ``fragment`` (None: without it).

    The answer has ``changed``, ``changes`` (words), ``diff`` and ``pending``: whether new rules are in force that go
    after ``revert_after`` seconds unless this is called again with ``confirm``. Raises ``FirewallError`` for what
    can't be, ``HostError`` where the server refuses, ``Cancelled``.
    """
    wanted = Wanted(stack, fragment)
    installing = _install(check, work) if wanted.in_force and not nft.installed() else None
    if not nft.installed():
        # Check mode on a server that is still to get it, or one that never had it.
        done = converge_host(wanted.state(), check, work=work)
        return _answer(wanted, done, installing)
    if not confirm and not check and nft.armed():
        # Of a run that was killed. Nobody confirmed it.
        take_back()
    wanted.look()
    if confirm:
        return _confirm(wanted, work)
    if not wanted.differs or check:
        return _answer(wanted, converge_host(wanted.state(), check, work=work), installing)
    if not wanted.text:
        # The units first: they would load the rules again.
        done = converge_host(wanted.state(), False, work=work)
        nft.load(wanted.text, wanted.listing)
        return _answer(wanted, done, installing)
    if wanted.text == wanted.former:
        # Confirmed before, and taken away or changed by somebody.
        nft.load(wanted.text, wanted.listing)
        return _answer(wanted, converge_host(wanted.state(), False, work=work), installing)
    planned = converge_host(wanted.state(), True, work=work)
    with work.to_the_end():
        nft.arm(wanted.former, revert_after)
        try:
            nft.load(wanted.text, wanted.listing, "" if wanted.live else known.here())
        except HostError:
            take_back()
            raise
    return {**_answer(wanted, planned, installing), "pending": True}


def take_back() -> None:
    """Put in force what was confirmed last: nothing else is on disk."""
    nft.put((read(RULES) or b"").decode(errors="replace"))
    nft.disarm()


def read_fragments(without: str) -> list[dict[str, Any]]:
    """The fragments of all stacks on this server but one. Raises ``FirewallError`` for one that can't be read."""
    found = []
    for path in sorted(glob.glob(f"{BASE}/*/{FRAGMENT}")):
        if os.path.basename(os.path.dirname(path)) == without:
            continue
        try:
            given = json.loads(read(path) or b"")
            rules = {"allow": given["allow"], "deny": given["deny"]}
            found.append(normalize(given["stack"], rules, given["settings"], given["enabled"]))
        except (ValueError, KeyError, TypeError, FirewallError) as error:
            raise FirewallError(
                [f"{path} is damaged ({error}); run its stack's playbook again or remove it"]
            ) from error
    return found


def _know_all(stack: str, fragments: list[dict[str, Any]]) -> None:
    """Raise ``FirewallError`` when a stack of this server has not said what it needs: it would be cut off."""
    known = {fragment["stack"] for fragment in fragments} | {stack}
    here = {os.path.basename(os.path.dirname(path)) for path in glob.glob(f"{BASE}/*/cluster.json")}
    if silent := sorted(here - known):
        raise FirewallError(
            [
                f"the firewall would cut off the stack {each}, which is on this server too and has not said what it "
                f"needs: write `firewall: {{}}` into its file, and run `longshore up` for it first "
                f"(of a stack that is gone, remove {BASE}/{each}/cluster.json). Nothing was changed"
                for each in silent
            ]
        )


def _confirm(wanted: Wanted, work: Run) -> dict[str, Any]:
    if not wanted.differs and wanted.text == wanted.former:
        # It was confirmed, and the answer was lost on its way.
        return {**_answer(wanted, converge_host(wanted.state(), False, work=work), None), "confirmed": True}
    if wanted.differs or not nft.armed():
        take_back()
        raise HostError("the new rules were taken back before they were confirmed: it took too long")
    with work.to_the_end():
        done = converge_host(wanted.state(), False, work=work)
        nft.disarm()
    wanted.look()
    if wanted.differs:
        nft.load(wanted.text, wanted.listing)
    return {**_answer(wanted, done, None), "confirmed": True}


def _install(check: bool, work: Run) -> dict[str, Any]:
    return converge_host({**_NOTHING, "packages": ["nftables"]}, check, work=work)


def _answer(wanted: Wanted, done: dict[str, Any], installing: dict[str, Any] | None) -> dict[str, Any]:
    parts = [installing] if installing else []
    live = []
    if wanted.differs or (installing and wanted.text):
        live = [
            {
                "changed": True,
                "changes": ["load the rules" if wanted.text else "let everything in"],
                "diff": [
                    {
                        "before_header": "rules in force",
                        "after_header": "rules in force",
                        "before": wanted.live,
                        "after": wanted.listing or wanted.text,
                    }
                ],
            }
        ]
    parts += [*live, done]
    return {
        "changed": any(part["changed"] for part in parts),
        "changes": [change for part in parts for change in part["changes"]],
        "diff": [entry for part in parts for entry in part["diff"]],
        "pending": False,
    }
