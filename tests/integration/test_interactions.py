"""The interactions service on a real MongoDB: every question on an index, and races that end with one winner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any, cast
from uuid import uuid4

import pytest
from kehu.common.v1 import envelope_pb2

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import AlreadyExists
from libs.chassis.inbox import Received
from libs.chassis.paging import PageRequest
from libs.chassis.store import Contention
from libs.engine.deferrals import Deferrals
from libs.engine.inbox.decoding import decode
from libs.engine.inbox.effects import Effects
from libs.engine.store import MongoDatabase, connect
from libs.engine.timers import Round
from libs.worktime.civil import CivilTime
from libs.worktime.terms import Term
from services.interactions.attribution.application import Attribution
from services.interactions.cases.application import Cases
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import CancelReason, CaseType
from services.interactions.context.application import Contexts
from services.interactions.conversations.application import Conversations
from services.interactions.conversations.domain import CloseReason
from services.interactions.counts.application import Counts
from services.interactions.counts.domain import ChannelCount, CountRange
from services.interactions.customers.domain import Channel, CustomerProjection, Identifier, IdentifierKind, customer_key
from services.interactions.promises.application import Promises
from services.interactions.promises.domain import Promise, PromiseState
from services.interactions.store import InteractionsStore
from services.interactions.subscriptions import subscriptions, timers
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Direction, Interaction, Purpose, TimelineQuery
from tests.support.timers import tick

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ACME = Context(tenant="acme", actor="ann")
PHONE = Identifier(kind=IdentifierKind.PHONE, value="+8613800138000")
THREADS = 12


@pytest.fixture(scope="module")
def client(mongodb_uri: str) -> Iterator[Any]:
    with connect(mongodb_uri, "interactions") as client:
        yield client


@pytest.fixture(autouse=True)
def acting() -> Iterator[None]:
    with context.enter(ACME):
        yield


def fresh(client: Any) -> InteractionsStore:
    database = MongoDatabase(
        client, "interactions", page_key=bytes(32), seal_key=bytes(32), name=f"interactions_{uuid4().hex[:8]}"
    )
    store = InteractionsStore(database)
    database.migrate()
    return store


@pytest.fixture
def store(client: Any) -> Iterator[InteractionsStore]:
    store = fresh(client)
    yield store
    client.drop_database(store.database.raw.name)


@pytest.fixture
def database(store: InteractionsStore) -> MongoDatabase:
    return cast(MongoDatabase, store.database)


@pytest.fixture
def customer_id(store: InteractionsStore) -> str:
    return learn(store, identity.new_id("cus"), PHONE.key)


def learn(store: InteractionsStore, id: str, *identifiers: str) -> str:
    blank = CustomerProjection.unheard(id, identity.now())
    heard = replace(blank, source_revision=1, identifiers=(customer_key(id), *identifiers))
    with store.database.transaction():
        store.customers.customers.upsert_many([(blank, heard)], lambda _, told: (told, []))
        Attribution(store.timeline).learn([heard])
    return id


def contact(**fields: Any) -> Interaction:
    told = {
        "id": "",
        "channel": Channel.VOICE,
        "direction": Direction.INBOUND,
        "occurred_time": identity.now(),
        **fields,
    }
    return Interaction(**told)


def at_once(work: Callable[[int], Any], times: int = THREADS) -> list[Any]:
    """What `work` returns or raises when many threads start it together."""

    def run(n: int) -> Any:
        try:
            return work(n)
        except Exception as error:  # noqa: BLE001  (the test looks at it)
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return [future.result() for future in [pool.submit(copy_context().run, run, n) for n in range(times)]]


def pending(database: MongoDatabase) -> list[bytes]:
    """The events that wait for the relay."""
    documents = [
        document
        for name in database.publishing_collections()
        for document in database.raw[name].find({"_pending_since": {"$exists": True}}, {"_pending": 1}).sort("_id")
    ]
    return [each["body"] for document in documents for each in document["_pending"]]


def events(database: MongoDatabase) -> list[str]:
    """Types of the events that wait for the relay, without their common beginning and end."""
    envelopes = [envelope_pb2.Envelope.FromString(body) for body in pending(database)]
    return sorted(each.type.removeprefix("kehu.interactions.").removesuffix(".v1") for each in envelopes)


def deliver(store: InteractionsStore) -> None:
    """Hands the service its own events through its inbox, until they cause no more."""
    database = cast(MongoDatabase, store.database)
    told = -1
    while told != len(pending(database)):
        bodies = pending(database)
        told = len(bodies)
        for subscription in subscriptions(store):
            known = [body for body in bodies if envelope_pb2.Envelope.FromString(body).type in subscription.types]
            assert Effects(database, subscription).apply([decode(subscription, body) for body in known]) == []


# ------------------------------------------------------------------------------------------------------- races


def test_the_same_contact_told_at_once_is_recorded_once(database: MongoDatabase, store: InteractionsStore) -> None:
    timeline = Timeline(store.timeline)
    told = contact(external_key="4711", identifier=PHONE)
    recorded = at_once(lambda _: timeline.ingest(told))
    assert {type(each) for each in recorded} == {Interaction}
    assert len({each.id for each in recorded}) == 1
    assert events(database) == ["conversation.opened", "interaction.recorded"]


def test_of_two_contacts_under_one_key_one_wins(database: MongoDatabase, store: InteractionsStore) -> None:
    timeline, at = Timeline(store.timeline), identity.now()
    answers = at_once(lambda n: timeline.ingest(contact(external_key="4711", occurred_time=at, summary=str(n % 2))))
    refused = [each for each in answers if isinstance(each, AlreadyExists)]
    assert len(refused) == THREADS // 2
    assert {each.reason_code for each in refused} == {"SOURCE_KEY_REUSED"}
    assert events(database) == ["conversation.opened", "interaction.recorded"]


def test_first_contacts_at_once_open_one_conversation(
    database: MongoDatabase, store: InteractionsStore, customer_id: str
) -> None:
    timeline = Timeline(store.timeline)
    recorded = at_once(lambda n: timeline.ingest(contact(external_key=str(n), customer_id=customer_id)))
    assert {type(each) for each in recorded} == {Interaction}
    [conversation_id] = {each.conversation_id for each in recorded}
    deliver(store)
    assert Conversations(store.conversations).get(conversation_id).interaction_count == THREADS
    assert events(database) == [
        *["conversation.continued"] * THREADS,
        "conversation.opened",
        *["interaction.recorded"] * THREADS,
    ]


def test_continuing_at_once_with_a_token_counts_every_contact(store: InteractionsStore, customer_id: str) -> None:
    timeline, conversations = Timeline(store.timeline), Conversations(store.conversations)
    first = conversations.get(timeline.ingest(contact(channel=Channel.WEB_CHAT)).conversation_id)
    deliver(store)
    conversations.close(first.id, CloseReason.RESOLVED)
    told = at_once(
        lambda n: timeline.ingest(
            contact(external_key=str(n), customer_id=customer_id), continuity_token=first.continuity_token
        )
    )
    assert {type(each) for each in told} == {Interaction}
    deliver(store)
    joined = conversations.get(first.id)
    assert (joined.episode, joined.interaction_count, joined.customer_id) == (2, THREADS + 1, customer_id)


def test_the_same_import_twice_at_once_doubles_nothing(store: InteractionsStore) -> None:
    timeline, at = Timeline(store.timeline), identity.now()
    rows = [contact(external_key=str(n), occurred_time=at) for n in range(200)]
    outcomes = at_once(lambda _: timeline.load(rows), times=4)
    assert all(outcome.error is None for loaded in outcomes for outcome in loaded)
    assert sum(outcome.created for loaded in outcomes for outcome in loaded) == 200


def run_out(database: MongoDatabase, store: InteractionsStore, at: datetime) -> None:
    """Lets the clock move promises on from a time until none is due or waits for another attempt."""
    clock = identity.FixedClock(at)
    with identity.clock(clock):
        while tick(database, timers(store), "promises") or Deferrals(database).of("promises"):
            clock.advance(timedelta(seconds=2))


def test_two_clocks_move_every_promise_once(
    database: MongoDatabase, store: InteractionsStore, customer_id: str
) -> None:
    promises = Promises(store.promises)
    due = CivilTime(date=identity.now().date() + 2 * DAY, time_zone="UTC")
    for n in range(120):
        promises.make(Promise(id="", customer_id=customer_id, text=str(n), term=Term(civil_time=due)))

    def run_clocks(at: datetime) -> None:
        def clock(_: int) -> None:
            run_out(database, store, at)

        assert at_once(clock, times=2) == [None, None]

    start = datetime.combine(due.date, datetime.min.time(), UTC)
    run_clocks(start - HOUR)
    assert events(database) == [*["promise.at_risk"] * 120, *["promise.made"] * 120]
    run_clocks(start + HOUR)
    assert events(database) == [*["promise.at_risk"] * 120, *["promise.broken"] * 120, *["promise.made"] * 120]
    states = {document["state"] for document in database.raw["promises"].find({}, {"state": 1})}
    assert states == {PromiseState.BROKEN.value}


def test_keeping_races_with_the_clock(database: MongoDatabase, store: InteractionsStore, customer_id: str) -> None:
    """Whoever comes first decides, and there is exactly one ending."""
    promises = Promises(store.promises)
    due = datetime.combine(identity.now().date() + 2 * DAY, datetime.min.time(), UTC)
    term = Term(civil_time=CivilTime(date=due.date(), time_zone="UTC"))
    made = [promises.make(Promise(id="", customer_id=customer_id, text=str(n), term=term)) for n in range(20)]

    def either(n: int) -> None:
        with identity.clock(identity.FixedClock(due + HOUR)):
            if n % 2:
                tick(database, timers(store), "promises")
            else:
                promises.keep(made[n // 2].id, due)

    at_once(either, times=40)
    run_out(database, store, due + HOUR)
    endings = [each for each in events(database) if each in ("promise.kept", "promise.broken")]
    assert len(endings) == 20


def test_counting_at_once_loses_nothing(database: MongoDatabase, store: InteractionsStore) -> None:
    counts, midnight = Counts(store.counts), datetime(2026, 8, 10, tzinfo=UTC)
    recorded = [contact(occurred_time=midnight + n * timedelta(minutes=7)) for n in range(100)]

    def count(n: int) -> None:
        store.database.transact(lambda: counts.count(recorded[n * 10 : n * 10 + 10]))

    assert at_once(count, times=10) == [None] * 10
    whole_day = CountRange(start_time=midnight, end_time=midnight + DAY)
    assert counts.by_channel(whole_day) == [ChannelCount(channel=Channel.VOICE, count=100)]


def test_contacts_taken_in_while_people_work_on_the_conversation(
    database: MongoDatabase, store: InteractionsStore, customer_id: str
) -> None:
    """A reaction that meets a change of somebody else is run again as a whole. Nothing is counted twice or lost."""
    timeline, conversations = Timeline(store.timeline), Conversations(store.conversations)
    recorded = [timeline.ingest(contact(customer_id=customer_id, external_key=str(n))) for n in range(40)]
    conversation_id = recorded[0].conversation_id
    [attribution] = [each for each in subscriptions(store) if each.name == "attribution"]
    bodies = [body for body in pending(database) if b"interaction.recorded" in body]

    def applied(batch: list[Received]) -> bool:
        try:
            return Effects(database, attribution).apply(batch) == []
        except Contention:
            return False

    def work(n: int) -> None:
        if n % 2:
            conversations.transfer(conversation_id, queue=f"queue-{n}")
            return
        batch = [decode(attribution, body) for body in bodies[n * 4 : n * 4 + 8]]
        while not applied(batch):
            pass

    assert at_once(work, times=10) == [None] * 10
    final = conversations.get(conversation_id)
    assert (final.interaction_count, final.transfer_count) == (40, 5)


def test_attribution_in_a_transaction_sees_its_own_work(store: InteractionsStore) -> None:
    timeline = Timeline(store.timeline)
    timeline.load([contact(external_key=str(n), identifier=PHONE) for n in range(450)])
    told = timeline.ingest(contact(identifier=PHONE))
    customer_id = learn(store, identity.new_id("cus"), PHONE.key)
    assert len(store.timeline.unattributed_by_identifier([PHONE.key], 500)) == 251, "one transaction takes no more"
    [backlogs] = [each for each in timers(store) if each.name == "backlogs"]
    while Round(cast(MongoDatabase, store.database), backlogs).run():
        pass
    assert store.timeline.unattributed_by_identifier([PHONE.key], 10) == []
    assert timeline.get(told.id).customer_id == customer_id
    assert Conversations(store.conversations).get(told.conversation_id).customer_id == customer_id


# ----------------------------------------------------------------------------------------------------- indexes


@dataclass(frozen=True)
class Library:
    """A store in which one customer has a long history among others."""

    store: InteractionsStore
    database: MongoDatabase
    customer_id: str


FACETS = list(product(Channel, Direction, (Purpose.INQUIRY, Purpose.COMPLAINT, Purpose.SALES)))


@pytest.fixture(scope="module")
def library(client: Any) -> Iterator[Library]:
    store = fresh(client)
    with context.enter(ACME):
        customer_id = learn(store, identity.new_id("cus"), PHONE.key)
        for batch in range(6):
            outcomes = Timeline(store.timeline).load(
                [page_of_history(customer_id, batch * 500 + n) for n in range(500)]
            )
            assert all(outcome.created for outcome in outcomes)
    yield Library(store, cast(MongoDatabase, store.database), customer_id)
    client.drop_database(store.database.raw.name)


def page_of_history(customer_id: str, n: int) -> Interaction:
    channel, direction, purpose = FACETS[n * 7 % len(FACETS)]
    return contact(
        external_key=str(n),
        customer_id=customer_id if n % 3 else "",
        occurred_time=datetime(2026, 1, 1, tzinfo=UTC) + n * HOUR,
        channel=channel,
        direction=direction,
        purpose=purpose,
    )


def profiled(database: MongoDatabase, work: Callable[[], Any]) -> list[dict[str, Any]]:
    """What the server did for `work`, except for writing by id."""
    database.raw.command("profile", 2)
    try:
        work()
    finally:
        database.raw.command("profile", 0)
    done = list(database.raw["system.profile"].find({"ns": {"$not": {"$regex": "system.profile"}}}))
    database.raw["system.profile"].drop()
    return [each for each in done if each.get("planSummary") not in (None, "IDHACK")]


def test_every_question_is_answered_by_an_index(library: Library) -> None:
    database, store, busy = library.database, library.store, library.customer_id
    timeline, conversations, promises = (
        Timeline(store.timeline),
        Conversations(store.conversations),
        Promises(store.promises),
    )
    term = Term(civil_time=CivilTime(date=date(2199, 1, 1), time_zone="UTC"))
    made = promises.make(Promise(id="", customer_id=busy, text="x", term=term))
    opened = conversations.get(timeline.ingest(contact(customer_id=busy)).conversation_id)
    page, size = PageRequest(5), 5
    since = 'occurred_time >= "2026-01-02T00:00:00Z"'

    def questions() -> None:
        for filter in ("", since, f'customer_id = "{busy}"', 'customer_id = ""', f"channel = FAX AND {since}"):
            timeline.list(filter, page)
        timeline.list(f'conversation_id = "{opened.id}"', page)
        for filter in ("", "state = WAITING", f'customer_id = "{busy}"', 'agent_id = "a"', 'queue = "q"'):
            conversations.list(filter, PageRequest(size))
        for filter in ("", "state = MADE", f'customer_id = "{busy}"', f'conversation_id = "{opened.id}"'):
            promises.list(filter, PageRequest(size))
        conversations.resume(continuity_token=opened.continuity_token)
        timeline.ingest(contact(customer_id=busy, channel=Channel.SMS))
        timeline.ingest(contact(identifier=PHONE))
        timeline.ingest(contact(channel=Channel.WEB_CHAT), continuity_token=opened.continuity_token)
        store.timeline.unattributed_by_identifier([PHONE.key], 10)
        store.timeline.unattributed_in(opened.id, 10)
        store.promises.to_wake().find(identity.now())
        store.calendars.list(page)
        Counts(store.counts).by_channel(
            CountRange(start_time=datetime(2026, 1, 1, tzinfo=UTC), end_time=datetime(2026, 2, 1, tzinfo=UTC))
        )
        promises.keep(made.id)

    done = profiled(database, questions)
    assert len(done) > 20
    for each in done:
        assert "COLLSCAN" not in each["planSummary"], each
        assert not each.get("hasSortStage"), each
        assert each["docsExamined"] <= 12, each


def test_the_context_costs_six_bounded_reads(library: Library) -> None:
    database, store, busy = library.database, library.store, library.customer_id
    timeline, conversations, promises, cases = (
        Timeline(store.timeline),
        Conversations(store.conversations),
        Promises(store.promises),
        Cases(store.cases),
    )
    term = Term(civil_time=CivilTime(date=date(2199, 1, 1), time_zone="UTC"))
    for n in range(60):
        promises.make(Promise(id="", customer_id=busy, text=str(n), term=term))
        opened = cases.create(Case(id="", customer_id=busy, subject=str(n), type=CaseType.REQUEST))
        if n % 4:
            cases.cancel(opened.id, CancelReason.SPAM)
        closed = timeline.ingest(contact(customer_id=busy))
        conversations.close(closed.conversation_id, CloseReason.RESOLVED)
    done = profiled(database, lambda: Contexts(store.timeline, store.cases).get(busy))
    assert len(done) == 6
    for each in done:
        assert "IXSCAN" in each["planSummary"], each
        assert not each.get("hasSortStage"), each
        assert each["docsExamined"] <= 21, each


@pytest.mark.parametrize("channels", [(), (Channel.FAX,), (Channel.VOICE, Channel.SMS, Channel.FAX)])
def test_t44_every_combination_of_a_timeline_is_sorted_by_an_index(
    library: Library, channels: tuple[Channel, ...]
) -> None:
    database, store, busy = library.database, library.store, library.customer_id
    for purpose, direction, bounded in product((None, Purpose.COMPLAINT), (None, Direction.OUTBOUND), (False, True)):
        query = TimelineQuery(
            customer_id=busy,
            channels=channels,
            purpose=purpose,
            direction=direction,
            start_time=datetime(2026, 2, 1, tzinfo=UTC) if bounded else None,
            end_time=datetime(2026, 4, 1, tzinfo=UTC) if bounded else None,
        )
        done = profiled(database, lambda query=query: two_pages(store, query))
        facets = bool(channels) + (purpose is not None) + (direction is not None)
        assert len(done) == 2
        for each in done:
            assert "IXSCAN" in each["planSummary"], each
            assert not each.get("hasSortStage"), each
            # One facet is served by the index alone; the others are looked at in what it finds.
            assert each["keysExamined"] <= (13 + 2 * len(channels) if facets <= 1 else 11 * 13), each


def test_a_timeline_of_merged_customers_is_sorted_by_an_index(library: Library) -> None:
    """The ids of a customer are read side by side, each in order."""
    merged = [identity.new_id("cus") for _ in range(10)]
    rows = [contact(external_key=f"{id} {n}", customer_id=id) for id in merged for n in range(20)]
    Timeline(library.store.timeline).load(rows)
    query = TimelineQuery(customer_id=library.customer_id, channels=(Channel.VOICE, Channel.SMS))
    for each in profiled(library.database, lambda: two_pages(library.store, query, *merged)):
        assert "IXSCAN" in each["planSummary"], each
        assert not each.get("hasSortStage"), each
        assert each["keysExamined"] <= 13 + 3 * 2 * len((library.customer_id, *merged)), each


def two_pages(store: InteractionsStore, query: TimelineQuery, *merged: str) -> None:
    request = PageRequest(10)
    ids = (query.customer_id, *merged)
    first = store.timeline.of_customer(query, ids, request)
    request = PageRequest(10, first.next_page_token)
    both = [*first.items, *store.timeline.of_customer(query, ids, request).items]
    assert len({each.id for each in both}) == len(both)
    assert [each.occurred_time for each in both] == sorted((each.occurred_time for each in both), reverse=True)


def test_t44_pages_are_stable_under_inserts(library: Library) -> None:
    store, busy = library.store, library.customer_id
    timeline = Timeline(store.timeline)
    query = TimelineQuery(customer_id=busy, direction=Direction.INBOUND)
    seen: list[str] = []
    token = ""
    while True:
        request = PageRequest(100, token)
        _, page = timeline.of_customer(query, request)
        seen += [each.external_key for each in page.items]
        token = page.next_page_token
        if not token:
            break
        timeline.load([contact(external_key=f"new{len(seen)}", customer_id=busy)])
    expected = [str(n) for n in reversed(range(3000)) if n % 3 and FACETS[n * 7 % len(FACETS)][1] is Direction.INBOUND]
    assert [each for each in seen if each.isdigit()] == expected
