"""What the chart renders, as the API server sees it: its own kinds and those of Prometheus and KEDA."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import Chart

from libs.localstack.processes import wait_until
from tests.cluster.stores import NAMESPACE
from tests.cluster.suite import CHART, RELEASE, Suite

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


def test_autoscaler_sees_figures(suite: Suite, figures: dict[str, Any]) -> None:
    name = f"{RELEASE}-interactions-api"
    suite.upgrade(services={"interactions": {"api": {"autoscaling": {"enabled": True}}}})
    try:
        wait_until(lambda: _use(suite, name) is not None, 120, f"The autoscaler of {name} gets no figures")
        figures["CPU of interactions-api"] = f"{_use(suite, name)} % of what it asks for"
        assert suite.get("deployment", name)["spec"]["replicas"] >= 2
    finally:
        suite.upgrade()


def _use(suite: Suite, name: str) -> int | None:
    for metric in suite.get("horizontalpodautoscaler", name)["status"].get("currentMetrics") or ():
        use: int | None = metric.get("resource", {}).get("current", {}).get("averageUtilization")
        if use is not None:
            return use
    return None
