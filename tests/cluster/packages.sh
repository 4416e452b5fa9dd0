#!/usr/bin/env bash
# Installs the Debian packages of a Kubernetes node that this machine lacks: runtime, network plugins, and the tools that
# kubelet and kube-proxy call.
set -euo pipefail

needed=(containerd runc containernetworking-plugins iptables conntrack ethtool socat iproute2 util-linux catatonit openssl)
missing=()
for package in "${needed[@]}"; do
  dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
printf 'Installing Debian packages: %s\n' "${missing[*]}"
log=$(mktemp)
quietly() {
  DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    printf "kehu: '%s' failed; its last lines are above. A node needs root and Debian's packages.\n" "$*" >&2
    exit 1
  }
}
quietly apt-get update
quietly apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "${missing[@]}"
rm -f "$log"
