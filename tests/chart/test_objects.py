"""What holds for every object that any set of values renders to."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from libs.engine.access import NEXT_SEAL_KEY, OLD_SEAL_KEY, PAGE_KEY, SEAL_KEY
from libs.registry import ALL_ROLES
from tests.support.chart import (
    CASES,
    NAMESPACE,
    Rendering,
    containers,
    environment,
    kehu,
    labels,
    name_of,
    pod,
    rendering,
    role,
    selects,
    walk,
)

LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SAFE_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


@pytest.fixture(params=CASES, ids=name_of)
def rendered(request: pytest.FixtureRequest) -> Rendering:
    case: Path = request.param
    return rendering(case)


def test_names_are_unique_valid_and_all_in_the_namespace(rendered: Rendering) -> None:
    names = Counter((each["kind"], each["metadata"]["name"]) for each in rendered.objects)
    assert [name for name, count in names.items() if count > 1] == []
    for each in rendered.objects:
        assert NAME.fullmatch(each["metadata"]["name"]), each["metadata"]["name"]
        assert each["metadata"].get("namespace", NAMESPACE) == NAMESPACE


def test_labels_are_valid_and_those_of_pods_do_not_change_with_the_chart(rendered: Rendering) -> None:
    for each in rendered.objects:
        for key, value in each["metadata"].get("labels", {}).items():
            assert LABEL.fullmatch(value), f"{key}: {value}"
    for workload in rendered.workloads:
        assert "helm.sh/chart" not in labels(workload)
        assert labels(workload)["app.kubernetes.io/name"] == "kehu"
        for key, value in labels(workload).items():
            assert LABEL.fullmatch(value), f"{key}: {value}"


def test_every_selector_takes_the_pods_of_exactly_one_workload(rendered: Rendering) -> None:
    def taken(selector: dict[str, Any]) -> list[str]:
        return [each["metadata"]["name"] for each in rendered.workloads if selects(selector, labels(each))]

    for each in rendered.kind("Deployment"):
        assert taken(each["spec"]["selector"]) == [each["metadata"]["name"]]
    for each in rendered.kind("Service"):
        name = each["metadata"]["name"]
        component = name if name.endswith("-web") else f"{name}-api"
        assert taken({"matchLabels": each["spec"]["selector"]}) == [component]
    for each in rendered.kind("PodDisruptionBudget"):
        assert taken(each["spec"]["selector"]) == [each["metadata"]["name"]]
    for each in rendered.kind("NetworkPolicy"):
        [found] = taken(each["spec"]["podSelector"])
        assert found.startswith(each["metadata"]["name"])  # the Job of a release carries a digest behind it
    for workload in rendered.workloads:
        for spread in pod(workload)["spec"].get("topologySpreadConstraints", []):
            assert taken(spread["labelSelector"]) == [workload["metadata"]["name"]]


def test_every_port_is_named_has_a_protocol_and_leads_somewhere(rendered: Rendering) -> None:
    def ports(workload: dict[str, Any]) -> dict[str, dict[str, Any]]:
        return {port["name"]: port for each in containers(workload) for port in each.get("ports", [])}

    for path, value in walk(list(rendered.objects)):
        if re.search(r"\.ports\[\d+\]$", path):
            assert value["protocol"] in ("TCP", "UDP"), path
    for service in rendered.kind("Service"):
        pages = service["metadata"]["name"].endswith("-web")
        assert service["spec"].get("clusterIP") == (None if pages else "None"), "callers spread calls, browsers cannot"
        target = next(
            each for each in rendered.workloads if selects({"matchLabels": service["spec"]["selector"]}, labels(each))
        )
        for port in service["spec"]["ports"]:
            assert ports(target)[port["targetPort"]]["containerPort"] == port["port"]
            assert ports(target)[port["targetPort"]]["protocol"] == port["protocol"]
    scraped = [each for each in rendered.workloads if role(each) in ALL_ROLES]
    for monitor in rendered.kind("PodMonitor"):
        found = [each for each in rendered.workloads if selects(monitor["spec"]["selector"], labels(each))]
        assert found == scraped
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            assert all(endpoint["port"] in ports(each) for each in found)
    for workload in scraped:
        assert environment(workload)["KEHU_ADMIN_LISTEN"].endswith(f":{ports(workload)['admin']['containerPort']}")
        if role(workload) == "api":
            assert environment(workload)["KEHU_LISTEN"].endswith(f":{ports(workload)['grpc']['containerPort']}")
        if role(workload) == "web":
            assert environment(workload)["KEHU_LISTEN"].endswith(f":{ports(workload)['http']['containerPort']}")


def test_every_pod_meets_the_restricted_standard_and_more(rendered: Rendering) -> None:
    for workload in rendered.workloads:
        spec = pod(workload)["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"].get("runAsUser", 1) != 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for volume in spec["volumes"]:
            assert SAFE_VOLUMES & volume.keys(), volume
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"]
        for container in containers(workload):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["readOnlyRootFilesystem"] is True
            assert not {"privileged", "procMount"} & security.keys()
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
            assert "cpu" not in container["resources"]["limits"]
            assert not any("hostPort" in port for port in container.get("ports", []))
        mounts = kehu(workload)["volumeMounts"]
        assert all(mount.get("readOnly") or mount["mountPath"] == "/tmp" for mount in mounts)
        assert not any("subPath" in mount for mount in mounts), "what is mounted by subPath is never renewed"


def test_the_token_of_the_cluster_goes_only_to_who_needs_it(rendered: Rendering) -> None:
    accounts = {each["metadata"]["name"]: each for each in rendered.kind("ServiceAccount")}
    assert all(each["automountServiceAccountToken"] is False for each in accounts.values())
    for workload in rendered.workloads:
        spec = pod(workload)["spec"]
        leases = environment(workload).get("KEHU_LEASE") == "kubernetes"
        assert spec["automountServiceAccountToken"] is leases
        if workload["kind"] == "Deployment":
            assert spec["serviceAccountName"] == workload["metadata"]["name"]
            assert spec["serviceAccountName"] in accounts
        else:
            assert spec["serviceAccountName"] == "default", "nothing of the release is there before it"


def test_roles_are_bound_and_grant_leases_by_name_and_reading_alone(rendered: Rendering) -> None:
    leaders = {
        each["metadata"]["name"] for each in rendered.workloads if environment(each).get("KEHU_LEASE") == "kubernetes"
    }
    roles = {each["metadata"]["name"]: each["rules"] for each in rendered.kind("Role")}
    assert roles.keys() - {f"{_fullname(rendered)}-ops"} == leaders
    for name, rules in roles.items():
        for rule in rules:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "secrets" not in rule["resources"]
            if name in leaders:
                assert rule["resources"] == ["leases"]
                assert rule["verbs"] == ["create"] or rule["resourceNames"]
            else:
                assert set(rule["verbs"]) <= {"get", "list"}
                assert "pods/proxy" not in rule["resources"] or rendered.values["ops"]["proxy"]
    for binding in rendered.kind("RoleBinding"):
        assert binding["roleRef"]["name"] in roles
        if binding["metadata"]["name"] in leaders:
            assert [each["name"] for each in binding["subjects"]] == [binding["metadata"]["name"]]


def test_every_secret_is_one_that_the_values_name(rendered: Rendering) -> None:
    values = rendered.values
    given = [values[part]["existingSecret"] for part in ("mongodb", "rabbitmq", "keys", "smoke", "tls")]
    named = {text.replace("<service>", service) for text in given for service in rendered.running}
    named |= {values["rabbitmq"]["managementSecret"], *values["image"]["pullSecrets"]}
    used = set()
    for path, value in walk(list(rendered.objects)):
        if path.endswith((".secretName", ".secretKeyRef.name", ".secret.name")) or re.search(
            r"\.(imagePullSecrets|secretTargetRef)\[\d+\]\.name$", path
        ):
            used.add(value)
    assert used <= named
    assert not rendered.kind("Secret")


def test_only_who_speaks_to_the_bus_sees_its_secret_and_only_the_api_sees_the_keys_of_tokens(
    rendered: Rendering,
) -> None:
    for workload in rendered.workloads:
        volumes = {each["name"]: each for each in pod(workload)["spec"]["volumes"]}
        expected = {
            "api": {"tmp", "mongodb", "keys"},
            "web": {"tmp", "mongodb", "keys"},
            "worker": {"tmp", "mongodb", "rabbitmq", "keys"},
            "migrate": {"tmp", "mongodb", "rabbitmq"},
            "test": {"tmp"},
        }
        tls = {"tls"} if rendered.values["tls"]["existingSecret"] else set()
        assert volumes.keys() == expected[role(workload)] | tls
        if role(workload) in ("worker", "web"):
            sources = [source["secret"] for source in volumes["keys"]["projected"]["sources"]]
            needed, while_replaced = ({item["key"] for item in source["items"]} for source in sources)
            assert needed == {PAGE_KEY, SEAL_KEY}
            assert while_replaced == {OLD_SEAL_KEY, NEXT_SEAL_KEY}
            assert [source.get("optional", False) for source in sources] == [False, True]
        mounted = {each["name"] for each in kehu(workload)["volumeMounts"]}
        assert mounted == volumes.keys()


def test_the_pod_has_the_time_that_its_process_takes_to_end(rendered: Rendering) -> None:
    for workload in rendered.kind("Deployment"):
        told = environment(workload)
        seconds = int(told["KEHU_DRAIN_SECONDS"]) + int(told["KEHU_GRACE_SECONDS"]) + 5
        assert pod(workload)["spec"]["terminationGracePeriodSeconds"] == seconds
        assert int(told["KEHU_DRAIN_SECONDS"]) >= kehu(workload)["readinessProbe"]["periodSeconds"]


def test_probes_ask_two_questions_and_start_no_process(rendered: Rendering) -> None:
    for workload in rendered.kind("Deployment"):
        container = kehu(workload)
        probes = {name: container[f"{name}Probe"] for name in ("startup", "liveness", "readiness")}
        assert not any("exec" in probe or "initialDelaySeconds" in probe for probe in probes.values())
        if role(workload) == "api" and not rendered.values["tls"]["existingSecret"]:  # kubelets speak no TLS to gRPC
            asked = {name: probe["grpc"] for name, probe in probes.items()}
            alive, ready = ({"port": 50051, "service": name} for name in ("liveness", "readiness"))
        else:
            asked = {name: probe["httpGet"] for name, probe in probes.items()}
            alive, ready = ({"port": "admin", "path": path} for path in ("/livez", "/readyz"))
        assert asked == {"startup": alive, "liveness": alive, "readiness": ready}
        start = probes["startup"]["periodSeconds"] * probes["startup"]["failureThreshold"]
        assert start >= _service_values(rendered, workload)["probes"]["startupSeconds"]
        assert workload["spec"]["progressDeadlineSeconds"] > start


def test_an_autoscaler_owns_the_replicas_or_nobody_does(rendered: Rendering) -> None:
    targets = [
        each["spec"]["scaleTargetRef"]["name"] for each in rendered.kind("HorizontalPodAutoscaler", "ScaledObject")
    ]
    assert len(targets) == len(set(targets))
    for workload in rendered.kind("Deployment"):
        assert ("replicas" in workload["spec"]) is (workload["metadata"]["name"] not in targets)
    for each in rendered.kind("ScaledObject"):
        assert each["spec"]["minReplicaCount"] >= 1, "somebody has to publish, and to be woken by timers"
        [trigger] = each["spec"]["triggers"]
        assert trigger["authenticationRef"]["name"] in {
            a["metadata"]["name"] for a in rendered.kind("TriggerAuthentication")
        }


def test_no_disruption_budget_keeps_a_node_from_being_drained(rendered: Rendering) -> None:
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"].get("minReplicas", each["spec"].get("minReplicaCount"))
        for each in rendered.kind("HorizontalPodAutoscaler", "ScaledObject")
    }
    budgets = {each["metadata"]["name"]: each["spec"] for each in rendered.kind("PodDisruptionBudget")}
    for workload in rendered.kind("Deployment"):
        name = workload["metadata"]["name"]
        fewest = scaled.get(name, workload["spec"].get("replicas"))
        assert (name in budgets) is (fewest > 1)
        assert workload["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    for budget in budgets.values():
        assert budget["maxUnavailable"] not in (0, "0%")
        assert "minAvailable" not in budget
        assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_nothing_is_left_empty(rendered: Rendering) -> None:
    for path, value in walk(list(rendered.objects)):
        assert value is not None, path
        assert value != "" or ".apiGroups[" in path, path  # the core group has no name


def _fullname(rendered: Rendering) -> str:
    return str(rendered.values["fullnameOverride"] or "kehu")


def _service_values(rendered: Rendering, workload: dict[str, Any]) -> dict[str, Any]:
    """The values of defaults, with what the service says of its own."""
    its = labels(workload)
    service = rendered.values["services"][its["kehu/service"]]
    return {**rendered.values["defaults"], **service, **service.get(its["kehu/role"], {})}
