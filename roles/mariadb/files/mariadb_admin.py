# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MariaDB of this server, asked by root, and how those who use a database of it are kept out for a while.

Written by the role longshore.stack.mariadb.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What follows a database's name in those of its users, each of whom takes turns with a second one.
OWNER, READER, TURNS = "", "_reader", ("", "_2")
COMMENT = "select schema_comment from information_schema.schemata where schema_name = {}"
ACCOUNTS = """
select concat(quote(user), '@', quote(host)) from mysql.global_priv
where user in ({}) and host = '%' and ifnull(json_value(priv, '$.account_locked'), 0) not in ('1', 'true')
"""
SESSIONS = "select concat('kill ', id, ';') from information_schema.processlist where user in ({})"


class Failed(Exception):
    """What went wrong, in a few lines."""


class Instance:
    """The MariaDB of this server that is called so."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.data = f"/var/lib/mariadb/{name}/data"
        self.socket = f"--socket=/run/mariadb-{name}/mariadb.sock"

    def sql(self, text: str) -> list[str]:
        """The lines that statements give, as root. Raises ``Failed`` with MariaDB's words."""
        words = ["mariadb", "--no-defaults", self.socket, "--batch", "--raw", "--skip-column-names"]
        done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(last_words(done.stderr) or f"mariadb ended with {done.returncode}")
        return done.stdout.splitlines()

    def change(self, text: str) -> None:
        """Run statements on the primary: root could write into a replica too, whose data would be others then."""
        if self.sql("select @@global.read_only") != ["0"]:
            raise Failed("this server is not primary any more; the same again goes to the new one, and clears up there")
        self.sql(text)

    def free(self) -> int:
        """Bytes that its disk has left."""
        return shutil.disk_usage(self.data).free

    def comment(self, database: str) -> str:
        """What a database is marked with; empty, too, where there is none."""
        return "".join(self.sql(COMMENT.format(literal(database))))

    def accounts(self, database: str, *roles: str) -> list[str]:
        """Those of the owner or the reader, as SQL has them, of which one is used in turn with the other.

        None that is locked.
        """
        names = ", ".join(literal(f"{database}{role}{turn}") for role in roles for turn in TURNS)
        return self.sql(ACCOUNTS.format(names))


@contextlib.contextmanager
def alone(instance: Instance, database: str, wait: bool = False) -> Iterator[None]:
    """Keep others of its kind away. Raises ``Failed`` when there is one, unless it is waited for."""
    with Path(f"/run/lock/longshore-import-{instance.name}").open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise Failed(f"something is being put into {database} already") from error
        yield


def owner_of(instance: Instance, database: str) -> str:
    """The account that it is used by. Raises ``Failed`` where there is none."""
    found = instance.accounts(database, OWNER)
    if not found:
        raise Failed(f"the owner of {database} has no account here: longshore up")
    return found[0]


def keep_out(instance: Instance, database: str, mark: str, accounts: Iterable[str]) -> None:
    """End these accounts' sessions, and let no new ones begin; the mark has their names for who clears up."""
    accounts = list(accounts)
    lock = "".join(f"alter user {each} account lock;" for each in accounts)
    words = literal(f"{mark}{' '.join(accounts)}")
    instance.change(f"alter database {identifier(database)} comment = {words}; {lock}")
    names = ", ".join(each.partition("@")[0] for each in accounts)
    for line in instance.sql(SESSIONS.format(names)):
        with contextlib.suppress(Failed):  # it has ended by itself
            instance.sql(line)


def unlocked(database: str, said: Iterable[str]) -> str:
    """The statements that let in again who was kept out, as a mark says, which a dump could forge.

    So nobody but those who use this database is let in, and nothing of the mark is ever run.
    """
    said = set(said)
    users = [f"{literal(f'{database}{role}{turn}')}@'%'" for role in (OWNER, READER) for turn in TURNS]
    return "".join(f"alter user {each} account unlock;" for each in users if each in said)


def identifier(name: str) -> str:
    """A name as SQL has it."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def last_words(text: str) -> str:
    """The end of what a program said, in one line."""
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())[-600:]
