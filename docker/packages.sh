#!/usr/bin/env bash
# Installs what builds and runs images where there is no Docker engine: buildah, podman and what they stand on.
set -euo pipefail

if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  exit 0
fi
missing=()
for name in buildah podman runc conmon iptables mmdebstrap; do
  command -v "$name" >/dev/null || [ -x "/usr/sbin/$name" ] || missing+=("$name")
done
for name in netavark aardvark-dns; do # Networks of containers and the names in them.
  [ -x "/usr/lib/podman/$name" ] || missing+=("$name")
done
bash "$(dirname "$0")/../libs/localstack/apt.sh" "${missing[@]}"
