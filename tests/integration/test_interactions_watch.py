"""Watching a timeline on a real MongoDB: nothing missed, nothing told twice, across reconnects and processes."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import copy_context
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import pytest

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.feed import Notice
from libs.engine.feed import ChangeFeed, MongoChanges
from libs.engine.feed import feed as feed_module
from libs.engine.store import MongoDatabase, connect
from libs.worktime.civil import CivilTime
from libs.worktime.terms import Term
from services.interactions.api import TOLD
from services.interactions.context.application import Contexts
from services.interactions.customers.domain import Channel, CustomerProjection, customer_key
from services.interactions.promises.application import Promises
from services.interactions.promises.domain import Promise, PromiseState
from services.interactions.store import InteractionsStore
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Direction, Interaction
from tests.support.patience import eventually

ACME = Context(tenant="acme", actor="ann")
WRITERS, EACH = 4, 40


@pytest.fixture(scope="module")
def store(mongodb_uri: str) -> Iterator[InteractionsStore]:
    with connect(mongodb_uri, "interactions") as client:
        database = MongoDatabase(
            client, "interactions", page_key=bytes(32), seal_key=bytes(32), name=f"interactions_{uuid4().hex[:8]}"
        )
        store = InteractionsStore(database)
        database.migrate()
        yield store
        client.drop_database(database.raw.name)


@pytest.fixture(autouse=True)
def acting() -> Iterator[None]:
    with context.enter(ACME):
        yield


@pytest.fixture
def customer_id(store: InteractionsStore) -> str:
    return known_customer(store)


def known_customer(store: InteractionsStore) -> str:
    id = identity.new_id("cus")
    blank = CustomerProjection.unheard(id, identity.now())
    heard = replace(blank, source_revision=1, identifiers=(customer_key(id),))
    store.customers.customers.upsert_many([(blank, heard)], lambda _, told: (told, []))
    return id


def new_feed(store: InteractionsStore) -> ChangeFeed:
    return ChangeFeed(MongoChanges(cast(MongoDatabase, store.database), TOLD), store.database.pager)


@pytest.fixture
def feed(store: InteractionsStore) -> ChangeFeed:
    return new_feed(store)


def contact(customer_id: str, **fields: Any) -> Interaction:
    told = {"channel": Channel.VOICE, "direction": Direction.INBOUND, "occurred_time": identity.now(), **fields}
    return Interaction(id="", customer_id=customer_id, **told)


def always() -> bool:
    return True


def patiently(seconds: float = 20.0) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def take(notices: Iterator[Notice], count: int) -> list[Notice]:
    """The next changes, without checkpoints."""
    taken = []
    for notice in notices:
        if notice.entity is not None:
            taken.append(notice)
            if len(taken) == count:
                break
    return taken


def seen(notices: list[Notice]) -> list[tuple[str, int]]:
    return [(notice.entity.id, notice.entity.revision) for notice in notices if notice.entity is not None]


def test_contacts_and_promises_are_told_in_order_each_once(
    store: InteractionsStore, feed: ChangeFeed, customer_id: str
) -> None:
    timeline, promises = Timeline(store.timeline), Promises(store.promises)
    notices = Contexts(store.timeline, store.cases).watch(feed, customer_id, "", patiently())
    assert next(notices).entity is None
    recorded = timeline.ingest(contact(customer_id, agent_id="a"))
    term = Term(civil_time=CivilTime(date=identity.now().date() + timedelta(days=2), time_zone="UTC"))
    made = promises.make(Promise(id="", customer_id=customer_id, text="x", term=term))
    kept = promises.keep(made.id)
    redacted = timeline.redact(recorded.id, "erasure")
    told = take(notices, 3 if made.revision == kept.revision else 4)
    assert seen(told) == [(recorded.id, 1), (made.id, 1), (made.id, 2), (recorded.id, 2)]
    assert cast(Promise, told[2].entity).state is PromiseState.KEPT
    assert told[3].entity == redacted


def test_what_the_relay_clears_is_no_news(store: InteractionsStore, feed: ChangeFeed, customer_id: str) -> None:
    timeline = Timeline(store.timeline)
    notices = Contexts(store.timeline, store.cases).watch(feed, customer_id, "", patiently())
    next(notices)
    first = timeline.ingest(contact(customer_id))
    cast(MongoDatabase, store.database).raw["interactions"].update_many({}, {"$set": {"_pending": []}})
    second = timeline.ingest(contact(customer_id))
    assert seen(take(notices, 2)) == [(first.id, 1), (second.id, 1)]


def test_a_contact_that_is_attributed_is_told_to_its_customer(
    store: InteractionsStore, feed: ChangeFeed, customer_id: str
) -> None:
    timeline = Timeline(store.timeline)
    notices = Contexts(store.timeline, store.cases).watch(feed, customer_id, "", patiently())
    next(notices)
    unknown = timeline.ingest(
        Interaction(id="", channel=Channel.FAX, direction=Direction.INBOUND, occurred_time=identity.now())
    )
    store.timeline.interactions.update(unknown.id, lambda each: each.attribute(customer_id))
    assert seen(take(notices, 1)) == [(unknown.id, 2)]


def test_a_cursor_serves_any_process_and_any_age(
    store: InteractionsStore, customer_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "BACKLOG", 5)
    timeline, first_process = Timeline(store.timeline), new_feed(store)
    notices = Contexts(store.timeline, store.cases).watch(first_process, customer_id, "", patiently())
    checkpoint = next(notices)
    recorded = [timeline.ingest(contact(customer_id, agent_id="a")) for _ in range(20)]
    expected = [(each.id, 1) for each in recorded]
    told = take(notices, 20)
    assert seen(told) == expected
    for process in (first_process, new_feed(store)):
        assert (
            seen(
                take(
                    Contexts(store.timeline, store.cases).watch(process, customer_id, checkpoint.cursor, patiently()),
                    20,
                )
            )
            == expected
        )
        assert (
            seen(
                take(
                    Contexts(store.timeline, store.cases).watch(process, customer_id, told[9].cursor, patiently()),
                    10,
                )
            )
            == expected[10:]
        )


@pytest.mark.parametrize("cursor", ["x", "8265", "82FFFFFFFF000000012B0229296E04", "' OR 1=1", "82" + "0" * 3000])
def test_a_made_up_cursor_is_refused(store: InteractionsStore, feed: ChangeFeed, customer_id: str, cursor: str) -> None:
    with pytest.raises(InvalidArgument, match="cursor"):
        take(Contexts(store.timeline, store.cases).watch(feed, customer_id, cursor, patiently()), 1)


@pytest.mark.parametrize("cursor", ["8265000000" + "AB" * 20])
def test_a_cursor_that_cannot_be_resumed_is_refused(
    store: InteractionsStore, feed: ChangeFeed, customer_id: str, cursor: str
) -> None:
    with pytest.raises((FailedPrecondition, InvalidArgument), match="cursor"):
        take(Contexts(store.timeline, store.cases).watch(feed, customer_id, cursor, patiently()), 1)


def test_another_tenants_customer_cannot_be_watched(
    store: InteractionsStore, feed: ChangeFeed, customer_id: str
) -> None:
    with context.enter(Context(tenant="other", actor="bob")), pytest.raises(NotFound):
        take(Contexts(store.timeline, store.cases).watch(feed, customer_id, "", patiently()), 1)
    assert feed._watchers == {}


def test_the_reader_goes_on_when_the_database_is_dropped_and_ends_with_its_client(mongodb_uri: str) -> None:
    before = set(threading.enumerate())
    with connect(mongodb_uri, "interactions") as client:
        database = MongoDatabase(
            client, "interactions", page_key=bytes(32), seal_key=bytes(32), name=f"interactions_{uuid4().hex[:8]}"
        )
        store = InteractionsStore(database)
        database.migrate()
        feed, customer_id = new_feed(store), known_customer(store)
        next(feed.watch([customer_id], "", patiently()))
        client.drop_database(database.raw.name)
        database.migrate()
        customer_id = known_customer(store)

        def tells_of_a_new_contact() -> bool:
            notices = feed.watch([customer_id], "", patiently(1.5))
            next(notices)
            recorded = Timeline(store.timeline).ingest(contact(customer_id, agent_id="a"))
            return any(notice.entity is not None and notice.entity.id == recorded.id for notice in notices)

        eventually(tells_of_a_new_contact, 20)
        [reader] = [thread for thread in threading.enumerate() if thread.name == "feed" and thread not in before]
        client.drop_database(database.raw.name)
    reader.join(10)
    assert not reader.is_alive()


def test_silence_ends_in_a_checkpoint(
    store: InteractionsStore, feed: ChangeFeed, customer_id: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(feed_module, "KEEP_ALIVE", timedelta(seconds=1))
    notices = feed.watch([customer_id], "", patiently())
    first, second = next(notices), next(notices)
    assert second.entity is None
    assert second.cursor != first.cursor


class Watcher(threading.Thread):
    """Watches as people do: reads at times slowly, leaves at random moments, and comes back to any process."""

    def __init__(self, key: str, processes: list[ChangeFeed], done: threading.Event, seed: int) -> None:
        super().__init__()
        self.told: list[tuple[str, int]] = []
        self._key, self._processes, self._done, self._dice = key, processes, done, random.Random(seed)
        self._cursor = ""

    def run(self) -> None:
        with context.enter(ACME):
            self._watch()

    def _watch(self) -> None:
        finished = False
        while not finished:
            last_look = self._done.is_set()
            finished = self._visit(self._dice.randint(1, 12), pause=0.01 * (self._dice.random() < 0.3)) and last_look

    def _visit(self, patience: int, pause: float) -> bool:
        """Whether there was nothing more to tell."""
        for notice in self._dice.choice(self._processes).watch([self._key], self._cursor, patiently(1.5)):
            self._cursor = notice.cursor
            if notice.entity is not None:
                self.told.append((notice.entity.id, notice.entity.revision))
                patience -= 1
                time.sleep(pause)
            if patience == 0:
                return False
        return True


@pytest.mark.parametrize("backlog", [5, 2000])
def test_nothing_is_missed_or_told_twice_under_load_and_reconnects(
    store: InteractionsStore, customer_id: str, monkeypatch: pytest.MonkeyPatch, backlog: int
) -> None:
    monkeypatch.setattr(feed_module, "BACKLOG", backlog)
    monkeypatch.setattr(feed_module, "QUEUE", 20)
    timeline, processes, done = Timeline(store.timeline), [new_feed(store), new_feed(store)], threading.Event()
    recorded: list[str] = []

    def write(n: int) -> None:
        for m in range(EACH):
            contact_id = timeline.ingest(contact(customer_id, agent_id="a", external_key=f"{backlog}/{n}/{m}")).id
            recorded.append(contact_id)
            if m % 5 == 0:
                timeline.redact(contact_id, "erasure")

    watchers = [Watcher(customer_id, processes, done, seed) for seed in range(4)]
    writers = [threading.Thread(target=copy_context().run, args=(write, n)) for n in range(WRITERS)]
    for watcher in watchers:
        watcher.start()
    time.sleep(1)  # all of them have begun
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    assert len(recorded) == WRITERS * EACH
    final = {id: store.timeline.interactions.get(id).revision for id in recorded}
    for watcher in watchers:
        watcher.join()
        assert max(Counter(watcher.told).values()) == 1  # nothing twice
        assert dict(watcher.told) == final  # nothing missed, and the last state came last
