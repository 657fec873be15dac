# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles, databases and extensions: what is changed, and that a password travels in none of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.postgresql_sql import (
    Instance,
    fits,
    identifier,
    plan,
    plan_members,
    verifier,
)

PASSWORDS = {"owner": "owners-password", "reader": "readers-password", "monitor": "monitors-password"}
# RFC 7677, section 3.
NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
MESSAGE = f"n=user,r={NONCE[:20]},r={NONCE},s={SALT},i=4096,c=biws,r={NONCE}".encode()
PROOF, SIGNATURE = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


class Fake(Instance):
    """An instance that remembers what it is told."""

    def __init__(self, state: dict[str, Any], extensions: tuple[str, ...] = ()) -> None:
        super().__init__(5432)
        self._state = state
        self._extensions = extensions
        self.told: list[tuple[str, str]] = []
        self.rewinds = "t"
        self.users: list[str] = []

    def state(self) -> dict[str, Any]:
        return self._state

    def sql(self, text: str, database: str = "postgres") -> str:
        if text.startswith("select extname"):
            assert database == "main"
            return "\n".join(self._extensions)
        if "has_function_privilege" in text:
            return self.rewinds
        if text.startswith("select distinct"):
            return self.users.pop(0) if self.users else ""
        self.told.append((database, text))
        return ""


def converged() -> dict[str, Any]:
    """What PostgreSQL has when nothing is to be done."""

    def role(password: str, *groups: str) -> dict[str, Any]:
        return {
            "password": verifier(password),
            "login": True,
            "memberships": list(groups),
            "settings": [],
            "owns": False,
        }

    return {
        "roles": {
            "postgres": {"password": None, "login": True, "memberships": []},
            "main": role(PASSWORDS["owner"]),
            "main_reader": role(PASSWORDS["reader"], "pg_read_all_data"),
            "monitor": role(PASSWORDS["monitor"], "pg_monitor"),
        },
        "databases": {"main": {"owner": "main", "public": False}},
    }


def changes(fake: Fake, *extensions: str, **credentials: str) -> list[str]:
    """Make them all; gives their words."""
    made = []
    for change in plan(fake, "main", PASSWORDS | credentials, extensions):
        made.append(change.what)
        change.apply()
    secrets = {*PASSWORDS.values(), *(value for text in credentials.values() for value in text.split(":")[1:])}
    assert not any(password in text for _database, text in fake.told for password in secrets)
    return made


def test_the_verifier_is_that_of_the_standard() -> None:
    kind, numbers, keys = verifier("pencil", base64.b64decode(SALT)).split("$")
    assert (kind, numbers) == ("SCRAM-SHA-256", f"4096:{SALT}")
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    assert base64.b64encode(hmac.digest(server, MESSAGE, "sha256")).decode() == SIGNATURE
    signed = hmac.digest(stored, MESSAGE, "sha256")
    client = bytes(a ^ b for a, b in zip(base64.b64decode(PROOF), signed, strict=True))
    assert hashlib.sha256(client).digest() == stored


def test_only_the_password_that_it_was_made_of_fits() -> None:
    made = verifier("right")
    assert fits(made, "right")
    assert not fits(made, "wrong")
    assert fits(verifier("right", b"another salt", 8192), "right")
    assert verifier("right") != made, "the salt is the same"
    assert not any(fits(stored, "right") for stored in ("", "right", "md5" + "0" * 32, f"{made}x"))


def test_a_name_cannot_end_its_quotes() -> None:
    assert identifier("my-db") == '"my-db"'
    assert identifier('a"; drop role x; --') == '"a""; drop role x; --"'
    with pytest.raises(HostError, match="NUL"):
        identifier("a\0b")


def test_a_blank_instance_gets_all_of_it_in_an_order_that_works() -> None:
    fake = Fake({"roles": {}, "databases": {}})
    foreseen = [change.what for change in plan(fake, "main", PASSWORDS, ["vector"])]
    assert fake.told == [], "a check changes something"
    assert changes(fake, "vector") == foreseen
    assert foreseen == [
        "role main",
        "role main_reader",
        "main_reader in pg_read_all_data",
        "role monitor",
        "monitor in pg_monitor",
        "database main",
        "access to main",
        "extension vector in main",
    ]
    database, created = fake.told[0]
    assert database == "postgres"
    assert fits(created.removeprefix('create role "main" login password \'').removesuffix("'"), PASSWORDS["owner"])
    assert fake.told[5:] == [
        ("postgres", 'create database "main" owner "main"'),
        (
            "postgres",
            'revoke all on database "main" from public; '
            'grant connect on database "main" to "main", "main_reader", "monitor";',
        ),
        ("main", 'create extension if not exists "vector" cascade'),
    ]


