#!/usr/bin/env bash
# Installs the Debian packages that a developer's machine lacks, and nothing that it has.
#   packages.sh            install what is missing
#   packages.sh --python   print the Python to build the environment with
set -euo pipefail

python() {
  local name
  for name in python3.11 python3; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  echo "kehu: Python 3.11 or later is missing; install it (on Debian 12: apt-get install python3) and try again." >&2
  exit 1
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

bash "$(dirname "$0")/apt.sh" "${missing[@]}"

# Nor is it to start at the next boot.
if [[ " ${missing[*]} " == *" rabbitmq-server "* ]] && command -v systemctl >/dev/null; then
  root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  "${root[@]}" systemctl disable --quiet rabbitmq-server.service epmd.socket epmd.service >/dev/null 2>&1 || true
fi
