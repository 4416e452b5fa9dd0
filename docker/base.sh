#!/usr/bin/env bash
# Makes the base image that stands in for the public one (ARG BASE in the Dockerfile) where nothing can be pulled: Debian
# with Python, as the build needs it. Nothing of it but Python's own files and libraries gets into the final image.
#   base.sh            make localhost/kehu-base unless it is there, and print its name
#   base.sh --fresh    make it again, with today's packages
#   base.sh --list     print the packages in it, with their versions
# Reproducible: the same packages give the same archive, bit for bit. KEHU_DEBIAN_MIRROR names another mirror.
set -euo pipefail
source "$(dirname "$0")/engine.sh"

suite=bookworm # Python 3.11, the version that everything is tested with.
image=localhost/kehu-base:$suite
archive=$root/build/containers/base-$suite.tar
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1700000000}

tool() {
  if [ "$engine" = docker ]; then docker "$@"; else podman "$@"; fi
}

if [ "${1:-}" = --list ]; then
  tar -xOf "$archive" ./var/lib/dpkg/status | awk '/^Package:/ {name = $2} /^Version:/ {print name, $2}'
  exit
fi
if [ "${1:-}" = --fresh ] || ! tool image inspect "$image" >/dev/null 2>&1; then
  [ "$(id -u)" -eq 0 ] || fail "the base image is made by root; run this again as root, or give build.sh another BASE."
  command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing; run 'bash docker/packages.sh'."
  mkdir -p "$(dirname "$archive")"
  log=$archive.log
  mmdebstrap --quiet --format=tar --variant=minbase --include=ca-certificates,netbase,python3,python3-venv \
    "$suite" "$archive.new" ${KEHU_DEBIAN_MIRROR:+"$KEHU_DEBIAN_MIRROR"} >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; fail "mmdebstrap failed; its last lines are above."; }
  mv "$archive.new" "$archive"
  tool import "$archive" "$image" >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; fail "the base could not be imported; the last lines are above."; }
  echo "base $image, sha256 of its archive $(sha256sum "$archive" | cut -d ' ' -f 1)" >&2
fi
echo "$image"
