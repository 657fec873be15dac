#!/bin/bash
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Build the wheel and the collection's tarball into a directory: tests/package/build.sh DIRECTORY
set -euo pipefail
mkdir -p "$1"
into=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
.venv/bin/python -m build --wheel --no-isolation --outdir "$into" .
.venv/bin/ansible-galaxy collection build --force --output-path "$into" .
