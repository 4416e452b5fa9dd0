#!/usr/bin/env bash
# Builds the image localhost/kehu:dev.
#   build.sh                   build it and tell its size
#   build.sh --archive FILE    also write it as an archive that `ctr images import` and `docker load` read
#   build.sh --no-cache        take nothing from earlier builds
# The environment may say otherwise: BASE (an image; without it docker/base.sh makes one), IMAGE (name of the result),
# VERSION, REVISION, SOURCE (labels), KEHU_CA (authorities for pip), PIP_CONFIG_FILE (configuration for pip).
set -euo pipefail
source "$(dirname "$0")/engine.sh"

image=${IMAGE:-localhost/kehu:dev}
archive=
cache=(--layers)
while [ $# -gt 0 ]; do
  case $1 in
    --archive) archive=$(realpath -m "${2:?--archive needs a file}"); shift 2 ;;
    --no-cache) cache=(--layers --no-cache); shift ;;
    *) fail "build.sh takes --archive FILE and --no-cache, not '$1'." ;;
  esac
done

cd "$root"
# One time for every file of every commit: a layer whose content has not changed keeps its digest, and is not pulled again.
export SOURCE_DATE_EPOCH=1700000000
base=${BASE:-$(bash docker/base.sh)}
version=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)}
revision=${REVISION:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}
origin=$(git config --get remote.origin.url 2>/dev/null || true)
[[ $origin == *@* || $origin == *://* ]] || origin=unknown # A folder of this machine says nothing elsewhere.
given=(--build-arg "BASE=$base" --build-arg "VERSION=$version" --build-arg "REVISION=$revision"
  --build-arg "SOURCE=${SOURCE:-$origin}")

# A network that is inspected, or an index of one's own, is the host's affair: pip is told, the image never is.
for file in "${KEHU_CA:-}" "${PIP_CERT:-}" "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt; do
  if [ -f "$file" ]; then given+=(--secret "id=ca,src=$file"); break; fi
done
for file in "${PIP_CONFIG_FILE:-}" "$HOME/.config/pip/pip.conf" /etc/pip.conf; do
  if [ -f "$file" ]; then given+=(--secret "id=pip,src=$file"); break; fi
done

log=$root/build/containers/build.log
mkdir -p "$(dirname "$log")"
if [ "$engine" = docker ]; then
  build=(docker buildx build --network host --provenance=false --output "type=docker,rewrite-timestamp=true")
  cache=("${cache[@]:1}")
else
  build=(buildah bud --isolation chroot --network host --timestamp "$SOURCE_DATE_EPOCH"
    --ignorefile docker/Dockerfile.dockerignore)
fi
"${build[@]}" "${cache[@]}" "${given[@]}" --file docker/Dockerfile --tag "$image" . >"$log" 2>&1 ||
  { tail -n 30 "$log" >&2; fail "the image could not be built; the last lines are above, all of them in $log."; }

tool=podman
[ "$engine" != docker ] || tool=docker
id=$($tool image inspect --format '{{.Id}}' "$image")
bytes=$($tool image inspect --format '{{.Size}}' "$image")

# The bill of materials lies in the image; here it is to be looked at without one.
container=$($tool create "$image")
$tool cp "$container:/usr/share/kehu/sbom.cdx.json" "$root/build/containers/sbom.cdx.json"
$tool rm "$container" >/dev/null

if [ -n "$archive" ]; then
  rm -f "$archive"
  if [ "$engine" = docker ]; then
    docker save --output "$archive" "$image"
  else
    buildah push --quiet "$image" "docker-archive:$archive:$image" >/dev/null
  fi
fi
echo "$image sha256:${id#sha256:} $((bytes / 1000000)) MB"
