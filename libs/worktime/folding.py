"""Clocks folded from their events: how much of a target has run, when it is due, and what was counted.

A clock stores its events and nothing else: no remainder that a later correction would leave wrong. Events may come
late and in any order, because `fold` sorts them; what does not fit is passed over and named. Each change of policy or
calendar begins a new version, under which all that has happened is counted anew: pauses stay, and the target counts
from the first start unless it says otherwise. That a version was breached while it was in force stays in the history.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import zip_longest

from libs.worktime.clock import (
    ZERO,
    CalendarVersion,
    Clock,
    ClockEvent,
    ClockEventKind,
    ClockState,
    ClockStretch,
    ClockStretchKind,
    ClockVersion,
    Target,
    Warned,
)
from libs.worktime.hours import Hours, Segment
from libs.worktime.refusals import ClockEventAhead, ClockEventUnfit

_KINDS = tuple(ClockEventKind)
"""Kinds of events in the order in which they count at the same time."""
_ENDS = {ClockEventKind.FULFIL: ClockState.FULFILLED, ClockEventKind.CANCEL: ClockState.CANCELLED}
_RUNS = (ClockState.RUNNING, ClockState.PAUSED)
_FITS = {
    ClockEventKind.START: (ClockState.NOT_STARTED,),
    ClockEventKind.PAUSE: _RUNS,
    ClockEventKind.RESUME: _RUNS,
    ClockEventKind.FULFIL: _RUNS,
    ClockEventKind.CANCEL: (ClockState.NOT_STARTED, *_RUNS),
    ClockEventKind.REOPEN: tuple(_ENDS.values()),
    ClockEventKind.POLICY_CHANGED: tuple(ClockState),
    ClockEventKind.CALENDAR_CHANGED: tuple(ClockState),
}
"""Kind of event → the states in which it means something."""


_Counted = tuple[datetime, datetime | None]
"""Interval in which time runs. Still running without an end."""

HoursOf = Callable[[CalendarVersion], Hours]
"""The hours of a calendar at one of its revisions."""


def append(events: Sequence[ClockEvent], event: ClockEvent, now: datetime) -> tuple[ClockEvent, ...]:
    """The events with one more, in order. The same when it was told before.

    ClockEventAhead when it lies in the future, ClockEventUnfit when it means nothing where its time puts it.
    """
    if any(known.id == event.id for known in events):
        return tuple(events)
    if event.time > now:
        raise ClockEventAhead(time=event.time)
    life = _live([known for known in events if known.time <= event.time], event.time)
    if not fits(event, life.state):
        raise ClockEventUnfit(kind=event.kind, state=life.state)
    more = list(events)
    insort(more, event, key=lambda each: each.time)
    return tuple(more)


def fold(events: Sequence[ClockEvent], at: datetime, hours_of: HoursOf) -> Clock:
    """The clock that these events make, as it stands at a time. Later events have not happened yet."""
    life = _live(events, at)
    spans = life.finish()
    if life.start is None or not spans:
        return Clock(state=life.state, end_time=life.end, unfit=tuple(life.unfit))
    versions = _versions(life, spans, at, hours_of)
    now_asked = versions[-1]
    target, hours = now_asked.target, hours_of(now_asked.target.calendar)
    counted = _counted(spans, now_asked.counts_from_time, target)
    spent = sum((hours.elapsed(start, end or at) for start, end in counted), ZERO)
    points = [(percent, _reached(counted, target.work * percent / 100, hours)) for percent in sorted(target.warnings)]
    warnings = [Warned(percent=percent, time=max(time, now_asked.since_time)) for percent, time in points if time]
    times = (now_asked.due_time, *(warning.time for warning in warnings))
    runs = life.end is None and spans[-1].runs_under(target)
    state = ClockState.PAUSED if life.end is None and not runs else life.state
    return Clock(
        state=state,
        start_time=life.start,
        end_time=life.end,
        reasons=tuple(sorted(life.reasons)),
        spent=spent,
        left=target.work - spent,
        due_time=now_asked.due_time,
        breached_time=now_asked.breached_time,
        warned=tuple(warning for warning in warnings if warning.time <= at),
        wake_time=min((time for time in times if time and time > at), default=None) if runs else None,
        versions=tuple(versions),
        unfit=tuple(life.unfit),
    )


def explain(events: Sequence[ClockEvent], at: datetime, hours_of: HoursOf) -> Iterator[ClockStretch]:
    """The life of a clock, stretch by stretch, as the version in force at a time counts it."""
    life = _live(events, at)
    spans = life.finish()
    if not spans:
        return
    last = life.asked[-1]
    calendar, hours = last.target.calendar, hours_of(last.target.calendar)
    for span in spans:
        start, end = max(span.start, last.counts_from or span.start), span.end or at
        if start >= end:
            continue
        if span.runs_under(last.target):
            yield from _worked(start, end, calendar, hours)
        else:
            kind = ClockStretchKind.ENDED if span.ended else ClockStretchKind.PAUSED
            holding = tuple(sorted(span.reasons & set(last.target.pauses)))
            yield ClockStretch(kind=kind, start_time=start, end_time=end, reasons=holding, calendar=calendar)


def fits(event: ClockEvent, state: ClockState) -> bool:
    """Returns whether an event says enough, and means something in a state."""
    needed = {
        ClockEventKind.START: event.target,
        ClockEventKind.POLICY_CHANGED: event.target,
        ClockEventKind.CALENDAR_CHANGED: event.calendar,
    }
    return needed.get(event.kind, event) is not None and state in _FITS.get(event.kind, ())


@dataclass(frozen=True, slots=True)
class _Span:
    """A stretch between two events: whether an end or pauses hold in it. The last one is open."""

    start: datetime
    end: datetime | None
    ended: bool
    reasons: frozenset[str]

    def runs_under(self, target: Target) -> bool:
        """Returns whether time runs in it."""
        return not self.ended and self.reasons.isdisjoint(target.pauses)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A target with the time from which it is in force, and that from which it counts. None for the start."""

    since: datetime
    counts_from: datetime | None
    target: Target


