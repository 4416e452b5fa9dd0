"""Values, schema, README and templates agree. What is generated is current. Every value does something."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import helm_python as helm
import pytest
import yaml

from libs.registry import SERVICES
from tests.conftest import ROOT
from tests.support.chart import CASES, CHART, HELM, NAMESPACE, manifests, merged, name_of, render


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_chart", HELM / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


GENERATOR = _generator()
VALUES = (CHART / "values.yaml").read_text()


def test_what_is_generated_is_current() -> None:
    stale = [str(path) for path, text in GENERATOR.files().items() if path.read_text() != text]
    assert not stale, "run `make chart`"


def test_the_chart_is_made_for_this_release_of_the_application() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == project["version"]


def test_a_value_without_a_comment_is_refused() -> None:
    with pytest.raises(ValueError, match="b has no comment above it"):
        GENERATOR.keys("# The first.\na: 1\n\nb: 2\n")


def test_the_schema_follows_the_comments() -> None:
    schema = GENERATOR.schema(VALUES)
    assert schema["properties"]["defaults"]["properties"]["drainSeconds"] == {
        "description": 'Seconds between "not ready" and the end of service, in which clients learn of it.',
        "type": "integer",
        "minimum": 0,
        "maximum": 60,
        "default": 5,
    }
    assert schema["$defs"]["worker"]["properties"]["autoscaling"]["properties"].keys() == {
        "enabled",
        "min",
        "max",
        "queueLength",
    }


def _closed(schema: Any, path: str = "") -> Iterator[str]:
    """The paths of maps that take any key."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "additionalProperties" not in schema:
            yield path
        for key, inner in schema.items():
            yield from _closed(inner, f"{path}/{key}")


def test_the_schema_is_strict_but_for_what_belongs_to_others() -> None:
    root = GENERATOR.schema(VALUES)
    assert root["additionalProperties"] is False
    open_maps = {path for path in _closed(root) if not path.endswith("matchExpressions/items")}
    assert open_maps == {"/properties/global"}


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_every_set_of_values_passes_lint_and_meets_the_schema(case: Path) -> None:
    report = helm.lint(CHART, yaml.safe_load(case.read_text()), strict=True)
    worse = [message for message in report["messages"] if message["severity"] > 1]  # 1 is information
    assert (worse, report["errors"]) == ([], [])


MINIMAL: dict[str, Any] = {name: {"existingSecret": f"kehu-{name}"} for name in ("mongodb", "rabbitmq", "keys")}
FULL: dict[str, Any] = merged(
    MINIMAL,
    {
        "smoke": {"existingSecret": "token"},
        "tls": {"existingSecret": "tls"},
        "monitoring": {
            "podMonitor": {"enabled": True},
            "rules": {"enabled": True},
            "dashboards": {"enabled": True},
        },
        "ops": {"enabled": True},
        "defaults": {
            "autoscaling": {"enabled": True},
            "worker": {"lease": "kubernetes"},
            "api": {"traceEndpoint": "http://collector:4317"},
        },
    },
)
"""Values under which everything is rendered."""
OTHERWISE: dict[str, Any] = {
    "fullnameOverride": "other",
    "image.digest": "sha256:" + "0" * 64,
    "image.pullPolicy": "Always",
    "image.pullSecrets": ["registry"],
    "migrations.mode": "job",
    "tls.clients": "certified",
    "migrations.resources": {"limits": {"memory": "1Gi"}},
    "networkPolicy.clients": [{"namespaceSelector": {}}],
    "networkPolicy.visitors": [{"namespaceSelector": {}}],
    "monitoring.podMonitor.interval": "5s",
    "monitoring.rules.runbookBaseUrl": "https://runbooks.example.com",
    "ops.subjects": [{"kind": "User", "name": "somebody"}],
    "defaults.image": {"tag": "other"},
    "defaults.logLevel": "debug",
    "defaults.resources": {"limits": {"memory": "1Gi"}},
    "defaults.podDisruptionBudget.maxUnavailable": "50%",
    "defaults.topologySpread": ["zone"],
    "defaults.podOverrides": {"hostname": "other"},
    "defaults.probes.readinessPeriodSeconds": 4,
    "defaults.api.traceEndpoint": "http://other:4318",
    "defaults.worker.resources": {"limits": {"memory": "1Gi"}},
    "defaults.worker.lease": "mongodb",
    "services": {"profiles": {"replicas": 7, "autoscaling": {"enabled": False}}},
    "extraObjects": ["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n"],
}
"""For keys of which no other value can be guessed."""


