# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: how fast Longshore is, beside its targets, in ``docs/figures/``.

``--short`` measures once, without the twelve servers, and writes nothing; since the machine may have other work, it
fails only when a figure is more than twice its target. ``python tests/bench GROUP...`` measures some: ``make test``
runs ``--short command``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from big_stack import big_stack
from measure import Figure, figure, seconds, write
from stack.support import (
    LONGSHORE,
    Lab,
    Outcome,
    StackFile,
    accepted_late,
    edges,
    longshore,
    nothing_lost,
    until,
)

ROOT = Path(__file__).resolve().parents[2]
SLACK = 2  # of --short
LATE = 0.2  # seconds
FLOOR = "test-floor"  # the lab that the shell script gets


class Bench:
    """The measurements, in groups; each group brings the servers it needs, blank, and takes its own away."""

    def __init__(self, directory: Path, *, short: bool) -> None:
        self.directory = directory
        self.repeat = 1 if short else 3
        self.short = short
        self.boot = 0.0  # seconds of the last `lab up`
        self.lab = Lab()

    def command(self) -> Iterator[Figure]:
        """What happens on the operator's machine alone."""
        helping = [seconds(lambda: run(str(LONGSHORE), "--help")) for _ in range(5)]
        yield figure("help", "`longshore --help`", 0.25, helping)
        big = self.directory / "big.yml"
        big.write_text(big_stack(1000, 50))
        runs = [seconds(lambda: run(str(LONGSHORE), "validate", "-f", str(big))) for _ in range(3)]
        yield figure("validate", "`validate` of 1,000 services on 50 servers", 1.0, runs)

    def three(self) -> Iterator[Figure]:
        """Three blank servers, against a plain shell script that does the same work, and then the everyday commands."""
        plain = self.floor()
        stack = self.fresh(3)
        cold = good(longshore(stack, "up")).seconds
        details = {"longshore up": round(cold, 1), "shell script": round(plain, 1)}
        what = "cold `up` on three blank servers, over a parallel shell script doing the same work"
        yield figure("boot", "`lab up` of three servers from the built image", 15, [self.boot])
        yield Figure("cold", what, "times", round(cold / plain, 2), 1.5, [], details)
        outcomes = [good(longshore(stack, "up", "--json")) for _ in range(self.repeat)]
        yield roles("second up, 3", "second `up` on three servers", 12, outcomes)
        yield self.deploy(stack)
        yield self.late(stack)

    def floor(self) -> float:
        """Seconds of the shell script on blank servers of its own."""
        floor = Lab(name=FLOOR)
        try:
            floor.up()
            hosts = [floor.described["hosts"][name] for name in ("app1", "app2", "app3")]
            pairs = [f"{host['public']['v4']}:{host['private']['v4']}" for host in hosts]
            return seconds(lambda: run(str(ROOT / "tests/bench/floor.sh"), str(ROOT / ".lab" / FLOOR), *pairs))
        finally:
            floor.run("down", "--name", FLOOR)

    def leave(self) -> None:
        """Take the servers away."""
        self.lab.run("down", "--name", self.lab.name)

    def deploy(self, stack: StackFile) -> Figure:
        """A changed variable of one service, deployed, and set with Docker's own command."""
        ours, theirs = [], []
        update = "docker service update --quiet --detach=false --env-add GREETING={} shop_web"
        for number in range(self.repeat):

            def change(content: dict[str, Any], number: int = number) -> None:
                content["services"]["web"]["environment"]["GREETING"] = f"deployed {number}"

            with stack.changed(change):
                ours.append(good(longshore(stack, "deploy", "web")).seconds)
            words = update.format(f"updated{number}").split()
            theirs.append(seconds(lambda words=words: self.lab.on("app1", *words, timeout=600)))
        over = statistics.median(ours) - statistics.median(theirs)
        what = "`deploy` of one changed service, beyond `docker service update --detach=false` of the same change"
        details = {"deploy": round(statistics.median(ours), 2), "docker": round(statistics.median(theirs), 2)}
        return Figure("deploy", what, "s", round(over, 2), 5, [round(run, 2) for run in ours], details)

    def late(self, stack: StackFile) -> Figure:
        """Deploys of six tasks under load, which take requests for three seconds after they were told to stop."""
        counts = []
        for number in range(self.repeat + 1):

            def change(content: dict[str, Any], number: int = number) -> None:
                content["services"]["web"]["environment"] |= {"GRACE": "3", "GREETING": f"late {number}"}

            since = self.lab.on("app1", "date", "-Is").stdout.strip()
            with stack.changed(change), self.lab.load(edges(self.lab), "shop.example", slow=0.02, new=0.3) as report:
                good(longshore(stack, "deploy", "web"))
            nothing_lost(report)
            ended = until(lambda since=since: len(found := accepted_late(self.lab, since)) >= 6 and found, 90, "ends")
            counts.append(sum(seconds > LATE for task in ended for seconds in task))
        # The tasks of the first had no such grace.
        what = "most requests accepted later than 0.2 s after SIGTERM, by six tasks in a deploy under 200 a second"
        own = [float(count) for count in counts[1:]]
        return Figure("late", what, "requests", max(own), 0, own)

    def twelve(self) -> Iterator[Figure]:
        """Many servers, with nothing to do."""
        stack = self.fresh(12)
        good(longshore(stack, "up", timeout=1800))
        outcomes = [good(longshore(stack, "up", "--json")) for _ in range(self.repeat)]
        yield roles("second up, 12", "second `up` on 12 servers", 30, outcomes)

    def fresh(self, servers: int) -> StackFile:
        """Blank servers, and the example's stack file for all of them."""
        self.lab.run("down", "--name", self.lab.name)
        self.boot = seconds(lambda: self.lab.up(servers))
        self.lab.run("git", "push", "--name", self.lab.name, str(ROOT / "molecule/shared/repositories/shop"), "shop")
        stack = StackFile.of("lab", self.directory, self.lab)
        for number in range(4, servers + 1):
            host = self.lab.described["hosts"][f"app{number}"]
            addresses = {"address": host["public"]["v4"], "private_address": host["private"]["v4"]}
            stack.content["servers"][f"app{number}"] = addresses | {"tags": ["app"]}
        stack.write()
        return stack


