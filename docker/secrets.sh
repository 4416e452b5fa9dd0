#!/usr/bin/env bash
# Makes the secrets of compose.yaml in build/compose (or the folder given), as files that its processes can read: addresses
# with a password of the broker, and keys for development. What is there is kept.
set -euo pipefail
source "$(dirname "$0")/engine.sh"
umask 077

folder=$(realpath -m "${1:-$root/build/compose}")
tool=podman
[ "$engine" != docker ] || tool=docker
mkdir -p "$folder/keys"

write() {
  [ -e "$folder/$1" ] || printf '%s\n' "${@:2}" >"$folder/$1"
}

if [ ! -e "$folder/rabbitmq.conf" ]; then
  password=$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')
  write rabbitmq.conf 'default_user = kehu' "default_pass = $password" 'default_user_tags.administrator = true'
  write amqp-uri "amqp://kehu:$password@rabbitmq:5672/"
fi
write mongodb-uri 'mongodb://mongodb:27017/?replicaSet=kehu'
$tool run --rm --network none --user "$(id -u):$(id -g)" --volume "$folder/keys:/keys" \
  "${KEHU_IMAGE:-localhost/kehu:dev}" token keys /keys >/dev/null

# A certificate for every name that is called, and the authority that callers believe.
if [ ! -e "$folder/tls/tls.crt" ]; then
  mkdir -p "$folder/tls"
  names=localhost,IP:127.0.0.1
  for service in $(sed -n 's|.*KEHU_TARGET_.*dns:///\(.*\):50051|\1|p' "$root/docker/compose.yaml"); do names+=",DNS:$service"; done
  new=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365)
  openssl req -x509 "${new[@]}" -subj "/CN=kehu compose" -addext "basicConstraints=critical,CA:TRUE" \
    -keyout "$folder/tls/ca.key" -out "$folder/tls/ca.crt" 2>/dev/null
  openssl req -x509 "${new[@]}" -subj "/CN=kehu" -addext "subjectAltName=DNS:$names" \
    -addext "basicConstraints=critical,CA:FALSE" -CA "$folder/tls/ca.crt" -CAkey "$folder/tls/ca.key" \
    -keyout "$folder/tls/tls.key" -out "$folder/tls/tls.crt" 2>/dev/null
fi

# Processes run as 65532 and the broker as another user. The folder above stays closed to everybody else on this machine;
# the key that signs tokens stays with whoever made it.
chmod 755 "$folder"/{keys,tls}
chmod 444 "$folder"/tls/{ca.crt,tls.crt,tls.key}
chmod 444 "$folder"/{amqp-uri,mongodb-uri,rabbitmq.conf} "$folder"/keys/{*.pub.pem,page.key,seal.key}
echo "$folder"
