#!/bin/sh
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A repository like Docker's, on this server: the distribution's engine under the names that Docker gives its packages.
# repository.sh make: served at http://127.0.0.1:8088. repository.sh remove: all of it goes, and the engine from it too.
set -eu
export DEBIAN_FRONTEND=noninteractive
ROOT=/srv/docker-repository
ENGINES="docker.io docker-cli docker-buildx containerd runc docker-ce docker-ce-cli docker-buildx-plugin containerd.io"

# Without an engine, as a server comes.
blank() {
  installed=""
  for name in $ENGINES; do
    dpkg-query -W "$name" >/dev/null 2>&1 && installed="$installed $name"
  done
  # shellcheck disable=SC2086
  [ -z "$installed" ] || apt-get -o DPkg::Lock::Timeout=300 purge -qq -y $installed >/dev/null
  rm -rf /etc/apt/sources.list.d/docker.sources /etc/apt/keyrings/docker.asc /etc/docker/daemon.json
}

# package NAME DEPENDS FROM...: one package with what those of the distribution hold.
package() {
  name=$1 depends=$2 tree="$ROOT/tree/$1"
  shift 2
  dpkg-deb -R "$(archive "$1")" "$tree"
  shift
  for other in "$@"; do
    dpkg-deb -x "$(archive "$other")" "$tree"
  done
  {
    printf 'Package: %s\nVersion: 5:99.0\nArchitecture: %s\n' "$name" "$(dpkg --print-architecture)"
    printf 'Maintainer: The lab <lab@example.org>\nDepends: %s\nConflicts: docker.io\nDescription: %s\n' "$depends" "$name"
  } >"$tree/DEBIAN/control"
  rm -f "$tree/DEBIAN/md5sums"
  dpkg-deb -Znone -b "$tree" "$ROOT/pool/$name.deb" >/dev/null
  {
    dpkg-deb -f "$ROOT/pool/$name.deb"
    printf 'Filename: pool/%s.deb\nSize: %s\n' "$name" "$(stat -c %s "$ROOT/pool/$name.deb")"
    printf 'SHA256: %s\n\n' "$(sha256sum "$ROOT/pool/$name.deb" | cut -d' ' -f1)"
  } >>"$LIST/Packages"
}

archive() {
  find /var/cache/apt/archives -name "$1_*.deb" | head -1
}

make() {
  SUITE=$(. /etc/os-release && echo "$VERSION_CODENAME")
  LIST="$ROOT/dists/$SUITE/stable/binary-$(dpkg --print-architecture)"
  mkdir -p "$LIST" "$ROOT/pool" "$ROOT/tree" "$ROOT/keys"
  apt-get -o DPkg::Lock::Timeout=300 install -qq -y --no-install-recommends gnupg >/dev/null
  package containerd.io libseccomp2 containerd runc
  package docker-ce "containerd.io, iptables, tini" docker.io
  package docker-ce-cli libc6 docker-cli
  package docker-buildx-plugin docker-ce-cli docker-buildx
  rm -r "$ROOT/tree"
  cd "$ROOT/dists/$SUITE"
  {
    printf 'Origin: Lab\nSuite: %s\nCodename: %s\nDate: %s\n' "$SUITE" "$SUITE" "$(date -Ru)"
    printf 'Architectures: %s\nComponents: stable\nSHA256:\n' "$(dpkg --print-architecture)"
    find stable -type f | while read -r file; do
      printf ' %s %s %s\n' "$(sha256sum "$file" | cut -d' ' -f1)" "$(stat -c %s "$file")" "$file"
    done
  } >Release
  chmod 700 "$ROOT/keys"
  gpg="gpg --homedir $ROOT/keys --batch --quiet"
  $gpg --passphrase '' --quick-gen-key lab@example.org 2>/dev/null
  $gpg --clearsign --output InRelease Release
  $gpg --armor --export >"$ROOT/gpg"
  gpgconf --homedir "$ROOT/keys" --kill all
  systemd-run --quiet --unit docker-repository python3 -m http.server --bind 127.0.0.1 --directory "$ROOT" 8088
  sha256sum "$ROOT/gpg" | cut -d' ' -f1
}

blank
systemctl stop docker-repository.service 2>/dev/null || true
rm -rf "$ROOT"
[ "$1" = remove ] || make
