"""Complaints counted by product and by cause, with those that were handled in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import InvalidArgument
from services.interactions.complaints.domain.complaints import Complaint
from services.interactions.complaints.domain.recoveries import LaterDeal, RecoveryTally, recoveries

DAY: Final = timedelta(days=1)
LAGS_SHOWN: Final = 1000


class ReportBackward(InvalidArgument):
    """{end_time} is not after {start_time}: a report ends after it begins."""

    wrong_field: ClassVar[str] = "end_time"

    start_time: datetime
    end_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintTally:
    """Complaints that have something in common."""

    key: str
    complaints: int
    timely: int
    untimely: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardLag:
    """Complaints that reached whoever answers after as many whole days."""

    days: int
    complaints: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintReport:
    """Complaints of a stretch of time."""

    complaints: int
    timely: int
    untimely: int
    disputed: int
    products: tuple[ComplaintTally, ...] = ()
    """By product, the most complaints first: a Pareto."""
    causes: tuple[ComplaintTally, ...] = ()
    mean_forward: timedelta | None = None
    """Mean time until imported ones reached whoever answers. None when none did."""
    truncated: bool = False
    lags: tuple[ForwardLag, ...] = ()
    """By whole days, the fewest first."""
    recoveries: tuple[RecoveryTally, ...] = ()
    """Those that ended, the confirmed ones first, with the deals that came after them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintSeen:
    """The few facts of a complaint that a report counts."""

    product: str
    cause: str
    timely: bool | None
    disputed: bool | None
    forward: timedelta | None
    confirmed: bool | None
    """None while it goes on."""
    later_deals: tuple[LaterDeal, ...]

    @classmethod
    def of(cls, complaint: Complaint) -> ComplaintSeen:
        """The facts of a complaint."""
        received, forwarded = complaint.received_time, complaint.forwarded_time
        return cls(
            product=complaint.attribution.product if complaint.attribution is not None else "",
            cause=complaint.taxonomy_path,
            timely=complaint.timely,
            disputed=complaint.disputed,
            confirmed=complaint.confirmed_time is not None if complaint.end_time is not None else None,
            later_deals=complaint.later_deals,
            forward=forwarded - received if forwarded is not None and received is not None else None,
        )


def report(seen: Iterable[ComplaintSeen], *, truncated: bool = False) -> ComplaintReport:
    """The report of complaints. What is not attributed counts in the sums alone."""
    all_seen = list(seen)
    timely = Counter(each.timely for each in all_seen)
    forwards = [each.forward for each in all_seen if each.forward is not None]
    lags = Counter(each // DAY for each in forwards)
    return ComplaintReport(
        complaints=len(all_seen),
        timely=timely[True],
        untimely=timely[False],
        disputed=sum(each.disputed is True for each in all_seen),
        products=_tallies((each.product, each.timely) for each in all_seen),
        causes=_tallies((each.cause, each.timely) for each in all_seen),
        mean_forward=sum(forwards, timedelta(0)) / len(forwards) if forwards else None,
        truncated=truncated,
        recoveries=recoveries((each.confirmed, each.later_deals) for each in all_seen if each.confirmed is not None),
        lags=tuple(ForwardLag(days=days, complaints=n) for days, n in sorted(lags.items())[:LAGS_SHOWN]),
    )


def _tallies(keyed: Iterable[tuple[str, bool | None]]) -> tuple[ComplaintTally, ...]:
    counts: dict[str, Counter[bool | None]] = {}
    for key, timely in keyed:
        if key:
            counts.setdefault(key, Counter())[timely] += 1
    tallies = (
        ComplaintTally(key=key, complaints=count.total(), timely=count[True], untimely=count[False])
        for key, count in counts.items()
    )
    return tuple(sorted(tallies, key=lambda each: (-each.complaints, each.key)))
