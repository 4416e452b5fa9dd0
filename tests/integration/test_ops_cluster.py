"""`kehu ops` against a real API server, as somebody who may do what its Role says and nothing else."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client as kubernetes

from libs.command.ops import rights
from libs.localstack.processes import HOST, free_port
from tests.support.api_server import ADMIN, NAMESPACE, ApiServer
from tests.support.objects import budget, deployment, event, lease, pod
from tests.support.stack import KEHU

GROUP = "rbac.authorization.k8s.io"
PROCESSES = ("profiles-api", "profiles-worker")


@pytest.fixture(scope="module")
def server(stack_folder: Path) -> Iterator[ApiServer]:
    """An API server with a release whose only trouble is one pod, and with the Role that the chart ships."""
    server = ApiServer(stack_folder / "ops-api-server")
    server.start()
    api = server.client(ADMIN)
    for account in ("default", "ops", "nobody"):  # no controller runs here that would make the first
        kubernetes.CoreV1Api(api).create_namespaced_service_account(NAMESPACE, {"metadata": {"name": account}})
    _fill(api)
    roles = kubernetes.RbacAuthorizationV1Api(api)
    roles.create_namespaced_role(NAMESPACE, rights.role("kehu-ops", NAMESPACE, optional=False))
    binding = {
        "metadata": {"name": "kehu-ops"},
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": "kehu-ops"},
        "subjects": [{"kind": "ServiceAccount", "name": "ops", "namespace": NAMESPACE}],
    }
    roles.create_namespaced_role_binding(NAMESPACE, binding)
    api.close()
    yield server
    server.stop()


def _fill(api: kubernetes.ApiClient) -> None:
    core, apps, policy = kubernetes.CoreV1Api(api), kubernetes.AppsV1Api(api), kubernetes.PolicyV1Api(api)
    for name in PROCESSES:
        troubled = name == "profiles-api"
        made = deployment(name, ready=1 if troubled else 2)
        apps.create_namespaced_deployment(NAMESPACE, made, field_manager="helm")
        apps.patch_namespaced_deployment_status(made["metadata"]["name"], NAMESPACE, {"status": made["status"]})
        for number in range(2):
            broken = troubled and number == 1
            waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
            each = pod(name, number, node=f"node-{number}", ready=not broken, container=waiting if broken else None)
            core.create_namespaced_pod(NAMESPACE, each)
            core.patch_namespaced_pod_status(each["metadata"]["name"], NAMESPACE, {"status": each["status"]})
        guard = budget(name, allowed=0 if troubled else 1, healthy=1 if troubled else 2)
        policy.create_namespaced_pod_disruption_budget(NAMESPACE, guard)
        policy.patch_namespaced_pod_disruption_budget_status(f"kehu-{name}", NAMESPACE, {"status": guard["status"]})
    renewed = datetime(2099, 1, 1, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    relay = lease("kehu-profiles-relay", "kehu-profiles-worker-5d9f-0/1", renewed)
    kubernetes.CoordinationV1Api(api).create_namespaced_lease(NAMESPACE, relay)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    core.create_namespaced_event(NAMESPACE, event("Pod/kehu-profiles-api-5d9f-1", "Failed", "no such image", now))


class Person:
    """Somebody at a terminal with a kubeconfig."""

    def __init__(self, server: ApiServer, account: str, folder: Path) -> None:
        api = server.client(ADMIN)
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
        core = kubernetes.CoreV1Api(api)
        token = core.create_namespaced_service_account_token(account, NAMESPACE, request).status.token
        api.close()
        self._server = server
        self.kubeconfig = folder / f"{account}.kubeconfig"
        self.write(token)

    def write(self, token: str, *, port: int | None = None) -> None:
        """Writes the kubeconfig, for another port if one is given."""
        cluster = {
            "server": f"https://{HOST}:{port or self._server.port}",
            "certificate-authority": str(self._server.account / "ca.crt"),
        }
        context = {"cluster": "here", "user": "me", "namespace": NAMESPACE}
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "here",
                    "clusters": [{"name": "here", "cluster": cluster}],
                    "users": [{"name": "me", "user": {"token": token}}],
                    "contexts": [{"name": "here", "context": context}],
                }
            )
        )

    def kehu(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """`kehu ops …` on 80 columns."""
        environ = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "COLUMNS": "80", "KUBECONFIG": str(self.kubeconfig)}
        return subprocess.run(
            [KEHU, "ops", *arguments], env=environ, input=stdin, capture_output=True, text=True, check=False
        )


@pytest.fixture
def ops(server: ApiServer, tmp_path: Path) -> Person:
    return Person(server, "ops", tmp_path)


def test_status_tells_what_runs_and_what_does_not(ops: Person) -> None:
    told = ops.kehu("status", "--json")
    assert told.returncode == 1, told.stderr
    value = json.loads(told.stdout)
    assert [(p["service"], p["role"], p["ready"], p["desired"]) for p in value["processes"]] == [
        ("profiles", "api", 1, 2),
        ("profiles", "worker", 2, 2),
    ]
    assert [(each["lease"], each["holder"]) for each in value["leases"]] == [
        ("profiles.relay", "kehu-profiles-worker-5d9f-0")
    ]
    assert [each["state"] for each in value["findings"]] == ["1 of 2 ready: ImagePullBackOff: no such image"]
    assert "pods/proxy" in value["notes"][0], "that right is optional, and its absence is told"

    shown = ops.kehu("status").stdout
    assert "ImagePullBackOff: no such image" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_drain_is_blocked_by_the_budget_of_the_process_in_trouble(ops: Person) -> None:
    told = ops.kehu("drain-check", "node-0", "--json")
    assert told.returncode == 1, told.stderr
    [node] = json.loads(told.stdout)["nodes"]
    assert [(each["pod"], each["budget"]) for each in node["pods"] if each["verdict"] == "waits"] == [
        ("kehu-profiles-api-5d9f-0", "kehu-profiles-api")
    ]
    assert ops.kehu("drain-check", "node-1").returncode == 0
    elsewhere = ops.kehu("drain-check", "node-9")
    assert elsewhere.returncode == 0
    assert "its pods are on node-0, node-1" in " ".join(elsewhere.stdout.split())
    assert ops.kehu("drain-check").returncode == 2


def test_events_are_those_of_the_release(ops: Person) -> None:
    [told] = json.loads(ops.kehu("events", "--json").stdout)
    assert (told["object"], told["reason"]) == ("Pod/kehu-profiles-api-5d9f-1", "Failed")


def test_drift_is_told_with_who_made_it(server: ApiServer, ops: Person) -> None:
    manifest: list[dict[str, Any]] = [deployment(name) for name in PROCESSES]
    for each in manifest:
        del each["status"], each["metadata"]["generation"], each["metadata"]["annotations"]
    text = yaml.safe_dump_all(manifest)
    agreed = ops.kehu("verify", "--manifest", "-", stdin=text)
    assert (agreed.returncode, agreed.stdout.strip()) == (0, "✓ 2 objects are as the manifest says.")

    api = server.client(ADMIN)
    apps, name = kubernetes.AppsV1Api(api), "kehu-profiles-worker"
    try:
        patch = {"spec": {"replicas": 5, "template": {"spec": {"priorityClassName": "high"}}}}
        apps.patch_namespaced_deployment(name, NAMESPACE, patch, field_manager="kubectl-edit")
        told = ops.kehu("verify", "--manifest", "-", "--json", stdin=text)
        drift = json.loads(told.stdout)["drift"]
        assert told.returncode == 1
        assert [(each["object"], each["field"], each["wanted"], each["found"]) for each in drift] == [
            ("Deployment/kehu-profiles-worker", "spec.replicas", 2, 5),
            ("Deployment/kehu-profiles-worker", "spec.template.spec.priorityClassName", None, "high"),
        ]
        assert all("kubectl-edit" in each["by"] for each in drift)
    finally:
        back = {"spec": {"replicas": 2, "template": {"spec": {"priorityClassName": None}}}}
        apps.patch_namespaced_deployment(name, NAMESPACE, back, field_manager="kubectl-edit")
        api.close()


def test_a_bundle_has_what_could_be_had(ops: Person, tmp_path: Path) -> None:
    target = tmp_path / "help.tar.gz"
    done = ops.kehu("diagnose", "--to", str(target), "--management", f"http://kehu:hunter2@{HOST}:{free_port()}")
    assert done.returncode == 0, done.stderr
    assert str(target) in done.stdout
    with tarfile.open(target) as archive:
        files = {name.partition("/")[2]: archive.extractfile(name) for name in archive.getnames()}
        texts = {name: file.read().decode() for name, file in files.items() if file}
    assert json.loads(texts["versions.json"])["cluster"].startswith("v1.")
    assert len(json.loads(texts["objects/pods.json"])) == 4
    assert "ImagePullBackOff" in texts["status.txt"]
    assert "queues: the management API" in texts["missing.txt"]
    assert not any("hunter2" in text for text in texts.values())
    assert ops.kehu("diagnose", "--to", str(target)).returncode == 2, "nothing is overwritten"


def test_what_keeps_from_asking_is_told(server: ApiServer, ops: Person, tmp_path: Path) -> None:
    refused = Person(server, "nobody", tmp_path).kehu("status")
    assert refused.returncode == 2
    assert '{apiGroups: ["apps"], resources: ["deployments"], verbs: ["list"]}' in refused.stderr
    assert "system:serviceaccount:kehu:nobody may not list deployments" in refused.stderr

    other = ops.kehu("status", "-n", "elsewhere")
    assert (other.returncode, "in namespace 'elsewhere'" in other.stderr) == (2, True)
    assert "--context nowhere" in ops.kehu("status", "--context", "nowhere").stderr
    assert ops.kehu("verify", "--manifest", "/nowhere.yaml").returncode == 2

    ops.write("not a token")
    assert "does not accept these credentials" in ops.kehu("status").stderr
    ops.write("not a token", port=free_port())
    down = ops.kehu("status")
    assert (down.returncode, "does not answer" in down.stderr) == (75, True)
    ops.kubeconfig.unlink()
    nothing = ops.kehu("status")
    assert (nothing.returncode, "there is no kubeconfig" in nothing.stderr) == (2, True)
