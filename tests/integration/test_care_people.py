"""Alerts, plays, churn and the ledger of benefits on a real MongoDB: the story of a gold customer, and races."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from kehu.care.v1 import alerts_pb2, churn_pb2
from kehu.care.v1 import events_pb2 as own
from kehu.interactions.v1 import events_pb2 as interactions
from kehu.interactions.v1 import promises_pb2, timeline_pb2
from kehu.profiles.v1 import customer_pb2, entitlements_pb2, tiers_pb2, transactions_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.codec import to_proto
from libs.chassis.domain import DomainError
from libs.chassis.paging import PageRequest
from libs.engine.store import MongoDatabase, connect
from services.care.alerts.application.alerts import Alerts
from services.care.alerts.application.watching import Watching
from services.care.alerts.domain.alerts import Alert, AlertDriver, AlertFactor, AlertOutcome, AlertState, Sign
from services.care.alerts.domain.rules import AlertKind, AlertRule
from services.care.churn.application.churn import Churn
from services.care.churn.application.winback import Offer, WinBack
from services.care.churn.domain.records import ChurnRecord, ChurnSource
from services.care.churn.domain.winback import RetentionPolicy, WinBackState
from services.care.customers.domain.projection import Channel
from services.care.entitlements.application import Entitlements
from services.care.plays.application import Plays
from services.care.plays.domain import Play, PlayGoal, PlayRunState, PlayStep
from services.care.programs.domain.plans import Form
from services.care.store import CareStore
from services.care.subscriptions import timers
from services.care.touches.application.touches import Touches
from services.care.touches.domain.parts import TaskOutcome
from services.profiles.activity.application.transactions import Transactions
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.lifecycle import Lifecycle, LifecycleReason
from services.profiles.store import ProfilesStore
from services.profiles.subscriptions import subscriptions as profiles_subscriptions
from tests.support.care import care_store, customer, granted, hear, introduce
from tests.support.timers import tick
from tests.unit.profiles.builders import person, transaction

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)
THREADS = 6
FIRST = PageRequest(size=100)


@pytest.fixture
def clock() -> Iterator[identity.FixedClock]:
    with identity.clock(identity.FixedClock(NOW)) as fixed:
        assert isinstance(fixed, identity.FixedClock)
        yield fixed


@pytest.fixture
def store(mongodb_uri: str, clock: identity.FixedClock) -> Iterator[CareStore]:
    with care_store(mongodb_uri) as store:
        yield store


@pytest.fixture
def known(mongodb_uri: str, store: CareStore) -> Iterator[ProfilesStore]:
    """The profiles service over a database of its own."""
    name = f"profiles_{uuid4().hex[:8]}"
    with connect(mongodb_uri, "profiles") as client:
        database = MongoDatabase(client, "profiles", page_key=bytes(32), seal_key=bytes(32), name=name)
        profiles_store = ProfilesStore(database)
        database.migrate()
        yield profiles_store
        client.drop_database(name)


def together(*works: Callable[[], object]) -> list[object]:
    """What works that begin at once come to: their results, or their refusals."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        start.wait()
        try:
            return work()
        except DomainError as refused:
            return refused

    with ThreadPoolExecutor(len(works)) as threads:
        return [each.result() for each in [threads.submit(copy_context().run, run, work) for work in works]]


def turn(store: CareStore, name: str) -> None:
    """One look of a timer."""
    tick(store.database, timers(store), name)


def alerts(store: CareStore) -> list[Alert]:
    return list(store.alerts.list("", FIRST).items)


# ---------------------------------------------------------------------------------------------------------- the story


def bought(known: ProfilesStore, id: str, at: datetime) -> Any:
    """A sale that profiles takes in, as it tells of it."""
    sold = transaction(identity.new_id("k"), customer_id=id, occurred_time=at)
    stored = known.activity.transactions.insert(sold.record(identity.now()), key=sold.source_key)
    Transactions(known.activity).sum_up([stored])
    return profiles.TransactionRecorded(transaction=to_proto(stored, transactions_pb2.Transaction))


def told(known: ProfilesStore, id: str) -> customer_pb2.Customer:
    """The customer as profiles tells of it, who agreed to care and marketing."""
    message = to_proto(known.customers.customers.get(id), customer_pb2.Customer)
    message.owner = "ada"
    for purpose in ("PURPOSE_CARE", "PURPOSE_MARKETING"):
        message.consent.decisions.append(granted(purpose))
    return message


