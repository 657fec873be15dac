# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups and users: accounts, SSH keys, sudo.

Private to the collection. Homes are never removed, and the keys that somebody else put into a file stay there unless
the caller asks for exactly his own. Which groups were given here is remembered, since only those are taken away again.
"""

from __future__ import annotations

import datetime
import grp
import json
import os
import pwd
import re
import time

from .host_change import Change, HostError, run
from .host_files import plan_absent, plan_directories, plan_files, read, replace, with_block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from .host_change import Host

KEY = re.compile(r"(^|\s)(ssh-|ecdsa-|sk-)[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]{32,}(\s|$)")
NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
SUDOERS = "/etc/sudoers.d"
SHELLS = "/etc/shells"


class GivenGroups:
    """The groups that were given to users here, on disk before they are given: ``by_user``, user → groups."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, "given-groups.json")
        self.by_user: dict[str, list[str]] = json.loads(read(self._path) or b"{}")

    def set(self, user: str, groups: set[str]) -> None:
        """Remember exactly these for a user."""
        known = {**self.by_user, user: sorted(groups)}
        self.by_user = {name: given for name, given in sorted(known.items()) if given}
        replace(self._path, json.dumps(self.by_user).encode(), 0o600, (os.getuid(), os.getgid()))


def login() -> str:
    """The user that this run came in as, before it became root."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name


def refuse_lockout(users: Sequence[Mapping[str, Any]]) -> None:
    """Raise ``HostError`` when the next run could not come in as this one did."""
    name = login()
    for wanted in users:
        if wanted["name"] != name:
            continue
        loss, cure = "", "Let another user log in first (ssh.user)."
        if wanted["state"] == "absent":
            loss = "is not removed"
        elif wanted["expires"] and int(days(wanted["expires"])) <= int(time.time() // 86400):
            loss = f"does not expire on {wanted['expires']}"
        elif name != "root" and not wanted["sudo"] and os.path.exists(f"{SUDOERS}/longshore-{name}"):
            loss = "does not lose sudo"
        elif name != "root" and wanted["shell"] != _shell(name):
            # A package of this same run may bring it, but if that failed halfway nobody could come in to mend it.
            if fault := unusable(wanted["shell"]):
                cure = "Install it first, or keep /bin/bash."
            elif not _is_login_shell(wanted["shell"]):
                fault, cure = f"is not in {SHELLS}", "Choose one that is, such as /bin/bash."
            loss = f"does not get the shell {wanted['shell']}, which {fault}" if fault else ""
        if loss:
            raise HostError(
                f"{name} {loss}: this very run came in as {name}, and the next one could not. {cure} "
                "Nothing on this server was touched."
            )


def unusable(shell: str) -> str:
    """Why nobody can log in with ``shell``, or an empty string."""
    if not shell.startswith("/") or not os.path.isfile(shell):
        return "is not on this server"
    return "" if os.access(shell, os.X_OK) else "cannot be executed"


def plan_groups(groups: Sequence[Mapping[str, Any]], host: Host) -> Iterator[Change]:
    """Changes that make groups; an existing group with another number is an error, since files may belong to it."""
    for wanted in groups:
        name, number = wanted["name"], wanted["gid"]
        try:
            current = grp.getgrnam(name).gr_gid
        except KeyError:
            argv = ["groupadd", *(["--system"] if wanted["system"] else [])]
            argv += ["--gid", str(number)] if number is not None else []
            yield _command(f"group {name}", [*argv, name])
            continue
        if number is not None and current != number:
            raise HostError(f"the group {name} has the number {current}, not {number}: files may belong to it")
    del host


def plan_users(users: Sequence[Mapping[str, Any]], host: Host, memory: str) -> Iterator[Change]:
    """Changes to accounts, their keys and what they may do with sudo; ``memory`` is where given groups are kept."""
    given = GivenGroups(memory)
    for wanted in users:
        if not NAME.fullmatch(wanted["name"]):
            raise HostError(f"{wanted['name']!r} is not a user's name")
        try:
            account = pwd.getpwnam(wanted["name"])
        except KeyError:
            account = None
        if wanted["state"] == "absent":
            yield from _plan_gone(wanted["name"], account, host, given)
            continue
        changes = account is None or (account.pw_shell != wanted["shell"] and wanted["name"] != "root")
        # In check mode the package that brings it is not there yet.
        if changes and not host.check and (fault := unusable(wanted["shell"])):
            raise HostError(
                f"the shell {wanted['shell']} of {wanted['name']} {fault}: install it first, or leave it out for "
                "/bin/bash"
            )
        if account is None:
            made = _command(f"user {wanted['name']}", creation(wanted))
            yield _remembering(made, given, wanted["name"], set(wanted["groups"]))
        else:
            yield from _plan_account(wanted, account)
            yield from _plan_membership(wanted, account, given, host)
        yield from _plan_keys(wanted, host)
        yield from _plan_sudo(wanted["name"], wanted["sudo"], host)


def creation(wanted: Mapping[str, Any]) -> list[str]:
    """The argument vector of useradd(8) for a user that does not exist yet."""
    argv = ["useradd", "--shell", wanted["shell"]]
    argv += ["--system"] if wanted["system"] else ["--create-home"]
    for option, value in (
        ("--uid", wanted["uid"]),
        ("--home-dir", wanted["home"]),
        ("--expiredate", wanted["expires"]),
    ):
        if value is not None:
            argv += [option, str(value)]
    if wanted["groups"]:
        argv += ["--groups", ",".join(wanted["groups"])]
    return [*argv, wanted["name"]]


def days(date: str) -> str:
    """``2027-01-31`` as shadow(5) writes it: days since 1970; empty for never."""
    if not date:
        return ""
    try:
        return str((datetime.date.fromisoformat(date) - datetime.date(1970, 1, 1)).days)
    except ValueError as error:
        raise HostError(f"{date!r} is not a date such as 2027-01-31") from error


def key_text(keys: Sequence[str], current: str, exclusive: bool) -> str:
    """An ``authorized_keys`` file with these keys: alone when ``exclusive``, else as a block beside foreign ones."""
    for key in keys:
        if "\n" in key.strip() or not KEY.search(key):
            raise HostError(f"{key.strip()[:40]!r} is not a public key as ssh-keygen writes it")
    text = "".join(f"{key.strip()}\n" for key in keys)
    return text if exclusive else with_block(current, "keys", text)


def _plan_account(wanted: Mapping[str, Any], account: pwd.struct_passwd) -> Iterator[Change]:
    name = wanted["name"]
    if wanted["uid"] is not None and account.pw_uid != wanted["uid"]:
        raise HostError(f"the user {name} has the number {account.pw_uid}, not {wanted['uid']}: files may belong to it")
    if wanted["home"] is not None and account.pw_dir != wanted["home"]:
        raise HostError(f"the home of {name} is {account.pw_dir}, not {wanted['home']}: it is not moved by itself")
    if account.pw_shell != wanted["shell"] and name != "root":
        yield _command(
            f"shell of {name}", ["usermod", "--shell", wanted["shell"], name], account.pw_shell, wanted["shell"]
        )
    if wanted["expires"] is not None:
        current = _expiry(name)
        if current != days(wanted["expires"]):
            argv = ["usermod", "--expiredate", wanted["expires"], name]
            yield _command(f"expiry of {name}", argv, current, days(wanted["expires"]))


def _plan_membership(
    wanted: Mapping[str, Any], account: pwd.struct_passwd, given: GivenGroups, host: Host
) -> Iterator[Change]:
    name, before = wanted["name"], set(given.by_user.get(wanted["name"], []))
    lacking = [group for group in wanted["groups"] if not _is_member(name, account.pw_gid, group)]
    if lacking:
        more = _command(
            f"groups of {name}", ["usermod", "--append", "--groups", ",".join(lacking), name], "", ",".join(lacking)
        )
        yield _remembering(more, given, name, before | set(lacking))
    for group in sorted(before - set(wanted["groups"])):
        left = set(given.by_user.get(name, [])) - {group}
        if _is_listed(name, group):
            less = _command(f"group {group} of {name} taken away", ["gpasswd", "--delete", name, group], group, "")
            yield _remembering(less, given, name, left, afterwards=True)
        elif not host.check:
            # Somebody took it away; who gives it again is not undone.
            given.set(name, left)


def _remembering(change: Change, given: GivenGroups, name: str, groups: set[str], afterwards: bool = False) -> Change:
    """``change``, around which is written down which groups were given; what was taken only once it is."""
    act = change.apply

    def apply() -> None:
        if afterwards:
            act()
            given.set(name, groups)
        else:
            given.set(name, groups)
            act()

    return Change(change.what, apply, change.before, change.after, change.triggers)


def _plan_gone(name: str, account: pwd.struct_passwd | None, host: Host, given: GivenGroups) -> Iterator[Change]:
    if name == "root":
        raise HostError("root is not removed")
    yield from _plan_sudo(name, "", host)
    if account is not None:
        # The home stays: it may hold data, and who removes it says so himself.
        gone = _command(f"user {name} removed", ["userdel", "--force", name], name, "")
        yield _remembering(gone, given, name, set(), afterwards=True)


def _plan_keys(wanted: Mapping[str, Any], host: Host) -> Iterator[Change]:
    if not wanted["keys"] and not wanted["keys_exclusive"]:
        try:
            home = pwd.getpwnam(wanted["name"]).pw_dir
        except KeyError:
            return
        if read(os.path.join(home, ".ssh", "authorized_keys")) is None:
            return
    elif not wanted["keys"]:
        raise HostError(f"{wanted['name']} is to have exactly its own keys, but none are given")
    try:
        account = pwd.getpwnam(wanted["name"])
        home, owner, group = account.pw_dir, str(account.pw_uid), str(account.pw_gid)
    except KeyError:
        home, owner, group = wanted["home"] or f"/home/{wanted['name']}", wanted["name"], wanted["name"]
    directory = os.path.join(home, ".ssh")
    path = os.path.join(directory, "authorized_keys")
    # A user who replaces one of these by a link would have root write somewhere else.
    if os.path.islink(directory) or os.path.islink(path):
        raise HostError(f"{directory} or a file in it is a link: keys are not written through links")
    common = {"owner": owner, "group": group, "triggers": []}
    yield from plan_directories([{"path": directory, "mode": "0700", **common}], host)
    current = (read(path) or b"").decode(errors="surrogateescape")
    content = key_text(wanted["keys"], current, wanted["keys_exclusive"])
    yield from plan_files([{"path": path, "content": content, "mode": "0600", **common}], host)


def _plan_sudo(name: str, rule: str, host: Host) -> Iterator[Change]:
    path = f"{SUDOERS}/longshore-{name}"
    if not rule:
        yield from plan_absent([path], host)
        return
    yield from plan_files(
        [
            {
                "path": path,
                "content": f"{name} {rule}\n",
                "mode": "0440",
                "owner": "root",
                "group": "root",
                "triggers": [],
                "validate": ["visudo", "-cf", "%s"],
            }
        ],
        host,
    )


def _shell(name: str) -> str:
    try:
        return pwd.getpwnam(name).pw_shell
    except KeyError:
        return ""


def _is_login_shell(shell: str) -> bool:
    lines = (read(SHELLS) or b"").decode(errors="replace").splitlines()
    return not lines or shell in [line.strip() for line in lines]


def _is_listed(name: str, group: str) -> bool:
    try:
        return name in grp.getgrnam(group).gr_mem
    except KeyError:
        return False


def _is_member(name: str, primary: int, group: str) -> bool:
    try:
        entry = grp.getgrnam(group)
    except KeyError:
        return False
    return name in entry.gr_mem or entry.gr_gid == primary


def _expiry(name: str) -> str:
    for line in (read("/etc/shadow") or b"").decode(errors="replace").splitlines():
        fields = line.split(":")
        if fields[0] == name and len(fields) > 7:
            return fields[7]
    return ""


def _command(what: str, argv: Sequence[str], before: str = "", after: str | None = None) -> Change:
    shown = what if after is None else after
    return Change(what, lambda: _discard(run(argv)), f"{before}\n" if before else "", f"{shown}\n" if shown else "")


def _discard(output: str) -> None:
    del output
