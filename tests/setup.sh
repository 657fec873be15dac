#!/bin/bash
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Put everything into .venv of this checkout: the locked requirements, links to the package and the collection, and
# .venv/bin/longshore. Says nothing and takes a blink when nothing has changed. PYTHON=… chooses the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

# A candidate counts when it runs: pyenv puts shims on PATH for versions that aren't chosen.
newest_python() {
  local version candidate
  for version in 3.14 3.13 3.12 3.11; do
    for candidate in "python$version" python3 "$HOME/.pyenv/versions/$version".*/bin/python3; do
      if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2> /dev/null; then
        command -v "$candidate"
        return
      fi
    done
  done
  return 1
}

# What Debian and Ubuntu split off, or a minimal image lacks.
install_packages() {
  local root=()
  if [ "$(id -u)" != 0 ]; then root=(sudo -n); fi
  if ! command -v apt-get > /dev/null || ! "${root[@]}" true 2> /dev/null; then
    fail "please install: $*"
  fi
  say "installing $*"
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" > /dev/null
}

missing=()
command -v git > /dev/null || missing+=(git)
command -v ssh > /dev/null || missing+=(openssh-client)
python=${PYTHON:-}
if [ -z "$python" ] && ! .venv/bin/python -c '' 2> /dev/null; then
  python=$(newest_python) || { missing+=(python3 python3-venv); python=python3; }
  "$python" -c 'import ensurepip, venv' 2> /dev/null || missing+=(python3-venv)
fi
if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi

# An interpreter that was asked for replaces an environment of another version.
if [ -n "$python" ]; then
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python isn't a Python of 3.11 or newer"
  wanted=$("$python" -c 'import sys; print(sys.version_info[:2])')
  if [ "$(.venv/bin/python -c 'import sys; print(sys.version_info[:2])' 2> /dev/null || true)" != "$wanted" ]; then
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
  fi
fi

stamp=$(sha256sum requirements.txt tests/setup.sh; pwd)
if [ -e .ansible/lib/longshore ] && [ "$(cat .venv/longshore.stamp 2> /dev/null || true)" = "$stamp" ]; then exit 0; fi

say "installing the requirements into .venv"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt

# The package is runner/ and the collection is the checkout: an edit counts at once, nothing is copied.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
link() { mkdir -p "$(dirname "$2")" && ln -sfnr "$1" "$2"; }
link runner "$site/longshore"
link . "$site/ansible_collections/longshore/stack"
# For tools that must not see site-packages as ours (mypy) or read a collections path (molecule, ansible-lint).
link runner .ansible/lib/longshore
link . .ansible/lib/ansible_collections/longshore/stack
link . .ansible/collections/ansible_collections/longshore/stack

cat > .venv/bin/longshore << END
#!$PWD/.venv/bin/python
import sys
from longshore.cli.__main__ import main
sys.exit(main())
END
chmod +x .venv/bin/longshore
printf '%s\n' "$stamp" > .venv/longshore.stamp
say "done: .venv/bin/longshore"