def test_what_is_as_wanted_is_left_alone() -> None:
    fake = Fake(converged(), ("plpgsql", "vector"))
    assert changes(fake, "vector") == []
    assert fake.told == []


@pytest.mark.parametrize("wrong", [{"password": verifier("an older one")}, {"password": None}, {"login": False}])
def test_a_role_that_could_not_log_in_with_its_password(wrong: dict[str, Any]) -> None:
    state = converged()
    state["roles"]["main"] |= wrong
    fake = Fake(state)
    assert changes(fake) == ["password of main"]
    ((_database, text),) = fake.told
    assert fits(text.removeprefix('alter role "main" login password \'').removesuffix("'"), PASSWORDS["owner"])


def test_a_membership_that_was_taken_away_is_given_again() -> None:
    state = converged()
    state["roles"]["main_reader"]["memberships"] = []
    fake = Fake(state)
    assert changes(fake) == ["main_reader in pg_read_all_data"]
    assert fake.told == [("postgres", 'grant "pg_read_all_data" to "main_reader"')]


@pytest.mark.parametrize(
    ("wrong", "what", "text"),
    [
        ({"public": True}, "access to main", "from public"),
        ({"owner": "postgres"}, "owner of main", 'alter database "main" owner to "main"'),
    ],
)
def test_a_database_that_is_another_ones_or_everybodys(wrong: dict[str, Any], what: str, text: str) -> None:
    state = converged()
    state["databases"]["main"] |= wrong
    fake = Fake(state)
    assert changes(fake) == [what]
    assert text in fake.told[0][1]


def test_only_extensions_that_are_missing_are_made() -> None:
    fake = Fake(converged(), ("plpgsql", "vector"))
    assert changes(fake, "vector", "hstore") == ["extension hstore in main"]
    assert fake.told == [("main", 'create extension if not exists "hstore" cascade')]


def rotated(number: int, current: str, former: str = "") -> dict[str, Any]:
    """What PostgreSQL has after so many turns."""
    state = converged()
    second = {"login": False, "password": None, "memberships": ["main"], "settings": ["role=main"], "owns": False}
    state["roles"]["main_2"] = second
    users = ("main", "main_2") if number % 2 == 0 else ("main_2", "main")
    state["roles"][users[0]] |= {"login": True, "password": verifier(current)}
    state["roles"][users[1]] |= {"login": bool(former), "password": verifier(former) if former else None}
    return state


def test_while_a_password_changes_two_users_are_good() -> None:
    fake = Fake(converged())
    assert changes(fake, owner=f"1:the-new-one:{PASSWORDS['owner']}") == [
        "role main_2",
        "main_2 in main",
        "main_2 acts as main",
    ]
    texts = [text for _database, text in fake.told]
    assert fits(texts[0].removeprefix('create role "main_2" login password \'').removesuffix("'"), "the-new-one")
    assert texts[1:] == ['grant "main" to "main_2"', 'alter role "main_2" set role = "main"']
    assert changes(Fake(rotated(1, "the-new-one", PASSWORDS["owner"])), owner="1:the-new-one:owners-password") == []


def test_then_the_former_one_ends_and_its_sessions_with_it() -> None:
    fake = Fake(rotated(1, "the-new-one", PASSWORDS["owner"]))
    assert changes(fake, owner="1:the-new-one") == ["main may not log in any more"]
    ((_database, text),) = fake.told
    assert text.startswith('alter role "main" nologin password null; select pg_terminate_backend(pid)')
    assert text.endswith("= '\"main\"'::regrole")
    assert changes(Fake(rotated(1, "the-new-one")), owner="1:the-new-one") == []


def test_the_next_turn_is_the_owners_again() -> None:
    assert changes(Fake(rotated(1, "second")), owner="2:third-one:second") == ["password of main"]
    assert changes(Fake(rotated(2, "third-one", "second")), owner="2:third-one") == ["main_2 may not log in any more"]
    assert changes(Fake(rotated(2, "third-one")), owner="2:third-one") == []


def test_a_blank_instance_gets_the_user_whose_turn_it_is() -> None:
    fake = Fake({"roles": {}, "databases": {}})
    made = changes(fake, owner="3:the-fourth")
    assert made[:4] == ["role main", "role main_2", "main_2 in main", "main_2 acts as main"]
    assert fake.told[0][1] == 'create role "main"', "who has no turn needs no password"


