"""Counting clocks anew: what is planned, how far it is, and what it makes different."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, InvalidArgument, Open
from libs.worktime.clock import Clock, ClockStretch
from services.interactions.clocks.domain import refolding
from services.interactions.clocks.domain.policies import ServiceMetric
from services.interactions.clocks.domain.refolding import SlaTally

SAMPLES: Final = 100
"""Clocks that a report shows of those that stand differently."""


class SpanBackward(InvalidArgument):
    """{end_time} is not after {start_time}: a span ends after it begins."""

    wrong_field: ClassVar[str] = "end_time"

    start_time: datetime
    end_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedClock:
    """A clock with each of its stretches."""

    metric: ServiceMetric
    number: int
    clock: Clock
    stretches: tuple[ClockStretch, ...] = ()
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaReport:
    """Outcome of the clocks of cases."""

    tallies: tuple[SlaTally, ...] = ()
    cases: int = 0
    truncated: bool = False
    conversion_share: float | None = None
    """Share of the cases that began as something else and grew into complaints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockDifference:
    """A clock that stands differently after it was counted anew."""

    subject_id: str
    metric: ServiceMetric
    number: int
    due_before_time: datetime | None = None
    due_after_time: datetime | None = None
    newly_breached: bool = False
    no_longer_breached: bool = False

    @classmethod
    def of(cls, found: refolding.ClockDifference) -> ClockDifference:
        """A difference as a report tells it."""
        return cls(
            subject_id=found.subject_id,
            metric=found.metric,
            number=found.number,
            due_before_time=found.before.due_time,
            due_after_time=found.after.due_time,
            newly_breached=found.newly_breached,
            no_longer_breached=found.before.breached_time is not None and found.after.breached_time is None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefoldProgress:
    """Refoldings that an operation has done, and cases that it looked at for them."""

    refolding_count: int = 0
    case_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refolding(Entity):
    """Plan and report of counting the clocks of open cases anew."""

    ID_PREFIX: ClassVar[str] = "rfo"

    policy_id: str = ""
    calendar_id: str = ""
    policy_version: int = 0
    calendar_revision: int = 0
    due_time: datetime
    end_time: datetime | None = None
    cases: int = 0
    changed: int = 0
    newly_breached: int = 0
    no_longer_breached: int = 0
    samples: tuple[ClockDifference, ...] = ()
    place: Open[str] = ""
    """Place among the cases that it has come to, for the store."""
    pending: bool = True

    def count(self, cases: int, found: Sequence[ClockDifference], place: str, now: datetime) -> Change[Refolding]:
        """After one more batch. Without a place to go on from, it is done."""
        return replace(
            self,
            cases=self.cases + cases,
            changed=self.changed + len(found),
            newly_breached=self.newly_breached + sum(each.newly_breached for each in found),
            no_longer_breached=self.no_longer_breached + sum(each.no_longer_breached for each in found),
            samples=(*self.samples, *found)[:SAMPLES],
            place=place,
            pending=bool(place),
            end_time=None if place else now,
        ), []
