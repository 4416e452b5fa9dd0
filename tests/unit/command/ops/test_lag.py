from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from libs.command.ops.findings import span
from libs.command.ops.lag import Queue, age_of_head, group, queue_from
from libs.engine.bus.topology import TIERS, Route, dead_queue, retry_queue, service_topology

ROUTES = [
    Route(name="customers", keys={"profiles": ["#"]}, partitions=12, ordered=True),
    Route(name="read.model", keys={"profiles": ["#"]}, partitions=1, ordered=True),
]
"""More than ten partitions, and a name with a dot."""


def queues(*, consumers: int = 1, **ready: int) -> list[Queue]:
    """Every queue that a service declares; `ready` by name with underscores for dots."""
    names = [queue.name for queue in service_topology("interactions", ROUTES).queues]
    return [Queue(name=name, ready=ready.get(name.replace(".", "_"), 0), consumers=consumers) for name in names]


def samples(*values: int, every: int = 5) -> dict[str, Any]:
    """Samples as the broker sends them, the latest first."""
    return {"samples": [{"sample": v, "timestamp": (1000 - n * every) * 1000} for n, v in enumerate(values)]}


def test_every_queue_that_a_service_declares_finds_its_place() -> None:
    found = group([*queues(), Queue(name="celery", ready=7)], "RabbitMQ")
    assert [(each.service, each.name, len(each.parts)) for each in found.subscriptions] == [
        ("interactions", "customers", 12),
        ("interactions", "read.model", 1),
    ]
    assert [part.name for part in found.subscriptions[0].parts][9:11] == [
        "interactions.customers.9",
        "interactions.customers.10",
    ]
    names = ("customers", "read.model")
    assert [queue.name for queue in found.retrying] == [
        retry_queue("interactions", name, tier) for tier in TIERS for name in names
    ]
    assert found.unrouted is not None
    assert found.others == 1
    assert [*found.findings(300)] == []


def test_the_delay_decides_the_order_of_the_retry_queues() -> None:
    delays = (timedelta(seconds=30), timedelta(milliseconds=100), timedelta(seconds=5))
    names = [retry_queue("a", "b", tier) for tier in delays]
    found = group([Queue(name=name, ready=0) for name in names], "")
    assert [queue.name for queue in found.retrying] == ["a.b.retry.100ms", "a.b.retry.5s", "a.b.retry.30s"]


def test_parked_unrouted_and_unattended_queues_are_findings() -> None:
    parked = {dead_queue("interactions", "customers").replace(".", "_"): 3}
    told = [(each.what, each.state) for each in group(queues(unrouted=2, **parked), "").findings(300)]
    assert told == [("interactions.customers", "3 events are parked"), ("unrouted", "2 events found no queue")]

    told = [
        (each.what, each.state) for each in group(queues(consumers=0, interactions_customers_3=9), "").findings(300)
    ]
    assert told[0] == ("interactions.customers", "nobody consumes interactions.customers, 9 events wait")

    some = [Queue(name="a.b.0", ready=4, consumers=1), Queue(name="a.b.1", ready=1, consumers=0)]
    assert [each.state for each in group(some, "").findings(300)] == [
        "nobody consumes 1 of its partitions, 5 events wait"
    ]


@pytest.mark.parametrize(
    ("oldest", "at_least", "rate_out", "state"),
    [
        (90.0, False, 0.0, "stands still: 40 events wait and none leaves"),
        (90.0, False, 5.0, None),
        (400.0, False, 5.0, "40 events wait, the first for 6m 40s"),
        (3600.0, True, 5.0, "40 events wait, the first for >1h"),
        (5.0, False, 0.0, None),
    ],
)
def test_waiting_is_a_finding_when_it_lasts(oldest: float, at_least: bool, rate_out: float, state: str | None) -> None:
    queue = Queue(name="a.b.0", ready=40, consumers=1, rate_out=rate_out, oldest=oldest, at_least=at_least)
    assert [each.state for each in group([queue], "").findings(300)] == ([state] if state else [])


def test_the_total_of_partitions_keeps_the_longest_wait_and_the_fewest_consumers() -> None:
    parts = [
        Queue(name="a.b.0", ready=1, unacked=2, consumers=2, rate_in=1.5, rate_out=1.0, oldest=3.0),
        Queue(name="a.b.1", ready=4, unacked=0, consumers=1, rate_in=0.5, rate_out=1.0, oldest=60.0, at_least=True),
        Queue(name="a.b.2", ready=0, unacked=0, consumers=1, rate_in=0.0, rate_out=0.0),
    ]
    [one] = group(parts, "").subscriptions
    assert one.total == Queue(
        name="a.b", ready=5, unacked=2, consumers=1, rate_in=2.0, rate_out=2.0, oldest=60.0, at_least=True
    )


def test_the_age_of_the_head_is_when_the_arrivals_passed_what_has_left() -> None:
    # 30 arrived in all, 20 of them wait: the first of those is the eleventh, which came between the third and the
    # fourth sample from the end.
    assert age_of_head(20, samples(30, 22, 12, 10, 4), {}) == (15.0, False)
    assert age_of_head(30, samples(30, 22, 12, 10, 4), {}) == (20.0, True)
    assert age_of_head(30, samples(30, 30, 0), {}) == (10.0, False)
    assert age_of_head(0, samples(30), {}) == (None, False)
    assert age_of_head(3, {}, {}) == (None, False)


def test_the_head_is_never_older_than_the_last_moment_without_any() -> None:
    # Five came back from a retry, so the arrivals know nothing of them.
    assert age_of_head(5, samples(0, 0, 0), samples(5, 5, 0)) == (10.0, False)
    assert age_of_head(5, samples(9, 9, 9), samples(5, 5, 5)) == (10.0, True)


def test_a_queue_as_the_management_api_tells_of_it() -> None:
    told = {
        "name": "profiles.journal.0",
        "messages_ready": 2,
        "messages_unacknowledged": 1,
        "consumers": 1,
        "message_stats": {
            "publish_details": {"rate": 0.0, "avg_rate": 0.4, **samples(3, 3, 0)},
            "ack_details": {"rate": 0.0, "avg_rate": 0.1},
        },
        "messages_ready_details": samples(2, 2, 0),
    }
    assert queue_from(told) == Queue(
        name="profiles.journal.0", ready=2, unacked=1, consumers=1, rate_in=0.4, rate_out=0.1, oldest=10.0
    )
    assert queue_from({"name": "just.made.0"}) == Queue(
        name="just.made.0", ready=0, unacked=0, rate_in=0.0, rate_out=0.0
    )


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (0, "0s"), (59.6, "1m"), (61, "1m 1s"), (3600, "1h"), (93_784, "1d 2h"), (86_400 + 5, "1d")],
)
def test_a_span_fits_a_narrow_column(seconds: float | None, shown: str) -> None:
    assert span(seconds) == shown
