# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles, databases and extensions of an instance, by psql(1) over its local socket as the user postgres.

Private to the collection. Passwords never travel: PostgreSQL is given the verifier that it would store (RFC 5802), so
that no log of statements can hold one.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import os
import re
import time

from . import turns
from .host_change import Change, HostError, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

# PostgreSQL's own number (scram_iterations).
ITERATIONS = 4096
# Seconds. Members take a new login in their next round, which is ten at most.
LEAVING = 45.0
_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")
# What pg_rewind reads a server with (its manual, "Notes").
_REWINDING = (
    "pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), pg_read_binary_file(text), "
    "pg_read_binary_file(text, bigint, bigint, boolean)"
)
_MAY_REWIND = """
select bool_and(has_function_privilege(rolname, f, 'execute')) from pg_roles, unnest(array[
  'pg_ls_dir(text, boolean, boolean)', 'pg_stat_file(text, boolean)', 'pg_read_binary_file(text)',
  'pg_read_binary_file(text, bigint, bigint, boolean)']) f where rolname = 'rewinder'
"""
_STATE = """
select json_build_object(
  'roles', (select json_object_agg(rolname, json_build_object('password', rolpassword, 'login', rolcanlogin,
      'replicates', rolreplication,
      'settings', (select coalesce(json_agg(c), '[]') from pg_db_role_setting s, unnest(s.setconfig) c
                   where s.setrole = a.oid and s.setdatabase = 0),
      'owns', exists (select from pg_shdepend d where d.refclassid = 'pg_authid'::regclass and d.refobjid = a.oid
                      and d.deptype = 'o'),
      'memberships', (select coalesce(json_agg(g.rolname), '[]') from pg_auth_members m
                      join pg_roles g on g.oid = m.roleid where m.member = a.oid)))
    from pg_authid a where rolname !~ '^pg_'),
  'databases', (select json_object_agg(datname, json_build_object('owner', pg_get_userbyid(datdba),
      'public', has_database_privilege('public', oid, 'connect'))) from pg_database where not datistemplate))
"""


