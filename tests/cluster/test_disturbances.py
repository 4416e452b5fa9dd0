"""What happens on any day: restarts, evictions, a leader that dies, new passwords, a broker that goes away."""

from __future__ import annotations

import json
import time
from datetime import datetime

import pytest

from libs.localstack.processes import StackError, wait_until
from tests.cluster.stores import NAMESPACE
from tests.cluster.suite import RELEASE, WORKLOADS, Suite
from tests.cluster.trial import Trial


def test_rolling_restart_with_slow_handlers(trial: Trial) -> None:
    with trial.under_load(callers=8) as load, trial.slow():
        load.wait_for(len(trial.ledger.acks) + 20, 120)
        begun = time.monotonic()
        for workload in WORKLOADS:
            trial.suite.kubectl("rollout", "restart", f"deployment/{workload}")
        trial.suite.wait_ready(400)
        trial.figures["every workload restarted in"] = f"{time.monotonic() - begun:.0f} s"
    assert trial.suite.restarts() == 0


def test_drain_through_the_eviction_api(trial: Trial) -> None:
    """As `kubectl drain` does it: every pod is asked to go, and asked again while its budget says no.

    There is one node, so it takes the new pods too.
    """
    evicted = refused = 0
    with trial.under_load():
        begun = time.monotonic()
        waiting = {pod["metadata"]["name"] for pod in trial.suite.pods()}
        while waiting:
            assert time.monotonic() - begun < 600, f"{sorted(waiting)} could not be evicted"
            for name in sorted(waiting):
                if _evict(trial.suite, name):
                    waiting.discard(name)
                    evicted += 1
                else:
                    refused += 1
            time.sleep(2)
        trial.suite.wait_ready()
        trial.figures |= {"evicted": evicted, "told to wait": refused, "in": f"{time.monotonic() - begun:.0f} s"}
    assert evicted == 2 * len(WORKLOADS)
    assert refused > 0, "the budgets let everything go at once"


@pytest.mark.parametrize("grace", [30, 0], ids=["ended", "killed"])
def test_leader(trial: Trial, grace: int) -> None:
    lease = f"{RELEASE}-profiles-relay"
    with trial.under_load():
        before = trial.suite.get("lease", lease)["spec"]
        holder = next(
            pod["metadata"]["name"]
            for pod in trial.suite.pods(f"{RELEASE}-profiles-worker")
            if pod["metadata"]["name"] in before["holderIdentity"]
        )
        trial.suite.kubectl("delete", "pod", holder, f"--grace-period={grace}", "--force", "--wait=false")
        wait_until(lambda: _held_by_another(trial.suite, lease, holder), 60, f"Nobody took {lease} over")
        after = trial.suite.get("lease", lease)["spec"]
    gap = _time(after["acquireTime"]) - _time(before["renewTime"])
    trial.figures["taken over after"] = f"{gap:.1f} s"
    assert after["leaseTransitions"] > before["leaseTransitions"]


def test_new_password_of_the_broker(trial: Trial) -> None:
    stores = trial.suite.stores
    with trial.under_load():
        stores.change_amqp_password()
        # The old one is refused from now on; who is connected stays so until the connection goes.
        time.sleep(20)
        connections = stores.management("GET", "/api/connections")
        for connection in connections:
            if connection["user"] == "kehu":
                stores.management("DELETE", f"/api/connections/{connection['name'].replace(' ', '%20')}")
        trial.figures["connections made anew"] = len(connections)


def test_outage_of_the_broker(trial: Trial) -> None:
    broker = trial.suite.stores.broker
    with trial.under_load():
        broker.stop()
        time.sleep(20)
        broker.start()
    trial.figures["outage"] = "20 s"


def _evict(suite: Suite, pod: str) -> bool:
    """Whether the pod was told to go; its budget may say no."""
    metadata = {"name": pod, "namespace": NAMESPACE}
    eviction = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata})
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction"
    done = suite.node.kubectl("create", f"--raw={path}", "--filename=-", stdin=eviction, check=False)
    if done.returncode != 0 and "disruption budget" not in done.stderr:
        raise StackError(f"{pod} could not be evicted: {done.stderr.strip()}")
    return done.returncode == 0


def _held_by_another(suite: Suite, lease: str, holder: str) -> bool:
    identity = suite.get("lease", lease)["spec"].get("holderIdentity") or ""
    return bool(identity) and holder not in identity


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
