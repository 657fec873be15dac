#!/bin/sh
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# backup-swarm DIRECTORY KEEP: copies a manager's Swarm state to /var/lib/longshore/cluster/raft and keeps the newest.
#
# The engine goes on running. The log is only ever appended to, and a torn last entry is dropped when it is read; what
# could spoil a copy is a snapshot that replaces older files meanwhile. So the copy counts only when the set of
# files was the same before and after. How to restore: docs of the role docker_host.
set -eu

swarm=$1 keep=$2
target=/var/lib/longshore/cluster/raft
mkdir -p "$target"
chmod 0700 "$target"
new=$target/.new.tar.gz
trap 'rm -f "$new"' EXIT

names() { (cd "$swarm" && find raft -type f ! -name '*.tmp' | sort); }

for attempt in 1 2 3 4 5; do
    before=$(names)
    # tasks.db is the node's own list of containers; a restored manager makes a new one. tar's 1: a file grew meanwhile.
    tar --create --gzip --sparse --file "$new" --directory "$swarm" --exclude ./worker/tasks.db --exclude '*.tmp' . 2>/dev/null ||
        [ $? -eq 1 ]
    if [ "$before" = "$(names)" ]; then
        chmod 0600 "$new"
        mv "$new" "$target/swarm-$(date -u +%Y%m%dT%H%M%SZ).tar.gz"
        find "$target" -name 'swarm-*.tar.gz' | sort -r | tail -n +$((keep + 1)) | xargs -r rm -f
        exit 0
    fi
    echo "the engine made a snapshot during attempt $attempt; again" >&2
    sleep 1
done
echo "no consistent copy in 5 attempts" >&2
exit 1
