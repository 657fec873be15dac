# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ansible-test sanity`` over the collection as it is shipped, without Docker and with nothing but a package index.

ansible-test wants the collection at a path of its own and real files there, so it gets a copy. It would also fetch a
bootstrap of pip from a host of its own: a stand-in makes pip from the interpreter itself. Its environments are kept in
``.cache/`` (first run about two minutes, then seconds).
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import ansible_test
import yaml
from tracked import ROOT, tracked

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
OLDEST_TARGET = "3.9"
BOOTSTRAP = """\
import ensurepip, subprocess, sys
ensurepip.bootstrap(default_pip=True)
pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
subprocess.run([*pip, "install", "pip=={version}"], check=True)
"""


def shipped() -> list[str]:
    """Paths, relative to the checkout, that the collection's tarball holds, and the settings of the sanity tests."""
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]
    return [
        path
        for path in tracked()
        if path.startswith("tests/sanity/")
        or not any(fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(path, f"{pattern}/*") for pattern in ignored)
    ]


def make_home() -> Path:
    """A home for ansible-test's caches, with the stand-in for the bootstrap that it would download."""
    home = ROOT / ".cache"
    if len(str(home)) > 50:  # its scripts' first lines must stay below 127 characters
        home = Path(tempfile.gettempdir()) / f"longshore-sanity-{os.getuid()}"
    source = (Path(ansible_test.__path__[0]) / "_internal/python_requirements.py").read_text()
    cache = home / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in set(re.findall(r"pip='([0-9.]+)'", source)):
        name = f"get_pip_{version.replace('.', '_')}.py"
        (cache / name).write_text(BOOTSTRAP.format(version=version))
    return home


def works(python: str, path: str) -> str | None:
    """The directory of an interpreter that really runs (pyenv has shims for some that don't), or nothing."""
    places = [*path.split(os.pathsep), *map(str, Path.home().glob(f".pyenv/versions/{python}.*/bin"))]
    for place in places:
        program = Path(place) / f"python{python}"
        if program.is_file() and subprocess.run([program, "-c", ""], check=False, capture_output=True).returncode == 0:
            return place
    return None


def main() -> int:
    """Run it; the exit code is that of the first run of ansible-test that failed."""
    home = make_home()
    environment = dict(os.environ)
    configuration = Path.home() / ".config/pip/pip.conf"
    if configuration.exists():
        environment.setdefault("PIP_CONFIG_FILE", str(configuration))
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment |= {"HOME": str(home), "PATH": path, "ANSIBLE_COLLECTIONS_PATH": str(home)}
    with tempfile.TemporaryDirectory(prefix="longshore-sanity-") as temporary:
        copy = Path(temporary) / "ansible_collections/longshore/stack"
        for file in shipped():
            target = copy / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, target)
        command = [str(Path(sys.executable).parent / "ansible-test"), "sanity", "--color", "no"]
        runs = [[*command, "--python", VERSION, *sys.argv[1:]]]
        oldest = works(OLDEST_TARGET, environment["PATH"])
        if oldest and not sys.argv[1:]:
            environment["PATH"] = (
                f"{environment['PATH'].split(os.pathsep)[0]}{os.pathsep}{oldest}{os.pathsep}{environment['PATH']}"
            )
            runs.append([*command, "--python", OLDEST_TARGET, "--test", "compile", "--test", "import"])
        elif not oldest:
            print(f"no Python {OLDEST_TARGET} here: ruff alone holds the servers' code to its syntax")
        for run in runs:
            code = subprocess.run(run, cwd=copy, env=environment, check=False, stdin=subprocess.DEVNULL).returncode
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
