#!/bin/sh
# Written by the role longshore.stack.mariadb: changes are lost.
# Whether mariadbd takes a configuration as it is: it says so of some wrong values only by the way.
said=$(runuser -u mysql -- mariadbd --defaults-file="$1" --verbose --help 2>&1 > /dev/null)
code=$?
wrong=$(printf '%s\n' "$said" | grep -E '\[ERROR\]|: (unsigned|signed|double)? ?value .* adjusted to|is not a compiled' | tail -n 3)
[ "$code" -eq 0 ] && [ -z "$wrong" ] && exit 0
printf '%s\n' "${wrong:-$said}" | tail -n 3
exit 1
