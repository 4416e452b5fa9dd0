"""Events have their effect exactly once, whatever the broker, the handler or the operator does."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import amqp
import pytest
from kehu.common.v1.envelope_pb2 import Envelope

from libs.chassis import context
from libs.chassis.inbox import Permanent, Received, Retryable, Transient
from libs.chassis.store import Contention
from libs.engine.bus import Outgoing
from libs.engine.inbox.decoding import decode
from libs.engine.inbox.effects import DEADLY_AFTER, Effects
from libs.engine.run import schema
from libs.engine.store import connect
from tests.support.brokers import on_both_lines
from tests.support.ledger_service.station import Station
from tests.support.loops import running
from tests.support.patience import eventually
from tests.unit.test_timer_laws import ERRORS

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


def test_repeats_and_disorder_change_nothing(station: Station) -> None:
    ids = station.open(*(f"name {n}" for n in range(30)))
    for id in ids[:10]:
        station.deposit(id, 4)
    events = station.waiting() * 5
    random.Random(7).shuffle(events)
    station.publish(events)
    with running(station.consumer(batch=20)):
        eventually(lambda: station.database.raw["inbox"].count_documents({}) == 70)
        eventually(lambda: station.depth() == 0)
    assert station.counts() == {id: 5 if id in ids[:10] else 1 for id in ids}


def test_a_handler_works_for_one_tenant_at_a_time_and_in_its_name(station: Station) -> None:
    seen: list[tuple[str, str, str, set[str]]] = []

    def handle(events: Sequence[Received]) -> None:
        here = context.current()
        seen.append((here.tenant, here.actor, here.causation_id, {event.tenant for event in events}))
        with events[0].cause():
            assert context.current().causation_id == events[0].id

    station.open("a", "b", tenant="acme")
    station.open("c", tenant="bolt")
    station.publish(station.waiting())
    with running(station.consumer(handle)):
        eventually(lambda: station.database.raw["inbox"].count_documents({}) == 3)
    assert {(tenant, actor) for tenant, actor, _, _ in seen} == {("acme", "service:ledger"), ("bolt", "service:ledger")}
    assert all(tenants == {tenant} for tenant, _, _, tenants in seen)


def test_a_poisonous_event_is_parked_and_its_neighbours_pass(station: Station) -> None:
    good = station.open(*(f"name {n}" for n in range(60)))
    [bad] = station.open("permanent")
    good += station.open(*(f"name {n}" for n in range(60, 120)))
    station.publish(station.waiting())
    with running(station.consumer()):
        eventually(lambda: len(station.counts()) == 120)
        eventually(lambda: len(station.dead().list()) == 1)
    assert station.counts() == dict.fromkeys(good, 1)
    [parked] = station.dead().list()
    assert parked.id == f"{bad}:1:0"
    assert parked.reason == "Permanent: cannot be counted"
    assert parked.attempts == 1
    assert parked.envelope is not None
    assert parked.envelope.entity_id == bad


@pytest.mark.parametrize(
    "error", [each for each in ERRORS if not isinstance(each, Contention)], ids=lambda error: type(error).__name__
)
def test_of_three_events_the_one_in_the_middle_fails_and_the_others_pass(station: Station, error: Exception) -> None:
    """With every error but that of a busy database, which no event causes and every batch waits for."""
    station.schedule = replace(station.schedule, give_up_after=timedelta(0))
    first, bad, last = station.open("first", "bad", "last")

    def handle(events: Sequence[Received]) -> None:
        if any(event.entity_id == bad for event in events):
            raise error
        station.subscription.handle(events)

    station.publish(station.waiting())
    with running(station.consumer(handle)):
        eventually(lambda: len(station.counts()) == 2)
        eventually(lambda: len(station.dead().list()) == 1)
    assert station.counts() == {first: 1, last: 1}
    assert [parked.id for parked in station.dead().list()] == [f"{bad}:1:0"]


def test_an_event_whose_key_is_missing_is_set_aside_and_its_neighbours_pass(station: Station) -> None:
    """A keyring that was restored from an earlier backup must not stop the worker."""
    station.schedule = replace(station.schedule, give_up_after=timedelta(0))
    opened = station.open(*(f"name {n}" for n in range(20)))
    events = station.waiting()
    locked = Envelope.FromString(events[10].body)
    locked.sealed.key, locked.sealed.data = "nowhere.0", b"sealed"
    events[10] = replace(events[10], body=locked.SerializeToString())
    station.publish(events)
    with running(station.consumer()):
        eventually(lambda: len(station.counts()) == 19)
        eventually(lambda: len(station.dead().list()) == 1)
    assert station.counts() == {id: 1 for id in opened if id != locked.entity_id}
    [parked] = station.dead().list()
    assert "page 'nowhere' of the keyring is missing" in parked.reason


def test_what_is_no_event_of_ours_is_parked_as_it_came(station: Station) -> None:
    [id] = station.open("a")
    [event] = station.waiting()
    exchange = event.exchange
    foreign = [b"{}", b"\xff\xfe", b"", event.body[:-3], event.body.replace(b"account.opened", b"account.closed")]
    station.publish(
        [
            Outgoing(exchange=exchange, key="x", body=body, id=f"m{n}", headers={"x-agg": str(n)})
            for n, body in enumerate(foreign)
        ]
    )
    station.publish([event])
    with running(station.consumer()):
        eventually(lambda: station.count(id) == 1)
        eventually(lambda: len(station.dead().list()) == len(foreign))
    assert {parked.body for parked in station.dead().list()} == set(foreign)


def test_a_retryable_event_comes_back_later_and_then_has_its_effect(station: Station) -> None:
    attempts: dict[str, int] = defaultdict(int)

    def handle(events: Sequence[Received]) -> None:
        for event in events:
            attempts[event.id] += 1
            if event.message.account.name == "later" and attempts[event.id] < 6:
                raise Retryable(f"attempt {attempts[event.id]}")
        station.store.count(events)

    [later, now] = station.open("later", "now")
    station.publish(station.waiting())
    with running(station.consumer(handle, batch=1)):
        eventually(lambda: station.count(now) == 1)
        assert station.count(later) == 0
        eventually(lambda: station.count(later) == 1)
    assert attempts[f"{later}:1:0"] == 6
    assert station.dead().list() == []


def test_an_event_is_retried_until_it_is_too_old_and_then_parked_with_its_history(station: Station) -> None:
    station.schedule = replace(station.schedule, give_up_after=timedelta(seconds=1))
    [id] = station.open("retryable")
    station.publish(station.waiting())
    with running(station.consumer()):
        eventually(lambda: len(station.dead().list()) == 1)
    [parked] = station.dead().list()
    assert parked.id == f"{id}:1:0"
    assert parked.attempts > 2
    assert parked.reason == "Retryable: not now"
    assert parked.headers["x-first-error"] == "Retryable: not now"
    assert parked.origin_queue in station.queues


def test_trouble_of_the_database_holds_the_batch_and_counts_against_no_event(station: Station) -> None:
    failures = iter([Transient("down"), ConnectionError("gone"), Transient("down")])

    def handle(events: Sequence[Received]) -> None:
        if (failure := next(failures, None)) is not None:
            raise failure
        station.store.count(events)

    ids = station.open("a", "b", "c")
    station.publish(station.waiting())
    with running(station.consumer(handle)):
        eventually(lambda: station.counts() == dict.fromkeys(ids, 1))
    assert station.dead().list() == []
    assert station.depth() == 0


def test_an_entity_is_handled_in_order_also_when_its_consumer_changes(station: Station) -> None:
    seen: dict[str, list[int]] = defaultdict(list)

    def handle(events: Sequence[Received]) -> None:
        for event in events:
            seen[event.entity_id].append(event.revision)
        station.store.count(events)

    first, second = station.consumer(handle, batch=10), station.consumer(handle, batch=10)
    ids = station.open(*(f"name {n}" for n in range(10)))
    with running(station.relay(), second):
        with running(first):
            for id in ids:
                station.deposit(id, 10)
        for id in ids:
            station.deposit(id, 10)
        eventually(lambda: station.counts() == dict.fromkeys(ids, 21))
    for revisions in seen.values():
        fresh = [r for n, r in enumerate(revisions) if r not in revisions[:n]]
        assert fresh == list(range(1, 22))


def test_what_a_consumer_held_when_it_stopped_is_handled_in_order_by_the_next(station: Station) -> None:
    begun, go_on = threading.Event(), threading.Event()
    seen: dict[str, list[int]] = defaultdict(list)

    def handle(events: Sequence[Received]) -> None:
        begun.set()
        assert go_on.wait(10)
        for event in events:
            seen[event.entity_id].append(event.revision)
        station.store.count(events)

    ids = station.open(*(f"name {n}" for n in range(20)))
    for id in ids:
        station.deposit(id, 29)
    station.publish(station.waiting())
    first = station.consumer(handle)
    with running(first):
        assert begun.wait(10)
        first.stop()
        go_on.set()
        assert first.wait(5)
    assert 0 < sum(station.counts().values()) < 600, "it held more than it handled"
    with running(station.consumer(handle)):
        eventually(lambda: station.counts() == dict.fromkeys(ids, 30))
    assert seen == {id: list(range(1, 31)) for id in ids}


def test_an_event_is_given_up_when_the_process_died_of_it_too_often(station: Station) -> None:
    station.open("deadly", "harmless")
    deadly, harmless = (decode(station.subscription, event.body) for event in station.waiting())
    effects = Effects(station.database, station.subscription)
    deaths = []
    for _ in range(DEADLY_AFTER):
        with effects.dare(harmless) as dares:
            assert dares
        deaths.append(effects.dare(deadly))
        assert deaths[-1].__enter__(), "one more attempt, from which the process does not return"
    with effects.dare(deadly) as dares:
        assert not dares
    with effects.dare(harmless) as dares:
        assert dares


def test_stopping_finishes_and_acknowledges_what_was_begun(station: Station) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def handle(events: Sequence[Received]) -> None:
        begun.set()
        assert go_on.wait(10)
        station.store.count(events)

    [id] = station.open("a")
    station.publish(station.waiting())
    consumer = station.consumer(handle)
    with running(consumer):
        assert begun.wait(10)
        consumer.stop()
        go_on.set()
        assert consumer.wait(5)
    assert station.count(id) == 1
    assert station.left_over() == []


def test_a_deleted_queue_is_noticed_and_made_again(station: Station) -> None:
    with running(station.consumer()):
        eventually(lambda: _consumers(station) == len(station.queues))
        with station.channel() as channel:
            channel.queue_delete(station.queues[0])
        eventually(lambda: _consumers(station) == len(station.queues))
        ids = station.open(*(f"name {n}" for n in range(10)))
        station.publish(station.waiting())
        eventually(lambda: station.counts() == dict.fromkeys(ids, 1))


def test_an_operator_replays_parked_events_or_drops_them_with_a_reason(station: Station) -> None:
    mended = threading.Event()

    def handle(events: Sequence[Received]) -> None:
        if not mended.is_set():
            raise Permanent("broken")
        station.store.count(events)

    kept, dropped = station.open("kept", "dropped")
    station.publish(station.waiting())
    with running(station.consumer(handle)):
        eventually(lambda: len(station.dead().list()) == 2)
        with pytest.raises(ValueError, match="say why"):
            station.dead().drop([f"{dropped}:1:0"], " ")
        assert station.dead().drop([f"{dropped}:1:0"], "made by a test") == 1
        assert station.dead().show(f"{dropped}:1:0") is None
        mended.set()
        assert station.dead().replay() == 1
        eventually(lambda: station.counts() == {kept: 1})
    assert station.dead().list() == []
    audit = [(e["action"], e["event"], e["actor"], e.get("reason")) for e in station.database.raw["audit"].find()]
    assert audit == [
        ("drop", f"{dropped}:1:0", "operator", "made by a test"),
        ("replay", f"{kept}:1:0", "operator", None),
    ]


def test_a_batch_that_cannot_commit_is_halved_until_it_can(station: Station) -> None:
    """A transaction that takes too long is ended by the database, and would be again and again."""

    def handle(events: Sequence[Received]) -> None:
        station.store.count(events)
        if len(events) > 10:
            raise Contention("too long")

    ids = station.open(*(f"name {n}" for n in range(100)))
    station.publish(station.waiting())
    with running(station.consumer(handle, batch=100)):
        eventually(lambda: station.counts() == dict.fromkeys(ids, 1), 20)
    assert station.left_over() == []


def test_a_database_that_came_back_from_a_backup_is_heard(station: Station) -> None:
    """What it changes is new to those who heard of what was lost, and later than what they have."""
    revisions: list[int] = []

    def handle(events: Sequence[Received]) -> None:
        revisions.extend(event.revision for event in events)
        station.store.count(events)

    accounts = station.database.raw["accounts"]
    [id] = station.open("a")
    backup = accounts.find_one({"_id": id})
    with running(station.relay(), station.consumer(handle)):
        station.deposit(id, 3)
        eventually(lambda: station.count(id) == 4)
        accounts.replace_one({"_id": id}, backup)
        schema.begin_epoch(station.database)
        schema.learn(station.database)
        try:
            station.deposit(id, 2)
            [new] = station.open("b")
            eventually(lambda: (station.count(id), station.count(new)) == (6, 1))
        finally:
            station.database.vault.revisions.epoch = 0
    assert revisions[:4] == [1, 2, 3, 4]
    assert min(revisions[-3:]) > 2**32


def test_what_is_parked_stays_however_often_it_is_looked_at(station: Station) -> None:
    """RabbitMQ 4 drops, unless told otherwise, what was delivered twenty times, and every look is a delivery."""
    [id] = station.open("permanent")
    station.publish(station.waiting())
    with running(station.consumer()):
        eventually(lambda: station.dead().show(f"{id}:1:0"))
    for _ in range(50):
        assert [parked.id for parked in station.dead().list()] == [f"{id}:1:0"]


def _consumers(station: Station) -> int:
    with station.channel() as channel:
        try:
            return sum(channel.queue_declare(queue, passive=True).consumer_count for queue in station.queues)
        except amqp.NotFound:
            return 0


def test_what_adds_up_is_recognized_long_after_the_others_are_forgotten(station: Station) -> None:
    """A replay of old events must not count them again."""
    [id] = station.open("a")
    station.deposit(id, 1)
    decoded = [decode(station.subscription, event.body) for event in station.waiting()]
    opened, deposited = decoded
    counting = replace(station.subscription, adds_up=[type(deposited.message)])
    assert Effects(station.database, counting).apply(decoded) == []
    # What has an end is what MongoDB removes after two weeks.
    assert station.database.raw["inbox"].delete_many({"at": {"$exists": True}}).deleted_count == 1
    assert Effects(station.database, counting).apply([deposited]) == []
    assert station.counts() == {id: 2}
    assert Effects(station.database, counting).apply([opened]) == []
    assert station.counts() == {id: 3}
