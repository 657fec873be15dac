# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages: installed, absent, held, brought to the newest version.

Private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import re

from .host_change import Change, HostError, attempt, last_lines, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from .host_change import Host

# As long as unattended-upgrades may hold the lock of a slow server, in seconds.
LOCK_TIMEOUT = 600
# Longest wait for one installation, in seconds.
INSTALL_TIMEOUT = 3600.0
POLICY = "/usr/sbin/policy-rc.d"
POLICY_MARK = "# longshore: services start once they are configured"


def plan(parameters: Mapping[str, Any], host: Host) -> Iterator[Change]:
    """Changes to packages. ``packages`` entries may name alternatives, ``a | b``: the first that can be had.

    An alternative that is an entry of its own too, ``b`` in ``[b, a | b]``, says nothing of ``a`` by being installed.
    """
    groups = [alternatives(entry) for entry in parameters["packages"]]
    alone = {group[0] for group in groups if len(group) == 1}
    absent, held = parameters["packages_absent"], parameters["packages_held"]
    states = _states(
        [*(name for group in groups for name in group), *absent, *held, *(parameters.get("packages_upgraded") or [])]
    )
    here = {name for name, state in states.items() if is_installed(state)}
    missing = [group for group in groups if group[0] not in here and not here & set(group) - alone]
    names = [name for name in _choose(missing) if name not in here] if missing else []
    if names:
        yield Change(
            f"packages installed: {', '.join(names)}",
            lambda: _install(missing),
            "",
            "".join(f"{name}\n" for name in names),
            ["packages"],
        )
    unwanted = [name for name in absent if states.get(name, "un")[1] in "iUFHWt"]
    if unwanted:
        yield Change(
            f"packages removed: {', '.join(unwanted)}",
            lambda: _apt("remove", *unwanted),
            "".join(f"{name}\n" for name in unwanted),
        )
    coming = {name for group in missing for name in group}
    upgraded = parameters.get("packages_upgraded") or []
    newer = _newer([name for name in upgraded if name in here], host)
    if newer:
        yield Change(
            f"packages upgraded: {', '.join(newer)}",
            lambda: _upgrade(list(newer), [name for name in newer if name in held]),
            "".join(f"{name} {old}\n" for name, (old, _new) in newer.items()),
            "".join(f"{name} {new}\n" for name, (_old, new) in newer.items()),
            ["packages"],
        )
    unheld = [
        name
        for name in held
        if not states.get(name, "un").startswith("h") and (is_installed(states.get(name)) or name in coming)
    ]
    if unheld:
        after = "".join(f"{name}\n" for name in unheld)
        yield Change(f"packages held: {', '.join(unheld)}", lambda: _hold(unheld), "", after)


def refuse(unwelcome: Mapping[str, str]) -> None:
    """Raise ``HostError`` with its reason when one of these packages is installed."""
    states = _states(list(unwelcome))
    for name, reason in unwelcome.items():
        if is_installed(states.get(name)):
            raise HostError(f"the package {name} is installed: {reason}")


def alternatives(entry: str) -> list[str]:
    """``"a | b"`` as ``["a", "b"]``; ``HostError`` for what cannot be a package's name."""
    names = [name.strip() for name in entry.split("|")]
    for name in names:
        if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?", name):
            raise HostError(f"{entry!r} is not a package's name")
    return names


def is_installed(state: str | None) -> bool:
    """True for ``ii`` and ``hi``: installed whole. Half-configured packages count as missing."""
    return state is not None and state[1:2] == "i"


def candidates(policy: str) -> set[str]:
    """The names that have an installable version, from the output of ``apt-cache policy``."""
    found, name = set(), ""
    for line in policy.splitlines():
        if not line.startswith(" "):
            name = line.rstrip(":")
        elif line.startswith("  Candidate:") and "(none)" not in line:
            found.add(name)
    return found


def newer(policy: str) -> dict[str, tuple[str, str]]:
    """Name → the installed version and a newer one that can be had, from the output of ``apt-cache policy``.

    Its candidate is older only where somebody wants it to be (apt_preferences(5)), and then it is what is wanted.
    """
    found, name, installed = {}, "", ""
    for line in policy.splitlines():
        word, _colon, version = line.strip().partition(": ")
        if not line.startswith(" "):
            name = line.rstrip(":")
        elif word == "Installed":
            installed = version
        elif word == "Candidate" and version not in ("(none)", installed) and installed != "(none)":
            found[name] = (installed, version)
    return found


