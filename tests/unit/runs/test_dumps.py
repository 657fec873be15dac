# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps that somebody brings: which are taken, and what of them reaches the new database only."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from longshore.runs.downloads import DownloadError
from longshore.runs.dumps import Dump, DumpError
from programs import program

SQL = b"create table people (n int);\n"


def sent(dump: Dump) -> bytes:
    """What is sent of it."""
    sink = io.BytesIO()
    dump.send(sink, lambda _count: None)
    return sink.getvalue()


@pytest.mark.parametrize(("content", "kind"), [(SQL, "plain"), (b"PGDMP\1\x10\0 and more", "custom")])
@pytest.mark.parametrize("packed", [True, False])
def test_what_it_is_is_seen_in_it(tmp_path: Path, content: bytes, kind: str, packed: bool) -> None:
    path = tmp_path / "dump"
    path.write_bytes(gzip.compress(content) if packed else content)
    dump = Dump.of(path)
    assert (dump.kind, dump.packed) == (kind, packed)
    assert sent(dump) == content


def test_what_is_no_dump_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("toc.dat"))
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_bytes(b"\n")
    binary.write_bytes(b"\x7fELF\0\0")
    for path, words in (
        (archive, "is a tar archive"),
        (empty, "is no dump"),
        (binary, "is no dump"),
        (tmp_path, "Is a directory"),
        (tmp_path / "none", "No such file"),
    ):
        with pytest.raises(DumpError, match=words):
            Dump.of(path)


def test_one_that_is_cut_off_is_said(tmp_path: Path) -> None:
    path = tmp_path / "dump.gz"
    packed = gzip.compress(b"".join(b"insert into t values (%d);\n" % (number * number) for number in range(200_000)))
    path.write_bytes(packed[:-1000])
    dump = Dump.of(path)
    with pytest.raises(DownloadError, match="can't be read to its end"):
        sent(dump)


@pytest.fixture(scope="module")
def postgresql_dumps() -> Any:
    """The module of the server, beside what it imports."""
    return program("roles/postgresql/files/postgresql_dumps.py")


def test_psql_obeys_nothing_that_a_dump_says_to_it(postgresql_dumps: Any) -> None:
    dump = [
        b"\\restrict abc\n",
        b"COPY public.t (a) FROM stdin;\n",
        b"\\restrict inside\n",
        b"\\.\n",
        b"\\connect other\n",
        b"\\unrestrict abc\n",
        SQL,
    ]
    first, *rest = postgresql_dumps.restricted(iter(dump), "key", 'ma"in')
    assert first == b'set role "ma""in";\n\\restrict key\n'
    assert rest == [dump[1], dump[2], dump[3], dump[4], SQL]


def test_one_that_ends_within_a_table_is_not_taken_for_whole(postgresql_dumps: Any) -> None:
    dump = [b"COPY public.t (a) FROM stdin;\n", b"1\n"]
    *_all, last = postgresql_dumps.restricted(iter(dump), "key", "main")
    assert b"raise exception 'the dump ends in the middle of a table'" in last
    assert b"exception" not in list(postgresql_dumps.restricted(iter([*dump, b"\\.\n"]), "key", "main"))[-1]


@pytest.mark.parametrize(
    ("line", "left_out"),
    [
        ("2; 3079 16385 EXTENSION - vector ", True),
        ("3456; 0 0 COMMENT - EXTENSION vector ", True),
        ("3457; 0 0 COMMENT public TABLE people postgres", False),
        ("215; 1259 16400 TABLE public people postgres", False),
        (";     Format: CUSTOM", False),
    ],
)
def test_extensions_are_there_before(postgresql_dumps: Any, line: str, left_out: bool) -> None:
    assert bool(postgresql_dumps.EXTENSION.match(line)) is left_out
