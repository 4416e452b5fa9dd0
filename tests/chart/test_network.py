"""Who may reach whom: worked out from the rendered policies as a network would, and compared with what is declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.chart import (
    CASES,
    NAMESPACE,
    Rendering,
    containers,
    environment,
    labels,
    merged,
    name_of,
    render,
    rendering,
    role,
    selects,
)

NAMESPACE_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Place:
    """A pod of ours or of somebody else."""

    name: str
    labels: Mapping[str, str] = field(hash=False)
    namespace: str = NAMESPACE
    ports: Mapping[str, int] = field(default_factory=dict, hash=False)


def places(rendered: Rendering) -> list[Place]:
    """The pods of the release."""
    return [
        Place(
            workload["metadata"]["name"],
            labels(workload),
            ports={p["name"]: p["containerPort"] for each in containers(workload) for p in each.get("ports", [])},
        )
        for workload in rendered.workloads
    ]


STRANGER = Place("stranger", {"app": "anything"})
CLIENT = Place("client", {"kehu/client": "true"})
PROMETHEUS = Place("prometheus", {"app": "prometheus"}, "monitoring")
GATEWAY = Place("gateway", {"app": "gateway"}, "gateway")
IMPOSTOR = Place("impostor", {"kehu/client": "true"}, "elsewhere")
OTHERS = (STRANGER, CLIENT, PROMETHEUS, GATEWAY, IMPOSTOR)


def is_peer(peer: Mapping[str, Any], place: Place) -> bool:
    """Whether a peer of a policy in our namespace takes this pod. Addresses are never those of pods."""
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], {NAMESPACE_LABEL: place.namespace}):
            return False
    elif place.namespace != NAMESPACE:
        return False
    return selects(peer.get("podSelector", {}), place.labels)


def allows(rendered: Rendering, way: str, here: Place, there: Place, port: int) -> bool:
    """Whether the policies of `here` let traffic of one way ("ingress", "egress") with `there` pass.

    A port of `here` may be given by policies by its name.
    """
    fenced = [
        policy["spec"]
        for policy in rendered.kind("NetworkPolicy")
        if here.namespace == NAMESPACE
        and selects(policy["spec"]["podSelector"], here.labels)
        and way.capitalize() in policy["spec"]["policyTypes"]
    ]
    peers = {"ingress": "from", "egress": "to"}[way]
    return not fenced or any(
        (peers not in rule or any(is_peer(peer, there) for peer in rule[peers]))
        and any(
            here.ports.get(each["port"], each["port"]) == port for each in rule["ports"] if each["protocol"] == "TCP"
        )
        for spec in fenced
        for rule in spec.get(way, [])
    )


def reaches(rendered: Rendering, one: Place, other: Place, port: int) -> bool:
    """Whether a connection from one pod to a port of another comes about."""
    return allows(rendered, "egress", one, other, port) and allows(rendered, "ingress", other, one, port)


def declared(rendered: Rendering) -> set[tuple[str, str, int]]:
    """(from, to, port) of every connection that the values ask for."""
    prefix = rendered.values["fullnameOverride"] or "kehu"
    services, policy = rendered.values["services"], rendered.values["networkPolicy"]
    edges = set()
    for callee in rendered.running:
        api = f"{prefix}-{callee}-api"
        edges.add(("client", api, 50051))
        if GATEWAY.namespace in str(policy["clients"]):
            edges.add(("gateway", api, 50051))
        if rendered.kind("Pod") and callee == "profiles":
            edges.add((f"{prefix}-smoke", api, 50051))
        for caller in rendered.running:
            if callee in services[caller].get("calls", []):
                edges |= {(f"{prefix}-{caller}-{role}", api, 50051) for role in ("api", "worker")}
        if policy["monitoring"]:
            roles = ("api", "worker", "web") if services[callee].get("pages") else ("api", "worker")
            edges |= {("prometheus", f"{prefix}-{callee}-{role}", 9090) for role in roles}
    return edges


@pytest.mark.parametrize("case", [each for each in CASES if each.stem != "development"], ids=name_of)
def test_what_can_be_reached_is_what_was_declared(case: Path) -> None:
    rendered = rendering(case)
    ours = places(rendered)
    found = {
        (one.name, other.name, port)
        for one in (*ours, *OTHERS)
        for other in ours
        for port in (50051, 9090, 8080)
        if one is not other and reaches(rendered, one, other, port)
    }
    assert found == declared(rendered)


MINIMAL: dict[str, Any] = {name: {"existingSecret": f"kehu-{name}"} for name in ("mongodb", "rabbitmq", "keys")}


def test_pages_are_open_to_visitors_and_nothing_else_is() -> None:
    visitors = {"networkPolicy": {"visitors": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}]}}
    for each in render(merged(MINIMAL, visitors)).kind("NetworkPolicy"):
        ports = [port["port"] for rule in each["spec"].get("ingress", []) for port in rule["ports"]]
        assert ("http" in ports) is (each["metadata"]["name"] == "kehu-surveys-web")
    assert "http" not in str(render(MINIMAL).named("NetworkPolicy", "kehu-surveys-web")["spec"]["ingress"])


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_every_pod_is_fenced_in_both_directions_or_none_is(case: Path) -> None:
    rendered = rendering(case)
    fenced = [
        sum(selects(policy["spec"]["podSelector"], labels(each)) for policy in rendered.kind("NetworkPolicy"))
        for each in rendered.workloads
    ]
    assert set(fenced) == ({1} if rendered.values["networkPolicy"]["enabled"] else {0})
    assert all(each["spec"]["policyTypes"] == ["Ingress", "Egress"] for each in rendered.kind("NetworkPolicy"))


@pytest.mark.parametrize("case", [each for each in CASES if each.stem != "development"], ids=name_of)
def test_each_process_gets_out_to_what_it_needs_and_no_further(case: Path) -> None:
    rendered = rendering(case)
    policy = rendered.values["networkPolicy"]
    mongodb, rabbitmq, kubernetes = (set(policy[part]["ports"]) for part in ("mongodb", "rabbitmq", "kubernetes"))
    both = mongodb | rabbitmq
    needed = {"api": mongodb, "web": mongodb, "worker": both, "migrate": both, "test": set()}
    for workload in rendered.workloads:
        [its] = (p for p in rendered.kind("NetworkPolicy") if selects(p["spec"]["podSelector"], labels(workload)))
        told = environment(workload)
        expected = needed[role(workload)] | {53}
        if told.get("KEHU_LEASE") == "kubernetes":
            expected = expected | kubernetes
        if "KEHU_TRACE_ENDPOINT" in told:
            expected = expected | {4317}
        targets = (value for name, value in told.items() if name.startswith("KEHU_TARGET_"))
        expected = expected | {int(target.rpartition(":")[2]) for target in targets}
        assert {port["port"] for rule in its["spec"]["egress"] for port in rule["ports"]} == expected
        assert all(rule["ports"] for rule in its["spec"]["egress"])