class Instance:
    """The instance of this server that listens on ``port``."""

    def __init__(self, port: int) -> None:
        self._port = port

    def sql(self, text: str, database: str = "postgres") -> str:
        """What statements give, unaligned. Raises ``HostError`` with PostgreSQL's words."""
        return run(
            [
                *("runuser", "-u", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"),
                *("-h", "/run/postgresql", "-p", str(self._port), "-d", database, "-f", "-"),
            ],
            given=text,
            environment={"PGAPPNAME": "longshore", "PGOPTIONS": "-c statement_timeout=60s -c synchronous_commit=local"},
        ).strip()

    def state(self) -> dict[str, Any]:
        """``roles`` and ``databases`` by name."""
        found: dict[str, Any] = json.loads(self.sql(_STATE))
        return {"roles": found["roles"] or {}, "databases": found["databases"] or {}}


def plan(
    instance: Instance, database: str, passwords: Mapping[str, str], extensions: Sequence[str]
) -> Iterator[Change]:
    """Changes that make a database with its owner, its reader, who watches the instance, and its extensions.

    ``passwords`` has those of ``owner``, ``reader`` and ``monitor``, which take turns (two users are good while one
    changes). What else there is stays.
    """
    state = instance.state()
    roles, reader = state["roles"], f"{database}_reader"
    yield from _taking_turns(instance, database, roles, passwords["owner"], owns=True)
    yield from _taking_turns(instance, reader, roles, passwords["reader"], groups=["pg_read_all_data"])
    yield from _taking_turns(instance, "monitor", roles, passwords["monitor"], groups=["pg_monitor"])
    live = state["databases"].get(database)
    name = identifier(database)
    if live is None:
        yield Change(f"database {database}", _runner(instance, f"create database {name} owner {name}"))
    elif live["owner"] != database:
        yield Change(f"owner of {database}", _runner(instance, f"alter database {name} owner to {name}"))
    if live is None or live["public"]:
        grants = ", ".join(identifier(role) for role in (database, reader, "monitor"))
        text = f"revoke all on database {name} from public; grant connect on database {name} to {grants};"
        yield Change(f"access to {database}", _runner(instance, text))
    yield from _extensions(instance, database, live is not None, extensions)


def plan_members(instance: Instance, passwords: Mapping[str, str]) -> Iterator[Change]:
    """Changes by which members log in at each other: to copy (``replication``), and to go back (``rewind``).

    Replicas have to have left a user before that ends: raises ``HostError`` as long as one has not. Both users who copy
    are always there, one without a password: a member that was away while they changed asks itself as either of them,
    by the local socket, and could else not go back to where the others are.
    """
    roles = instance.state()["roles"]
    wanted = turns.good(passwords["replication"], "replicator")
    for name in ("replicator", "replicator_2"):
        live = roles.get(name)
        if name in wanted:
            yield from _role(instance, name, live, wanted[name][0], [])
        elif live is None:
            yield Change(f"role {name}", _runner(instance, f"create role {identifier(name)} login"))
        elif live["password"] is not None:
            text = f"{name} has no password any more"
            yield Change(text, functools.partial(_end, instance, name, LEAVING, "password null"))
        elif not live["login"]:
            yield Change(f"{name} may log in", _runner(instance, f"alter role {identifier(name)} login"))
        if not (live or {}).get("replicates"):
            yield Change(f"{name} may replicate", _runner(instance, f"alter role {identifier(name)} replication"))
    yield from _taking_turns(instance, "rewinder", roles, passwords["rewind"], leaving=LEAVING)
    # Patroni gives them to the one whose turn it was when the database was made.
    found = instance.sql(_MAY_REWIND)
    if found != "t":
        yield Change("rights of rewinder", _runner(instance, f"grant execute on function {_REWINDING} to rewinder"))


def _role(
    instance: Instance, name: str, live: Mapping[str, Any] | None, password: str, groups: Sequence[str]
) -> Iterator[Change]:
    quoted = identifier(name)
    if live is None:
        text = f"create role {quoted} login password '{verifier(password)}'"
        yield Change(f"role {name}", _runner(instance, text))
    elif not fits(live["password"] or "", password) or not live["login"]:
        text = f"alter role {quoted} login password '{verifier(password)}'"
        yield Change(f"password of {name}", _runner(instance, text))
    yield from _groups(instance, name, live, groups)


def _groups(instance: Instance, name: str, live: Mapping[str, Any] | None, groups: Sequence[str]) -> Iterator[Change]:
    for group in groups:
        if live is None or group not in live["memberships"]:
            text = f"grant {identifier(group)} to {identifier(name)}"
            yield Change(f"{name} in {group}", _runner(instance, text))


def _taking_turns(
    instance: Instance,
    role: str,
    live: Mapping[str, Any],
    credential: str,
    *,
    groups: Sequence[str] = (),
    owns: bool = False,
    leaving: float = 0.0,
) -> Iterator[Change]:
    """A role, and who stands in for it every other turn: a member, so that it may what the role may.

    Where the role ``owns`` something, the other one acts as it: all that it makes belongs to the role. Before one of
    them ends, its sessions have ``leaving`` seconds to end by themselves; with 0 they are ended.
    """
    wanted = {user: password for user, (password,) in turns.good(credential, role).items()}
    other = f"{role}_2"
    for name, member_of in ((role, groups), (other, [role])):
        there = live.get(name)
        if name in wanted:
            yield from _role(instance, name, there, wanted[name], member_of)
            if owns and name == other and (there is None or f"role={role}" not in there["settings"]):
                yield Change(f"{name} acts as {role}", _runner(instance, _acting(name, role)))
        elif there is None and name == role:
            yield Change(f"role {name}", _runner(instance, f"create role {identifier(name)}"))
            yield from _groups(instance, name, None, groups)
        elif there is not None and there["login"]:
            yield Change(f"{name} may not log in any more", functools.partial(_end, instance, name, leaving))
    if owns and (live.get(other) or {}).get("owns"):
        # Of a session that has reset who it acts as.
        text = f"reassign owned by {identifier(other)} to {identifier(role)}"
        yield Change(f"what {other} owns is {role}'s", _runner(instance, text, role))


def _acting(name: str, owner: str) -> str:
    return f"alter role {identifier(name)} set role = {identifier(owner)}"


def _end(instance: Instance, name: str, leaving: float, how: str = "nologin password null") -> None:
    """No login any more, also none that has been made. Raises ``HostError`` when one is not left within ``leaving``."""
    role = identifier(name)
    number = "'" + role.replace("'", "''") + "'::regrole"
    theirs = f"from pg_stat_activity where usesysid = {number}"
    until = time.monotonic() + leaving
    while leaving:
        places = instance.sql(f"select distinct coalesce(host(client_addr), 'this server') {theirs}").splitlines()
        if not places:
            break
        if time.monotonic() >= until:
            raise HostError(
                f"{name} is in use after {leaving:.0f} s by {', '.join(places)}, so its password is good still: "
                "see longshore db status, then run this again"
            )
        time.sleep(0.5)
    instance.sql(f"alter role {role} {how}; select pg_terminate_backend(pid) {theirs}")


def _extensions(instance: Instance, database: str, there: bool, wanted: Sequence[str]) -> Iterator[Change]:
    live: list[str] = []
    if wanted and there:
        live = instance.sql("select extname from pg_extension", database).splitlines()
    for name in wanted:
        if name not in live:
            text = f"create extension if not exists {identifier(name)} cascade"
            yield Change(f"extension {name} in {database}", _runner(instance, text, database))


def _runner(instance: Instance, text: str, database: str = "postgres") -> Any:
    def call() -> None:
        instance.sql(text, database)

    return call


def identifier(name: str) -> str:
    """A name as SQL takes it, whatever it holds."""
    if "\0" in name:
        raise HostError("a name holds a NUL character")
    return '"' + name.replace('"', '""') + '"'


def verifier(password: str, salt: bytes = b"", iterations: int = ITERATIONS) -> str:
    """What PostgreSQL stores instead of the password, which has to be ASCII."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    client = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    stored = hashlib.sha256(client).digest()
    server = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
    words = [base64.b64encode(each).decode() for each in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{words[0]}${words[1]}:{words[2]}"


def fits(stored: str, password: str) -> bool:
    """Whether ``stored`` was made of ``password``."""
    found = _VERIFIER.fullmatch(stored)
    if found is None:
        return False
    again = verifier(password, base64.b64decode(found[2]), int(found[1]))
    return hmac.compare_digest(again, stored)
