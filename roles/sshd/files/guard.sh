#!/bin/sh
# Written by the role longshore.stack.sshd: changes are lost.
# New settings of sshd hold for good only once somebody came in over a new connection.
#   sshd-guard arm SECONDS   the former ones come back after so many seconds
#   sshd-guard confirm       they don't
#   sshd-guard revert        they do now
set -eu
live=/etc/ssh/sshd_config.d/00-longshore.conf
confirmed=/var/lib/longshore/host/sshd.confirmed
unit=longshore-sshd-revert
case "$1" in
arm)
    systemctl stop "$unit.timer" 2>/dev/null || true
    systemd-run --quiet --collect --unit="$unit" --on-active="$2" --timer-property=AccuracySec=1s "$0" revert
    ;;
confirm)
    systemctl stop "$unit.timer" 2>/dev/null || true
    cp -p "$live" "$confirmed"
    ;;
revert)
    if [ -e "$confirmed" ]; then cp -p "$confirmed" "$live"; else rm -f "$live"; fi
    systemctl reload ssh.service
    systemctl stop "$unit.timer" 2>/dev/null || true
    ;;
esac
