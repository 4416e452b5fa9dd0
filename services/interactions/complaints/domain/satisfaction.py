"""Time to satisfaction: from the first word of the customer to the confirmation, in elapsed time.

No resolution stops it, and a silent close is no satisfaction: such complaints are censored, as those are that go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.statistics.survival import kaplan_meier, time_to
from services.interactions.complaints.domain.complaints import Complaint, ComplaintState

_ENDED = frozenset({ComplaintState.SILENT_CLOSE, ComplaintState.EXTERNAL})
"""States after which nobody waits for a confirmation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SatisfactionStep:
    """Share of complaints that have no confirmation yet some time after the first word."""

    after: timedelta
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeToSatisfaction:
    """Share of complaints without a confirmation after each time, and the time after which half have one."""

    confirmed: int
    censored: int
    steps: tuple[SatisfactionStep, ...]
    median: timedelta | None
    """None while fewer than half are known to have been satisfied."""


def time_to_satisfaction(complaints: Iterable[Complaint], now: datetime) -> TimeToSatisfaction:
    """Estimate of all complaints as they stand."""
    cases = [_observed(each, now) for each in complaints]
    steps = kaplan_meier(cases)
    median = time_to(0.5, steps)
    confirmed = sum(event for _, event in cases)
    return TimeToSatisfaction(
        confirmed=confirmed,
        censored=len(cases) - confirmed,
        steps=tuple(SatisfactionStep(after=timedelta(seconds=each.time), share=each.share) for each in steps),
        median=timedelta(seconds=median) if median is not None else None,
    )


def _observed(complaint: Complaint, now: datetime) -> tuple[float, bool]:
    began = complaint.first_time or complaint.received_time or now
    if complaint.confirmed_time is not None:
        return (complaint.confirmed_time - began).total_seconds(), True
    until = complaint.state_time if complaint.state in _ENDED else now
    return ((until or now) - began).total_seconds(), False