def test_the_story_of_a_gold_customer(  # noqa: PLR0915  (one story, told in its order)
    store: CareStore, known: ProfilesStore, clock: identity.FixedClock
) -> None:
    """Grows silent, a promise is broken, the alert, the visit, the outcome. Then leaves, and is won back."""
    made: Customer = known.customers.customers.insert(person(id=identity.new_id("cus")).create())
    id = made.id
    for week in range(10, 0, -1):
        at = NOW - (60 + 7 * week) * DAY
        hear(store, (id + str(week), bought(known, id, at)))
        met = timeline_pb2.Interaction(id=identity.new_id("int"), customer_id=id)
        met.occurred_time.FromDatetime(at)
        hear(store, (met.id, interactions.InteractionRecorded(interaction=met)))
    introduce(store, told(known, id))
    gold = tiers_pb2.TierAssignment(customer_id=id, tier=tiers_pb2.TIER_A)
    hear(store, (identity.new_id("tas"), profiles.TierChanged(tier_assignment=gold)))

    play = Plays(store.plays).create(
        Play(
            id="",
            display_name="Say sorry in person",
            steps=(
                PlayStep(display_name="Visit, and ask what else we can do", form=Form.VISIT, channel=Channel.VISIT),
            ),
            goal=PlayGoal.STAYED,
            measure_days=30,
        )
    )
    Alerts(store.alerts).define_rule(AlertRule(id="", kind=AlertKind.PROMISE_BROKEN, play_id=play.id, due_hours=48))

    # She grows silent: a look a day notices it by her own gaps.
    clock.advance(DAY)
    turn(store, "looks")
    silence = next(each for each in alerts(store) if each.kind is AlertKind.SILENCE)
    assert (silence.owner, silence.drivers[0].explanation) == (
        "ada",
        "68 days without a meeting; up to 45 are usual (9 gaps)",
    )

    # A promise is broken: the alert begins its play, whose step is a task for her owner.
    promise = promises_pb2.Promise(id=identity.new_id("pro"), customer_id=id)
    promise.due_time.FromDatetime(clock.at)
    hear(store, (promise.id, interactions.PromiseBroken(promise=promise)))
    broken = next(each for each in alerts(store) if each.kind is AlertKind.PROMISE_BROKEN)
    hear(store, (broken.id, own.AlertRaised(alert=to_proto(broken, alerts_pb2.Alert))))
    turn(store, "plays")
    assert store.alerts.alerts.get(broken.id).state is AlertState.IN_PLAY
    [run] = store.plays.list_runs("", FIRST).items
    [visit] = Touches(store.touches).tasks("ada", FIRST).items
    assert (run.state, run.touch_ids, visit.task is not None) == (PlayRunState.FINISHED, (visit.id,), True)

    # The visit, its outcome, and the end of the alert.
    Alerts(store.alerts).acknowledge(broken.id)
    done = Touches(store.touches).complete(
        visit.id, TaskOutcome.DONE, "she was friendly", "an earlier delivery", nothing_more=False
    )
    assert done.task is not None
    assert done.task.more == "an earlier delivery"
    closed = Alerts(store.alerts).close(broken.id, AlertOutcome.SAVED, "all is well again")
    assert (closed.outcome, closed.closed_by) == (AlertOutcome.SAVED, "ada")

    # She leaves all the same: the record tells why, ends what is open, and profiles moves her to CHURNED.
    clock.advance(30 * DAY)
    record = Churn(store.churn).record(
        ChurnRecord(
            id="",
            customer_id=id,
            reason_path="service/promise-broken",
            competitor="Rival",
            recoverable=True,
            source=ChurnSource.PERSON,
        )
    )
    assert record.tier == "A"
    assert store.alerts.alerts.get(silence.id).outcome is AlertOutcome.LOST
    left = own.ChurnRecorded(record=to_proto(record, churn_pb2.ChurnRecord))
    [departures] = [each for each in profiles_subscriptions(known) if each.name == "departures"]
    for _ in range(2):  # at least once
        deliver(known, departures, record.id, left)
    gone = known.customers.customers.get(id)
    assert gone.lifecycle_move is not None
    assert (gone.lifecycle, gone.lifecycle_move.reason) == (Lifecycle.CHURNED, LifecycleReason.CHURN_RECORDED)
    hear(store, (id, profiles.CustomerLifecycleChanged(customer=told(known, id))))

    # Winning her back is worth while, so somebody is to try; she buys again, and the attempt is won.
    WinBack(store.churn).define_policy(
        RetentionPolicy(
            id="",
            currency_code=transaction("x").amount.currency_code,
            margin_basis_points=3000,
            second_life_months=24,
            attempt_cost_minor_units=100,
            prior_attempts=10,
            prior_wins=2,
            attempts_max=2,
            give_up_days=180,
            source="the branch",
            source_date=NOW.date(),
        )
    )
    estimate = WinBack(store.churn).evaluate(id)
    assert (estimate.worth_while, estimate.probability) == (True, 0.2), estimate.against
    offer = Offer(customer_id=id, offer="delivery within a day", form=Form.VISIT, channel=Channel.VISIT)
    attempt = WinBack(store.churn).offer(offer)
    clock.advance(DAY)
    bought(known, id, clock.at)
    back = known.customers.customers.get(id)
    assert back.lifecycle_move is not None
    assert (back.lifecycle, back.lifecycle_move.reason) == (Lifecycle.ACTIVE, LifecycleReason.WON_BACK)
    hear(store, (id, profiles.CustomerLifecycleChanged(customer=told(known, id))))
    assert store.churn.attempts.get(attempt.id).state is WinBackState.WON
    assert not store.churn.records.get(record.id).open
    clock.advance(DAY)
    turn(store, "plays")
    assert store.plays.runs.get(run.id).measured


