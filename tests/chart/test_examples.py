"""The examples: the chart takes their values, and asks for the secrets that they make."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.engine.bus import service_topology
from libs.registry import PROCESSES, SERVICES
from libs.suite import routes
from tests.support.chart import EXAMPLES, Object, merged, pod, render

MINIMAL: dict[str, Any] = {name: {"existingSecret": f"kehu-{name}"} for name in ("mongodb", "rabbitmq", "keys")}


def objects(name: str) -> list[Object]:
    """The objects of an example."""
    return list(yaml.safe_load_all((EXAMPLES / f"{name}.yaml").read_text()))


def values(name: str) -> dict[str, Any]:
    """The values that belong to an example."""
    return merged(MINIMAL, yaml.safe_load((EXAMPLES / f"{name}.values.yaml").read_text()))


def asked(given: dict[str, Any], volume: str) -> set[tuple[str, str]]:
    """(secret, key) of everything that the pods of a release mount at one place."""
    return {
        (each["secret"]["secretName"], item["key"])
        for workload in render(given).workloads
        for each in pod(workload)["spec"]["volumes"]
        if each["name"] == volume
        for item in each["secret"].get("items", [])
    }


def test_each_service_gets_the_user_that_the_operator_of_mongodb_makes_for_it() -> None:
    [cluster] = objects("mongodb-operator")
    made = {
        (user["connectionStringSecretName"], "connectionString.standard"): {role["db"] for role in user["roles"]}
        for user in cluster["spec"]["users"]
    }
    assert asked(values("mongodb-operator"), "mongodb") == made.keys()
    for (secret, _), databases in made.items():
        assert databases == {secret.removeprefix("kehu-mongodb-"), "keyring"}


def test_workers_get_the_first_user_of_the_operator_of_rabbitmq() -> None:
    [cluster] = objects("rabbitmq-operator")
    secret = f"{cluster['metadata']['name']}-default-user"
    assert asked(values("rabbitmq-operator"), "rabbitmq") == {(secret, "connection_string")}
    assert "rabbitmq_consistent_hash_exchange" in cluster["spec"]["rabbitmq"]["additionalPlugins"]


def test_all_queues_together_fit_on_the_disk_of_the_broker() -> None:
    [cluster] = objects("rabbitmq-operator")
    disk = int(cluster["spec"]["persistence"]["storage"].removesuffix("Gi")) * 1024**3
    queues = {
        queue.name: queue.arguments["x-max-length-bytes"]
        for service in SERVICES
        for queue in service_topology(service, routes(service)).queues
    }
    assert sum(queues.values()) < disk - 2 * 10**9, "disk_free_limit.absolute"


def test_the_version_of_every_store_is_pinned() -> None:
    """What comes by itself brings defaults that nobody has tried: RabbitMQ 4 began to drop what is looked at often."""
    [rabbitmq], [mongodb] = objects("rabbitmq-operator"), objects("mongodb-operator")
    compose = yaml.safe_load((EXAMPLES.parents[2] / "docker" / "compose.yaml").read_text())["services"]
    images = [rabbitmq["spec"]["image"], *(compose[name]["image"] for name in ("mongodb", "rabbitmq", "prometheus"))]
    for version in (mongodb["spec"]["version"], *(image.rpartition(":")[2] for image in images)):
        assert re.match(r"v?\d+\.\d+\.\d+", version), version


def test_external_secrets_make_every_key_that_is_mounted() -> None:
    made = {
        (each["spec"]["target"]["name"], data["secretKey"])
        for each in objects("external")
        for data in each["spec"].get("data", [])
    }
    given = values("external")
    assert asked(given, "mongodb") | asked(given, "rabbitmq") | {("kehu-rabbitmq", "http-uri")} == made
    assert {each["spec"]["target"]["name"] for each in objects("external")} == {
        given[part]["existingSecret"] for part in ("mongodb", "rabbitmq", "keys")
    }


def test_the_certificate_names_every_service_as_clients_call_it() -> None:
    *_, certificate = objects("cert-manager")
    given = values("cert-manager")
    assert certificate["spec"]["secretName"] == given["tls"]["existingSecret"]
    called = {
        variable["value"].removeprefix("dns:///").removesuffix(":50051")
        for workload in render(given).workloads
        for variable in pod(workload)["spec"]["containers"][0]["env"]
        if variable["name"].startswith("KEHU_TARGET_")
    } | {f"kehu-{service}" for service in SERVICES}
    assert called <= {*certificate["spec"]["dnsNames"]}
    assert {f"{name}.crm.svc" for name in called} <= {*certificate["spec"]["dnsNames"]}
    assert asked(given, "tls") == {("kehu-tls", key) for key in ("tls.crt", "tls.key", "ca.crt")}


def test_keda_asks_with_a_user_of_its_own() -> None:
    rendered = render(values("keda"))
    [login] = rendered.kind("TriggerAuthentication")
    [reference] = login["spec"]["secretTargetRef"]
    assert (reference["name"], reference["key"]) == ("kehu-rabbitmq-management", "http-uri")
    assert len(rendered.kind("ScaledObject")) == len(rendered.kind("HorizontalPodAutoscaler")) == len(rendered.running)


@pytest.mark.parametrize("name", ["argocd", "flux"])
def test_what_git_installs_is_a_release_that_the_chart_takes(name: str) -> None:
    source = objects(name)[-1]["spec"]
    given = source["source"]["helm"]["valuesObject"] if name == "argocd" else source["values"]
    path = source["source"]["path"] if name == "argocd" else source["chart"]["spec"]["chart"]
    assert (EXAMPLES.parents[2] / path / "Chart.yaml").exists()
    assert len(render(given).kind("Deployment")) == len(PROCESSES)


def test_every_example_is_told_of() -> None:
    told = (EXAMPLES / "README.md").read_text()
    for path in sorted(EXAMPLES.glob("*.yaml")):
        shown = f"`{path.name}`" in told or f"`{Path(path.stem).stem}.yaml`, `.values.yaml`" in told
        assert shown, f"{path.name} is missing in the table"
