"""What the chart declares of the services is what their code says."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from libs.command.ops.rights import role as ops_role
from libs.engine.bus.topology import UNROUTED, aside_queues
from libs.engine.lease.kubernetes import object_name
from libs.engine.rpc.server import LIVENESS, READINESS
from libs.engine.store.memory import MemoryDatabase
from libs.registry import SERVICES
from libs.suite import composition, routes
from tests.conftest import ROOT
from tests.support.chart import CHART, kehu, merged, render

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
MINIMAL: dict[str, Any] = {name: {"existingSecret": f"kehu-{name}"} for name in ("mongodb", "rabbitmq", "keys")}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_calls_whom_its_code_calls(service: str) -> None:
    """A peer is called through `libs.calls`, with its name as a literal, and never through a stub or the client."""
    stub = re.compile(r"kehu\.(\w+)\.v1[\w. ]*_pb2_grpc|kehu\.(\w+)\.v1 import (?:\w+, )*\w+_pb2_grpc")
    used, called = set(), set()
    for path in (ROOT / "services" / service).rglob("*.py"):
        text = path.read_text()
        assert "libs.client" not in text, f"{path} calls somebody; use libs.calls, and declare it in `calls`"
        called |= set(re.findall(r'calls\.to\("(\w+)"\)', text))
        used |= {name for found in stub.findall(text) for name in found if name}
    assert used <= {service}
    assert set(VALUES["services"][service].get("calls", [])) == called


@pytest.mark.parametrize("service", SERVICES)
def test_what_waits_for_a_worker_is_counted_and_nothing_else(service: str) -> None:
    rendered = render(merged(MINIMAL, {"defaults": {"autoscaling": {"enabled": True}}}))
    [trigger] = rendered.named("ScaledObject", f"kehu-{service}-worker")["spec"]["triggers"]
    pattern = re.compile(trigger["metadata"]["queueName"])
    own = {queue for route in routes(service) for queue in route.queues(service)}
    assert own
    assert all(pattern.search(queue) for queue in own)
    others = {
        queue for other in SERVICES if other != service for route in routes(other) for queue in route.queues(other)
    }
    aside = {queue for other in SERVICES for route in routes(other) for queue in aside_queues(other, route.name)}
    assert not [queue for queue in (*others, *aside, UNROUTED) if pattern.search(queue)]


def test_probes_ask_for_the_names_that_the_server_answers_to() -> None:
    container = kehu(render(MINIMAL).named("Deployment", "kehu-profiles-api"))
    assert container["livenessProbe"]["grpc"]["service"] == LIVENESS
    assert container["readinessProbe"]["grpc"]["service"] == READINESS


@pytest.mark.parametrize("service", SERVICES)
def test_a_worker_may_hold_every_lease_that_it_competes_for(service: str) -> None:
    rendered = render(merged(MINIMAL, {"defaults": {"worker": {"lease": "kubernetes"}}}))
    rules = rendered.named("Role", f"kehu-{service}-worker")["rules"]
    granted = {name for rule in rules for name in rule.get("resourceNames", [])}
    described = composition(service)
    timers = described.timers(described.store(MemoryDatabase(service)))
    names = ["relay", *(f"timer.{timer.name}" for timer in timers)]
    assert granted == {object_name("kehu", service, name) for name in names}


@pytest.mark.parametrize("proxy", [False, True])
def test_whoever_has_the_role_of_ops_may_do_what_its_command_needs_and_no_more(proxy: bool) -> None:
    def rights(rules: list[dict[str, list[str]]]) -> set[tuple[str, str, str]]:
        return {
            (g, r, v) for rule in rules for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]
        }

    granted = render(merged(MINIMAL, {"ops": {"enabled": True, "proxy": proxy}})).named("Role", "kehu-ops")
    assert rights(granted["rules"]) == rights(ops_role("kehu-ops", "crm", optional=proxy)["rules"])