@dataclass(slots=True)
class _Life:
    """Life of a clock as its events told it."""

    state: ClockState = ClockState.NOT_STARTED
    start: datetime | None = None
    end: datetime | None = None
    reasons: frozenset[str] = frozenset()
    spans: list[_Span] = field(default_factory=list)
    asked: list[_Asked] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)

    def take(self, event: ClockEvent) -> None:
        """Goes on to what the event makes of it."""
        if not fits(event, self.state):
            self.unfit.append(event.id)
            return
        match event.kind:
            case ClockEventKind.START:
                self.start, self.state = event.time, ClockState.RUNNING
                self._ask(event.time, event.target)
            case ClockEventKind.PAUSE:
                self._hold(event.time, self.reasons | {event.reason})
            case ClockEventKind.RESUME:
                self._hold(event.time, self.reasons - {event.reason})
            case ClockEventKind.FULFIL | ClockEventKind.CANCEL:
                self._close(event.time)
                self.state, self.end = _ENDS[event.kind], event.time
            case ClockEventKind.REOPEN if self.start is not None:
                self._close(event.time, ended=True)
                self.state, self.end, self.reasons = ClockState.RUNNING, None, frozenset()
            case ClockEventKind.POLICY_CHANGED:
                self._ask(event.time, event.target)
            case ClockEventKind.CALENDAR_CHANGED if self.asked and event.calendar is not None:
                last = self.asked[-1]
                self.asked.append(replace(last, since=event.time, target=replace(last.target, calendar=event.calendar)))
            case _:
                self.unfit.append(event.id)

    def finish(self) -> list[_Span]:
        """All stretches, up to the open one."""
        at = self.spans[-1].end if self.spans else self.start
        return [*self.spans, _Span(at, None, self.end is not None, self.reasons)] if at is not None else []

    def _ask(self, at: datetime, target: Target | None) -> None:
        if target is not None:
            self.asked.append(_Asked(at, at if target.counts_from_change else None, target))

    def _hold(self, at: datetime, reasons: frozenset[str]) -> None:
        if reasons != self.reasons:
            self._close(at)
            self.reasons = reasons

    def _close(self, at: datetime, *, ended: bool = False) -> None:
        since = self.spans[-1].end if self.spans else self.start
        if since is not None:
            self.spans.append(_Span(since, at, ended, self.reasons))


