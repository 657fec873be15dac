#!/bin/bash -eu
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Whether the load balancer of this server answers over HTTP, whatever its answer is. keepalived asks it often, so that it starts
# no other program.
# usage: balancer-answers PORT
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET / HTTP/1.0\r\nHost: longshore.invalid\r\n\r\n' >&3
read -r -t 1 line <&3
[[ $line == HTTP/* ]]
