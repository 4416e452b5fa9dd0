#!/usr/bin/env bash
# Installs the Debian packages of a Kubernetes node that this machine lacks: runtime, network plugins, and the tools that
# kubelet and kube-proxy call.
set -euo pipefail

missing=()
for package in containerd runc containernetworking-plugins iptables conntrack ethtool socat iproute2 util-linux catatonit \
  openssl; do
  dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
bash "$(dirname "$0")/../../libs/localstack/apt.sh" "${missing[@]}"
