#!/usr/bin/env bash
# Builds, from their Go modules, the programs of a Kubernetes node, and generates the CRDs that the chart's objects need.
#   build.sh           build what is missing (the first time: half an hour of two cores, 2 GB of modules, 3 GB of memory)
#   build.sh --where   print the folder: bin/<program>, crds/<name>.yaml
# The folder lies outside the checkout, in the user's cache; a program appears in it only when it is complete, and a build
# that was interrupted goes on where it was. Compilers run at low priority.
set -euo pipefail

# 1.34 is the last line whose kubelet takes cgroup v1 machines as they are.
KUBERNETES=1.34.4
ETCD=v3.6.16
COREDNS=v1.15.0
METRICS_SERVER=v0.9.0
CONTROLLER_TOOLS=v0.23.0
PROMETHEUS_OPERATOR=v0.95.1
KEDA=v2.21.0

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${XDG_CACHE_HOME:-$HOME/.cache}/kehu/kubernetes-$KUBERNETES
if [ "${1:-}" = --where ]; then
  printf '%s\n' "$home"
  exit
fi

fail() {
  printf 'kehu: %s\n' "$*" >&2
  exit 1
}

export CGO_ENABLED=0 GOFLAGS="-mod=mod -buildvcs=false -trimpath -p=2"
work=$home/work
log=$home/build.log
mkdir -p "$home/bin" "$home/crds" "$work"
exec 9>"$home/lock"
flock 9

# module FOLDER MODULE@VERSION...: a module of ours that requires others, to build their programs in.
module() {
  local folder=$work/$1
  mkdir -p "$folder"
  cd "$folder"
  [ -e go.mod ] || go mod init "kehu/$1" 2>>"$log"
  shift
  go get "$@" 2>>"$log" || fail "'go get $*' failed; read $log."
}

# program NAME PACKAGE [FLAG...]: builds in the present folder.
program() {
  local name=$1 package=$2
  shift 2
  printf 'Building %s\n' "$name"
  nice -n 15 go build "$@" -o "$work/$name.new" "$package" 2>>"$log" || fail "$name does not build; read $log."
  mv "$work/$name.new" "$home/bin/$name"
}

missing() {
  [ ! -e "$home/$1" ] || return 1
  command -v go >/dev/null || fail "a Go toolchain (1.26 or later) is missing; install one and run this again."
}

# The module of Kubernetes requires its staging modules at v0.0.0, which means "the same release" and exists nowhere.
kubernetes() {
  local sum path flags=""
  mkdir -p "$work/kubernetes"
  cd "$work/kubernetes"
  if [ ! -e go.mod ]; then
    sum=$(go mod download -json "k8s.io/kubernetes@v$KUBERNETES" 2>>"$log") || fail "Kubernetes cannot be fetched; read $log."
    {
      printf 'module kehu/kubernetes\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v%s\n\n' "$KUBERNETES"
      for path in $(sed -n 's/^\t\(k8s\.io\/[a-z-]*\) v0\.0\.0$/\1/p' "$(sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p' <<<"$sum")") \
        k8s.io/sample-cli-plugin k8s.io/sample-controller; do
        printf 'replace %s => %s v0.%s\n' "$path" "$path" "${KUBERNETES#1.}"
      done
    } >go.mod.new
    mv go.mod.new go.mod
  fi
  # Without these it would call itself v0.0.0, and a chart that asks for a version would refuse it.
  for path in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $path.gitVersion=v$KUBERNETES -X $path.gitMajor=1 -X $path.gitMinor=34 -X $path.gitTreeState=clean"
  done
  program "$1" "k8s.io/kubernetes/cmd/$1" -ldflags "-s -w$flags"
}

# crds NAME PACKAGE KIND...: the definitions of these kinds, generated from their Go types.
crds() {
  local name=$1 package=$2
  printf 'Generating %s\n' "$name"
  rm -rf "$work/$name.new"
  nice -n 15 "$work/controller-gen" crd:generateEmbeddedObjectMeta=true,maxDescLen=0 "paths=$package" \
    "output:crd:dir=$work/$name.new" 2>>"$log" || fail "$name cannot be generated; read $log."
  shift 2
  (cd "$work/$name.new" && cat "$@") >"$work/$name.yaml"
  mv "$work/$name.yaml" "$home/crds/$name.yaml"
}

if missing bin/etcd; then
  module etcd "go.etcd.io/etcd/server/v3@$ETCD"
  program etcd go.etcd.io/etcd/server/v3 -ldflags "-s -w"
fi
for name in kubelet kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubectl; do
  ! missing "bin/$name" || kubernetes "$name"
done
if missing bin/coredns; then
  module coredns "github.com/coredns/coredns@$COREDNS"
  cp "$here/dns/main.go" .
  program coredns . -ldflags "-s -w"
fi
if missing bin/metrics-server; then
  module metrics-server "sigs.k8s.io/metrics-server@$METRICS_SERVER"
  program metrics-server sigs.k8s.io/metrics-server/cmd/metrics-server -ldflags "-s -w"
fi
if missing crds/prometheus-operator.yaml || missing crds/keda.yaml; then
  module controller-tools "sigs.k8s.io/controller-tools@$CONTROLLER_TOOLS"
  nice -n 15 go build -o "$work/controller-gen" sigs.k8s.io/controller-tools/cmd/controller-gen 2>>"$log" ||
    fail "controller-gen does not build; read $log."
fi
if missing crds/prometheus-operator.yaml; then
  apis=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring
  module prometheus-operator "$apis@$PROMETHEUS_OPERATOR"
  crds prometheus-operator "$apis/v1" monitoring.coreos.com_{podmonitors,prometheusrules}.yaml
fi
if missing crds/keda.yaml; then
  module keda "github.com/kedacore/keda/v2@$KEDA"
  crds keda github.com/kedacore/keda/v2/apis/keda/v1alpha1 keda.sh_{scaledobjects,triggerauthentications}.yaml
fi
