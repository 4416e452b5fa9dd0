"""What happens on any day: restarts, evictions, a leader that dies, new passwords, a broker that goes away."""

from __future__ import annotations

import json
import time
from statistics import median
from urllib.parse import quote

import pytest

from libs.localstack.processes import StackError, wait_until
from tests.cluster.stores import NAMESPACE
from tests.cluster.suite import RELEASE, WORKLOADS, Suite
from tests.cluster.trial import Trial

RELEASED_WITHIN = 2.0
"""Seconds in which somebody else leads, once a leader has given the lease back."""


def test_rolling_restart_with_slow_handlers(trial: Trial) -> None:
    with trial.under_load(callers=8) as load, trial.slow():
        load.wait_for(len(trial.ledger.acks) + 20, 120)
        begun, answered = time.monotonic(), len(load.waits)
        for workload in WORKLOADS:
            trial.suite.kubectl("rollout", "restart", f"deployment/{workload}")
        trial.suite.wait_ready(400)
        trial.figures["every workload restarted in"] = f"{time.monotonic() - begun:.0f} s"
        slow = load.waits[answered:]
        trial.figures["median of the calls meanwhile"] = f"{median(slow):.1f} s"
        assert median(slow) > 1, "handlers were not slow"
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


@pytest.mark.parametrize("way", ["ended", "killed"])
def test_leader(trial: Trial, way: str) -> None:
    """Who leads gives the lease back when it ends. When it is killed, the lease runs out or its next life takes it."""
    suite, lease = trial.suite, f"{RELEASE}-profiles-relay"
    with trial.under_load():
        before = suite.get("lease", lease)["spec"]
        workers = suite.pods(f"{RELEASE}-profiles-worker")
        leader = next(pod for pod in workers if pod["metadata"]["name"] in before["holderIdentity"])
        if way == "ended":
            suite.kubectl("delete", "pod", leader["metadata"]["name"], "--wait=false")
        else:
            suite.kill(leader)
        led = time.monotonic()
        while (now := suite.get("lease", lease)["spec"])["leaseTransitions"] == before["leaseTransitions"]:
            if now["holderIdentity"] and way == "ended":
                led = time.monotonic()  # It works on until it has ended.
            assert time.monotonic() - led < 60, f"Nobody took {lease} over"
        gap = time.monotonic() - led
        trial.figures["nobody led for at most"] = f"{gap:.1f} s"
    if way == "ended":
        assert leader["metadata"]["name"] not in now["holderIdentity"]
        assert gap < RELEASED_WITHIN


def test_new_user_of_the_database(trial: Trial) -> None:
    """A second user, the secret, a wait until every process has it, and the first user is taken away."""
    suite = trial.suite
    pods = [pod["metadata"]["name"] for role in ("api", "worker") for pod in suite.pods(f"{RELEASE}-profiles-{role}")]

    def taken_up() -> list[int]:
        return [suite.kubectl("logs", pod).count("took up new credentials of the database") for pod in pods]

    before = taken_up()
    with trial.under_load() as load:
        first = suite.stores.add_mongodb_user("profiles")
        begun = time.monotonic()
        wait_until(
            lambda: all(now > then for now, then in zip(taken_up(), before, strict=True)),
            180,
            "A process of profiles does not take up its new user",
        )
        trial.figures["taken up after"] = f"{time.monotonic() - begun:.0f} s"
        suite.stores.drop_mongodb_user(first)
        load.wait_for(len(trial.ledger.acks) + 200, 120)
    assert [
        pod["metadata"]["name"] for role in ("api", "worker") for pod in suite.pods(f"{RELEASE}-profiles-{role}")
    ] == pods


def test_new_password_of_the_broker(trial: Trial) -> None:
    stores = trial.suite.stores
    with trial.under_load():
        stores.change_amqp_password()
        # The old one is refused from now on; who is connected stays so until the connection goes.
        time.sleep(20)
        connections = stores.management("GET", "/api/connections")
        for connection in connections:
            if connection["user"] == "kehu":
                stores.management("DELETE", f"/api/connections/{quote(connection['name'], safe='')}")
        trial.figures["connections made anew"] = len(connections)


def test_outage_of_the_broker(trial: Trial) -> None:
    broker = trial.suite.stores.broker
    with trial.under_load():
        broker.stop()
        time.sleep(20)
        broker.start()
    trial.figures["outage"] = "20 s"


def _evict(suite: Suite, pod: str) -> bool:
    """Whether the pod was told to go. Its budget may say no."""
    metadata = {"name": pod, "namespace": NAMESPACE}
    eviction = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata})
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction"
    done = suite.node.kubectl("create", f"--raw={path}", "--filename=-", stdin=eviction, check=False)
    if done.returncode != 0 and "disruption budget" not in done.stderr:
        raise StackError(f"{pod} could not be evicted: {done.stderr.strip()}")
    return done.returncode == 0
