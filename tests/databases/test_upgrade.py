# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Newer packages of engines: installed by nobody but ``db upgrade``, and what runs an older program is restarted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stack.support import longshore

from .conftest import SERVERS, Ledger
from .test_postgresql import started

pytestmark = pytest.mark.long
PACKAGES = (
    "postgresql-17",
    "mariadb-server",
    "mariadb-server-core",
    "valkey-server",
    "valkey-tools",
    "valkey-sentinel",
)
MARK = "+newer"
# The installed packages as ones of a newer version, which nothing else depends on by their exact one.
REPACK = f"""
set -e
rm -rf /srv/newer; mkdir -p /srv/newer; cd /srv/newer
apt-get -qq download {" ".join(PACKAGES)}
for file in *.deb; do
  dpkg-deb -R $file tree
  sed -i 's/^Version: .*/&{MARK}/; /^Depends:/s/ (= [^)]*)//g' tree/DEBIAN/control
  dpkg-deb -b -Znone tree new_$file >/dev/null
  rm -r tree $file
done
for file in *.deb; do
  dpkg-deb -f $file
  echo "Filename: ./$file"
  echo "Size: $(stat -c %s $file)"
  echo "SHA256: $(sha256sum $file | cut -d' ' -f1)"
  echo
done > Packages
echo 'deb [trusted=yes] file:/srv/newer ./' > /etc/apt/sources.list.d/newer.list
"""
VERSIONS = f"dpkg-query -W -f '${{Package}} ${{Version}} ${{db:Status-Want}}\\n' {' '.join(PACKAGES)}"
RUNNING = """
for pid in $(head -qn1 /var/lib/postgresql/17/ledger-main/postmaster.pid /run/mariadb-ledger-books/mariadb.pid) \
  $(systemctl show -p MainPID --value valkey-server@ledger-cache valkey-sentinel); do readlink /proc/$pid/exe; done
"""


@pytest.fixture
def newer(ledger: Ledger) -> Iterator[None]:
    """Packages of a newer version can be had on the data servers."""
    for server in SERVERS:
        ledger.lab.on(server, "sh", "-c", REPACK, timeout=600)
    yield
    for server in SERVERS:
        ledger.lab.on(server, "sh", "-c", "rm -r /srv/newer /etc/apt/sources.list.d/newer.list")


def test_newer_packages_come_when_they_are_asked_for(ledger: Ledger, newer: None) -> None:
    before = {server: started(ledger, server) for server in SERVERS}
    ledger.begin("upgraded")
    ledger.begin("upgraded-store", "store")
    ledger.begin("upgraded-books", "books")
    up = longshore(ledger.stack, "up", "--json")
    assert up.code == 0, up.end
    assert not up.json["changes"], "nothing is upgraded by itself"
    done = longshore(ledger.stack, "db", "upgrade", "--json")
    assert done.code == 0, done.end
    ledger.await_whole("main", "cache", "books")
    for table in ("upgraded", "upgraded-books"):
        report = ledger.end(table)
        assert report["longest"] < 10, report
    ledger.end_store("upgraded-store")
    for server in SERVERS:
        for line in ledger.lab.on(server, "sh", "-c", VERSIONS).stdout.splitlines():
            name, version, wanted = line.split()
            assert version.endswith(MARK), f"{server}: {line}"
            assert (name in PACKAGES, wanted) == (True, "hold"), f"{server}: {line}"
        assert "deleted" not in ledger.lab.on(server, "sh", "-c", RUNNING).stdout, server
        assert started(ledger, server) != before[server]
    again = longshore(ledger.stack, "db", "upgrade", "--json")
    assert again.code == 0, again.end
    assert not again.json["changes"], again.json["changes"]
