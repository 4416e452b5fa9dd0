"""Adherence is what came on time of what was due. What a customer or a rule forbade was not due."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event, InvalidArgument, Open, OpenEnum
from libs.statistics.estimates import Estimate, share
from services.care.programs.domain.programs import Phase, Program
from services.care.touches.domain.parts import TaskOutcome, TouchState
from services.care.touches.domain.touches import Touch

MONTHS_MAX: Final = 36
TIERS: Final = ("A", "B", "C", "LOSS")


class Result(OpenEnum):
    """Result of something that was planned."""

    ON_TIME = "ON_TIME"
    LATE = "LATE"
    MISSED = "MISSED"
    EXCUSED = "EXCUSED"


def result_of(touch: Touch) -> Result | None:
    """The result of a touch at its end. None before, and for what follows a result that was counted."""
    task = touch.task
    if task is not None:
        if task.end_time is None:
            return None
        ends = {TaskOutcome.DECLINED: Result.EXCUSED, TaskOutcome.NOT_REACHED: Result.MISSED}
        done = Result.ON_TIME if task.end_time <= task.due_time else Result.LATE
        return ends.get(task.outcome, done) if task.outcome is not None else None
    match touch.state:
        case TouchState.SENT:
            return Result.ON_TIME if touch.send_time is None or touch.send_time <= touch.expire_time else Result.LATE
        case TouchState.LAPSED:
            return Result.MISSED
        case TouchState.SUPPRESSED:
            return Result.EXCUSED
        case TouchState.FAILED if touch.send_time is None:
            return Result.MISSED
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CareCell(Entity):
    """Counts of a month, for one program, one person, one phase and one tier."""

    ID_PREFIX: ClassVar[str] = "cel"

    month: int
    """Twelve times the year, and the month from 0 to 11."""
    program_id: Open[str]
    """Id of the program."""
    owner: Open[str]
    """Subject of a token."""
    phase: Open[str]
    """Phase of the journey."""
    tier: Open[str]
    """Tier of the customer."""
    on_time: int = 0
    late: int = 0
    missed: int = 0
    excused: int = 0

    def add(self, result: Result) -> Change[CareCell]:
        """With one more result."""
        name = result.lower()
        return replace(self, **{name: getattr(self, name) + 1}), []


def span_of(from_month: str, to_month: str) -> tuple[int, int]:
    """The numbers of the first and the last month."""
    first, last = (int(each[:4]) * 12 + int(each[5:]) - 1 for each in (from_month, to_month))
    if not 0 <= last - first < MONTHS_MAX:
        raise InvalidArgument.field("to_month", f"is {from_month} or one of the {MONTHS_MAX - 1} months after it")
    return first, last


@dataclass(frozen=True, slots=True, kw_only=True)
class AdherenceRow:
    """Counts of one program, for one person who answers for customers."""

    program_id: str
    owner: str
    on_time_count: int
    late_count: int
    missed_count: int
    excused_count: int
    on_time: Estimate | None = None

    @property
    def due(self) -> int:
        """Number of what was due."""
        return self.on_time_count + self.late_count + self.missed_count


def row(program_id: str, owner: str, counts: Sequence[int]) -> AdherenceRow:
    """A row from (on time, late, missed, excused), with Wilson's interval."""
    on_time, late, missed, excused = counts
    return AdherenceRow(
        program_id=program_id,
        owner=owner,
        on_time_count=on_time,
        late_count=late,
        missed_count=missed,
        excused_count=excused,
        on_time=share(on_time, on_time + late + missed),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdherenceReport:
    """Counts of attention that was due and that came."""

    rows: tuple[AdherenceRow, ...]
    total: AdherenceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageCell:
    """Attention for one tier in one phase."""

    phase: Phase
    tier: str
    program_count: int
    touch_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageMap:
    """Map of attention, with its gaps."""

    cells: tuple[CoverageCell, ...]
    gaps: tuple[CoverageCell, ...]


def coverage(programs: Sequence[Program], touched: Mapping[tuple[str, str], int]) -> CoverageMap:
    """The map of every phase and tier, from active programs and (phase, tier) → touches that came."""

    def cells() -> Iterator[CoverageCell]:
        for phase in Phase:
            for tier in TIERS:
                meant = [each for each in programs if each.phase is phase and _has_plan(each, tier)]
                count = touched.get((phase, tier), 0)
                yield CoverageCell(phase=phase, tier=tier, program_count=len(meant), touch_count=count)

    every = tuple(cells())
    return CoverageMap(cells=every, gaps=tuple(each for each in every if not each.program_count))


def _has_plan(program: Program, tier: str) -> bool:
    return any(str(each.tier or "") in ("", tier) for each in program.plans)


class PolicyKind(OpenEnum):
    """Rules that are to be reviewed."""

    PROGRAM = "PROGRAM"
    TIER_POLICY = "TIER_POLICY"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReview(Entity):
    """Rules that are to be reviewed by a day."""

    ID_PREFIX: ClassVar[str] = "rev"

    kind: PolicyKind
    subject_id: str = ""
    display_name: str = ""
    review_date: date | None = None
    overdue: bool = False
    due_time: datetime | None = None

    def plan(self, other: PolicyReview) -> Change[PolicyReview]:
        """With another day, after the rules were written anew."""
        day = other.review_date
        due = datetime.combine(day + timedelta(days=1), time(), UTC) if day is not None else None
        same = (self.subject_id, self.display_name, self.review_date) == (other.subject_id, other.display_name, day)
        if same and self.revision:
            return self, []
        planned = replace(
            self,
            subject_id=other.subject_id,
            display_name=other.display_name,
            review_date=day,
            overdue=False,
            due_time=due,
        )
        return planned, [PolicyReviewPlanned(review=planned)]

    def lapse(self, now: datetime) -> Change[PolicyReview]:
        """Overdue, when the day is over."""
        if self.due_time is None or self.due_time > now:
            return self, []
        overdue = replace(self, overdue=True, due_time=None)
        return overdue, [PolicyReviewOverdue(review=overdue)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReviewPlanned(Event):
    """Tells by when rules are to be reviewed."""

    review: PolicyReview


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReviewOverdue(Event):
    """Tells that nobody reviewed rules in time."""

    review: PolicyReview
