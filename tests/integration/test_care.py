"""The care service on a real MongoDB: planning, sending once whoever sends, consent while sends run, and merges."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, date, datetime, timedelta

import pytest
from kehu.profiles.v1 import events_pb2 as profiles
from kehu.profiles.v1 import merges_pb2

from libs.chassis import identity
from libs.chassis.paging import PageRequest
from services.care.customers.domain.projection import Channel
from services.care.programs.application import Programs
from services.care.programs.domain.programs import PlanOverride
from services.care.senders.application.senders import Senders
from services.care.store import CareStore
from services.care.touches.application.firing import Firing
from services.care.touches.application.touches import Touches
from services.care.touches.domain.touches import TouchState
from tests.support.care import (
    GREETING,
    Provider,
    active,
    care_store,
    customer,
    due,
    granted,
    hear,
    introduce,
    mail_sender,
    plan,
    pulse,
    touches,
)

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
"""A Monday, 9 o'clock in Shanghai."""
BIRTHDAY = NOW + timedelta(days=1)
BORN = [{"kind": "KIND_BIRTH", "month": 3, "day": 3, "year": 1980}]
THREADS = 4
BOUND = timedelta(seconds=5)
"""Time after a withdrawal in which a message may still leave: that of one answer of a provider."""


@pytest.fixture
def clock() -> Iterator[identity.FixedClock]:
    with identity.clock(identity.FixedClock(NOW)) as fixed:
        assert isinstance(fixed, identity.FixedClock)
        yield fixed


@pytest.fixture
def store(mongodb_uri: str, clock: identity.FixedClock) -> Iterator[CareStore]:
    with care_store(mongodb_uri) as store:
        yield store


def greeted(store: CareStore, clock: identity.FixedClock, count: int) -> list[str]:
    """Customers whose birthday is now, each with a greeting that is due."""
    mail_sender(store)
    active(store)
    ids = [*introduce(store, *(customer(number, dates=BORN) for number in range(count)))]
    planned = plan(store)
    assert {each.state for each in planned} == {TouchState.PLANNED}
    assert sorted(each.customer_id for each in planned) == sorted(ids)
    assert {each.local_date for each in planned} == {date(2026, 3, 3)}
    clock.at = BIRTHDAY
    pulse(store)
    return ids


def test_planning_twice_plans_nothing_twice(store: CareStore, clock: identity.FixedClock) -> None:
    greeted(store, clock, 30)
    before = touches(store)
    active(store, display_name="Another")
    assert len(plan(store)) == 2 * len(before)
    assert [each for each in plan(store) if each.id in {one.id for one in before}] == [*before]


def test_two_firers_at_once_send_each_message_once(store: CareStore, clock: identity.FixedClock) -> None:
    ids = greeted(store, clock, 120)
    provider = Provider()
    same = due(store)
    together = threading.Barrier(THREADS)

    def fire() -> None:
        together.wait()
        Firing(store.touches, ports=lambda _: provider).fire(same)

    with ThreadPoolExecutor(THREADS) as threads:
        for each in [threads.submit(copy_context().run, fire) for _ in range(THREADS)]:
            each.result()
    Firing(store.touches, ports=lambda _: provider).fire(due(store))
    keys = [key for key, _ in provider.sent]
    assert len(keys) == len({*keys}) == len(ids)
    assert {(each.state, each.attempts) for each in touches(store)} == {(TouchState.SENT, 1)}


def test_whoever_takes_consent_back_while_sends_run_gets_nothing_after_the_bound(
    store: CareStore, clock: identity.FixedClock
) -> None:
    ids = greeted(store, clock, 150)
    provider, withdrawn = Provider(), dict[str, datetime]()
    no = granted(state="STATE_WITHDRAWN", capture_time=BIRTHDAY, effective_from_time=BIRTHDAY)
    number = {id: each for each, id in enumerate(ids)}

    def withdraw() -> None:
        """From the last to the first, while they are sent from the first to the last."""
        for id in reversed(ids):
            told = customer(number[id], id, dates=BORN, consent={"decisions": [granted(), no]})
            hear(store, (id, profiles.ConsentChanged(customer_id=id, customer=told)))
            withdrawn[id] = datetime.now(UTC)

    with ThreadPoolExecutor(2) as threads:
        ends = [
            threads.submit(copy_context().run, withdraw),
            threads.submit(copy_context().run, Firing(store.touches, ports=lambda _: provider).fire, due(store)),
        ]
        for each in ends:
            each.result()
    assert len(withdrawn) == len(ids)
    found = {each.id: each for each in touches(store)}
    sent = {found[key].customer_id: at for key, at in provider.sent}
    assert sent, "nothing was sent before the first withdrawal"
    assert len(sent) < len(ids), "everything was sent before the first withdrawal"
    late = [at - withdrawn[id] for id, at in sent.items() if at > withdrawn[id]]
    assert all(each <= BOUND for each in late), f"sent up to {max(late)} after the withdrawal"
    states = {each.customer_id: each for each in found.values()}
    for id in ids:
        assert states[id].state is (TouchState.SENT if id in sent else TouchState.SUPPRESSED)
        if id not in sent:
            assert {str(each.reason) for each in states[id].findings} == {"CONSENT_REFUSED"}


@pytest.mark.parametrize("first", [0, 1], ids=["the absorbed was greeted", "the survivor was greeted"])
def test_t04_the_key_of_an_occurrence_holds_over_merges(
    store: CareStore, clock: identity.FixedClock, first: int
) -> None:
    absorbed, survivor = ids = greeted(store, clock, 2)
    provider = Provider()
    firing = Firing(store.touches, ports=lambda _: provider)
    firing.fire([each for each in due(store) if each.customer_id == ids[first]])
    told = customer(1, survivor, dates=BORN, merged_ids=[absorbed])
    alias = merges_pb2.Alias(customer_id=absorbed, canonical_id=survivor, epoch=1)
    hear(store, (survivor, profiles.CustomersMerged(customer=told, aliases=[alias])))
    plan(store)
    firing.fire(due(store))
    clock.advance(timedelta(hours=1))
    pulse(store)
    plan(store)
    firing.fire(due(store))
    assert len(provider.sent) == 1
    states = {each.customer_id: each.state for each in touches(store)}
    assert states == {ids[first]: TouchState.SENT, ids[1 - first]: TouchState.SUPERSEDED}


@pytest.mark.parametrize("filter", ["", 'program_id = "{program}"', 'program_id = "{program}" AND state = PLANNED'])
def test_every_question_walks_an_index(store: CareStore, clock: identity.FixedClock, filter: str) -> None:
    mail_sender(store)
    program = active(store)
    [id] = introduce(store, customer(1, dates=BORN))
    draft = PlanOverride(
        id="", program_id=program.id, customer_id=id, plan=GREETING, reason="x", expire_time=NOW + timedelta(days=9)
    )
    Programs(store.programs).override(draft)
    [planned] = plan(store)
    page = PageRequest(size=2)
    told = Touches(store.touches)
    assert told.list(filter.format(program=program.id), page).items == [planned]
    assert told.list("state = PLANNED", page).items == [planned]
    assert told.of_customer(id, page).items == [planned]
    assert told.tasks("ada", page).items == []
    assert store.touches.by_code("0" * 32) is None
    assert len(Programs(store.programs).list(page).items) == 1
    assert len(Programs(store.programs).overrides(program.id, page).items) == 1
    assert [each.channel for each in Senders(store.senders).list(page).items] == [Channel.EMAIL]
