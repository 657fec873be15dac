# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failed build is explained by the step that failed."""

from __future__ import annotations

from ansible_collections.longshore.stack.plugins.module_utils.image_buildlog import BuildLog

FAILED = """\
#0 building with "default" instance using docker driver

#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s

#7 [build 3/4] RUN npm ci
#7 0.649 about to fail
#7 5.929 npm error code E404

#8 [other 2/2] RUN sleep 60
#8 0.100 sleeping
#8 CANCELED

#7 ERROR: process "/bin/sh -c npm ci" did not complete successfully: exit code: 77
------
 > [build 3/4] RUN npm ci:
0.649 about to fail
5.929 npm error code E404
------
Dockerfile:9
--------------------
   9 | >>> RUN npm ci
--------------------
ERROR: failed to solve: process "/bin/sh -c npm ci" did not complete successfully: exit code: 77
"""


def read(text: str) -> BuildLog:
    log = BuildLog()
    for line in text.splitlines():
        log.feed(line)
    return log


def test_step_place_and_exit_code() -> None:
    log = read(FAILED)
    assert log.step == "[build 3/4] RUN npm ci"
    assert log.exit_code == 77
    assert log.cause == "[build 3/4] RUN npm ci (Dockerfile:9): exit code 77"
    assert log.last_lines == ["about to fail", "npm error code E404"]


def test_only_the_last_lines_are_kept() -> None:
    noise = "".join(f"#7 {second}.000 line {second}\n" for second in range(500))
    lines = read(FAILED.replace("#7 0.649 about to fail\n", noise)).last_lines
    assert len(lines) == 20
    assert lines[-1] == "npm error code E404"


def test_a_base_image_that_does_not_exist() -> None:
    log = read(
        "#2 [internal] load metadata for docker.io/library/nosuch:1\n"
        "#2 ERROR: docker.io/library/nosuch:1: not found\n"
        "Dockerfile:1\n"
        "ERROR: failed to solve: nosuch:1: failed to resolve source metadata: not found\n"
    )
    assert "nosuch:1: not found" in log.cause
    assert log.exit_code is None


def test_a_dockerfile_that_cannot_be_read() -> None:
    log = read("Dockerfile:2\nERROR: failed to solve: dockerfile parse error on line 2: unknown instruction: RUNN\n")
    assert "unknown instruction: RUNN" in log.cause
    assert "Dockerfile:2" in log.cause


def test_a_step_ended_because_of_another_is_not_the_cause() -> None:
    log = read('#3 [a 1/1] RUN x\n#3 ERROR: process "x": context canceled\n' + FAILED)
    assert log.step == "[build 3/4] RUN npm ci"


def test_no_output_at_all() -> None:
    assert read("").cause == "it ended without saying why"
