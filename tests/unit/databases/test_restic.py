# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of MariaDB's log is kept, forgotten and done again, and when a RabbitMQ has all that a backup has.

That backups are good is tried on real servers.
"""

from __future__ import annotations

import http.server
import json
import os
import struct
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import backup_keeper
from programs import program

DAY = 86400.0


@pytest.fixture(scope="module")
def of_mariadb() -> Any:
    """The module, beside what it imports, as on a server."""
    return program("roles/restic/files/of_mariadb.py")


@pytest.fixture(scope="module")
def of_rabbitmq() -> Any:
    """The same of RabbitMQ."""
    return program("roles/restic/files/of_rabbitmq.py")


def test_definitions_are_the_same_in_any_order_and_without_what_a_cluster_has_of_its_own(of_rabbitmq: Any) -> None:
    queues = [{"name": "b", "vhost": "v"}, {"name": "a", "vhost": "v"}]
    own = [{"name": "internal_cluster_id", "value": "x"}, {"name": "limit", "value": 1}]
    first = of_rabbitmq.defined({"rabbit_version": "4.0.5", "queues": queues, "global_parameters": own})
    second = of_rabbitmq.defined({"queues": queues[::-1], "global_parameters": own[1:], "original_cluster_name": "n"})
    assert first == second
    assert [each["name"] for each in first["queues"]] == ["a", "b"]
    assert first["global_parameters"] == own[1:]


def test_one_that_did_not_take_all_is_no_proof(of_rabbitmq: Any, tmp_path: Path) -> None:
    instance = of_rabbitmq.Instance(None, "shop-queue", tmp_path)
    queue = {"name": "orders", "vhost": "v", "arguments": {"x-queue-type": "quorum"}}
    instance.file.write_text(json.dumps({"queues": [queue], "vhosts": [{"name": "v"}]}))
    there = {"queues": [queue], "vhosts": [{"name": "v"}, {"name": "/"}], "users": [{"name": "restored"}]}
    instance.ask = lambda _method, _path: there
    assert instance.rows() == {"queues": 1, "vhosts": 1}
    there["queues"] = [{**queue, "arguments": {"x-queue-type": "classic"}}]
    with pytest.raises(backup_keeper.Failed, match="one of the queues:"):
        instance.rows()


class Starting(http.server.BaseHTTPRequestHandler):
    """A RabbitMQ that says what it is, and takes definitions a moment later, but none of users."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.answer(200)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(self.path)
        self.answer(204 if len(self.asked) > 1 and not body["users"] else 400)

    def answer(self, status: int) -> None:
        self.send_response(status)
        body = b"" if status == 204 else b'{"reason": "failed_to_parse_json"}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Nothing."""


