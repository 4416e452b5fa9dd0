"""Promises: when they are due, how they end, and the clock that watches over them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from libs.chassis import context
from libs.chassis.context import Command, Context
from libs.chassis.domain import FailedPrecondition, InvalidArgument, NotFound
from libs.worktime.calendar import (
    CalendarException,
    ExceptionKind,
    MinuteInterval,
    Weekday,
    WeeklyInterval,
    WeeklySchedule,
)
from libs.worktime.civil import CivilTime
from libs.worktime.hours import Rule
from libs.worktime.terms import Term
from services.interactions.calendars.application import Calendars
from services.interactions.calendars.domain import BusinessCalendar
from services.interactions.promises.application import Promises
from services.interactions.promises.domain import Promise, PromiseState
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Link

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MADE, AT_RISK, KEPT, BROKEN = PromiseState.MADE, PromiseState.AT_RISK, PromiseState.KEPT, PromiseState.BROKEN
Make = Callable[..., Promise]


@pytest.fixture
def promises(world: Any) -> Promises:
    return Promises(world.store.promises)


@pytest.fixture
def office(world: Any) -> str:
    """The id of a calendar: Mon-Fri 09:00-17:00 UTC."""
    intervals = tuple(WeeklyInterval(weekday=day, start_minute=540, end_minute=1020) for day in tuple(Weekday)[:5])
    calendar = BusinessCalendar(
        id="", display_name="Office", time_zone="UTC", schedules=(WeeklySchedule(intervals=intervals),)
    )
    return Calendars(world.store.calendars).create(calendar).id


@pytest.fixture
def promise(promises: Promises, customer: Any, office: str) -> Make:
    """Makes a promise to call back within eight working hours, unless said otherwise."""

    def make(**fields: Any) -> Promise:
        draft = {
            "id": "",
            "customer_id": fields.pop("customer_id", None) or customer(),
            "text": "We call you back",
            "term": Term(calendar_id=office, working_time=8 * HOUR),
            **fields,
        }
        return promises.make(Promise(**draft))

    return make


def test_working_time_is_counted_in_the_calendar(world: Any, promise: Make) -> None:
    world.clock.advance(4 * HOUR)  # Monday 13:00
    made = promise(about=Link(kind="case", id="case_1"))
    assert made.due_time == world.clock.at + DAY  # Tuesday 13:00
    assert made.at_risk_time == world.clock.at + 20 * HOUR + 2 * HOUR  # six of eight hours: Tuesday 11:00
    assert (made.state, made.made_by, made.made_time) == (MADE, "ann", world.clock.at)
    assert "promise.made" in world.events()


def test_s042_two_working_days_promised_one_needed(world: Any, promises: Promises, promise: Make, office: str) -> None:
    made = promise(term=Term(calendar_id=office, working_days=2))
    assert made.due_time == world.clock.at + 2 * DAY + 8 * HOUR  # Wednesday 17:00
    world.clock.advance(DAY + 8 * HOUR)  # Tuesday 17:00
    kept = promises.keep(made.id)
    assert (kept.state, kept.margin) == (KEPT, 8 * HOUR)  # a working day too much


def test_civil_time_is_due_on_the_clock_of_its_zone(world: Any, promises: Promises, promise: Make) -> None:
    shanghai = CivilTime(date=date(2026, 8, 11), minute=17 * 60 + 30, time_zone="Asia/Shanghai")
    made = promise(term=Term(civil_time=shanghai))
    assert made.due_time == datetime.fromisoformat("2026-08-11T09:30:00+00:00")
    assert made.at_risk_time == world.clock.at + (made.due_time - world.clock.at) * 3 / 4
    world.clock.advance(HOUR)
    assert promises.keep(made.id).margin == made.due_time - world.clock.at


@pytest.mark.parametrize(
    ("term", "field"),
    [
        (Term(civil_time=CivilTime(date=date(2026, 8, 10), minute=540, time_zone="UTC")), "term.civil_time"),
        (Term(civil_time=CivilTime(date=date(2026, 8, 11), time_zone="Mars/Olympus")), "term.civil_time.time_zone"),
        (Term(civil_time=CivilTime(date=date(1, 1, 1), time_zone="UTC")), "term.civil_time.date"),
        (Term(working_time=HOUR), "term.calendar_id"),
    ],
)
def test_terms_that_make_no_sense_name_their_field(promise: Make, term: Term, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        promise(term=term)
    assert [violation.field for violation in refused.value.violations] == [field]


def test_a_promise_needs_what_it_names(world: Any, promise: Make, contact: Any, customer: Any) -> None:
    with pytest.raises(NotFound, match="Customer"):
        promise(customer_id="cus_nobody")
    with pytest.raises(NotFound, match="Conversation"):
        promise(conversation_id="conv_nowhere")
    with pytest.raises(NotFound, match="BusinessCalendar"):
        promise(term=Term(calendar_id="cal_never", working_time=HOUR))
    theirs = Timeline(world.store.timeline).ingest(contact(customer_id=customer()))
    with pytest.raises(InvalidArgument, match="another customer"):
        promise(conversation_id=theirs.conversation_id)
    with pytest.raises(InvalidArgument, match=r"made_time: .* is in the future"):
        promise(made_time=world.clock.at + MINUTE)


# ---------------------------------------------------------------------------------------------------- the clock


def test_at_risk_and_broken_happen_once_each(world: Any, promises: Promises, promise: Make) -> None:
    made = promise()  # Monday 09:00, at risk 15:00, due 17:00
    world.clock.at = made.at_risk_time - timedelta(milliseconds=1)
    assert world.tick("promises") == 0
    world.clock.at = made.at_risk_time
    assert [world.tick("promises"), world.tick("promises")] == [1, 0]
    assert promises.get(made.id).state is AT_RISK
    world.clock.at = made.due_time
    assert [world.tick("promises"), world.tick("promises")] == [1, 0]
    broken = promises.get(made.id)
    assert (broken.state, broken.broken_time, broken.broken_reason) == (BROKEN, made.due_time, "")
    told = [each for each in world.database.events() if each.entity_id == made.id]
    assert [each.type for each in told] == [
        "kehu.interactions.promise.made.v1",
        "kehu.interactions.promise.at_risk.v1",
        "kehu.interactions.promise.broken.v1",
    ]
    assert told[-1].actor == "service:interactions"


def test_after_an_outage_a_promise_breaks_without_being_at_risk_first(
    world: Any, promises: Promises, promise: Make
) -> None:
    made = promise()
    world.clock.advance(30 * DAY)
    assert [world.tick("promises"), world.tick("promises")] == [1, 0]
    assert promises.get(made.id).state is BROKEN
    assert promises.get(made.id).broken_time == made.due_time


def test_the_clock_serves_every_tenant_and_leaves_what_is_done_alone(
    world: Any, promises: Promises, promise: Make, office: str
) -> None:
    mine, kept = promise(), promise()
    promises.keep(kept.id)
    with context.enter(Context(tenant="other", actor="bob")):
        civil = Term(civil_time=CivilTime(date=date(2026, 8, 10), minute=600, time_zone="UTC"))
        draft = Promise(id="pro_other", customer_id="cus_other", text="x", term=civil)
        theirs = world.store.promises.promises.insert(draft.make(made_by="bob", now=world.clock.at, hours=None))
    world.clock.advance(30 * DAY)
    assert world.tick("promises") == 2
    assert promises.get(mine.id).state is BROKEN
    assert promises.get(kept.id).state is KEPT
    with context.enter(Context(tenant="other", actor="bob")):
        assert promises.get(theirs.id).state is BROKEN


# ------------------------------------------------------------------------------------------------------ endings


def test_keeping_checks_its_time(world: Any, promises: Promises, promise: Make) -> None:
    made = promise()
    world.clock.advance(HOUR)
    with pytest.raises(InvalidArgument, match=r"kept_time: .* is in the future"):
        promises.keep(made.id, world.clock.at + MINUTE)
    with pytest.raises(InvalidArgument, match=r"kept_time: .* is before it was made"):
        promises.keep(made.id, world.clock.at - 2 * HOUR)
    world.clock.at = made.due_time + HOUR  # before the clock has looked
    with pytest.raises(FailedPrecondition, match=r"was due at .* recovers it"):
        promises.keep(made.id)
    assert promises.keep(made.id, made.due_time).margin == timedelta(0)
    with pytest.raises(FailedPrecondition, match="is KEPT: this needs one of MADE, AT_RISK"):
        promises.keep(made.id)


def test_breaking_and_recovering(world: Any, promises: Promises, promise: Make) -> None:
    made = promise()
    with pytest.raises(FailedPrecondition, match="only a broken promise"):
        promises.recover(made.id, "sorry")
    broken = promises.give_up(made.id, "The part is not made any more")
    assert (broken.state, broken.broken_time, broken.wake_time) == (BROKEN, world.clock.at, None)
    world.clock.advance(30 * DAY)
    assert world.tick("promises") == 0
    recovered = promises.recover(made.id, "Replaced the device")
    assert (recovered.state, recovered.recovered_time) == (PromiseState.RECOVERED, world.clock.at)
    assert [t for t in world.events() if t.startswith("promise")] == [
        "promise.made",
        "promise.broken",
        "promise.recovered",
    ]


def test_t23_a_promise_moved_with_consent_and_then_kept_counts_apart(
    world: Any, promises: Promises, promise: Make, office: str
) -> None:
    made = promise()
    world.clock.at = made.at_risk_time
    world.tick("promises")
    moved = promises.renegotiate(made.id, Term(calendar_id=office, working_days=1), agreement="On the phone: fine")
    old = promises.get(made.id)
    assert (old.state, old.superseded_by, old.agreement) == (PromiseState.RENEGOTIATED, moved.id, "On the phone: fine")
    assert (moved.state, moved.supersedes, moved.renegotiations, moved.text) == (MADE, made.id, 1, made.text)
    kept = promises.keep(moved.id)
    assert (kept.state, kept.renegotiations) == (KEPT, 1)  # KEPT with 0 is "kept"; this is "kept after renegotiation"
    again = promises.get(made.id)
    assert again == old
    assert world.events().count("promise.kept") == 1
    assert world.events().count("promise.renegotiated") == 1


def test_a_promise_is_renegotiated_before_it_is_due_or_not_at_all(
    world: Any, promises: Promises, promise: Make, office: str
) -> None:
    made = promise()
    world.clock.at = made.due_time
    with pytest.raises(FailedPrecondition, match="before it is due"):
        promises.renegotiate(made.id, Term(calendar_id=office, working_days=1), agreement="?")
    assert len(world.store.promises.promises.documents) == 1  # neither was written


def test_a_repeated_renegotiation_makes_one_promise(world: Any, promises: Promises, promise: Make, office: str) -> None:
    made = promise()
    found = []
    for _ in range(2):
        command = Command(key="6a1e", fingerprint=b"1")
        with context.enter(Context(tenant="acme", actor="ann", command=command)):
            found.append(promises.renegotiate(made.id, Term(calendar_id=office, working_days=1), agreement="yes"))
        world.clock.advance(MINUTE)
    assert found[0] == found[1]
    assert len(world.store.promises.promises.documents) == 2


# -------------------------------------------------------------------------------------------------- explanation


def test_an_explanation_shows_every_stretch(world: Any, office: str) -> None:
    calendars = Calendars(world.store.calendars)
    half_day = CalendarException(
        date=date(2026, 8, 11),
        kind=ExceptionKind.REPLACE,
        intervals=(MinuteInterval(start_minute=540, end_minute=720),),
        label="Half-day",
    )
    closed = CalendarException(date=date(2026, 8, 12), kind=ExceptionKind.CLOSED, label="Holiday")
    calendars.update(office, lambda each: _with(each, half_day, closed), 0)
    world.clock.advance(6 * HOUR)  # Monday 15:00
    explained = calendars.explain(Term(calendar_id=office, working_time=8 * HOUR))
    shown = [(each.date.day, each.rule, each.label) for each in explained.segments]
    assert shown == [
        (10, Rule.WEEKLY, ""),
        (11, Rule.REPLACE, "Half-day"),
        (12, Rule.CLOSED, "Holiday"),
        (13, Rule.WEEKLY, ""),
    ]
    assert explained.due_time == datetime.fromisoformat("2026-08-13T12:00:00+00:00")
    assert explained.working_time == 8 * HOUR
    civil = Term(civil_time=CivilTime(date=date(2026, 8, 11), time_zone="UTC"))
    assert calendars.explain(civil).segments == ()


def _with(calendar: BusinessCalendar, *exceptions: CalendarException) -> BusinessCalendar:
    return BusinessCalendar(
        id=calendar.id,
        revision=calendar.revision,
        create_time=calendar.create_time,
        update_time=calendar.update_time,
        display_name=calendar.display_name,
        time_zone=calendar.time_zone,
        schedules=calendar.schedules,
        exceptions=exceptions,
    )


def test_a_changed_calendar_leaves_promises_as_they_were_given(
    world: Any, promises: Promises, promise: Make, office: str
) -> None:
    made = promise()
    closed = CalendarException(date=date(2026, 8, 10), kind=ExceptionKind.CLOSED)
    Calendars(world.store.calendars).update(office, lambda each: _with(each, closed), 0)
    assert promises.get(made.id).due_time == made.due_time
    assert "calendar.updated" in world.events()
