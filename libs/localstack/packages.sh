#!/usr/bin/env bash
# Installs the Debian packages that a developer's machine lacks, and nothing that it has.
#   packages.sh            install what is missing
#   packages.sh --python   print the Python to build the environment with
set -euo pipefail

fail() {
  printf 'kehu: %s\n' "$*" >&2
  exit 1
}

python() {
  local name
  for name in python3.11 python3; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  fail "Python 3.11 or later is missing; install it (on Debian 12: apt-get install python3) and try again."
}

if [ "${1:-}" = --python ]; then
  python
  exit
fi

interpreter=$(python)
missing=()
"$interpreter" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || [ -n "${KEHU_AMQP_URI:-}" ] || missing+=(rabbitmq-server)
# What the fetched mongod is linked with (libs/localstack/mongo.py).
compgen -G '/usr/lib/*/libcurl.so.4' >/dev/null || [ -n "${KEHU_MONGODB_URI:-}" ] || missing+=(libcurl4)
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null ||
  fail "these Debian packages are missing and there is no apt-get: ${missing[*]}. Install them (KEHU_AMQP_URI may stand in for a broker)."
if [ "$(id -u)" -eq 0 ]; then
  root=()
elif command -v sudo >/dev/null; then
  root=(sudo)
else
  fail "these Debian packages are missing and there is neither root nor sudo: ${missing[*]}. Install them and try again."
fi

# Packages are not to start their daemons: Kehu runs a broker of its own, and only when asked.
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
printf 'Installing Debian packages: %s\n' "${missing[*]}"
quietly apt-get update
quietly apt-get install --yes --no-install-recommends "${missing[@]}"
rm -f "$log"

# Nor at the next boot.
if [[ " ${missing[*]} " == *" rabbitmq-server "* ]] && command -v systemctl >/dev/null; then
  "${root[@]}" systemctl disable --quiet rabbitmq-server.service epmd.socket epmd.service >/dev/null 2>&1 || true
fi
