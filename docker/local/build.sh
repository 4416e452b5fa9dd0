#!/usr/bin/env bash
# Builds stand-ins for the public images that compose.yaml names, and prints the variables that make it use them.
set -euo pipefail
source "$(dirname "$0")/../engine.sh"

base=${BASE:-$(bash "$root/docker/base.sh")}
server=$("$root/.venv/bin/python" -c 'from libs.localstack.mongo import find_mongod; print(find_mongod().program.parent)')
log=$home/local.log
for name in rabbitmq mongodb prometheus; do
  context=$root/docker/local
  [ "$name" != mongodb ] || context=$server
  if [ "$engine" = docker ]; then build=(docker build --network host); else build=(buildah bud --layers --isolation chroot --network host); fi
  "${build[@]}" --build-arg "BASE=$base" --tag "localhost/kehu-$name" --file "$root/docker/local/$name.Dockerfile" "$context" \
    >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "the image of $name could not be built; the last lines are above."; }
  echo "KEHU_${name^^}_IMAGE=localhost/kehu-$name"
done
