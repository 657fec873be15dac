# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secret values: how they are named, how they reach a process, and how they are kept out of what people read.

Private to the collection. Pure functions, but for reading the cluster's key.
"""

from __future__ import annotations

import hashlib
import hmac
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CLUSTER_KEY = "/etc/longshore/cluster/cluster.key"
HELPER_VERSION = "1"
HELPER_ON_HOST = f"/usr/lib/longshore/helper/{HELPER_VERSION}"
HELPER = "/.longshore"
ENV_FILE = "/run/secrets/longshore.env"
# Swarm's own limit for one secret, in bytes.
SECRET_LIMIT = 500 * 1024
MASK = "****"

# What stands for a part of a database's credential until the container's start: the credential changes without it.
# A database's name is its owner's credential, and with READER behind it that of who may only read.
READER = ".reader"
_NAME = r"([a-z0-9-]+(?:\.reader)?)"
_PARTS = ("user", "password", "url_user", "url_password")
_BINDING = re.compile(f"\x1e{_NAME}\\.((?:url_)?(?:user|password))\x1e")
_CREDENTIAL_FILE = re.compile(rf"/run/secrets/longshore\.database\.{_NAME}\.env")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def read_cluster_key(check_mode: bool = False, path: str = CLUSTER_KEY) -> bytes:
    """The key that content hashes are made with.

    A missing file is an error (``OSError``), except in check mode: there any key serves, since nothing is there yet.
    """
    try:
        with open(path, "rb") as file:
            return file.read().strip()
    except FileNotFoundError:
        if check_mode:
            return b"not made yet"
        raise


def keyed_hash(key: bytes, content: bytes) -> str:
    """10 hexadecimal digits. Keyed, because a plain hash of a weak secret can be guessed."""
    return hmac.new(key, content, hashlib.sha256).hexdigest()[:10]


def binding(database: str, part: str) -> str:
    """What stands in a value for a database's ``user`` or ``password``, or for one as it is in a URL (``url_user``)."""
    return f"\x1e{database}.{part}\x1e"


def bound_databases(values: Iterable[str]) -> list[str]:
    """The databases whose credentials ``values`` need, sorted."""
    return sorted({name for value in values for name, _part in _BINDING.findall(value)})


def credential_path(database: str) -> str:
    """Where a container finds a database's credential."""
    return f"/run/secrets/longshore.database.{database}.env"


def credential_of(path: str) -> str:
    """The database whose credential is at this path of a container; empty when it is none."""
    found = _CREDENTIAL_FILE.fullmatch(path)
    return found[1] if found else ""


def credential_file(database: str, login: Mapping[str, str]) -> bytes:
    """The shell lines with a database's credential, for the file of an environment."""
    return "".join(f"{_variable(database, part)}={_quoted(login[part])}\n" for part in _PARTS if part in login).encode()


def env_file(values: Mapping[str, str]) -> bytes:
    """The shell lines that export ``values``, sorted by name.

    They read the files of ``credential_path`` for the credentials that values are bound to.

    Raises ``ValueError``, naming the variable but never its value, for a name that no shell can export, for a value
    with a NUL, and when all together are larger than one Swarm secret may be.
    """
    lines = [f". {credential_path(database)}\n" for database in bound_databases(values.values())]
    for name, value in sorted(values.items()):
        if not _IDENTIFIER.match(name):
            raise ValueError(
                f"the secret variable {name!r} can't be exported: use letters, digits and '_', or a file in 'secrets'"
            )
        if "\0" in value:
            raise ValueError(f"the value of the secret variable {name} holds a NUL character")
        lines.append(f"export {name}={_expanding(value)}\n")
    content = "".join(lines).encode()
    if len(content) > SECRET_LIMIT:
        raise ValueError(f"the secret variables are {len(content)} bytes together; Swarm's limit is {SECRET_LIMIT}")
    return content


def _expanding(value: str) -> str:
    """``value`` as a shell's word, in which credentials are expanded."""
    texts = _BINDING.split(value)
    words = [_quoted(text) if text or len(texts) == 1 else "" for text in texts[::3]]
    bound = [f'"${{{_variable(database, part)}}}"' for database, part in zip(texts[1::3], texts[2::3])]
    return "".join(word for pair in zip(words, [*bound, ""]) for word in pair)


def _quoted(text: str) -> str:
    escaped = text.replace("'", "'\\''")
    return f"'{escaped}'"


def _variable(database: str, part: str) -> str:
    # Not exported: programs see it only in the values that are made of it.
    # No name of a database has capitals.
    return f"LONGSHORE_{database.removesuffix(READER).replace('-', '_')}_{'READER_' * database.endswith(READER)}{part}"


def helper_argv(argv: Iterable[str], plain: Iterable[str] = ()) -> list[str]:
    """The command line that runs ``argv`` with the secret environment, in a container or with ``docker exec``.

    ``plain`` is the container's ordinary environment as ``NAME=value``: names that no shell keeps (``a.b``) are set
    again behind the shell.
    """
    lost = [entry for entry in plain if not _IDENTIFIER.match(entry.partition("=")[0])]
    again = [f"{HELPER}/busybox", "env", *lost] if lost else []
    return [f"{HELPER}/busybox", "sh", f"{HELPER}/run", *again, *argv]


def check_argv(kind: str, port: int, path: str, seconds: float) -> list[str]:
    """The command line of an ``http`` or ``tcp`` health check inside the container; ``seconds`` is its patience."""
    patience = str(max(1, round(seconds)))
    return [f"{HELPER}/busybox", "sh", f"{HELPER}/check", kind, "127.0.0.1", str(port), path or "-", patience]


def mask(text: str, values: Iterable[str]) -> str:
    """``text`` with every secret value replaced; values shorter than four characters can't be told from chance."""
    parts = {part for value in values for part in (value, *value.splitlines()) if len(part) >= 4}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, MASK)
    return text
