"""Installing, upgrading, embedding: what changes with what, and what must not."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml

from libs.registry import SERVICES
from tests.support.chart import CASES, CHART, Rendering, chart, kehu, merged, name_of, pod, render, rendering

MINIMAL: dict[str, Any] = {name: {"existingSecret": f"kehu-{name}"} for name in ("mongodb", "rabbitmq", "keys")}
GOLDEN = Path(__file__).parent / "golden" / "production.yaml"


def pods(rendered: Rendering) -> dict[str, Any]:
    """Workload → what its pods are made from."""
    return {each["metadata"]["name"]: pod(each) for each in rendered.workloads if each["kind"] == "Deployment"}


def changed(values: dict[str, Any]) -> set[str]:
    """The workloads that these values make anew, beside the least that has to be said."""
    before, after = pods(render(MINIMAL)), pods(render(merged(MINIMAL, values)))
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_a_setting_of_one_process_makes_no_other_anew() -> None:
    assert changed({"services": {"profiles": {"worker": {"graceSeconds": 90}}}}) == {"kehu-profiles-worker"}
    assert changed({"services": {"profiles": {"image": {"tag": "0.1.1"}}}}) == {
        "kehu-profiles-api",
        "kehu-profiles-worker",
    }
    assert changed({"defaults": {"api": {"threads": 9}}}) == {f"kehu-{each}-api" for each in SERVICES}


def test_what_is_around_processes_makes_none_anew() -> None:
    around = {
        "monitoring": {"podMonitor": {"enabled": True}, "rules": {"enabled": True}, "dashboards": {"enabled": True}},
        "networkPolicy": {"enabled": False},
        "ops": {"enabled": True},
        "smoke": {"existingSecret": "token"},
        "migrations": {"mode": "none"},
        "defaults": {"replicas": 5, "autoscaling": {"min": 3}, "podDisruptionBudget": {"maxUnavailable": 2}},
    }
    assert changed(around) == set()


def test_a_new_chart_of_the_same_application_makes_no_process_anew(tmp_path: Path) -> None:
    folder = tmp_path / "kehu"
    shutil.copytree(CHART, folder)
    described = yaml.safe_load((folder / "Chart.yaml").read_text())
    (folder / "Chart.yaml").write_text(yaml.safe_dump({**described, "version": "9.9.9"}))
    assert pods(render(MINIMAL, folder=folder)) == pods(render(MINIMAL))


def test_a_fifth_service_takes_a_few_lines(tmp_path: Path) -> None:
    folder = tmp_path / "kehu"
    shutil.copytree(CHART, folder)
    leases = yaml.safe_load((folder / "files/leases.yaml").read_text())
    (folder / "files/leases.yaml").write_text(yaml.safe_dump({**leases, "care": ["relay"]}))
    declared = {
        "care": {"calls": ["profiles"], "listens": ["profiles", "interactions"], "worker": {"graceSeconds": 120}}
    }
    rendered = render(merged(MINIMAL, {"services": declared}), folder=folder)
    new = {(each["kind"], each["metadata"]["name"]) for each in rendered.objects if "care" in each["metadata"]["name"]}
    assert new == {
        ("Deployment", "kehu-care-api"),
        ("Deployment", "kehu-care-worker"),
        ("Job", "kehu-care-migrate"),
        ("NetworkPolicy", "kehu-care-api"),
        ("NetworkPolicy", "kehu-care-migrate"),
        ("NetworkPolicy", "kehu-care-worker"),
        ("PodDisruptionBudget", "kehu-care-api"),
        ("PodDisruptionBudget", "kehu-care-worker"),
        ("Service", "kehu-care"),
        ("ServiceAccount", "kehu-care-api"),
        ("ServiceAccount", "kehu-care-worker"),
    }
    assert pods(rendered)["kehu-care-worker"]["spec"]["terminationGracePeriodSeconds"] == 130
    [inward] = [
        rule
        for rule in rendered.named("NetworkPolicy", "kehu-profiles-api")["spec"]["ingress"]
        if {"port": "grpc", "protocol": "TCP"} in rule["ports"]
    ]
    assert {"key": "kehu/service", "operator": "In", "values": ["care", "opportunities"]} in [
        expression for peer in inward["from"] for expression in peer["podSelector"].get("matchExpressions", [])
    ]


HOOKED = [each for each in CASES if rendering(each).values["migrations"]["mode"] == "hook"]


@pytest.mark.parametrize("case", HOOKED, ids=name_of)
def test_a_migration_before_the_release_needs_nothing_of_it(case: Path) -> None:
    rendered = rendering(case)
    own = {
        each["metadata"]["name"]
        for each in rendered.objects
        if each["kind"] in ("ConfigMap", "Secret", "ServiceAccount")
    }
    jobs = rendered.kind("Job")
    assert len(jobs) == len(rendered.running)
    for job in jobs:
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        used = {volume["secret"]["secretName"] for volume in pod(job)["spec"]["volumes"] if "secret" in volume}
        assert not (used | {pod(job)["spec"]["serviceAccountName"]}) & own
    for policy in rendered.kind("NetworkPolicy"):
        if policy["metadata"]["labels"]["kehu/role"] == "migrate":
            hook = policy["metadata"]["annotations"]
            assert hook["helm.sh/hook"] == "pre-install,pre-upgrade"
            assert int(hook["helm.sh/hook-weight"]) < 0, "the way out is open before the Job goes"


def test_a_migration_of_the_release_is_named_after_what_it_runs() -> None:
    def jobs(values: dict[str, Any]) -> dict[str, Any]:
        rendered = render(merged({**MINIMAL, "migrations": {"mode": "job"}}, values))
        return {each["metadata"]["name"]: each["spec"] for each in rendered.kind("Job")}

    first = jobs({})
    assert len(first) == len(SERVICES)
    assert jobs({"defaults": {"api": {"threads": 4}}, "ops": {"enabled": True}}) == first
    for other in ({"image": {"tag": "0.1.1"}}, {"migrations": {"retries": 1}}, {"defaults": {"podLabels": {"a": "b"}}}):
        assert not jobs(other).keys() & first.keys(), "the same name would be an immutable Job that changes"
    for job in rendering(CHART / "ci/lease.yaml").kind("Job"):
        assert "helm.sh/hook" not in job["metadata"].get("annotations", {})
        assert "ttlSecondsAfterFinished" not in job["spec"]
    assert not rendering(CHART / "ci/development.yaml").kind("Job")


def test_overrides_are_merged_by_name_and_null_removes() -> None:
    overrides = {
        "nodeSelector": {"disk": "fast"},
        "enableServiceLinks": None,
        "securityContext": {"runAsUser": None, "supplementalGroups": [4]},
        "containers": [
            {
                "name": "kehu",
                "resources": {"limits": {"memory": "2Gi"}},
                "env": [{"name": "KEHU_LOG_LEVEL", "value": "error"}],
            },
            {"name": "proxy", "image": "proxy"},
        ],
    }
    values = merged(MINIMAL, {"services": {"profiles": {"api": {"podOverrides": overrides}}}})
    plain = render(MINIMAL).named("Deployment", "kehu-profiles-api")
    patched = render(values).named("Deployment", "kehu-profiles-api")
    before, after = pod(plain)["spec"], pod(patched)["spec"]
    assert after["nodeSelector"] == {"disk": "fast"}
    assert "enableServiceLinks" not in after
    expected = {**before["securityContext"], "supplementalGroups": [4]}
    del expected["runAsUser"]
    assert after["securityContext"] == expected
    assert [each["name"] for each in after["containers"]] == ["kehu", "proxy"]
    ours, ours_before = kehu(patched), kehu(plain)
    assert ours["resources"] == {"requests": ours_before["resources"]["requests"], "limits": {"memory": "2Gi"}}
    assert [e["name"] for e in ours["env"]] == [e["name"] for e in ours_before["env"]]
    assert {"name": "KEHU_LOG_LEVEL", "value": "error"} in ours["env"]
    assert ours["livenessProbe"] == ours_before["livenessProbe"]


def test_a_parent_chart_may_embed_it(tmp_path: Path) -> None:
    parent = tmp_path / "company"
    (parent / "charts").mkdir(parents=True)
    shutil.copytree(CHART, parent / "charts" / "kehu")
    dependency = {"name": "kehu", "version": "0.1.0", "condition": "kehu.enabled"}
    (parent / "Chart.yaml").write_text(
        yaml.safe_dump({"apiVersion": "v2", "name": "company", "version": "1.0.0", "dependencies": [dependency]})
    )
    (parent / "values.yaml").write_text("kehu: {enabled: true}\nglobal: {region: north}\n")
    with helm.Chart.load(parent) as embedding:
        wanted = embedding.render({"kehu": MINIMAL}, name="company", namespace="crm")
        unwanted = embedding.render({"kehu": {**MINIMAL, "enabled": False}}, name="company", namespace="crm")
    assert "name: company-kehu-profiles-api" in wanted["company/charts/kehu/templates/deployments.yaml"]
    assert not unwanted


def test_it_is_packed_without_what_only_we_need(tmp_path: Path) -> None:
    archive = helm.package(CHART, destination=tmp_path)
    with helm.Chart.load(archive) as packed:
        files = {each["name"] for each in packed.files}
        assert not any(name.startswith("ci/") for name in files)
        assert {"README.md", "UPGRADING.md", "files/leases.yaml", "files/refused.yaml"} <= files
        assert packed.version == chart().version


def test_the_production_rendering_changes_only_on_purpose() -> None:
    """For the eyes of a review; `KEHU_TEST_GOLDEN=write` writes it anew. Alerts and dashboards are tested elsewhere."""
    rendered = rendering(CHART / "ci/production.yaml")
    objects = [each for each in rendered.objects if each["kind"] not in ("PrometheusRule", "ConfigMap")]
    order = sorted(objects, key=lambda each: (each["kind"], each["metadata"]["name"]))
    text = yaml.dump_all(json.loads(json.dumps(order)), Dumper=yaml.CSafeDumper, width=1000)
    if os.environ.get("KEHU_TEST_GOLDEN") == "write":
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text)
    assert GOLDEN.read_text() == text