def test_one_is_started_when_it_takes_definitions_and_what_it_refuses_is_told_with_its_log(
    of_rabbitmq: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Starting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        instance = of_rabbitmq.Instance(None, "shop-queue", tmp_path)
        instance.file.write_text(json.dumps({"users": [{"name": "queue"}]}))
        monkeypatch.setattr(of_rabbitmq, "several_free", lambda: [server.server_port, 1, 2])
        instance.log.write_text(f"{of_rabbitmq.STARTED}\nnot_json\n")
        monkeypatch.setattr(of_rabbitmq, "begun", lambda _words, _log: SimpleNamespace(pid=0))
        waited = []
        monkeypatch.setattr(instance, "await_start", lambda _process, answers: waited.extend([answers(), answers()]))
        with pytest.raises(backup_keeper.Failed, match=r"answers 400: .*30 bytes; its log ends with: .* not_json"):
            instance.start()
        server.shutdown()
    assert waited == [False, True]


def event(kind: int, body: bytes = b"", when: int = 1000) -> bytes:
    """An event of a binary log, with its checksum."""
    return struct.pack("<IBIIIH", when, kind, 7, 19 + len(body) + 4, 0, 0) + body + b"\0\0\0\0"


def transaction(number: int, when: int = 1000) -> bytes:
    """The event that begins one."""
    return event(162, struct.pack("<QIB", number, 0, 0) + b"\0" * 6, when)


def log(path: Path, *positions: tuple[int, int, int], when: int = 1000, more: bytes = b"") -> Path:
    """A file of the log that begins at a position."""
    listed = struct.pack("<I", len(positions)) + b"".join(struct.pack("<IIQ", *each) for each in positions)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xfebin" + event(15, b"x" * 90) + event(163, listed, when) + event(2, b"insert", when) + more)
    return path


def test_a_file_tells_where_it_begins(of_mariadb: Any, tmp_path: Path) -> None:
    binlog = of_mariadb.binlog
    assert binlog.start(log(tmp_path / "a", (0, 17, 41))) == "0-17-41"
    assert binlog.start(log(tmp_path / "b")) is None, "nothing is in it that would tell"
    assert binlog.start(log(tmp_path / "e", more=transaction(1))) == ""
    # That of a server whose data were copied.
    assert binlog.start(log(tmp_path / "f", more=transaction(19))) == "0-7-18"
    (tmp_path / "c").write_bytes(b"\xfebin" + event(15, b"x" * 90)[:50])
    assert binlog.start(tmp_path / "c") is None
    (tmp_path / "d").write_bytes(b"")
    assert binlog.start(tmp_path / "d") is None


@pytest.mark.parametrize(("text", "number"), [("0-17-41", 41), ("", 0), (None, 0), ("0-1-7,3-1-9", 9)])
def test_positions_are_counted(of_mariadb: Any, text: str | None, number: int) -> None:
    assert of_mariadb.binlog.number(text) == number


def test_an_event_that_is_being_written_is_left_out(of_mariadb: Any, tmp_path: Path) -> None:
    binlog = of_mariadb.binlog
    complete = log(tmp_path / "a", (0, 1, 1))
    assert binlog.whole(complete, tmp_path / "scratch") == complete
    torn = log(tmp_path / "b", (0, 1, 1), more=event(2, b"update")[:-3])
    (tmp_path / "scratch").mkdir()
    copy = binlog.whole(torn, tmp_path / "scratch")
    assert copy.read_bytes() == complete.read_bytes()


def test_a_file_tells_where_it_ends(of_mariadb: Any, tmp_path: Path) -> None:
    end = of_mariadb.binlog.end
    file = log(tmp_path / "a", (0, 17, 41), more=transaction(42, 2000) + transaction(43, 3000) + transaction(44, 2500))
    assert end(file) == ("0-7-44", 2500)
    # Who looks at their times one after the other stops at the first that is too late.
    assert [end(file, moment) for moment in (3000, 2001)] == [("0-7-42", 2000), ("0-7-42", 2000)]
    assert end(file, 2000) == ("0-17-41", 0)
    assert end(log(tmp_path / "b", (0, 17, 41))) == ("0-17-41", 0)


@pytest.fixture
def database(of_mariadb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One whose server has three files of its log, which begin after 10, 20 and 30 transactions."""
    settings = {"stanzas": {"shop-books": {"port": 3306, "servers": {"db1": "192.0.2.1"}, "database": "books"}}}
    found = of_mariadb.Database("shop-books", settings, tmp_path / "logs")
    found.log.mkdir()

    def ask(_server: str, sql: str) -> str:
        begins = {"binlog.1": "0-1-10", "binlog.2": "0-1-20", "binlog.3": "0-1-30"}
        return next((begins[name] for name in begins if name in sql), "\n".join(f"{name}\t7" for name in begins))

    monkeypatch.setattr(found, "ask", ask)
    return found


@pytest.mark.parametrize(("known", "first"), [(None, 1), (25, 2), (30, 3), (3, 1)])
def test_the_log_goes_on_where_it_ended(database: Any, known: int | None, first: int) -> None:
    assert database.first("db1", known) == f"binlog.{first}"


@pytest.mark.parametrize(("known", "gap"), [(None, False), (18, False), (30, False), (17, True)])
def test_what_is_lost_of_the_log_is_told(database: Any, known: int | None, gap: bool) -> None:
    place = database.log / "200-db1"
    log(place / "binlog.1")
    assert database.joined(place, known) == known, "nothing is in it yet"
    log(place / "binlog.1", more=transaction(19))
    assert database.joined(place, known) is None
    assert any("lost" in problem for problem in database.problems()) is gap


def test_what_no_backup_needs_is_forgotten(database: Any) -> None:
    """But for the last file of a session, where the next one began, and whatever somebody still writes."""
    now = time.time()
    for age, name in (
        (9, "100-db1/binlog.1"),
        (8, "100-db1/binlog.2"),
        (7, "200-db2/binlog.4"),
        (1, "200-db2/binlog.5"),
    ):
        os.utime(log(database.log / name, (0, 1, 1)), (0, now - age * DAY))
    # That of a primary that has been one for long, too.
    for name in ("300-db1/binlog.2", "300-db1/binlog.3"):
        os.utime(log(database.log / name, (0, 1, 1)), (0, now - 9 * DAY))
    database.forget(now - 3 * DAY)
    left = sorted(str(path.relative_to(database.log)) for path in database.log.glob("*/*"))
    assert left == ["200-db2/binlog.5", "300-db1/binlog.3"]
    assert not (database.log / "100-db1").exists()


@pytest.fixture
def instance(of_mariadb: Any, database: Any, tmp_path: Path) -> Any:
    """One that is being restored: its backup was made after 75 transactions, on db2."""
    found = of_mariadb.Instance(None, database, tmp_path / "scratch")
    found.data.mkdir(parents=True)
    (found.data / "mariadb_backup_binlog_info").write_text("binlog.000002\t700\t0-2-75\n")
    return found


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        # The last session that has what comes after the backup, up to where the next one began; and that one.
        ("", [("0-7-80", "0-2-75", ["binlog.2"]), ("0-7-91", "0-7-80", ["binlog.4"])]),
        ("1970-01-01 01:23:20+00", [("0-7-80", "0-2-75", ["binlog.2"]), ("0-7-90", "0-7-80", ["binlog.4"])]),
        ("1970-01-01 00:50:00+00", [("0-7-79", "0-2-75", ["binlog.2"])]),
        ("1970-01-01 00:10:00+00", []),
    ],
)
def test_what_is_done_again(
    of_mariadb: Any, instance: Any, monkeypatch: pytest.MonkeyPatch, at: str, expected: list[Any]
) -> None:
    kept = instance.database.log
    log(kept / "100-db1/binlog.1", more=transaction(1))
    log(kept / "200-db2/binlog.1", (0, 1, 50))
    late = transaction(79, 2000) + transaction(80, 3000) + transaction(81, 3500)
    log(kept / "200-db2/binlog.2", (0, 1, 70), more=late)
    log(kept / "300-db1/binlog.4", more=transaction(81, 4000) + transaction(90, 4500) + transaction(91, 5000))
    instance.at = at
    done: list[Any] = []

    def piped(commands: list[list[str]]) -> None:
        _program, _none, stop, begin, *files = commands[0]
        done.append((stop.partition("=")[2], begin.partition("=")[2], [Path(file).name for file in files]))

    monkeypatch.setattr(of_mariadb, "piped", piped)
    instance.replay()
    assert done == expected


def test_a_gap_before_what_was_kept_is_an_error(instance: Any) -> None:
    log(instance.database.log / "200-db2/binlog.1", (0, 1, 76))
    with pytest.raises(backup_keeper.Failed, match="not in the log that is kept"):
        instance.replay()


@pytest.mark.parametrize("text", ["2026-11-23 14:05:10+01", "2026-11-23T13:05:10Z", "2026-11-23 14:05:10+01:00"])
def test_a_moment_has_its_zone(of_mariadb: Any, text: str) -> None:
    assert of_mariadb.moment_of(text) == 1795439110


@pytest.mark.parametrize("text", ["2026-11-23 14:05:10", "yesterday"])
def test_a_moment_without_a_zone_is_refused(of_mariadb: Any, text: str) -> None:
    with pytest.raises(backup_keeper.Failed, match="write it as"):
        of_mariadb.moment_of(text)


@pytest.mark.parametrize(("at", "label"), [("1970-01-01 00:10:00+00", ""), ("1970-01-01 00:10:00+00", "b"), ("", "c")])
def test_a_backup_that_does_not_fit_is_not_restored(instance: Any, at: str, label: str) -> None:
    """One that was made after the moment has what was written after it."""
    instance.keeper = SimpleNamespace(known=lambda _name: [{"label": "b", "time": 700.0}])
    with pytest.raises(backup_keeper.Failed, match="is there"):
        instance.restore(at, label)


def test_programs_in_a_row_fail_with_the_words_of_the_one_that_failed(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        backup_keeper.piped([["echo", "hello"], ["tr", "h", "j"]], None, file)
    assert (tmp_path / "out").read_text() == "jello\n"
    with pytest.raises(backup_keeper.Failed, match="sh ended with 3: no more"):
        backup_keeper.piped([["sh", "-c", "echo half; echo no more >&2; exit 3"], ["cat"]])
    with pytest.raises(backup_keeper.Failed, match="sh ended with 4: full"):
        backup_keeper.piped([["yes"], ["sh", "-c", "echo full >&2; exit 4"]])


def test_only_data_are_among_the_data_of_a_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits for a lock, restic says so on standard output, unless it is told to be quiet."""
    # On a server it stands beside the other's files.
    monkeypatch.setitem(sys.modules, "copies", program("roles/pgbackrest/files/copies.py"))
    own = SimpleNamespace(argv=lambda *words: list(words))
    words = program("roles/restic/files/restic.py").Restic.dump(own, "shop-books", "4151f2b2")
    assert words[:2] == ["dump", "--quiet"]
    assert words[-2:] == ["4151f2b2", "/shop-books"]