def _live(events: Sequence[ClockEvent], at: datetime) -> _Life:
    """Reads the events up to a time, each once and in order, whatever the order in which they came."""
    life = _Life()
    once = {event.id: event for event in events if event.time <= at}
    for event in sorted(once.values(), key=_place):
        life.take(event)
    return life


def _place(event: ClockEvent) -> tuple[datetime, int, int, str]:
    return event.time, event.sequence, _KINDS.index(event.kind), event.id


def _versions(life: _Life, spans: Sequence[_Span], at: datetime, hours_of: HoursOf) -> list[ClockVersion]:
    """Every version with what became of it while it was in force."""
    told: list[ClockVersion] = []
    start = spans[0].start
    for each, following in zip_longest(life.asked, life.asked[1:]):
        since = max(each.since, start)
        until = max(following.since, start) if following is not None else None
        if until is not None and until <= since:
            continue  # replaced before the clock started, or at the same instant
        counts_from = max(each.counts_from or start, start)
        # Seen from its own time: what paused or ended the clock later was not known then.
        counted = _counted(spans if until is None else [*_until(spans, until)], counts_from, each.target)
        due = _reached(counted, each.target.work, hours_of(each.target.calendar))
        breached = _breached(counted, due, since) if due is not None else None
        if breached is not None and (breached > at if until is None else breached >= until):
            breached = None
        told.append(
            ClockVersion(
                target=each.target,
                since_time=since,
                counts_from_time=counts_from,
                until_time=until,
                due_time=due,
                breached_time=breached,
            )
        )
    return told


def _until(spans: Sequence[_Span], end: datetime) -> Iterator[_Span]:
    """The stretches as they looked at a time, the last one open."""
    for span in spans:
        if span.end is None or span.end >= end:
            yield replace(span, end=None)
            return
        yield span


def _counted(spans: Sequence[_Span], begin: datetime, target: Target) -> list[_Counted]:
    """The stretches in which time runs for a target that counts from a beginning."""
    return [
        (max(span.start, begin), span.end)
        for span in spans
        if span.runs_under(target) and (span.end is None or span.end > begin)
    ]


def _reached(counted: Sequence[_Counted], work: timedelta, hours: Hours) -> datetime | None:
    """The first instant at which so much has run. None when time stops before."""
    for start, end in counted:
        runs = hours.elapsed(start, end) if end is not None else None
        if runs is None or work <= runs:
            return hours.add(start, work)
        work -= runs
    return None


def _breached(counted: Sequence[_Counted], due: datetime, since: datetime) -> datetime | None:
    """The first instant, not before the version came into force, at which time runs on although it is due."""
    instants = ((max(start, due, since), end) for start, end in counted)
    return next((instant for instant, end in instants if end is None or instant < end), None)


def _worked(start: datetime, end: datetime, calendar: CalendarVersion, hours: Hours) -> Iterator[ClockStretch]:
    """Working time as the calendar explains it, and the closed time between."""
    done, closed = start, list[Segment]()
    for segment in hours.segments(start, end):
        if segment.start_time is None or segment.end_time is None:
            closed.append(segment)
            continue
        if done < segment.start_time:
            yield _closed(done, segment.start_time, closed, calendar)
        done, closed = segment.end_time, []
        yield ClockStretch(
            kind=ClockStretchKind.COUNTED,
            start_time=segment.start_time,
            end_time=segment.end_time,
            date=segment.date,
            rule=segment.rule,
            label=segment.label,
            calendar=calendar,
        )
    if done < end:
        yield _closed(done, end, closed, calendar)


def _closed(start: datetime, end: datetime, dates: Sequence[Segment], calendar: CalendarVersion) -> ClockStretch:
    """Time that is not worked, with the exceptions that close dates in it."""
    return ClockStretch(
        kind=ClockStretchKind.CLOSED,
        start_time=start,
        end_time=end,
        date=dates[0].date if dates else None,
        rule=dates[0].rule if dates else None,
        label=", ".join(filter(None, (each.label for each in dates))),
        calendar=calendar,
    )
