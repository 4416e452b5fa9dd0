"""The suite on the node: its image, its release, its processes, and its clients."""

from __future__ import annotations

import base64
import json
import subprocess
import tarfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart, Config

from libs.client.client import Client
from libs.client.retry import Retry
from libs.engine import access
from libs.localstack.processes import StackError, wait_until
from libs.registry import PROCESSES, SERVICES
from tests.cluster.configuration import DOMAIN
from tests.cluster.node import ROOT, Node
from tests.cluster.stores import NAMESPACE, Stores

RELEASE = "kehu"
IMAGE = "localhost/kehu"
CHART = ROOT / "deploy" / "helm" / "kehu"
VALUES = Path(__file__).with_name("values.yaml")
SETTLED_WITHIN = 300
"""Seconds that an install or an upgrade may take."""
WORKLOADS = [f"{RELEASE}-{process}" for process in PROCESSES]


def build_image(archive: Path) -> None:
    """Builds the image from this checkout. From outside of the node's place, where packages can be fetched."""
    command = ["bash", str(ROOT / "docker" / "build.sh"), "--archive", str(archive)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise StackError(f"The image could not be built: {built.stderr.strip()}")


class Suite:
    """The release `kehu`, from inside the node's place; a `System` for clients."""

    def __init__(self, node: Node, stores: Stores) -> None:
        self.node, self.stores = node, stores
        self.keys = stores.keys
        self._tag = node.folder / "image.tag"
        self.targets = {service: f"dns:///{RELEASE}-{service}.{NAMESPACE}.svc.{DOMAIN}:50051" for service in SERVICES}
        self._stores = {"KEHU_MONGODB_URI": stores.mongodb_uri, "KEHU_AMQP_URI": stores.amqp_uri}

    # The release

    def put_image(self, archive: Path) -> None:
        """Puts the image on the node, under a tag of its content: another image makes another release."""
        with tarfile.open(archive) as tar:
            member = tar.extractfile("manifest.json")
            assert member is not None
            manifest = json.load(member)[0]
        tag = Path(manifest["Config"]).stem[:12]
        self.node.load(archive)
        self.node.ctr("images", "tag", "--force", manifest["RepoTags"][0], f"{IMAGE}:{tag}")
        self._tag.write_text(tag)

    def values(self, **changes: Any) -> dict[str, Any]:
        """The values of the release, with `changes` merged in."""
        image = {"image": {"tag": self._tag.read_text()}}
        return _merged(_merged(yaml.safe_load(VALUES.read_text()), image), changes)

    @property
    def installed(self) -> bool:
        with self.helm() as helm:
            return any(release["name"] == RELEASE for release in helm.list(all_states=True))

    def install(self) -> None:
        """Installs the release and returns when every process is ready."""
        self.write_token()
        with self.helm() as helm:
            helm.install(Chart.load(CHART), RELEASE, self.values(), wait="watcher", timeout=SETTLED_WITHIN)

    def upgrade(self, *, timeout: int = SETTLED_WITHIN, rollback: bool = False, **changes: Any) -> None:
        """Upgrades the release to the values of always with `changes`; HelmError when it fails."""
        with self.helm() as helm:
            helm.upgrade(
                Chart.load(CHART),
                RELEASE,
                self.values(**changes),
                wait="watcher",
                timeout=timeout,
                rollback_on_failure=rollback,
            )

    def helm(self) -> Config:
        return Config(kubeconfig_path=self.node.kubeconfig, namespace=NAMESPACE)

    def write_token(self) -> None:
        """Puts a fresh token where `helm test` looks for it."""
        data = {"token": base64.b64encode(self.token("smoke", life=timedelta(hours=12)).encode()).decode()}
        metadata = {"name": "smoke", "namespace": NAMESPACE}
        self.node.apply(json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}))

    # Its processes

    def get(self, kind: str, *arguments: str) -> Any:
        """Objects of the namespace as kubectl shows them: one when it is named, otherwise a list."""
        found = json.loads(self.kubectl("get", kind, *arguments, "--output=json"))
        return found.get("items", found)

    def pods(self, workload: str = "") -> list[dict[str, Any]]:
        """The pods of a workload, or all. Those that end among them."""
        component = workload.removeprefix(f"{RELEASE}-")
        chosen = f"app.kubernetes.io/component={component}" if workload else "kehu/role in (api, worker)"
        pods: list[dict[str, Any]] = self.get("pods", f"--selector={chosen}")
        return pods

    def wait_ready(self, seconds: int = 180) -> None:
        """Returns when every workload is as it should be, and nothing of an earlier state is left."""
        for workload in WORKLOADS:
            self.kubectl("rollout", "status", f"deployment/{workload}", f"--timeout={seconds}s")
        wait_until(lambda: all(_ready(pod) for pod in self.pods()), seconds, "Old pods do not end")

    def restarts(self) -> int:
        """How often containers were started again."""
        return sum(status["restartCount"] for pod in self.pods() for status in pod["status"]["containerStatuses"])

    def kill(self, pod: Mapping[str, Any]) -> None:
        """Kills the process of a pod, past the kubelet, which would let it end in good order."""
        [container] = pod["status"]["containerStatuses"]
        self.node.ctr("tasks", "kill", "--signal=SIGKILL", container["containerID"].removeprefix("containerd://"))

    def kubectl(self, *arguments: str) -> str:
        return self.node.kubectl(f"--namespace={NAMESPACE}", *arguments).stdout

    # Its clients

    def token(self, tenant: str, *, life: timedelta = timedelta(hours=2)) -> str:
        return access.issue(self.keys, subject="tester", tenant=tenant, scopes=["*"], lifetime=life)

    def client(self, tenant: str, *, timeout: float = 10.0, retry: Retry | None = None) -> Client:
        """The product's own client, for a tenant."""
        return Client(self.targets, token=self.token(tenant), timeout=timeout, retry=retry)


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}
    return "deletionTimestamp" not in pod["metadata"] and conditions.get("Ready") == "True"


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