def run(*command: str) -> None:
    """Run a program; its output is shown when it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")


def good(outcome: Outcome) -> Outcome:
    """The outcome, which must be a success: a failure is not a time."""
    if outcome.code:
        raise SystemExit(f"exit {outcome.code}\n{outcome.everything}")
    return outcome


def roles(name: str, what: str, target: float, outcomes: list[Outcome]) -> Figure:
    """Seconds of runs that change nothing, and how long each role took on its slowest server."""
    measured = figure(name, what, target, [outcome.seconds for outcome in outcomes])
    spent: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for line in outcomes[-1].output.splitlines():
        event = json.loads(line)
        if event["type"] == "task_finished":
            place = event["place"]
            spent[place.get("role") or place.get("play") or "?"][place.get("host") or "?"] += event["duration"]
    details = {role: round(max(hosts.values()), 2) for role, hosts in spent.items()}
    return Figure(measured.name, what, "s", measured.value, target, measured.runs, details)


def main() -> int:
    """Measure, tell, write down; 1 when a target is missed. The long form takes its servers away again."""
    parser = argparse.ArgumentParser(prog="tests/bench", description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="command, three, twelve")
    wanted = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="longshore-bench-") as directory:
        bench = Bench(Path(directory), short=wanted.short)
        groups: dict[str, Callable[[], Iterator[Figure]]] = {"command": bench.command, "three": bench.three}
        if not wanted.short:
            groups["twelve"] = bench.twelve
        try:
            for name in wanted.groups or groups:
                for each in groups[name]():
                    figures.append(each)
                    print(each.line(), flush=True)
                    for part, value in each.details.items():
                        print(f"       {part:<30}{value:>8.2f} s", flush=True)
        finally:
            if not wanted.short and os.environ.get("KEEP") != "1":
                bench.leave()
    if not wanted.short and not wanted.groups:
        write(figures, ROOT / "docs/figures")
    slack = SLACK if wanted.short else 1
    failed = sum(each.value > each.target * slack for each in figures)
    print(f"{len(figures) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