def _other(path: str, value: Any) -> Any:
    """Another value that the schema allows."""
    if path in OTHERWISE:
        return OTHERWISE[path]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return f"other{value}"
    if isinstance(value, dict):
        return {"other": "other"}
    if path.endswith((".to", ".monitoring")):
        return [{"ipBlock": {"cidr": "10.0.0.0/8"}}]
    if path.endswith(".ports"):
        return [4711]
    raise AssertionError(f"say in OTHERWISE what else {path} could be")


LEAVES = {key.path: key.default for key in GENERATOR._leaves(GENERATOR.keys(VALUES))}


@pytest.fixture(scope="module")
def watched_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart with an alert and a dashboard of our own, whatever it brings."""
    folder = tmp_path_factory.mktemp("chart") / "kehu"
    shutil.copytree(CHART, folder)
    for name in ("alerts", "dashboards"):
        (folder / "files" / name).mkdir(exist_ok=True)
    (folder / "files/alerts/test.yaml").write_text(yaml.safe_dump({"groups": [GROUP]}))
    (folder / "files/dashboards/test.json").write_text(json.dumps(BOARD))
    return folder


GROUP = {
    "name": "test",
    "rules": [
        {"record": "a:b", "expr": "1"},
        {
            "alert": "Test",
            "expr": "vector(1) > 0",
            "labels": {"severity": "critical"},
            "annotations": {"summary": "{{ $labels.service }} is {{ $value }}", "runbook_url": "runbooks/Test.md"},
        },
    ],
}
BOARD = {"title": "{{service}} <b>", "panels": [{"legendFormat": "{{ grpc_method }}", "expr": 'a{b=~"$c"} > 1e6'}]}


def test_alerts_and_dashboards_keep_their_own_templates(watched_chart: Path) -> None:
    values = merged(FULL, {"monitoring": {"rules": {"alertLabels": {"severity": "page", "team": "crm"}}}})
    rendered = render(values, folder=watched_chart)
    board = rendered.named("ConfigMap", "kehu-dashboard-test")
    assert json.loads(board["data"]["test.json"]) == BOARD
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    [rules] = rendered.kind("PrometheusRule")
    record, alert = next(group["rules"] for group in rules["spec"]["groups"] if group["name"] == "test")
    assert record == GROUP["rules"][0]
    assert alert["annotations"] == GROUP["rules"][1]["annotations"]
    assert alert["labels"] == {"severity": "page", "team": "crm"}
    linked = render(
        merged(values, {"monitoring": {"rules": {"runbookBaseUrl": "https://books/kehu"}}}), folder=watched_chart
    )
    [rules] = linked.kind("PrometheusRule")
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    assert all(rule["annotations"]["runbook_url"] == f"https://books/kehu/{rule['alert']}.md" for rule in alerts)


def test_the_topology_of_the_alerts_is_what_the_services_declare() -> None:
    silent = {each: {"calls": [], "listens": []} for each in SERVICES}
    services = {**silent, "interactions": {"calls": ["profiles"], "listens": ["profiles"]}}
    [rules] = render(merged(FULL, {"services": services})).kind("PrometheusRule")
    told = [rule["labels"] for rule in rules["spec"]["groups"][0]["rules"] if rule.get("record") == "kehu_topology"]
    assert told == [
        {"namespace": NAMESPACE, "service": "interactions", "kind": "calls", "peer": "profiles"},
        {"namespace": NAMESPACE, "service": "interactions", "kind": "listens", "peer": "profiles"},
    ]


def _at(values: dict[str, Any], path: str) -> Any:
    found: Any = values
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


@lru_cache
def plain(values: str, folder: Path) -> dict[str, str]:
    """What values, given as JSON, render to."""
    return manifests(json.loads(values), folder=folder)


@pytest.mark.parametrize("path", LEAVES)
def test_every_value_changes_something(path: str, watched_chart: Path) -> None:
    base = deepcopy(FULL)
    if path == "defaults.replicas":
        base["defaults"]["autoscaling"] = {"enabled": False}
    now = _at(base, path)
    patch: Any = _other(path, LEAVES[path] if now is None else now)
    for name in reversed(path.split(".")):
        patch = {name: patch}
    before, after = plain(json.dumps(base), watched_chart), manifests(merged(base, patch), folder=watched_chart)
    assert {name for name in before if before[name] != after[name] and not name.endswith("NOTES.txt")}
