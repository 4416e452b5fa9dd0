"""The relay publishes everything at least once, in order for each entity, and forgets nothing unpublished."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import amqp
import pytest
from kehu.common.v1 import envelope_pb2

from libs.chassis.inbox import Received, Subscription
from libs.engine import metrics, outbox
from libs.engine.bus import Publisher, PublishFailed, service_topology
from libs.engine.bus.publisher import Batch
from libs.engine.bus.topology import aside_queues, shard_exchange
from libs.engine.inbox.decoding import route_of
from libs.engine.lease import SWIFT, Cadence, MongoLease
from libs.engine.outbox import Relay
from libs.engine.store import connect
from libs.localstack.processes import free_port
from tests.support.brokers import on_both_lines
from tests.support.ledger import events_pb2
from tests.support.ledger_service.station import Station
from tests.support.loops import running
from tests.support.patience import eventually

pytestmark = on_both_lines


@pytest.fixture(scope="module")
def client(mongodb_uri: str) -> Iterator[object]:
    with connect(mongodb_uri, "ledger") as client:
        yield client


@pytest.fixture(scope="module")
def shared(client, amqp_uri: str) -> Iterator[Station]:
    station = Station(client, amqp_uri)
    yield station
    station.close()


@pytest.fixture
def station(shared: Station) -> Station:
    shared.clear()
    return shared


def test_events_arrive_once_and_their_entities_forget_them(station: Station) -> None:
    ids = station.open(*(f"name {n}" for n in range(50)))
    with running(station.relay(events=20), station.consumer()):
        eventually(lambda: station.counts() == dict.fromkeys(ids, 1))
        eventually(lambda: not station.waiting())
    for document in station.database.raw["accounts"].find():
        assert document["_pending"] == []
        assert "_pending_since" not in document


def test_a_message_tells_the_broker_what_the_envelope_tells_everybody(station: Station) -> None:
    [id] = station.open("a")
    bodies = [event.body for event in station.waiting()]
    with running(station.relay()):
        eventually(lambda: not station.waiting())
    with station.channel() as channel:
        found: list[Any] = []
        for queue in station.queues:
            channel.basic_consume(queue, callback=found.append)
        while not found:
            channel.connection.drain_events(timeout=5)
    [message] = found
    envelope = envelope_pb2.Envelope.FromString(message.body)
    assert [message.body] == bodies
    assert message.properties["message_id"] == envelope.id == f"{id}:1:0"
    assert message.properties["delivery_mode"] == 2
    assert message.delivery_info["routing_key"] == envelope.type == "kehu.ledger.account.opened.v1"
    assert message.headers == {"x-agg": id, "x-seq": 1, "x-tenant": "acme"}


def test_events_of_an_entity_go_out_in_the_order_of_its_revisions(station: Station) -> None:
    seen: dict[str, list[int]] = defaultdict(list)

    def handle(events: Sequence[Received]) -> None:
        for event in events:
            seen[event.entity_id].append(event.revision)

    ids = station.open(*(f"name {n}" for n in range(8)))
    with running(station.relay(events=7), station.consumer(handle)):
        for _ in range(20):
            for id in ids:
                station.deposit(id)
        eventually(lambda: sum(map(len, seen.values())) == 8 * 21)
    assert seen == {id: list(range(1, 22)) for id in ids}


def test_what_was_added_while_a_batch_was_on_its_way_stays(station: Station) -> None:
    [id] = station.open("a")

    relay, flights = station.relay(), deque[Any]()
    with Publisher(station.amqp_uri, name="test") as publisher:
        assert relay._depart(publisher, flights)
        station.deposit(id, 2)
        assert not relay._depart(publisher, flights), "an entity is never in two batches"
        relay._land(publisher, flights.popleft())
    assert [event.id for event in station.waiting()] == [f"{id}:2:0", f"{id}:3:0"]
    [document] = station.database.raw["accounts"].find()
    assert document["_pending_since"] == document["_pending"][0]["at"]


def test_two_relays_that_both_believe_to_lead_only_repeat_each_other(station: Station) -> None:
    seen: dict[str, list[int]] = defaultdict(list)

    def handle(events: Sequence[Received]) -> None:
        for event in events:
            seen[event.entity_id].append(event.revision)
        station.store.count(events)

    with running(station.relay(), station.relay(), station.consumer(handle)):
        ids = station.open(*(f"name {n}" for n in range(20)))
        for id in ids:
            station.deposit(id, 9)
        eventually(lambda: station.counts() == dict.fromkeys(ids, 10))
        eventually(lambda: not station.waiting())
    assert all(sorted(revisions) == list(range(1, 11)) for revisions in seen.values())


def test_a_batch_that_is_not_confirmed_is_cleared_by_nobody(station: Station) -> None:
    station.open("a", "b")

    class Unanswered(Publisher):
        def wait(self, batch: Batch, meanwhile: Callable[[], object] = lambda: None) -> None:
            raise PublishFailed("timeout", "no answer")

    relay, flights = station.relay(), deque[Any]()
    with Unanswered(station.amqp_uri, name="test") as publisher:
        assert relay._depart(publisher, flights)
        with pytest.raises(PublishFailed):
            relay._land(publisher, flights.popleft())
    assert len(station.waiting()) == 2


@pytest.fixture
def full(station: Station) -> Iterator[Subscription]:
    """A subscription whose queue holds ten events and whose worker is away."""
    events = [events_pb2.AccountOpened, events_pb2.AccountChanged]
    name = f"slow{uuid4().hex[:8]}"
    subscription = Subscription(name=name, listens=events, handle=lambda _: None, partitions=1)
    declared = service_topology("ledger", [route_of(subscription)], station.schedule.tiers)
    [work] = route_of(subscription).queues("ledger")
    queues = [
        replace(queue, arguments={**queue.arguments, "x-max-length": 10}) if queue.name == work else queue
        for queue in declared.queues
    ]
    with station.channel() as channel:
        replace(declared, queues=queues).declare(channel.connection)
        yield subscription
    with station.channel() as channel:
        for queue in (work, *aside_queues("ledger", name, station.schedule.tiers)):
            channel.queue_delete(queue)
        channel.exchange_delete(shard_exchange("ledger", name))


def test_a_full_queue_holds_up_no_other_and_floods_none(station: Station, full: Subscription) -> None:
    """Every event reaches the others once. What the full queue refused is tried seldom, and arrives in the end."""
    seen: dict[str, list[int]] = defaultdict(list)

    def handle(events: Sequence[Received]) -> None:
        for event in events:
            seen[event.entity_id].append(event.revision)
        station.store.count(events)

    deliveries = metrics.INBOX_DUPLICATES.labels(station.subscription.name)
    before = deliveries._value.get()
    with running(station.relay(), station.consumer(handle)):
        first = station.open(*(f"name {n}" for n in range(300)))
        eventually(lambda: station.counts() == dict.fromkeys(first, 1), 30)
        time.sleep(3)
        late = station.open(*(f"late {n}" for n in range(20)))
        begun = time.monotonic()
        eventually(lambda: station.counts() == dict.fromkeys([*first, *late], 1), 30)
        assert time.monotonic() - begun < 10
        held = [document["_id"] for document in station.database.raw["accounts"].find({"_held_by": {"$exists": True}})]
        assert len(held) >= 250, "most do not fit into the queue"
        station.deposit(held[0], 2)
        assert deliveries._value.get() - before < 100, "a few tries, and no flood"
        with station.channel() as channel:
            [queue] = route_of(full).queues("ledger")
            arrived: list[tuple[str, int]] = []

            def take(message: amqp.Message) -> None:
                arrived.append((message.headers["x-agg"], message.headers["x-seq"]))
                channel.basic_ack(message.delivery_tag)

            channel.basic_consume(queue, callback=take)

            def all_arrived() -> bool:
                with contextlib.suppress(TimeoutError):
                    channel.connection.drain_events(timeout=0.5)
                return len(set(arrived)) == 322

            eventually(all_arrived)
        eventually(lambda: not station.waiting())
        eventually(lambda: station.count(held[0]) == 3)
    assert [revision for id, revision in arrived if id == held[0]][-3:] == [1, 2, 3]
    assert deliveries._value.get() - before < 2 * 322
    assert all(list(dict.fromkeys(revisions)) == sorted(set(revisions)) for revisions in seen.values())
    for document in station.database.raw["accounts"].find():
        assert not {"_pending_since", "_held_by"} & document.keys()


def test_what_one_leader_held_the_next_one_tries_again(station: Station, full: Subscription) -> None:
    with running(station.relay()):
        station.open(*(f"name {n}" for n in range(40)))
        eventually(lambda: station.database.raw["accounts"].count_documents({"_held_by": {"$exists": True}}) >= 20)
    with station.channel() as channel:
        [queue] = route_of(full).queues("ledger")
        with running(station.relay()):

            def emptied() -> bool:
                channel.queue_purge(queue)
                return not station.waiting()

            eventually(emptied)


def test_a_queue_that_is_gone_holds_up_nobody(station: Station, full: Subscription) -> None:
    with running(station.relay(), station.consumer()):
        with station.channel() as channel:
            channel.queue_delete(*route_of(full).queues("ledger"))
        ids = station.open(*(f"name {n}" for n in range(100)))
        eventually(lambda: station.counts() == dict.fromkeys(ids, 1), 30)
        eventually(lambda: not station.waiting(), 30)


def test_a_follower_publishes_nothing(client, station: Station) -> None:
    name, cadence = uuid4().hex, Cadence(time_to_live=60, renew_after=20, try_after=0.1)
    leader, follower = (
        MongoLease(client["ledger_leases"]["leases"], name, owner, cadence) for owner in ("leader", "follower")
    )
    assert leader.hold()
    relay: Relay = station.relay(lease=follower)
    station.open("a")
    with running(relay):
        eventually(lambda: relay.why_not_ready() is None)
        time.sleep(0.3)
        assert len(station.waiting()) == 1
        leader.release()
        eventually(lambda: not station.waiting())


def test_a_relay_that_sleeps_is_woken_by_new_entities_and_by_changed_ones(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "ASLEEP_AFTER", 0.0)
    relay = station.relay()
    with running(relay):
        eventually(lambda: relay.why_not_ready() is None)
        for _ in range(3):
            [id] = station.open("a")
            eventually(lambda: not station.waiting())
            station.deposit(id)
            eventually(lambda: not station.waiting())


def test_without_a_broker_what_waits_is_seen_to_grow_old(station: Station) -> None:
    station.open("a")
    relay = Relay(
        station.database,
        lambda: f"amqp://guest:guest@127.0.0.1:{free_port()}/",
        MongoLease(station.database.raw["leases"], "relay", "alone", SWIFT),
    )
    metrics.OUTBOX_OLDEST.set(0)
    with running(relay):
        eventually(lambda: "kehu_outbox_pending 1.0" in metrics.render().decode())
        before = metrics.OUTBOX_OLDEST.collect()[0].samples[0].value
        eventually(lambda: metrics.OUTBOX_OLDEST.collect()[0].samples[0].value > before)