def deliver(known: ProfilesStore, subscription: Any, id: str, message: Any) -> None:
    """Hands profiles an event of care, as its worker does."""
    from kehu.common.v1.envelope_pb2 import Envelope

    from libs.chassis.inbox import event_type
    from libs.engine.inbox.decoding import received

    envelope = Envelope(id=f"{id}:1:0", type=event_type(type(message)), tenant="acme", entity_id=id, revision=1)
    envelope.time.FromDatetime(identity.now())
    known.database.transact(lambda: subscription.handle([received(envelope, message)]))


# -------------------------------------------------------------------------------------------------------------- races


def test_whoever_raises_at_once_raises_one_alert(store: CareStore) -> None:
    ids = introduce(store, *(customer(number) for number in range(5)))
    driver = AlertDriver(factor=AlertFactor.PROMISE, points=60, explanation="a promise")
    told = [(id, Sign(kind=AlertKind.PROMISE_BROKEN, drivers=(driver,))) for id in ids]
    watching = Watching(store.alerts)
    together(*[lambda: store.database.transact(lambda: watching.raise_all(told))] * THREADS)
    assert sorted(each.customer_id for each in alerts(store)) == sorted(ids)


def test_a_customer_who_is_recorded_as_lost_twice_at_once_is_lost_once(store: CareStore) -> None:
    [id] = introduce(store, customer(1))
    draft = ChurnRecord(id="", customer_id=id, reason_path="other", source=ChurnSource.PERSON)
    results = together(*[lambda: Churn(store.churn).record(draft)] * THREADS)
    assert sum(isinstance(each, ChurnRecord) for each in results) == 1
    reasons = {each.reason_code for each in results if isinstance(each, DomainError)}
    assert reasons <= {"CHURN_RECORDED_ALREADY", "KEY_TAKEN"}


def test_nobody_has_a_benefit_more_often_than_allowed_whoever_asks_at_once(store: CareStore) -> None:
    [id] = introduce(store, customer(1))
    kind = entitlements_pb2.Entitlement
    told = kind(
        id=identity.new_id("ent"),
        revision=1,
        benefit="yearly-trip",
        basis=kind.BASIS_EVERYBODY,
        allowance=2,
        period=kind.PERIOD_YEAR,
    )
    told.valid_from_date.year, told.valid_from_date.month, told.valid_from_date.day = 2026, 1, 1
    hear(store, (told.id, profiles.EntitlementChanged(entitlement=told)))
    ledger = Entitlements(store.entitlements)

    def reserve(cause: str) -> Callable[[], object]:
        return lambda: ledger.reserve(id, "yearly-trip", cause)

    together(*[reserve("trip-1")] * THREADS)
    assert [each.taken for each in ledger.benefits(id).benefits] == [1]
    results = together(*(reserve(f"trip-{number}") for number in range(2, 2 + THREADS)))
    refused = [each.reason_code for each in results if isinstance(each, DomainError)]
    assert refused == ["BENEFIT_NOT_LEFT"] * (THREADS - 1)
    assert [(each.taken, each.remaining) for each in ledger.benefits(id).benefits] == [(2, 0)]