def test_a_reader_takes_turns_too_and_stands_in_for_the_first_one_alone() -> None:
    """Whatever the first one was given since, a connection to other databases too, the second one may."""
    fake = Fake(converged())
    former = PASSWORDS["reader"]
    assert changes(fake, reader=f"1:the-new-one:{former}") == ["role main_reader_2", "main_reader_2 in main_reader"]
    assert fake.told[1][1] == 'grant "main_reader" to "main_reader_2"'
    state = converged()
    second = {"password": verifier("the-new-one"), "login": True, "memberships": ["main_reader"], "settings": []}
    state["roles"]["main_reader_2"] = {**second, "owns": False}
    assert changes(Fake(state), reader=f"1:the-new-one:{former}") == []
    assert changes(Fake(state), reader="1:the-new-one") == ["main_reader may not log in any more"]
    fake = Fake({"roles": {}, "databases": {}})
    made = changes(fake, reader="1:the-new-one")
    assert made[1:5] == [
        "role main_reader",
        "main_reader in pg_read_all_data",
        "role main_reader_2",
        "main_reader_2 in main_reader",
    ]


def test_what_the_second_user_came_to_own_is_the_owners() -> None:
    state = rotated(1, "the-new-one")
    state["roles"]["main_2"]["owns"] = True
    fake = Fake(state)
    assert changes(fake, owner="1:the-new-one") == ["what main_2 owns is main's"]
    assert fake.told == [("main", 'reassign owned by "main_2" to "main"')]


MEMBERS = {"replication": "of-replication", "rewind": "of-rewind"}


def members(replication: str, rewind: str = "of-rewind", **users: dict[str, Any]) -> tuple[Fake, list[str]]:
    """Make what is to be of who logs in at other members; ``users`` are there besides what Patroni makes."""
    role = {"login": True, "memberships": [], "settings": [], "owns": False, "replicates": False}
    first = {"replicator": {**role, "replicates": True, "password": verifier("of-replication")}}
    fake = Fake({"roles": {**first, "rewinder": {**role, "password": verifier("of-rewind")}, **users}})
    made = []
    for change in plan_members(fake, {"replication": replication, "rewind": rewind}):
        made.append(change.what)
        change.apply()
    assert not any(secret in text for _database, text in fake.told for secret in ("of-", "the-new-one"))
    return fake, made


SECOND = {"password": verifier("the-new-one"), "login": True, "memberships": [], "replicates": True}
RESTING = {**SECOND, "password": None}


def test_who_copies_takes_turns_with_one_who_may_copy_too() -> None:
    assert members("of-replication", replicator_2=RESTING)[1] == []
    # Before it has a turn: whoever is away at the first one needs it.
    fake, made = members("of-replication")
    assert made == ["role replicator_2", "replicator_2 may replicate"]
    assert [text for _database, text in fake.told] == [
        'create role "replicator_2" login',
        'alter role "replicator_2" replication',
    ]
    assert members("1:the-new-one:of-replication", replicator_2=RESTING)[1] == ["password of replicator_2"]
    assert members("1:the-new-one:of-replication:moved", replicator_2=SECOND)[1] == []
    assert members("of-replication", replicator_2={**RESTING, "login": False})[1] == ["replicator_2 may log in"]


def test_a_login_ends_only_when_no_replica_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    fake, made = members("1:the-new-one", replicator_2=SECOND)
    assert made == ["replicator has no password any more"]
    assert fake.told[0][1].startswith('alter role "replicator" password null; select pg_terminate_backend(pid)')
    role = {"login": True, "memberships": [], "settings": [], "owns": False, "replicates": True}
    busy = Fake({"roles": {"replicator": {**role, "password": verifier("of-replication")}, "replicator_2": SECOND}})
    busy.users = ["10.0.0.2"] * 1000
    now = iter(range(0, 10000, 20))
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    words = r"replicator is in use after 45 s by 10\.0\.0\.2, so its password is good still"
    with pytest.raises(HostError, match=words):
        [change.apply() for change in plan_members(busy, {"replication": "1:the-new-one", "rewind": "of-rewind"})]
    assert busy.told == []


def test_who_goes_back_has_its_rights_whoever_was_first() -> None:
    fake = Fake({"roles": {}})
    fake.rewinds = ""
    made = [change.what for change in plan_members(fake, MEMBERS)]
    assert made[:4] == [
        "role replicator",
        "replicator may replicate",
        "role replicator_2",
        "replicator_2 may replicate",
    ]
    assert made[4:] == ["role rewinder", "rights of rewinder"]
