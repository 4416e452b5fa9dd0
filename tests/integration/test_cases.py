"""Cases, complaints and goodwill on a real MongoDB: every question on an index, and races that end with one winner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import DomainError
from libs.chassis.paging import PageRequest
from libs.chassis.testing import MemoryJob
from libs.engine.store import MongoDatabase, connect
from libs.worktime.clock import CalendarVersion, Target
from libs.worktime.terms import Term
from services.interactions.calendars.application import Calendars
from services.interactions.cases.application import Cases
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import CaseState, CaseType
from services.interactions.cases.domain.terms import CaseTerms
from services.interactions.clocks.application import Clocks
from services.interactions.clocks.domain.clocks import MessageKind
from services.interactions.clocks.domain.policies import (
    ServiceMetric,
    ServicePolicy,
    ServicePolicyVersion,
    ServiceTarget,
)
from services.interactions.complaints.application import Complaints
from services.interactions.complaints.domain.complaints import Complaint, ComplaintState
from services.interactions.customers.domain import CustomerProjection, customer_key
from services.interactions.remedies.application import Remedies
from services.interactions.remedies.domain.authority import Agent, AuthorityLimit, AuthorityMatrix
from services.interactions.remedies.domain.goodwill import Goodwill, GoodwillState, RemedyAction
from services.interactions.sla.application import Sla
from services.interactions.sla.domain import RefoldProgress
from services.interactions.store import InteractionsStore
from services.interactions.subscriptions import timers
from tests.support.timers import tick
from tests.unit.interactions.cases.conftest import OFFICE

HOUR = timedelta(hours=1)
THREADS = 8


@pytest.fixture(autouse=True)
def acting() -> Iterator[None]:
    with context.enter(Context(tenant="acme", actor="ann")):
        yield


@pytest.fixture
def store(mongodb_uri: str) -> Iterator[InteractionsStore]:
    with connect(mongodb_uri, "interactions") as client:
        name = f"interactions_{uuid4().hex[:8]}"
        database = MongoDatabase(client, "interactions", page_key=bytes(32), seal_key=bytes(32), name=name)
        store = InteractionsStore(database)
        database.migrate()
        yield store
        client.drop_database(name)


@pytest.fixture
def policy(store: InteractionsStore) -> ServicePolicy:
    """A response within two hours, counted around the clock, since long ago."""
    targets = tuple(
        ServiceTarget(metric=metric, work=work, warnings=(50,))
        for metric, work in (
            (ServiceMetric.FIRST_RESPONSE, 2 * HOUR),
            (ServiceMetric.NEXT_RESPONSE, 2 * HOUR),
            (ServiceMetric.ACKNOWLEDGEMENT, HOUR),
        )
    )
    version = ServicePolicyVersion(since_time=datetime(2020, 1, 1, tzinfo=UTC), targets=targets)
    return Clocks(store.clocks).create(ServicePolicy(id="", display_name="Standard", versions=(version,)))


@pytest.fixture
def opened(store: InteractionsStore, policy: ServicePolicy) -> Callable[..., Case]:
    """Opens a case that somebody works on."""

    def make(**fields: Any) -> Case:
        drafted = Case(**{"id": "", "subject": "No invoice", "type": CaseType.REQUEST, **fields})
        made = Cases(store.cases).create(drafted, owner="ann", team="desk", policy_id=policy.id)
        return Cases(store.cases).start(made.id)

    return make


def known(store: InteractionsStore) -> str:
    id = identity.new_id("cus")
    heard = CustomerProjection(id=id, source_revision=1, source_time=identity.now(), identifiers=(customer_key(id),))
    store.customers.customers.insert((heard, []))
    return id


def at_once(work: Callable[[int], object]) -> list[str]:
    """Outcomes of the same work in many threads."""

    def attempt(n: int) -> str:
        try:
            return str(work(n))
        except DomainError as error:
            return error.reason_code

    with ThreadPoolExecutor(THREADS) as threads:
        futures = [threads.submit(copy_context().run, attempt, n) for n in range(THREADS)]
        return [each.result() for each in futures]


@pytest.mark.parametrize(
    "filter",
    [
        "",
        'customer_id = "{customer}"',
        "state = OPEN",
        "type = REQUEST",
        'owner = "ann" AND state = OPEN',
        'owner = "ann"',
        'team = "desk" AND state = OPEN',
        "open_time > 2020-01-01T00:00:00Z",
    ],
)
def test_every_list_of_cases_walks_an_index(store: InteractionsStore, opened: Callable[..., Case], filter: str) -> None:
    customer = identity.new_id("cus")
    made = [opened(customer_id=customer) for _ in range(3)]
    text, cases = filter.format(customer=customer), Cases(store.cases)
    first = cases.list(text, PageRequest(size=2))
    rest = cases.list(text, PageRequest(size=2, token=first.next_page_token))
    assert {each.id for each in (*first.items, *rest.items)} == {each.id for each in made}


def test_of_many_who_resolve_a_case_at_once_one_does(store: InteractionsStore, opened: Callable[..., Case]) -> None:
    case, cases = opened(), Cases(store.cases)
    ended = at_once(lambda n: cases.resolve(case.id, f"cause {n}", "told").state)
    assert ended.count("RESOLVED") == 1
    assert ended.count("CASE_MOVE_FORBIDDEN") == THREADS - 1


def test_a_message_told_many_times_at_once_counts_once(store: InteractionsStore, opened: Callable[..., Case]) -> None:
    case, cases = opened(), Cases(store.cases)
    cases.hear(case.id, "first", MessageKind.ANSWER)
    at_once(lambda _: cases.hear(case.id, "question", MessageKind.CUSTOMER).id)
    told = cases.get(case.id).clocks
    assert told is not None
    assert len(told.applied) == 3


def test_warnings_are_found_told_once_and_clocks_counted_anew(
    store: InteractionsStore, policy: ServicePolicy, opened: Callable[..., Case]
) -> None:
    made = [opened() for _ in range(5)]
    late = identity.FixedClock(identity.now() + 90 * timedelta(minutes=1))
    with identity.clock(late):
        assert tick(store.database, timers(store), "cases") == 5
        assert tick(store.database, timers(store), "cases") == 0
        targets = (ServiceTarget(metric=ServiceMetric.FIRST_RESPONSE, work=HOUR),)
        Clocks(store.clocks).publish(policy.id, ServicePolicyVersion(since_time=late.at, targets=targets))
        plan = Sla(store.sla).plan(policy_id=policy.id)
        Sla(store.sla).refold(MemoryJob(state=RefoldProgress()))
        done = Sla(store.sla).get(plan.id)
        assert (done.cases, done.changed, done.newly_breached) == (5, 5, 5)
        assert tick(store.database, timers(store), "cases") == 5
    case = Cases(store.cases).get(made[0].id)
    assert case.clocks is not None
    assert [each.percent for each in case.clocks.clocks[0].told] == [50, 100]


def test_a_calendar_is_kept_as_it_was(store: InteractionsStore) -> None:
    from kehu.interactions.v1.calendars_pb2 import BusinessCalendar as Message

    from libs.chassis.codec import from_proto
    from services.interactions.calendars.domain import BusinessCalendar

    calendars = Calendars(store.calendars)
    made = calendars.create(from_proto(BusinessCalendar, Message(**OFFICE)))
    changed = calendars.update(made.id, lambda each: replace(each, time_zone="Asia/Tokyo"), 0)
    monday = datetime(2026, 8, 10, 9, tzinfo=UTC)
    hours = [calendars.hours_at(CalendarVersion(calendar_id=made.id, revision=n)) for n in (1, changed.revision)]
    assert [each.elapsed(monday, monday + HOUR) for each in hours] == [HOUR, timedelta(0)]


def test_a_complaint_takes_its_case_and_its_promise_along_or_nothing(
    store: InteractionsStore, opened: Callable[..., Case]
) -> None:
    case, complaints = opened(customer_id=known(store)), Complaints(store.complaints)
    made = complaints.receive(Complaint(id="", case_id=case.id, complained_of="Nobody called back."))
    calendar = _around_the_clock(store)
    term = Term(calendar_id=calendar, working_time=HOUR)
    ended = at_once(lambda n: complaints.acknowledge(made.id, f"We ask the branch. {n}", term).state)
    assert ended.count("ACKNOWLEDGED") == 1
    promises = store.promises.pending_of([case.customer_id], 10)
    assert len(promises) == 1, "the promises of those who lost are gone with their transactions"
    assert complaints.get(made.id).state is ComplaintState.ACKNOWLEDGED
    span = (identity.now() - HOUR, identity.now() + HOUR)
    assert complaints.report(*span).timely == 1
    assert complaints.list(f'case_id = "{case.id}"', PageRequest(size=5)).items[0].id == made.id


def _around_the_clock(store: InteractionsStore) -> str:
    from kehu.interactions.v1.calendars_pb2 import BusinessCalendar as Message

    from libs.chassis.codec import from_proto
    from services.interactions.calendars.domain import BusinessCalendar

    days: Any = [{"weekday": day, "start_minute": 0, "end_minute": 1440} for day in range(1, 8)]
    always = Message(display_name="Always", time_zone="UTC", schedules=[{"intervals": days}])  # type: ignore[list-item]
    return Calendars(store.calendars).create(from_proto(BusinessCalendar, always)).id


def test_two_at_once_never_exceed_a_limit_together_and_a_key_posts_once(
    store: InteractionsStore, opened: Callable[..., Case]
) -> None:
    limit = AuthorityLimit(
        role="front",
        action=RemedyAction.REFUND,
        currency_code="EUR",
        per_case=1000,
        per_day=2500,
        per_customer_year=9000,
    )
    remedies = Remedies(store.remedies)
    wanted = AuthorityMatrix(
        id="",
        limits=(limit, _more(limit, role="lead")),
        agents=(Agent(id="ann", role="front"),),
        approvers=(Agent(id="bob", role="lead"),),
        target=Target(work=HOUR),
    )
    remedies.set_authority(wanted)
    case = opened(customer_id=known(store))

    def draft(amount: int) -> Goodwill:
        return Goodwill(id="", case_id=case.id, action=RemedyAction.REFUND, currency_code="EUR", amount=amount)

    ended = at_once(lambda _: remedies.ask(draft(400)).state)
    assert ended.count("POSTED") == 2
    assert ended.count("AWAITING_APPROVAL") == THREADS - 2
    keyed = at_once(lambda _: remedies.ask(draft(1), "order 17").id)
    assert len(set(keyed)) == 1
    posted = remedies.list("state = POSTED", PageRequest(size=50)).items
    assert sum(each.amount for each in posted) == 801
    waiting = remedies.list('approver_id = "bob" AND state = AWAITING_APPROVAL', PageRequest(size=50)).items
    decided = at_once(lambda n: _as_bob(lambda: remedies.decide(waiting[0].id, approve=True, reason=f"{n}").state))
    assert decided.count("POSTED") == 1
    assert remedies.get(waiting[0].id).state is GoodwillState.POSTED


def _more(limit: AuthorityLimit, *, role: str) -> AuthorityLimit:
    return replace(limit, role=role, per_case=100_000, per_day=100_000)


def _as_bob(work: Callable[[], object]) -> object:
    with context.enter(Context(tenant="acme", actor="bob")):
        return work()


def test_silence_closes_cases_by_the_timer(store: InteractionsStore, opened: Callable[..., Case]) -> None:
    cases = Cases(store.cases)
    cases.set_terms(CaseTerms(id="", grace=HOUR))
    made = [cases.resolve(opened().id, "cause", "told") for _ in range(3)]
    with identity.clock(identity.FixedClock(identity.now() + 2 * HOUR)):
        assert tick(store.database, timers(store), "cases") == 3
    assert {cases.get(each.id).state for each in made} == {CaseState.CLOSED}
