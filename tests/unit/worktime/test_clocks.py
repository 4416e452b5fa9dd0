"""Clocks: the golden values of the specification, and the laws that hold for every life of a clock."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.worktime.calendar import WEEKDAYS, CalendarException, ExceptionKind, WeeklyInterval, WeeklySchedule
from libs.worktime.clock import (
    CalendarVersion,
    Clock,
    ClockEvent,
    ClockEventKind,
    ClockState,
    ClockStretchKind,
    Target,
    Warned,
)
from libs.worktime.folding import append, explain, fold
from libs.worktime.hours import AroundTheClock, Hours, WorkingHours
from libs.worktime.refusals import ClockEventAhead, ClockEventUnfit

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
MONDAY = datetime(2026, 8, 10, tzinfo=UTC)
OFFICE = CalendarVersion(calendar_id="cal_office", revision=1)
HOLIDAY = CalendarVersion(calendar_id="cal_office", revision=2)
START, PAUSE, RESUME, FULFIL, CANCEL, REOPEN, POLICY_CHANGED, CALENDAR_CHANGED = ClockEventKind
NOT_STARTED, RUNNING, PAUSED, FULFILLED, CANCELLED = ClockState


@dataclass(frozen=True)
class Plain:
    """A calendar that nobody stores."""

    time_zone: str
    schedules: tuple[WeeklySchedule, ...]
    exceptions: tuple[CalendarException, ...] = ()


def nine_to_five(*exceptions: CalendarException) -> Plain:
    intervals = tuple(WeeklyInterval(weekday=day, start_minute=540, end_minute=1020) for day in WEEKDAYS[:5])
    return Plain("UTC", (WeeklySchedule(intervals=intervals),), exceptions)


CALENDARS: dict[CalendarVersion, Hours] = {
    CalendarVersion(): AroundTheClock(),
    OFFICE: WorkingHours(nine_to_five()),
    HOLIDAY: WorkingHours(
        nine_to_five(CalendarException(date=date(2026, 8, 10), kind=ExceptionKind.CLOSED, label="Founders' day"))
    ),
}
TARGET = Target(work=8 * HOUR, warnings=(50, 75), pauses=("customer",), calendar=OFFICE)


def at(day: int, hour: float) -> datetime:
    """An hour of a day of the week of Monday 2026-08-10, Monday being 0."""
    return MONDAY + timedelta(days=day, hours=hour)


def events(*told: tuple[ClockEventKind, datetime] | ClockEvent) -> list[ClockEvent]:
    """Events with ids. A START asks for eight working hours."""
    made = [each if isinstance(each, ClockEvent) else ClockEvent(id="", kind=each[0], time=each[1]) for each in told]
    return [
        replace(each, id=f"e{n}", target=TARGET if each.kind is START and each.target is None else each.target)
        for n, each in enumerate(made)
    ]


def held(time: datetime, reason: str = "customer") -> ClockEvent:
    return ClockEvent(id="", kind=PAUSE, time=time, reason=reason)


def freed(time: datetime, reason: str = "customer") -> ClockEvent:
    return ClockEvent(id="", kind=RESUME, time=time, reason=reason)


def asked(time: datetime, target: Target) -> ClockEvent:
    return ClockEvent(id="", kind=POLICY_CHANGED, time=time, target=target)


def moved(time: datetime, calendar: CalendarVersion) -> ClockEvent:
    return ClockEvent(id="", kind=CALENDAR_CHANGED, time=time, calendar=calendar)


def stands(told: Sequence[ClockEvent], time: datetime) -> Clock:
    return fold(told, time, CALENDARS.__getitem__)


# ------------------------------------------------------------------------------------------------------- life


def test_a_clock_counts_working_time_and_warns_on_the_way() -> None:
    told = events((START, at(0, 15)))
    clock = stands(told, at(1, 12))
    assert (clock.state, clock.spent, clock.left) == (RUNNING, 5 * HOUR, 3 * HOUR)
    assert clock.due_time == at(1, 15)
    assert clock.warned == (Warned(percent=50, time=at(1, 11)),)
    assert clock.wake_time == at(1, 13)  # three quarters
    assert clock.breached_time is None


def test_nothing_has_happened_before_it_happens() -> None:
    told = events((START, at(0, 15)), (FULFIL, at(1, 10)))
    assert stands(told, at(0, 14)).state is NOT_STARTED
    assert stands(told, at(0, 16)).state is RUNNING
    assert stands(told, at(2, 0)).state is FULFILLED


@pytest.mark.parametrize(
    ("fulfilled", "breached"),
    [
        (at(1, 15), None),  # at the last instant
        (at(1, 15) + timedelta(milliseconds=1), at(1, 15)),
        (at(1, 20), at(1, 15)),
    ],
)
def test_a_clock_is_breached_when_time_runs_on(fulfilled: datetime, breached: datetime | None) -> None:
    told = events((START, at(0, 15)), (FULFIL, fulfilled))
    clock = stands(told, at(4, 0))
    assert (clock.state, clock.due_time, clock.breached_time) == (FULFILLED, at(1, 15), breached)


def test_work_done_after_closing_is_late_although_no_working_time_has_passed() -> None:
    told = events((START, at(0, 9)), (FULFIL, at(0, 20)))
    clock = stands(told, at(1, 0))
    assert (clock.left, clock.due_time, clock.breached_time) == (timedelta(0), at(0, 17), at(0, 17))


def test_a_pause_counts_only_open_hours_once() -> None:
    """Paused from Monday noon to Tuesday noon: eight open hours, not a day, and the closed night not twice."""
    told = events((START, at(0, 9)), held(at(0, 12)), freed(at(1, 12)))
    assert stands(told, at(1, 8)).due_time is None  # nobody knows for how long
    assert stands(told, at(1, 8)).state is PAUSED
    assert stands(told, at(1, 8)).wake_time is None
    assert stands(told, at(1, 12)).due_time == at(1, 17)
    assert stands(told, at(1, 12)).spent == 3 * HOUR


def test_pauses_of_several_reasons_overlap() -> None:
    told = events(
        (START, at(0, 9)),
        held(at(0, 10)),
        held(at(0, 11), "supplier"),
        freed(at(0, 12)),
        freed(at(0, 13), "supplier"),
        (FULFIL, at(0, 17)),
    )
    both = replace(TARGET, pauses=("customer", "supplier"))
    assert stands(told, at(1, 0)).spent == 6 * HOUR  # the policy does not care for suppliers
    told[0] = replace(told[0], target=both)
    assert stands(told, at(1, 0)).spent == 5 * HOUR


def test_t09_a_policy_that_changes_while_paused_keeps_the_pause() -> None:
    tighter = replace(TARGET, policy_version=2, work=4 * HOUR)
    told = events((START, at(0, 9)), held(at(0, 10)), asked(at(0, 12), tighter), freed(at(0, 14)))
    paused, resumed = stands(told, at(0, 13)), stands(told, at(0, 14))
    assert (paused.state, paused.spent, paused.due_time) == (PAUSED, HOUR, None)
    assert (resumed.spent, resumed.due_time) == (HOUR, at(0, 17))
    assert [version.due_time for version in resumed.versions] == [None, at(0, 17)]
    assert resumed.versions[0].until_time == at(0, 12)


def test_a_new_target_counts_from_the_first_start_unless_it_says_otherwise() -> None:
    tighter = replace(TARGET, work=4 * HOUR)
    told = events((START, at(0, 9)), asked(at(0, 12), tighter))
    assert stands(told, at(0, 12)).due_time == at(0, 13)
    told[1] = replace(told[1], target=replace(tighter, counts_from_change=True))
    assert stands(told, at(0, 12)).due_time == at(0, 16)
    told += events((START, at(0, 0)), moved(at(0, 13), OFFICE))[1:]  # a calendar that changes starts nothing anew
    told[2] = replace(told[2], id="moved")
    assert stands(told, at(0, 13)).due_time == at(0, 16)


def test_a_target_that_is_over_when_it_comes_into_force_is_breached_then() -> None:
    told = events((START, at(0, 9)), asked(at(0, 12), replace(TARGET, work=2 * HOUR)))
    clock = stands(told, at(0, 12))
    assert (clock.due_time, clock.breached_time) == (at(0, 11), at(0, 12))
    done = events((START, at(0, 9)), (FULFIL, at(0, 12)), asked(at(0, 13), replace(TARGET, work=2 * HOUR)))
    assert stands(done, at(1, 0)).breached_time is None  # nobody can be late for what was not asked yet


def test_t10_a_holiday_added_after_the_breach_moves_the_due_time_and_keeps_the_history() -> None:
    told = events((START, at(0, 9)), moved(at(0, 18), HOLIDAY))
    before, after = stands(told, at(0, 17.5)), stands(told, at(0, 18))
    assert (before.due_time, before.breached_time) == (at(0, 17), at(0, 17))
    assert (after.due_time, after.breached_time, after.spent) == (at(1, 17), None, timedelta(0))
    assert [version.breached_time for version in after.versions] == [at(0, 17), None]
    assert [version.target.calendar for version in after.versions] == [OFFICE, HOLIDAY]


def test_time_between_an_end_and_a_reopening_does_not_count() -> None:
    told = events((START, at(0, 9)), (FULFIL, at(0, 12)), (REOPEN, at(1, 9)))
    clock = stands(told, at(1, 10))
    assert (clock.state, clock.spent, clock.due_time) == (RUNNING, 4 * HOUR, at(1, 14))
    assert clock.end_time is None


def test_a_clock_that_was_used_up_is_late_as_soon_as_it_is_reopened() -> None:
    told = events((START, at(0, 9)), (FULFIL, at(0, 17)), (REOPEN, at(2, 10)))
    assert stands(told, at(1, 0)).breached_time is None
    assert stands(told, at(2, 10)).breached_time == at(2, 10)


def test_a_cancelled_clock_is_never_late() -> None:
    clock = stands(events((START, at(0, 9)), (CANCEL, at(0, 10))), at(4, 0))
    assert (clock.state, clock.breached_time, clock.wake_time) == (CANCELLED, None, None)
    assert stands(events((CANCEL, at(0, 10)), (START, at(0, 11))), at(4, 0)).state is CANCELLED


def test_every_hour_counts_without_a_calendar() -> None:
    told = events(ClockEvent(id="", kind=START, time=at(5, 23), target=Target(work=2 * HOUR)))
    assert stands(told, at(5, 23)).due_time == at(6, 1)


# -------------------------------------------------------------------------------------- what makes no sense


def test_what_does_not_fit_is_passed_over_and_named() -> None:
    told = events((FULFIL, at(0, 8)), (START, at(0, 9)), (START, at(0, 10)), (REOPEN, at(0, 11)), freed(at(0, 12)))
    clock = stands(told, at(0, 12))
    assert (clock.state, clock.start_time, clock.unfit) == (RUNNING, at(0, 9), ("e0", "e2", "e3"))


def test_an_event_is_taken_once_and_not_before_its_time() -> None:
    told = events((START, at(0, 9)))
    fulfil = ClockEvent(id="done", kind=FULFIL, time=at(0, 10))
    more = append(told, fulfil, at(0, 10))
    assert append(more, fulfil, at(0, 11)) == more
    with pytest.raises(ClockEventAhead):
        append(told, fulfil, at(0, 9))
    with pytest.raises(ClockEventUnfit) as refused:
        append(more, held(at(0, 11)), at(0, 12))
    assert refused.value.state is FULFILLED
    with pytest.raises(ClockEventUnfit):
        append([], fulfil, at(0, 12))
    with pytest.raises(ClockEventUnfit):
        append([], ClockEvent(id="x", kind=START, time=at(0, 9)), at(0, 12))  # of what?


def test_a_late_event_finds_its_place() -> None:
    told = events((START, at(0, 9)), freed(at(0, 13)))
    more = append(told, replace(held(at(0, 11)), id="late"), at(1, 0))
    assert stands(more, at(0, 14)).spent == 3 * HOUR


# ------------------------------------------------------------------------------------------------ explanation


def test_an_explanation_shows_every_stretch_and_its_rule() -> None:
    told = events(
        (START, at(-1, 20)), held(at(1, 10)), freed(at(1, 11)), (FULFIL, at(1, 12)), moved(at(1, 13), HOLIDAY)
    )
    shown = [
        (each.kind, each.start_time, each.end_time, each.label, each.reasons)
        for each in explain(told, at(1, 14), CALENDARS.__getitem__)
    ]
    assert shown == [
        (ClockStretchKind.CLOSED, at(-1, 20), at(1, 9), "Founders' day", ()),
        (ClockStretchKind.COUNTED, at(1, 9), at(1, 10), "", ()),
        (ClockStretchKind.PAUSED, at(1, 10), at(1, 11), "", ("customer",)),
        (ClockStretchKind.COUNTED, at(1, 11), at(1, 12), "", ()),
        (ClockStretchKind.ENDED, at(1, 12), at(1, 14), "", ()),
    ]
    assert all(each.calendar == HOLIDAY for each in explain(told, at(1, 14), CALENDARS.__getitem__))


# ------------------------------------------------------------------------------------------------------- laws

minutes = st.integers(0, 60 * 24 * 5)
targets = st.builds(
    Target,
    work=st.integers(1, 60 * 20).map(lambda n: n * MINUTE),
    warnings=st.just((50, 80)),
    pauses=st.lists(st.sampled_from(("customer", "supplier")), unique=True).map(tuple),
    calendar=st.sampled_from((CalendarVersion(), OFFICE, HOLIDAY)),
    counts_from_change=st.booleans(),
)


@st.composite
def lives(draw: st.DrawFn) -> list[ClockEvent]:
    """Any events at all, on whole minutes, some twice."""
    told = [ClockEvent(id="start", kind=START, time=MONDAY + draw(minutes) * MINUTE, target=draw(targets))]
    for n in range(draw(st.integers(0, 10))):
        kind = draw(st.sampled_from((PAUSE, RESUME, PAUSE, RESUME, *ClockEventKind)))
        told.append(
            ClockEvent(
                id=f"e{n}",
                kind=kind,
                time=MONDAY + draw(minutes) * MINUTE,
                reason=draw(st.sampled_from(("customer", "supplier"))),
                target=draw(targets) if kind in (START, POLICY_CHANGED) else None,
                calendar=draw(st.sampled_from((OFFICE, HOLIDAY))) if kind is CALENDAR_CHANGED else None,
            )
        )
    return told


class Watch:
    """Somebody who reads the events in order, then looks at the clock every minute and keeps a tally."""

    def __init__(self, told: Sequence[ClockEvent], end: datetime) -> None:
        self.end = end
        self.state, self.reasons, self.target = NOT_STARTED, set[str](), TARGET
        self.start = self.since = self.counts_from = end
        self.changes: list[tuple[datetime, bool, frozenset[str]]] = []
        for event in sorted((each for each in told if each.time <= end), key=lambda e: (e.time, _rank(e), e.id)):
            self.read(event)
            self.changes.append((event.time, self.state is RUNNING, frozenset(self.reasons)))
        self.since, self.counts_from = max(self.since, self.start), max(self.counts_from, self.start)

    def read(self, event: ClockEvent) -> None:
        match event.kind, self.state:
            case ClockEventKind.START, ClockState.NOT_STARTED:
                self.state, self.start = RUNNING, event.time
                self.ask(event)
                self.counts_from = event.time
            case ClockEventKind.PAUSE, ClockState.RUNNING:
                self.reasons.add(event.reason)
            case ClockEventKind.RESUME, ClockState.RUNNING:
                self.reasons.discard(event.reason)
            case ClockEventKind.FULFIL, ClockState.RUNNING:
                self.state = FULFILLED
            case ClockEventKind.CANCEL, ClockState.RUNNING | ClockState.NOT_STARTED:
                self.state = CANCELLED
            case ClockEventKind.REOPEN, ClockState.FULFILLED | ClockState.CANCELLED if self.start < self.end:
                self.state, self.reasons = RUNNING, set()
            case ((ClockEventKind.POLICY_CHANGED | ClockEventKind.CALENDAR_CHANGED), _):
                self.ask(event)

    def ask(self, event: ClockEvent) -> None:
        if event.calendar is not None and self.since < self.end:
            self.target, self.since = replace(self.target, calendar=event.calendar), event.time
        elif event.target is not None:
            self.target, self.since = event.target, event.time
            self.counts_from = event.time if event.target.counts_from_change else self.start

    def tally(self) -> tuple[timedelta, datetime | None]:
        """(spent, breached) under the last target."""
        spent, breached, minute = timedelta(0), None, self.start
        while minute < self.end:
            _, running, reasons = [each for each in self.changes if each[0] <= minute][-1]
            if running and reasons.isdisjoint(self.target.pauses) and minute >= self.counts_from:
                if breached is None and spent >= self.target.work and minute >= self.since:
                    breached = minute
                spent += CALENDARS[self.target.calendar].elapsed(minute, minute + MINUTE)
            minute += MINUTE
        return spent, breached


def _rank(event: ClockEvent) -> int:
    return list(ClockEventKind).index(event.kind)


@settings(max_examples=150, deadline=None)
@given(lives(), minutes)
def test_a_fold_is_what_watching_the_clock_gives(told: list[ClockEvent], until: int) -> None:
    end = MONDAY + until * MINUTE
    clock = stands(told, end)
    spent, breached = Watch(told, end).tally()
    assert clock.spent == spent
    assert breached == (clock.breached_time if clock.breached_time != end else None)


@settings(max_examples=150, deadline=None)
@given(lives(), minutes, st.randoms(use_true_random=False))
def test_the_order_in_which_events_come_does_not_matter(
    told: list[ClockEvent], until: int, dice: random.Random
) -> None:
    end = MONDAY + until * MINUTE
    shuffled = [*told, *told[:3]]
    dice.shuffle(shuffled)
    assert stands(shuffled, end) == stands(told, end)


@settings(max_examples=150, deadline=None)
@given(lives(), minutes)
def test_what_is_explained_adds_up_to_what_was_spent(told: list[ClockEvent], until: int) -> None:
    end = MONDAY + until * MINUTE
    stretches = list(explain(told, end, CALENDARS.__getitem__))
    counted = [each.length for each in stretches if each.kind is ClockStretchKind.COUNTED]
    assert sum(counted, timedelta(0)) == stands(told, end).spent
    assert all(before.end_time == after.start_time for before, after in pairwise(stretches))


@settings(max_examples=150, deadline=None)
@given(lives(), minutes, minutes)
def test_a_version_that_was_breached_stays_breached(told: list[ClockEvent], one: int, other: int) -> None:
    early, late = (MONDAY + n * MINUTE for n in sorted((one, other)))
    before, after = stands(told, early), stands(told, late)
    kept: Callable[[Clock], set[tuple[datetime, datetime]]] = lambda clock: {  # noqa: E731
        (each.since_time, each.breached_time) for each in clock.versions if each.breached_time is not None
    }
    assert kept(before) <= kept(after) | {each for each in kept(before) if each[1] >= early}
