#!/usr/bin/env bash
# Installs the Debian packages that are named, quietly, and starts none of their daemons.
set -euo pipefail

fail() {
  printf 'kehu: %s\n' "$*" >&2
  exit 1
}

[ $# -gt 0 ] || exit 0
command -v apt-get >/dev/null || fail "these Debian packages are missing and there is no apt-get: $*. Install what they hold."
if [ "$(id -u)" -eq 0 ]; then
  root=()
elif command -v sudo >/dev/null; then
  root=(sudo)
else
  fail "these Debian packages are missing and there is neither root nor sudo: $*. Install them and try again."
fi

# Packages are not to start their daemons: Kehu runs its own, and only when asked.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
  "${root[@]}" chmod +x "$policy"
  trap '"${root[@]}" rm -f "$policy"' EXIT
fi

log=$(mktemp)
quietly() {
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    fail "'$*' failed; its last lines are above."
  }
}
printf 'Installing Debian packages: %s\n' "$*"
# Somebody else may be installing something at this moment.
quietly apt-get -o DPkg::Lock::Timeout=300 update
quietly apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"
rm -f "$log"
