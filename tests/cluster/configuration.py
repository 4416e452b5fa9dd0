"""What the programs of the node are told: their flags and files, as functions of where things are."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "node-1"
ADDRESS = "10.10.0.2"
"""Of the node, on an interface that leads nowhere."""
API = f"https://{ADDRESS}:6443"
ETCD = "http://127.0.0.1:2379"
DOMAIN = "cluster.local"
DNS = "10.96.0.10"
SERVICES = "10.96.0.0/16"
PODS = "10.244.0.0/24"
PAUSE = "localhost/kehu-node/pause:1"

USERS = {
    "admin": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    f"system:node:{NAME}": "system:nodes",
    "system:kube-proxy": "",
}
"""Who may speak to the API server with a token of its own → group."""


def kubeconfig(user: str, token: str, certificate: Path) -> str:
    """How `user` finds the API server and proves who it is."""
    authority = base64.b64encode(certificate.read_bytes()).decode()
    return _file(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "kehu",
            "clusters": [{"name": "kehu", "cluster": {"server": API, "certificate-authority-data": authority}}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "kehu", "context": {"cluster": "kehu", "user": user}}],
        }
    )


def apiserver(folder: Path) -> list[str]:
    """Flags of kube-apiserver. The `front` certificate is its own identity before aggregated APIs (metrics)."""
    return [
        f"--etcd-servers={ETCD}",
        f"--bind-address={ADDRESS}",
        f"--advertise-address={ADDRESS}",
        "--secure-port=6443",
        f"--cert-dir={folder / 'pki'}",
        f"--service-cluster-ip-range={SERVICES}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        f"--service-account-key-file={folder / 'pki/accounts.key'}",
        f"--service-account-signing-key-file={folder / 'pki/accounts.key'}",
        f"--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}",
        "--kubelet-preferred-address-types=InternalIP",
        "--enable-aggregator-routing",
        f"--requestheader-client-ca-file={folder / 'pki/front.crt'}",
        "--requestheader-allowed-names=front",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={folder / 'pki/front.crt'}",
        f"--proxy-client-key-file={folder / 'pki/front.key'}",
    ]


def controller_manager(folder: Path) -> list[str]:
    """Flags of kube-controller-manager. Figures of a scaler are fresh within seconds here."""
    return [
        f"--kubeconfig={folder / 'system:kube-controller-manager.conf'}",
        f"--service-account-private-key-file={folder / 'pki/accounts.key'}",
        f"--root-ca-file={folder / 'pki/apiserver.crt'}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        f"--cluster-cidr={PODS}",
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
    ]


def scheduler(folder: Path) -> list[str]:
    return [f"--kubeconfig={folder / 'system:kube-scheduler.conf'}", "--leader-elect=false"]


def proxy(folder: Path) -> list[str]:
    """Flags of kube-proxy. The limits of connection tracking belong to the machine and stay as they are."""
    return [
        f"--kubeconfig={folder / 'system:kube-proxy.conf'}",
        f"--hostname-override={NAME}",
        f"--cluster-cidr={PODS}",
        "--proxy-mode=iptables",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
    ]


def kubelet(cgroup: str) -> str:
    """The configuration file of the kubelet, whose pods live under `cgroup`."""
    return _file(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": ADDRESS,
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup}",
            "clusterDNS": [DNS],
            "clusterDomain": DOMAIN,
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "failSwapOn": False,
            "oomScoreAdj": 0,  # A smaller one needs a capability that the machine may not grant.
            "resolvConf": "/dev/null",
            # The disk and the memory belong to the machine; others fill them too.
            "evictionHard": dict.fromkeys(("memory.available", "nodefs.available", "imagefs.available"), "0%"),
            "imageGCHighThresholdPercent": 100,
            # How soon a pod sees a changed secret.
            "syncFrequency": "10s",
            "configMapAndSecretChangeDetectionStrategy": "Watch",
        }
    )


def containerd(folder: Path) -> str:
    """The configuration file of containerd."""
    return f"""
version = 2
root = "{folder}/containerd"
state = "/run/containerd"
oom_score = 0

[grpc]
  address = "/run/containerd/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{folder}/cni"
"""


def network() -> str:
    """The network of pods: one bridge, addresses of one range."""
    return _file(
        {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "pods0",
                    "isDefaultGateway": True,
                    "hairpinMode": True,
                    "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]]},
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }
    )


def tokens(secrets: Mapping[str, str]) -> str:
    """The API server's file of users, from user → token."""
    rows = ([token, user, user, *filter(None, [USERS[user]])] for user, token in secrets.items())
    return "".join(",".join(row) + "\n" for row in rows)


def _file(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
