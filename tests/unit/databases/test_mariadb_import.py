# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a MariaDB is given of a dump; that it fills a database, and nothing else, is tried on real servers."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pytest
from programs import program as load


@pytest.fixture(scope="module")
def dumps() -> Any:
    """What loads a dump, as it stands on a server."""
    return load("roles/mariadb/files/mariadb_dumps.py")


@pytest.fixture(scope="module")
def imports() -> Any:
    """The program that fills a database."""
    return load("roles/mariadb/files/imports.py")


@pytest.mark.parametrize(
    ("line", "given"),
    [
        (b"CREATE DEFINER=`a`@`%` PROCEDURE `p`()\n", b"CREATE  PROCEDURE `p`()\n"),
        (
            b"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER t\n",
            b"/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER t\n",
        ),
        (b"/*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */\n", b"/*!50013  SQL SECURITY DEFINER */\n"),
        (b"INSERT INTO `t` VALUES ('DEFINER=`a`@`b`');\n", b"INSERT INTO `t` VALUES ('DEFINER=`a`@`b`');\n"),
    ],
)
def test_whose_things_were_is_left_out(dumps: Any, line: bytes, given: bytes) -> None:
    assert list(dumps.Dump(io.BytesIO(line))) == [given]


def test_nothing_of_a_forged_mark_is_run(imports: Any) -> None:
    forged = "'books'@'%' 'root'@'localhost' x;grant/**/all/**/on/**/*.*/**/to/**/books;"
    assert imports.unlocked("books", forged.split()) == "alter user 'books'@'%' account unlock;"


@pytest.mark.parametrize(
    ("lines", "commented", "ended", "sent"),
    [
        ((b"-- MariaDB dump 10.19\n", b"-- Dump completed on x\n", b"SENT"), True, True, True),
        ((b"/*M!999999\\- enable the sandbox mode */\n", b"-- MySQL dump 8\n", b"x\n", b"SENT"), True, False, True),
        ((b"create table t (n int);\n", b"-- Dump comp"), False, False, False),
        ((b"SENT", b"more\n"), False, False, False),
    ],
)
def test_a_dump_tells_whether_it_is_whole(
    dumps: Any, imports: Any, lines: tuple[bytes, ...], *, commented: bool, ended: bool, sent: bool
) -> None:
    dump = dumps.Dump(io.BytesIO(b"".join(line.replace(b"SENT", imports.SENT) for line in lines)), imports.SENT)
    list(dump)
    assert (dump.commented, dump.ended, dump.sent) == (commented, ended, sent)


def test_of_a_packed_dump_all_has_to_come(dumps: Any) -> None:
    packed = gzip.compress(b"create table t (n int);\n" * 5000)
    whole, half = (dumps.Dump(gzip.GzipFile(fileobj=io.BytesIO(each))) for each in (packed, packed[:-20]))
    assert (len(list(whole)), whole.sent) == (5000, True)
    list(half)
    assert not half.sent
