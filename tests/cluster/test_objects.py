"""What the chart renders, as the API server sees it: its own kinds and those of Prometheus and KEDA."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml
from helm_python import Chart

from libs.localstack.processes import wait_until
from tests.cluster.stores import NAMESPACE
from tests.cluster.suite import CHART, RELEASE, Suite
from tests.cluster.trial import Trial

FOREIGN = {"external-secrets.io/v1"}
"""What people add to the chart and this node knows nothing of."""
SETS = sorted((CHART / "ci").glob("*.yaml"))


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_accepted(suite: Suite, path: Path) -> None:
    rendered = Chart.load(CHART).render(yaml.safe_load(path.read_text()), name="tried", namespace=NAMESPACE)
    manifests = (text for name, text in rendered.items() if name.endswith(".yaml"))
    objects = [each for text in manifests for each in yaml.safe_load_all(text) if each]
    objects = [each for each in objects if each["apiVersion"] not in FOREIGN]
    assert objects
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, default=str)
    suite.node.kubectl(
        *("apply", "--server-side", "--dry-run=server", f"--namespace={NAMESPACE}", "--filename=-"), stdin=listed
    )


def test_autoscaler_follows_the_load(trial: Trial) -> None:
    suite, name = trial.suite, f"{RELEASE}-interactions-api"
    autoscaling = {"enabled": True, "max": 3}
    before = {pod["metadata"]["uid"] for pod in suite.pods(name)}
    with trial.under_load():
        # Somebody else holds the number too, or there would be one process until the autoscaler looks.
        number = {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"replicas": 2}}
        hold = json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", **number})
        suite.node.apply(hold)
        begun = time.monotonic()
        suite.upgrade(services={"interactions": {"api": {"autoscaling": autoscaling}}})
        try:
            wait_until(
                lambda: suite.get("deployment", name)["status"].get("readyReplicas") == 3, 180, "No third process"
            )
            assert before < {pod["metadata"]["uid"] for pod in suite.pods(name)}
            trial.figures["a third process after"] = f"{time.monotonic() - begun:.0f} s"
            trial.figures["CPU"] = f"{_use(suite, name)} % of what is asked for"
        finally:
            # The number is the autoscaler's now, and Helm does not take what somebody else holds.
            suite.kubectl("delete", "horizontalpodautoscaler", name)
            suite.node.apply(hold)
            suite.upgrade()
    assert len(suite.pods(name)) == 2


def _use(suite: Suite, name: str) -> int | None:
    for metric in suite.get("horizontalpodautoscaler", name)["status"].get("currentMetrics") or ():
        use: int | None = metric.get("resource", {}).get("current", {}).get("averageUtilization")
        if use is not None:
            return use
    return None
