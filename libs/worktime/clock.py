"""Clocks: what happens to them, what is asked of them, and how they stand.

See `folding` for how the one follows from the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from libs.chassis.domain import OpenEnum
from libs.worktime.hours import Rule

ZERO: Final = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarVersion:
    """A calendar as it was at one of its revisions. Without an id, every hour counts."""

    calendar_id: str = ""
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Target that a version of a policy sets for a clock."""

    policy_id: str = ""
    policy_version: int = 0
    work: timedelta
    """Time within which the clock is to be fulfilled, counted in the calendar."""
    warnings: tuple[int, ...] = ()
    """Percentages of `work` at which to warn."""
    pauses: tuple[str, ...] = ()
    """Reasons that pause the clock. A pause for any other reason is noted and does not."""
    calendar: CalendarVersion = CalendarVersion()
    counts_from_change: bool = False
    """Set when it counts from when it came into force, and not from the first start."""


class ClockEventKind(OpenEnum):
    """Kind of an event of a clock."""

    START = "START"
    PAUSE = "PAUSE"
    RESUME = "RESUME"
    FULFIL = "FULFIL"
    CANCEL = "CANCEL"
    REOPEN = "REOPEN"
    POLICY_CHANGED = "POLICY_CHANGED"
    CALENDAR_CHANGED = "CALENDAR_CHANGED"


class ClockState(OpenEnum):
    """State of a clock. A breach is told apart."""

    NOT_STARTED = "NOT_STARTED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    FULFILLED = "FULFILLED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockEvent:
    """A fact in the life of a clock, never changed. The id tells a repeat from another event of the same time."""

    id: str
    kind: ClockEventKind
    time: datetime
    sequence: int = 0
    """The order of events of the same time."""
    reason: str = ""
    """Of PAUSE and RESUME: the reason that begins or ends."""
    target: Target | None = None
    """Of START and POLICY_CHANGED: what is asked from then on."""
    calendar: CalendarVersion | None = None
    """Of CALENDAR_CHANGED: the calendar as it is from then on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A warning point that was reached."""

    percent: int
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockVersion:
    """Outcome of a target while it was in force."""

    target: Target
    since_time: datetime
    counts_from_time: datetime
    """Time at which its target began to count: the first start, unless it says otherwise."""
    until_time: datetime | None = None
    """Time at which the next version began. Absent for the one in force."""
    due_time: datetime | None = None
    """Absent while the clock is paused before it is due: nobody knows for how long."""
    breached_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A clock as it stood at a time."""

    state: ClockState
    start_time: datetime | None = None
    end_time: datetime | None = None
    """Time at which it was fulfilled or cancelled."""
    reasons: tuple[str, ...] = ()
    """The reasons for which it is paused, and those that its target does not care about."""
    spent: timedelta = ZERO
    """Part of the target that has run."""
    left: timedelta = ZERO
    """Part of it that is left. Negative when it is over."""
    due_time: datetime | None = None
    breached_time: datetime | None = None
    warned: tuple[Warned, ...] = ()
    wake_time: datetime | None = None
    """Time of the next warning or breach if nothing else happens. Absent when none comes."""
    versions: tuple[ClockVersion, ...] = ()
    unfit: tuple[str, ...] = ()
    """Ids of the events that did not fit the state they met."""


class ClockStretchKind(OpenEnum):
    """Reason for which a stretch of a clock counts or does not."""

    COUNTED = "COUNTED"
    CLOSED = "CLOSED"
    PAUSED = "PAUSED"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStretch:
    """A stretch of the life of a clock and what it counts for, with the rule that says so."""

    kind: ClockStretchKind
    start_time: datetime
    end_time: datetime
    reasons: tuple[str, ...] = ()
    date: date | None = None
    rule: Rule | None = None
    label: str = ""
    calendar: CalendarVersion = CalendarVersion()

    @property
    def length(self) -> timedelta:
        """Its length."""
        return self.end_time - self.start_time