def _newer(names: Sequence[str], host: Host) -> dict[str, tuple[str, str]]:
    if not names:
        return {}
    if not host.check:
        _apt("update")
    return newer(run(["apt-cache", "policy", *names]))


def _upgrade(names: Sequence[str], held: Sequence[str]) -> None:
    with _services_wait():
        _apt("install", "--only-upgrade", "--allow-change-held-packages", *names)
    if held:
        _hold(held)


def _states(names: Sequence[str]) -> dict[str, str]:
    if not names:
        return {}
    # The exit code is 1 as soon as one name is unknown: an answer, not a failure.
    _code, out, _error = attempt(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *names])
    return dict(line.split(" ", 1) for line in out.splitlines())


def _choose(groups: Sequence[Sequence[str]]) -> list[str]:
    if all(len(group) == 1 for group in groups):
        return [group[0] for group in groups]
    offered = _offered(groups)
    return list(dict.fromkeys(next((name for name in group if name in offered), group[0]) for group in groups))


def _offered(groups: Sequence[Sequence[str]]) -> set[str]:
    return candidates(run(["apt-cache", "policy", *(name for group in groups for name in group)]))


def _install(groups: Sequence[Sequence[str]]) -> None:
    offered = _offered(groups)
    if not all(offered & set(group) for group in groups):
        _apt("update")
    # What can be had may be known only now.
    names = _choose(groups)
    with _services_wait():
        code, out, error = _try_apt("install", *names)
        if code != 0 and "dpkg --configure -a" in out + error:
            run(["dpkg", "--configure", "-a", "--force-confdef", "--force-confold"], timeout=INSTALL_TIMEOUT)
            code, out, error = _try_apt("install", *names)
        if code != 0:
            # Lists that are older than the archive name versions that are gone.
            _apt("update")
            code, out, error = _try_apt("install", *names)
    if code != 0:
        raise HostError(f"apt-get could not install {', '.join(names)}: {last_lines(error or out)}")


def _hold(names: Sequence[str]) -> None:
    run(["apt-mark", "hold", *names])


def _apt(command: str, *names: str) -> None:
    code, out, error = _try_apt(command, *names)
    if code != 0:
        raise HostError(f"apt-get {command} failed: {last_lines(error or out)}")


def _try_apt(command: str, *names: str) -> tuple[int, str, str]:
    return attempt(
        [
            "apt-get",
            "--yes",
            "--quiet",
            "-o",
            f"DPkg::Lock::Timeout={LOCK_TIMEOUT}",
            "-o",
            "APT::Install-Recommends=false",
            "-o",
            "Dpkg::Options::=--force-confdef",
            "-o",
            "Dpkg::Options::=--force-confold",
            command,
            *names,
        ],
        environment={
            "DEBIAN_FRONTEND": "noninteractive",
            "NEEDRESTART_SUSPEND": "1",
            "APT_LISTCHANGES_FRONTEND": "none",
        },
        timeout=INSTALL_TIMEOUT,
    )


@contextlib.contextmanager
def _services_wait() -> Iterator[None]:
    """Packages do not start their services: those first start with the wanted configuration.

    The policy holds only while this process lives, so a run that is killed leaves nothing that forbids.
    """
    try:
        with open(POLICY, encoding="utf-8") as file:
            foreign = POLICY_MARK not in file.read()
    except FileNotFoundError:
        foreign = False
    if foreign:
        yield
        return
    with open(f"/proc/{os.getpid()}/stat", encoding="ascii") as file:
        started = file.read().rsplit(") ", 1)[1].split()[19]
    script = (
        f"#!/bin/sh\n{POLICY_MARK}\n"
        f'case "$(cut -d" " -f22 /proc/{os.getpid()}/stat 2>/dev/null)" in {started}) exit 101 ;; *) exit 0 ;; esac\n'
    )
    with open(os.open(POLICY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o755), "w", encoding="utf-8") as file:
        file.write(script)
    try:
        yield
    finally:
        os.unlink(POLICY)
