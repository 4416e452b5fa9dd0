# To be sourced: chooses what builds and runs images, and gives buildah and podman a home of their own in build/containers.
#
# `engine` is buildah (with podman beside it) or docker. Nothing outside of this checkout is configured: what the host's
# containers do stays as it is, and `make clean` takes everything of ours away.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=$root/build/containers

fail() {
  printf 'kehu: %s\n' "$*" >&2
  exit 1
}

if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
  engine=docker
elif command -v buildah >/dev/null && command -v podman >/dev/null; then
  engine=buildah
  mkdir -p "$home/tmp"
  # Overlays do not lie on overlays: inside a container, layers are copied.
  driver=overlay
  [ "$(stat -f -c %T "$home")" != overlayfs ] || driver=vfs
  cat >"$home/storage.conf" <<CONF
[storage]
driver = "$driver"
graphroot = "$home/storage"
runroot = "$home/run"
CONF
  # runc knows hosts with both generations of cgroups. Limits that root may not raise are refused, so none are asked for
  # beyond what this shell has.
  cat >"$home/containers.conf" <<CONF
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$home/run/libpod"
[network]
network_backend = "netavark"
network_config_dir = "$home/networks"
[containers]
default_ulimits = ["nofile=$(ulimit -Sn):$(ulimit -Sn)", "nproc=4096:4096"]
CONF
  export CONTAINERS_STORAGE_CONF=$home/storage.conf CONTAINERS_CONF=$home/containers.conf TMPDIR=$home/tmp
  export PATH=$PATH:/usr/sbin
else
  fail "nothing here builds images; run 'bash docker/packages.sh', or start a Docker engine."
fi
