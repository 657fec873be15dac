# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by the role longshore.stack.waf: changes are lost.
"""Whether the firewall would start with a new file: ``waf-check NAME FILE``, NAME as below /etc/longshore.

nginx reads a copy of the whole configuration with the file in its place, and opens a socket and a log beside it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIG = Path("/etc/longshore")
POLICIES = "/etc/longshore/*/waf.conf"


def main() -> None:
    """End with 1 and the reason for a file that is refused."""
    name, given = sys.argv[1], Path(sys.argv[2])
    files = {path.relative_to(CONFIG).as_posix(): path for path in sorted(CONFIG.glob("*/waf.conf"))}
    files |= {f"waf/{own}": CONFIG / "waf" / own for own in ("nginx.conf", "rules.conf")}
    files[name] = given
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        policies = [f'Include "{path}"' for each, path in files.items() if each.endswith("/waf.conf")]
        rules = files["waf/rules.conf"].read_text(encoding="utf-8")
        rules = rules.replace(f"Include {POLICIES}", "\n".join(policies)).replace("/var/log/longshore-waf", directory)
        (here / "rules.conf").write_text(rules.replace("/run/longshore-waf", directory), encoding="utf-8")
        nginx = files["waf/nginx.conf"].read_text(encoding="utf-8")
        nginx = nginx.replace(f"{CONFIG}/waf/rules.conf", f"{here}/rules.conf")
        nginx = nginx.replace("/run/longshore-waf-socket", directory).replace("/run/longshore-waf", directory)
        (here / "nginx.conf").write_text(nginx, encoding="utf-8")
        done = subprocess.run(
            ["nginx", "-t", "-q", "-e", "stderr", "-c", here / "nginx.conf"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.replace(str(given), str(CONFIG / name)).replace(str(here), str(CONFIG / "waf"))
            sys.exit(re.sub(r"^nginx: \[emerg\] ", "", said.strip(), flags=re.MULTILINE))


if __name__ == "__main__":
    main()
