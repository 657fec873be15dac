# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A group of PostgreSQL servers brought to another major version: what each of its servers does.

Private to the collection. All of them do it at the same time, and tell each other through etcd how far they are, so
that it comes to an end, the one or the other, also when whoever asked for it has gone. docs/decisions/0016 says why
each step is where it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import threading
import time
from grp import getgrnam

from . import pg_upgrade
from .etcd_keys import Keys
from .host_change import HostError, run
from .host_files import read, replace
from .patroni import PRIMARY, Group, log_of, serves
from .postgresql_sql import Instance, identifier
from .rest import Rest, RestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from .run import Run

BASE = "/var/lib/postgresql"
STATES = "/var/lib/longshore/postgresql"
AS_OWNER = ("runuser", "-u", "postgres", "--")
# Bytes that stay free whatever is copied.
SPARE = 256 << 20
# Bytes that a replica may be behind before: it takes them in while writes wait.
BEHIND = 16 << 20
# Seconds in which the members see what is new to all of them, and in which replicas have the last of the log.
SEEN, CAUGHT_UP = 60.0, 600.0
# Seconds between two signs of life of who leads it, and after which it counts as gone.
BEAT, GONE = 5.0, 90.0
# What ends one of these steps; whatever it is, the way back is gone.
WRONG = (HostError, RestError, pg_upgrade.Failed, OSError)
OUTDATED = """
select e.extname from pg_extension e join pg_available_extensions a on a.name = e.extname
where a.installed_version <> a.default_version
"""


