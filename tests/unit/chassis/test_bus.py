"""The topology as data."""

from __future__ import annotations

from datetime import timedelta

from libs.engine.bus import TIERS, Route, service_topology
from libs.engine.bus.topology import UNLIMITED_DELIVERIES, aside_queues, retry_queue

ROUTE = Route(name="customers", keys={"profiles": ["kehu.profiles.customer.updated.v1"]}, partitions=2, ordered=True)
TOPOLOGY = service_topology("interactions", [ROUTE])


def test_no_queue_drops_a_message_by_a_default_of_the_broker() -> None:
    for queue in TOPOLOGY.queues:
        assert queue.arguments["x-queue-type"] == "quorum"
        assert queue.arguments["x-overflow"] == "reject-publish"
        if "x-dead-letter-exchange" in queue.arguments:
            assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        else:
            assert queue.arguments["x-delivery-limit"] == UNLIMITED_DELIVERIES
            assert "x-message-ttl" not in queue.arguments


def test_names_tell_who_consumes_what() -> None:
    names = {queue.name for queue in TOPOLOGY.queues}
    assert {"interactions.customers.0", "interactions.customers.1", "interactions.customers.dead", "unrouted"} <= names
    assert {"interactions.events", "profiles.events", "interactions.customers.shard", "dlx"} <= {
        exchange.name for exchange in TOPOLOGY.exchanges
    }


def test_a_work_queue_has_one_active_consumer_and_a_way_out() -> None:
    [first, _] = [queue for queue in TOPOLOGY.queues if queue.name in ROUTE.queues("interactions")]
    assert first.arguments["x-single-active-consumer"]
    assert first.arguments["x-dead-letter-exchange"] == "dlx"
    assert first.arguments["x-dead-letter-routing-key"] == "interactions.customers"
    assert first.arguments["x-dead-letter-strategy"] == "at-least-once"
    unordered = Route(name="customers", keys=ROUTE.keys, partitions=1, ordered=False)
    [queue] = [q for q in service_topology("interactions", [unordered]).queues if q.name == "interactions.customers.0"]
    assert "x-single-active-consumer" not in queue.arguments


def test_what_leads_to_a_queue_is_declared_with_it() -> None:
    sources = {exchange.name for exchange in TOPOLOGY.exchanges}
    targets = {queue.name for queue in TOPOLOGY.queues} | sources
    for binding in TOPOLOGY.bindings:
        assert binding.source in sources
        assert binding.destination in targets
    keys = {(b.source, b.destination, b.key) for b in TOPOLOGY.bindings}
    assert ("profiles.events", "interactions.customers.shard", "kehu.profiles.customer.updated.v1") in keys
    assert ("dlx", "interactions.customers.dead", "interactions.customers") in keys


def test_each_subscription_has_retry_queues_of_its_own_that_lead_back_to_it() -> None:
    tiers = (*TIERS, timedelta(milliseconds=300))
    found = {queue.name: queue.arguments for queue in service_topology("care", [ROUTE], tiers).queues}
    names = [retry_queue("care", "customers", tier) for tier in tiers]
    assert [name.removeprefix("care.customers.retry.") for name in names] == [
        *("5s", "30s", "120s", "600s", "3600s"),
        "300ms",
    ]
    for name, tier in zip(names, tiers, strict=True):
        assert found[name]["x-message-ttl"] == tier // timedelta(milliseconds=1)
        assert found[name]["x-dead-letter-exchange"] == "care.customers.shard"
    assert aside_queues("care", "customers", tiers) == ["care.customers.dead", *names]


def test_every_queue_has_an_end() -> None:
    assert all(queue.arguments["x-max-length-bytes"] > 0 for queue in TOPOLOGY.queues)
