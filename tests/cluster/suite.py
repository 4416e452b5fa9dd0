"""The suite on the node: its image, its release, and its processes as tests see them."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart, Config, HelmNotFoundError

from libs.chassis import access
from libs.client.client import SERVICES, Client
from libs.client.retry import Retry
from libs.localstack.processes import StackError
from tests.cluster.configuration import DOMAIN
from tests.cluster.node import ROOT, Announce, Node
from tests.cluster.stores import NAMESPACE, Stores

RELEASE = "kehu"
CHART = ROOT / "deploy" / "helm" / "kehu"
VALUES = Path(__file__).with_name("values.yaml")
SETTLED_WITHIN = 300
"""Seconds that an install or an upgrade may take."""


def values(**changes: Any) -> dict[str, Any]:
    """The values of the release, with `changes` merged in."""
    return _merged(yaml.safe_load(VALUES.read_text()), changes)


class Suite:
    """The release `kehu`, from inside the node's place."""

    def __init__(self, node: Node, stores: Stores) -> None:
        self.node, self.stores = node, stores
        self.keys = stores.keys
        self.targets = {service: f"dns:///{RELEASE}-{service}.{NAMESPACE}.svc.{DOMAIN}:50051" for service in SERVICES}

    def load_image(self, announce: Announce) -> None:
        """Builds the image as it is now and puts it on the node."""
        announce("building the image")
        archive = self.node.folder / "kehu.tar"
        built = subprocess.run(
            ["bash", str(ROOT / "docker" / "build.sh"), "--archive", str(archive)],
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode != 0:
            raise StackError(f"The image could not be built: {built.stderr.strip()}")

    def install(self, **changes: Any) -> dict[str, Any]:
        """Installs the release, or upgrades it, and returns when every process is ready."""
        self.write_token()
        with self._helm() as helm:
            chart = Chart.load(CHART)
            try:
                helm.status(RELEASE)
            except HelmNotFoundError:
                return helm.install(chart, RELEASE, values(**changes), wait="watcher", timeout=SETTLED_WITHIN)
            return helm.upgrade(chart, RELEASE, values(**changes), wait="watcher", timeout=SETTLED_WITHIN)

    def _helm(self) -> Config:
        return Config(kubeconfig_path=self.node.kubeconfig, namespace=NAMESPACE)

    def write_token(self) -> None:
        """Puts a fresh token where `helm test` looks for it."""
        token = self.token("smoke", life=timedelta(hours=12))
        self.node.apply(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": "smoke", "namespace": NAMESPACE},
                    "data": {"token": base64.b64encode(token.encode()).decode()},
                }
            )
        )

    def token(self, tenant: str, *, life: timedelta = timedelta(hours=1)) -> str:
        return access.issue(self.keys, subject="tester", tenant=tenant, scopes=["*"], lifetime=life)

    def client(self, tenant: str, *, timeout: float = 10.0, retry: Retry | None = None) -> Client:
        """The product's own client, for a tenant."""
        return Client(self.targets, token=self.token(tenant), timeout=timeout, retry=retry)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