class Member:
    """This server's member of a group; ``given`` are the parameters of ``postgresql_major``."""

    def __init__(self, given: Mapping[str, Any], work: Run) -> None:
        instance, rest = given["instance"], Rest.of(given)
        self.given, self.work = given, work
        self.name, self.title = instance["name"], instance.get("title") or instance["name"]
        self.member, self.to, self.port = given["member"], instance["version"], instance["port"]
        servers = {each["name"]: each["address"] for each in instance["servers"]}
        self.others = [name for name in servers if name != self.member]
        self.group = Group(rest, servers, instance["health_port"], work)
        self.unit = f"patroni@{self.name}.service"
        self.config = f"/etc/patroni/{self.name}.yml"
        self.keys = Keys(rest, given["etcd"], f"/longshore/{self.name}/")
        self.said = Keys(rest, given["etcd"], f"/longshore/upgrade/{self.name}/{work.id}/")
        self._said_before = Keys(rest, given["etcd"], f"/longshore/upgrade/{self.name}/")
        self.new = os.path.join(BASE, self.to, self.name)
        self.building = f"{self.new}.new"
        self._state = os.path.join(STATES, f"{self.name}.json")

    # What is known.

    def versions(self) -> list[str]:
        """The versions of which there are data here, the oldest first."""
        found = [each for each in os.listdir(BASE) if each.isdigit()] if os.path.isdir(BASE) else []
        return sorted((each for each in found if os.path.exists(self.data(each, "PG_VERSION"))), key=int)

    def data(self, version: str, *inside: str) -> str:
        """Where the data of a version are."""
        return os.path.join(BASE, version, self.name, *inside)

    def kept(self, version: str) -> str:
        """Where the data of a version are once they are put aside."""
        return f"{self.data(version)}.before-{self.to}"

    def state(self) -> dict[str, Any]:
        """What an upgrade that has begun and not ended needs to go on, or back; empty for none."""
        found: dict[str, Any] = json.loads(read(self._state) or b"{}")
        return found

    def remember(self, state: Mapping[str, Any]) -> None:
        """Write that down; empty: it has ended."""
        if state:
            os.makedirs(STATES, mode=0o700, exist_ok=True)
            replace(self._state, json.dumps(state).encode(), 0o600, (0, 0))
        elif os.path.exists(self._state):
            os.unlink(self._state)

    def upgrade_of(self, old: str) -> pg_upgrade.Upgrade:
        """What is made of the data of version ``old``."""
        return pg_upgrade.Upgrade(
            (old, self.data(old)), (self.to, self.building), os.path.dirname(self.building), AS_OWNER
        )

    def is_primary(self) -> bool:
        """Whether this member serves as primary."""
        member = self.group.of(self.member)
        return serves(member) and member.get("role") in PRIMARY

    # Before: nothing is touched.

    def look(self) -> dict[str, Any]:
        """Whether it can be done: ``from`` (empty: there is nothing to upgrade), ``primary``, ``mode``, ``stage``."""
        state, found = self.state(), self.versions()
        if state:
            return {"from": state["from"], "stage": state["stage"], "primary": "etcd" in state, "mode": ""}
        told = {"from": "", "stage": "", "primary": False, "mode": ""}
        if found in ([], [self.to]):
            return told
        if len(found) > 1 or int(found[0]) > int(self.to):
            raise HostError(
                f"{self.member} has data of {self.title} of PostgreSQL {' and '.join(found)}: they can't become those "
                f"of PostgreSQL {self.to}. Put aside what is not needed"
            )
        old = found[0]
        self._refuse(old)
        told.update({"from": old, "primary": self.is_primary()})
        if told["primary"]:
            self._refuse_primary()
            told["mode"] = self._tried(old)
        size = pg_upgrade.size(self.data(old))
        needed = SPARE + (0 if told["mode"] in ("link", "clone") else size)
        if pg_upgrade.free(BASE) < needed:
            raise HostError(
                f"{self.member} has {pg_upgrade.free(BASE) >> 20} MB left in {BASE}, and a second copy of {self.title} "
                f"takes {needed >> 20} MB: make room"
            )
        return told

    def _refuse(self, old: str) -> None:
        """Raise ``HostError`` for what would not come to a good end here."""
        for place in (self.kept(old), self.new):
            if os.path.lexists(place):
                raise HostError(f"{place} is there on {self.member}, from before: remove it if you don't need it")
        if os.path.ismount(self.data(old)):
            raise HostError(f"{self.data(old)} is a disk of its own, so it can't be put aside: mount it at {BASE}")
        if os.listdir(self.data(old, "pg_tblspc")):
            raise HostError(f"{self.title} has tablespaces outside of its own directory: not supported yet")
        for version in (old, self.to):
            if not pg_upgrade.Programs(version).there():
                raise HostError(f"the programs of PostgreSQL {version} are not on {self.member}")

    def _refuse_primary(self) -> None:
        """The same, of what the primary knows: who follows it, and what is set beside the file."""
        members = self.group.cluster()
        for name in self.others:
            member = members.get(name, {})
            lag = member.get("lag", 0)
            if not serves(self.group.of(name)) or not isinstance(lag, int) or lag > BEHIND:
                raise HostError(
                    f"{name} does not follow the primary of {self.title}, or is far behind: longshore db status. An "
                    "upgrade takes all of its servers along"
                )
        if strangers := sorted(set(members) - {self.member, *self.others}):
            raise HostError(f"{strangers[0]} is a server of {self.title} too: longshore db remove ends it")
        file = "select string_agg(name, ', ') from pg_file_settings where sourcefile like '%postgresql.auto.conf'"
        if altered := Instance(self.port).sql(file):
            raise HostError(
                f"what ALTER SYSTEM has set in {self.title} would be lost ({altered}): write it into its `settings`, "
                "and have ALTER SYSTEM RESET ALL"
            )

    def _tried(self, old: str) -> str:
        """How the data become the new ones; raises when pg_upgrade says that they can't. They serve meanwhile."""
        upgrade = self.upgrade_of(old)
        try:
            self._make(upgrade)
            mode: str = self.given["mode"]
            if mode == "auto":
                # Replicas keep the old data, so with them there is a way back even from links.
                mode = "link" if self.others else "copy"
                mode = "clone" if pg_upgrade.clones(self.data(old), self.building) else mode
            self.work.progress(f"{self.member}: pg_upgrade --check")
            upgrade.run(mode, check=True)
        finally:
            shutil.rmtree(self.building, ignore_errors=True)
        return mode

    def _make(self, upgrade: pg_upgrade.Upgrade) -> None:
        shutil.rmtree(self.building, ignore_errors=True)
        run([*AS_OWNER, "mkdir", "-p", os.path.dirname(self.building)])
        upgrade.make(Instance(self.port).sql)

    # The upgrade.

    def lead(self, old: str, mode: str) -> dict[str, Any]:
        """What the primary's server does; the module's result. Raises ``HostError`` once the old one serves again."""
        with self.work.to_the_end(), self._alone(), self._beating():
            state = self.state()
            if state.get("stage") != "installed":
                try:
                    state = self._begun(old, mode)
                except WRONG as error:
                    self._say("stage", "back")
                    raise HostError(f"{error}. {self.title} serves on as it was") from error
                try:
                    self._done(state)
                except WRONG as error:
                    raise HostError(self._ended(state, str(error))) from error
            elif not self.is_primary():
                self._install(state)
                self._start(state)
            outage = round(time.time() - state["began"], 1)
            self._say("stage", f"done {json.dumps({'outage': outage, 'mode': state['mode']})}")
            notices = self._after()
            self.remember({})
        return {"changed": True, "outage": outage, "mode": state["mode"], "kept": self.kept(old), "notices": notices}

    def _begun(self, old: str, mode: str) -> dict[str, Any]:
        """Make all ready that can be while the old one serves; then have its agents leave it alone."""
        if not self.is_primary():
            raise HostError(f"{self.member} is not primary any more: run the same command again")
        self._said_before.replace({})
        self._make(self.upgrade_of(old))
        state: dict[str, Any] = {
            "stage": "ready",
            "from": old,
            "mode": mode,
            "config": (read(self.config) or b"").decode(),
            # Who leads and who is there is kept as long as they say so themselves.
            "etcd": {
                name: value
                for name, value in self.keys.all().items()
                if name != "leader" and not name.startswith("members/")
            },
        }
        # What is in memory is written now, so that the end takes less long.
        with contextlib.suppress(HostError):
            Instance(self.port).sql("checkpoint")
        state["began"] = time.time()
        self.remember(state)
        return state

    def _done(self, state: dict[str, Any]) -> None:
        old = pg_upgrade.Programs(state["from"], AS_OWNER)
        data = self.data(state["from"])
        self.group.configure(self.member, {"pause": True})
        self._await(lambda: all(self.group.of(name).get("pause") for name in self.group.servers), SEEN, "all to pause")
        self.work.progress(f"{self.member}: stops {self.title}")
        state["stage"] = "stopping"
        self.remember(state)
        run(["systemctl", "stop", self.unit], timeout=900.0)
        old.stop(data)
        told = old.control(data)
        if told["Database cluster state"] != "shut down":
            raise HostError(f"{self.title} did not stop in good order: {told['Database cluster state']}")
        self._say("stage", f"stopped {told['Latest checkpoint location']}")
        self._await_others()
        self.work.progress(f"{self.member}: pg_upgrade --{state['mode']}")
        upgrade = self.upgrade_of(state["from"])
        upgrade.run(state["mode"], check=False)
        if state["mode"] != "link":
            # After a link this would be the end of the old one.
            self.work.progress(f"{self.member}: tries the new one")
            upgrade.prove()
        self._install(state)
        self._start(state)

    def _await_others(self) -> None:
        """Wait until the replicas have all of the log, have stopped and put their data aside."""

        def away() -> bool:
            told = self._told()
            for name in self.others:
                if (word := told.get(f"member/{name}", "")) not in ("", "away"):
                    raise HostError(f"{name}: {word}")
            return all(told.get(f"member/{name}") == "away" for name in self.others)

        self._await(away, CAUGHT_UP + 60.0, f"{' and '.join(self.others)} to stop")

    def _install(self, state: dict[str, Any]) -> None:
        """Put the new data where they belong, and have etcd know them. Each step may have been done before."""
        state["stage"] = "installed"
        self.remember(state)
        if os.path.exists(self.building):
            if not os.path.exists(self.kept(state["from"])):
                os.rename(self.data(state["from"]), self.kept(state["from"]))
            os.rename(self.building, self.new)
        # What there was of the other cluster (its history, who is synchronous) would be taken for this one's.
        identity = pg_upgrade.Programs(self.to, AS_OWNER).control(self.new)["Database system identifier"]
        if self.keys.all().get("initialize") != identity:
            self.keys.replace({"config": state["etcd"]["config"], "initialize": identity})

    def _start(self, state: dict[str, Any]) -> None:
        """Have the agent run it, which makes it the primary."""
        state["started"] = True
        self.remember(state)
        replace(self.config, self.given["instance"]["text"].encode(), 0o640, (0, getgrnam("postgres").gr_gid))
        run(["systemctl", "start", self.unit], timeout=60.0)
        try:
            self.group.await_member(self.member, self.given["patience"])
        except HostError as error:
            raise HostError(f"{error}. Its log ends: {log_of(self.unit)}") from error

    def _after(self) -> list[str]:
        """What the new one needs to be as quick: statistics. It serves meanwhile; gives what went wrong."""
        notices, instance = [], Instance(self.port)
        self.work.progress(f"{self.member}: statistics")
        try:
            for database in instance.sql("select datname from pg_database where datallowconn").splitlines():
                for name in instance.sql(OUTDATED, database).splitlines():
                    instance.sql(f"alter extension {identifier(name)} update", database)
        except HostError as error:
            notices.append(f"{self.title}: an extension is still that of the former version: {error}")
        try:
            where = ("-h", "/run/postgresql", "-p", str(self.port))
            pg_upgrade.Programs(self.to, AS_OWNER).call("vacuumdb", "--all", "--analyze-in-stages", *where)
        except pg_upgrade.Failed as error:
            notices.append(
                f"{self.title}: queries may be slow until it is analyzed (vacuumdb --all --analyze): {error}"
            )
        return notices

    # The way back.

    def _ended(self, state: dict[str, Any], why: str) -> str:
        """Go back after an error; gives what to say."""
        self.work.progress(f"{self.member}: goes back to PostgreSQL {state['from']}")
        try:
            self.back(state)
        except WRONG as error:
            self._say("stage", f"lost {error}")
            return f"{why}. Going back did not succeed either: {error}. The same command, run again, tries it once more"
        return f"{why}. {self.title} is what it was, PostgreSQL {state['from']}"

    def back(self, state: Mapping[str, Any]) -> None:
        """Have the old data serve again. Raises ``HostError`` where that would lose what the new ones have."""
        old, data, kept = state["from"], self.data(state["from"]), self.kept(state["from"])
        if state["stage"] == "ready":
            # It has only paused. Whoever stops it now hands over to a replica.
            self.keys.put("config", state["etcd"]["config"])
            self._say("stage", "back")
            self.remember({})
            shutil.rmtree(self.building, ignore_errors=True)
            return
        if state["stage"] == "installed" and self.is_primary():
            raise HostError(f"PostgreSQL {self.to} serves already, and may have been written to")
        run(["systemctl", "stop", self.unit], timeout=900.0)
        for programs, place in ((old, data), (self.to, self.building), (self.to, self.new)):
            if os.path.exists(place):
                pg_upgrade.Programs(programs, AS_OWNER).stop(place)
        spoilt = state["mode"] == "link" and state.get("started")
        if spoilt and not self.others:
            raise HostError(
                f"its old data, in {kept}, share files with the new ones, which were started: restore a backup"
            )
        for place in (self.building, self.new) if state["stage"] == "installed" else (self.building,):
            shutil.rmtree(place, ignore_errors=True)
        if not spoilt:
            if os.path.exists(kept):
                os.rename(kept, data)
            # pg_upgrade renames it as soon as files are shared.
            control = self.data(old, "global", "pg_control")
            if os.path.exists(f"{control}.old"):
                os.rename(f"{control}.old", control)
        self.keys.replace(state["etcd"])
        self._say("stage", "back")
        # Where our data are gone a replica that has all of them takes the lead, and we copy them.
        self._resume(state)
        self.group.await_member(self.member, self.given["patience"], self.given["deadline"])

    def _resume(self, state: Mapping[str, Any]) -> None:
        """Have the agent run what it ran before."""
        replace(self.config, state["config"].encode(), 0o640, (0, getgrnam("postgres").gr_gid))
        run(["systemctl", "start", self.unit], timeout=60.0)
        self.remember({})

    # A replica.

    def follow(self) -> dict[str, Any]:
        """What a replica's server does: stop, keep its data aside, and take them back if the primary's server does.

        Raises ``HostError`` when the old one serves again.
        """
        with self.work.to_the_end(), self._alone():
            if self.state():
                # It was done before; its new data are copied from the primary.
                self.remember({})
                return {"changed": False}
            stage = self._await_stage(("stopped", "back", "lost"))
            if not stage.startswith("stopped"):
                raise HostError(f"{self.title} was not upgraded")
            old = self.versions()[0]
            try:
                self._leave(old, stage.partition(" ")[2])
                word = "away"
            except WRONG as error:
                word = str(error)
            self._say(f"member/{self.member}", word)
            stage = self._await_stage(("done", "back", "lost"))
            if stage.startswith("done"):
                self.remember({})
                return {"changed": True, "kept": self.kept(old), **json.loads(stage.partition(" ")[2])}
            if self.state():
                self.return_(self.state(), waiting=True)
        raise HostError(f"{self.title} was not upgraded: {self.member} is a replica of PostgreSQL {old} again")

    def _leave(self, old: str, until: str) -> None:
        """Stop once all of the primary's log is here, and put the data aside."""
        ask = f"select coalesce(pg_last_wal_replay_lsn() > '{until}'::pg_lsn, false)"
        self._await(lambda: Instance(self.port).sql(ask) == "t", CAUGHT_UP, "all of the primary's log")
        state = {"stage": "stopped", "from": old, "config": (read(self.config) or b"").decode()}
        self.remember(state)
        run(["systemctl", "stop", self.unit], timeout=900.0)
        pg_upgrade.Programs(old, AS_OWNER).stop(self.data(old))
        os.rename(self.data(old), self.kept(old))

    def return_(self, state: Mapping[str, Any], waiting: bool) -> None:
        """Have a replica's old data follow again, once etcd knows their cluster. ``waiting``: that is to come."""
        old, data, kept = state["from"], self.data(state["from"]), self.kept(state["from"])
        place = kept if os.path.exists(kept) else data
        identity = pg_upgrade.Programs(old, AS_OWNER).control(place)["Database system identifier"]
        if not waiting and self.keys.all().get("initialize") != identity:
            # The primary has come to the new version, and its data will be copied.
            self.remember({})
            return
        self._await(
            lambda: self.keys.all().get("initialize") == identity, CAUGHT_UP, f"etcd to know PostgreSQL {old} again"
        )
        run(["systemctl", "stop", self.unit], timeout=900.0)
        if os.path.exists(kept):
            os.rename(kept, data)
        self._resume(state)
        self.group.await_member(self.member, self.given["patience"], self.given["deadline"])

    # Together.

    def recover(self, led: bool) -> dict[str, Any]:
        """Go back from what a run that was ended in the middle has left; ``led``: so does who led it."""
        state = self.state()
        with self.work.to_the_end(), self._alone():
            if "etcd" in state:
                self.back(state)
            elif state:
                self.return_(state, waiting=led)
        return {"changed": bool(state)}

    def _told(self) -> dict[str, str]:
        """What all of them have said; nothing while etcd does not answer."""
        with contextlib.suppress(RestError):
            return self.said.all()
        return {}

    def _say(self, name: str, word: str) -> None:
        """Tell the others how far it is. Raises ``RestError`` when etcd does not take it for long."""
        until = time.monotonic() + SEEN
        while True:
            try:
                self.said.put(name, word)
            except RestError:
                if time.monotonic() > until:
                    raise
            else:
                return
            self.work.wait(1.0)

    def _await_stage(self, words: tuple[str, ...]) -> str:
        """What the primary's server says, once it is one of these. Raises ``HostError`` when it falls silent."""
        beat, since = "", time.monotonic()
        while True:
            told = self._told()
            if told.get("stage", "").startswith(words):
                return told["stage"]
            if told.get("beat", "") != beat:
                beat, since = told.get("beat", ""), time.monotonic()
            if time.monotonic() - since > GONE:
                raise HostError("the primary's server has fallen silent: run the same command again once it is there")
            self.work.wait(0.5)

    def _await(self, condition: Callable[[], bool], patience: float, what: str) -> None:
        until = time.monotonic() + patience
        while not condition():
            if time.monotonic() > until:
                raise HostError(f"{self.member} waited {patience:.0f} s for {what}")
            self.work.wait(0.2)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with open(f"/run/lock/longshore-major-{self.name}", "a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise HostError(f"{self.title} is being upgraded on {self.member} by another run") from error
            yield

    @contextlib.contextmanager
    def _beating(self) -> Iterator[None]:
        """Show the others that we are at work."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(BEAT):
                with contextlib.suppress(RestError):
                    self.said.put("beat", str(time.time()))

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def refuse_disagreement(title: str, to: str, looked: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ``HostError`` unless what the servers said of themselves is one group that can be upgraded."""
    if any(each["stage"] for each in looked.values()):
        return
    having = {name: each["from"] for name, each in looked.items() if each["from"]}
    if having and len(having) < len(looked):
        raise HostError(f"only {' and '.join(having)} of the servers of {title} have data older than PostgreSQL {to}")
    if having and [each["primary"] for each in looked.values()].count(True) != 1:
        raise HostError(f"{title} has no primary that serves: longshore db status")
