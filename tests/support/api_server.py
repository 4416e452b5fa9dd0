"""An API server of Kubernetes alone on this machine: etcd and kube-apiserver, no node and nothing that runs there.

The programs are those that `make cluster` built; where they are missing, tests that need them are skipped.
"""

from __future__ import annotations

import os
import ssl
import urllib.request
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from kubernetes import client as kubernetes

from libs.localstack.processes import HOST, Process, free_port

NAMESPACE = "kehu"
ADMIN, WORKER = "admin-token", "worker-token"


def programs() -> Path:
    """The folder with `etcd` and `kube-apiserver`; skips the test when nobody has built them here."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kehu"
    for folder in sorted(cache.glob("kubernetes-*/bin"), reverse=True):
        if (folder / "etcd").is_file() and (folder / "kube-apiserver").is_file():
            return folder
    pytest.skip(f"There is no kube-apiserver under {cache}; `make cluster` builds it.")


class ApiServer:
    """One API server with its own etcd. A worker's service account may do there what a chart would let it do."""

    def __init__(self, folder: Path) -> None:
        self._bin = programs()
        self.folder = folder
        self.port = free_port()
        self._etcd_port = free_port()
        self.etcd = Process(folder, "etcd")
        self.process = Process(folder, "kube-apiserver")

    def start(self) -> None:
        """Starts both and makes the namespace, the role and what a pod finds mounted."""
        self.folder.mkdir(parents=True, exist_ok=True)
        etcd = f"http://{HOST}:{self._etcd_port}"
        peer = f"http://{HOST}:{free_port()}"
        self.etcd.start(
            [
                *(self._bin / "etcd", f"--data-dir={self.folder / 'etcd.data'}", "--log-level=error"),
                *(f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}", "--unsafe-no-fsync"),
                *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
                f"--initial-cluster=default={peer}",
            ]
        )
        key, tokens = self.folder / "accounts.key", self.folder / "tokens.csv"
        pem = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        key.write_bytes(pem)
        tokens.write_text(f"{ADMIN},admin,admin,system:masters\n{WORKER},worker,worker\n")
        self.launch()
        core = kubernetes.CoreV1Api(self.client(ADMIN))
        core.create_namespace({"metadata": {"name": NAMESPACE}})
        roles = kubernetes.RbacAuthorizationV1Api(core.api_client)
        rule = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}
        roles.create_namespaced_role(NAMESPACE, {"metadata": {"name": "leases"}, "rules": [rule]})
        group = "rbac.authorization.k8s.io"
        binding = {
            "metadata": {"name": "leases"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "leases"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "worker"}],
        }
        roles.create_namespaced_role_binding(NAMESPACE, binding)
        core.api_client.close()
        self.account.mkdir()
        (self.account / "token").write_text(WORKER)
        (self.account / "namespace").write_text(NAMESPACE)
        (self.account / "ca.crt").write_bytes(self._authority.read_bytes())

    def launch(self) -> None:
        """Starts the API server alone, as after a `kill`."""
        key = self.folder / "accounts.key"
        self.process.start(
            [
                *(self._bin / "kube-apiserver", f"--etcd-servers=http://{HOST}:{self._etcd_port}"),
                *(f"--bind-address={HOST}", f"--advertise-address={HOST}", f"--secure-port={self.port}"),
                *(f"--cert-dir={self.folder / 'pki'}", f"--token-auth-file={self.folder / 'tokens.csv'}"),
                *("--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16"),
                *(f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"),
                *("--service-account-issuer=https://kubernetes.default.svc", "--endpoint-reconciler-type=none"),
            ]
        )
        self.process.wait_until(self._ready, 120)

    def stop(self) -> None:
        """Ends both."""
        self.process.stop()
        self.etcd.stop()

    def client(self, token: str) -> kubernetes.ApiClient:
        """Kubernetes' own client, for a user."""
        configuration = kubernetes.Configuration()
        configuration.host = f"https://{HOST}:{self.port}"
        configuration.ssl_ca_cert = str(self._authority)
        configuration.api_key = {"authorization": f"Bearer {token}"}
        configuration.proxy = None
        return kubernetes.ApiClient(configuration)

    @property
    def account(self) -> Path:
        """The folder that a pod would find mounted."""
        return self.folder / "account"

    @property
    def _authority(self) -> Path:
        return self.folder / "pki" / "apiserver.crt"

    def _ready(self) -> bool:
        if not self._authority.exists():
            return False
        trusted = ssl.create_default_context(cafile=str(self._authority))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )
        try:
            with opener.open(f"https://{HOST}:{self.port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
