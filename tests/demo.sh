#!/bin/bash
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# `make demo`: three servers on this machine, the sample stack on them, and where to look.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lab=(.venv/bin/python molecule/shared/lab)
balancers=(198.51.100.11 198.51.100.12 '[fd77:1::11]' '[fd77:1::12]')

"${lab[@]}" up --name lab --servers 3 > /dev/null
"${lab[@]}" git push --name lab molecule/shared/repositories/shop shop
.venv/bin/longshore up -f inventories/lab.yml
echo
.venv/bin/longshore status -f inventories/lab.yml
for address in "${balancers[@]}"; do
  page=$(curl --globoff --fail --silent --show-error --max-time 10 --header 'Host: shop.example' "http://$address/")
  if [[ $page != *"The shop is open"* ]]; then
    printf 'demo: http://%s/ serves another page than the shop:\n%s\n' "$address" "$page" >&2
    exit 1
  fi
done
cat << END

The page answers, from this machine:

  curl -H 'Host: shop.example' http://${balancers[0]}/          # or ${balancers[1]}, the second load balancer
  echo '${balancers[0]} shop.example' >> /etc/hosts             # then http://shop.example/ in a browser here

The stack file is inventories/lab.yml. Try:

  .venv/bin/longshore plan -f inventories/lab.yml        # what would change: nothing
  .venv/bin/longshore scale -f inventories/lab.yml web=8
  .venv/bin/longshore ps -f inventories/lab.yml
  .venv/bin/python molecule/shared/lab ssh app1          # log in to a server

make demo-down takes everything away.
END
