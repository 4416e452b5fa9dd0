"""Use-cases of loyalty: months measured over all customers, and read one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from libs.chassis import identity
from libs.chassis.domain import FailedPrecondition, NotFound
from libs.chassis.operations import Job
from libs.chassis.paging import Page, PageRequest
from services.profiles.loyalty.domain import measures as loyalty
from services.profiles.loyalty.domain.measures import LoyaltyMeasures, Tally
from services.profiles.loyalty.store import LoyaltyStore
from services.profiles.segments.domain.segments import Segment, SegmentState
from services.profiles.worth.application.bulk import moment_of, put
from services.profiles.worth.domain.contribution import check_currency, check_time_zone

_EVERYBODY: Final = ""
"""Stands for all customers where others have the id of a segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthsRequest:
    """The currency whose months are to be measured, of everybody and of the members of some segments."""

    currency_code: str
    time_zone: str = ""
    segments: tuple[str, ...] = ()
    as_of_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthsProgress:
    """Checkpoint of a computation."""

    as_of_time: datetime | None = None
    after: str = ""
    """Id of the customer counted last."""
    customers: int = 0
    tallies: dict[str, dict[int, Tally]] = field(default_factory=dict)
    """Id of the segment → number of the month → counts."""


class SegmentNotMeasurable(FailedPrecondition):
    """Segment {segment_id} {problem}."""

    segment_id: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Outcome of a computation."""

    month_count: int
    restated_count: int
    customer_count: int


class Loyalty:
    """The months of a currency."""

    def __init__(self, store: LoyaltyStore) -> None:
        self._store, self._worth, self._segments = store, store.worth, store.segments

    def run(self, job: Job[MonthsRequest, MonthsProgress]) -> Measured:
        """Measure every month up to the present one, as an operation: of all customers, and of those of some segments.
        The tallies are kept at every step, so one that is interrupted goes on from there."""
        currency = check_currency(job.request.currency_code)
        time_zone = check_time_zone(job.request.time_zone)
        segments = self.measurable(job.request.segments)
        as_of = job.state.as_of_time or moment_of(job.request.as_of_time)
        state = replace(job.state, as_of_time=as_of)
        job.progress(state.customers, 0, state)
        today = as_of.astimezone(ZoneInfo(time_zone)).date()
        present = loyalty.number_of(today)
        tallies = {group: dict(theirs) for group, theirs in state.tallies.items()}
        customers = state.customers
        for portion in self._worth.figures_of_all(None, after=state.after, time_zone=time_zone):
            belongs = self._segments.belonging([id for id, _ in portion]) if segments else {}
            for id, figures in portion:
                mine = [each for each in figures if each.currency_code == currency and (each.day or today) <= today]
                customers += bool(mine)
                activity = loyalty.by_month(mine)
                for group in (_EVERYBODY, *(belongs.get(id, frozenset()) & segments.keys())):
                    loyalty.add(tallies.setdefault(group, {}), activity, present)
            after = portion[-1][0] if portion else state.after
            state = replace(state, after=after, customers=customers, tallies=tallies)
            job.progress(customers, 0, state)
        measured = {
            group: [
                loyalty.measures(
                    tally,
                    month,
                    currency_code=currency,
                    time_zone=time_zone,
                    as_of=as_of,
                    segment=segments.get(group),
                )
                for month, tally in sorted(tallies.get(group, {}).items())
                if month <= present
            ]
            for group in (_EVERYBODY, *segments)
        }
        return Measured(
            month_count=sum(map(len, measured.values())),
            restated_count=sum(self._tell(group, currency, months) for group, months in measured.items()),
            customer_count=customers,
        )

    def require_measurable(self, currency_code: str, time_zone: str, segments: Sequence[str]) -> None:
        """Refuse what cannot be measured."""
        check_currency(currency_code)
        check_time_zone(time_zone)
        self.measurable(segments)

    def measurable(self, names: Sequence[str]) -> dict[str, Segment]:
        """Id → segment, of some ids or keys. Each has to be in use, and evaluated as it is defined now."""
        found: dict[str, Segment] = {}
        for name in names:
            segment = self._named(name)
            if segment.state is not SegmentState.ACTIVE or segment.stale:
                problem = "is evaluated just now: wait for its end" if segment.stale else "is retired"
                raise SegmentNotMeasurable(segment_id=segment.id, problem=problem)
            found[segment.id] = segment
        return found

    def get(self, currency_code: str, month: str, segment: str = "") -> LoyaltyMeasures:
        """Measures of one month, of all customers or of those of a segment."""
        of = self._named(segment).id if segment else _EVERYBODY
        found = self._store.month(of, check_currency(currency_code), month)
        if found is None:
            raise NotFound(LoyaltyMeasures, f"{month} in {currency_code}" + (f" of {segment}" if segment else ""))
        return found

    def list(self, currency_code: str, wanted: PageRequest, segment: str = "") -> Page[LoyaltyMeasures]:
        """The months of a currency, the latest first."""
        of = self._named(segment).id if segment else _EVERYBODY
        return self._store.list_months(of, check_currency(currency_code), wanted)

    def _named(self, name: str) -> Segment:
        found = self._segments.find(name)
        if found is None:
            raise NotFound(Segment, name)
        return found

    def _tell(self, segment_id: str, currency_code: str, months: Sequence[LoyaltyMeasures]) -> int:
        """Store the months. How many were told differently before."""
        told = self._store.months(segment_id, currency_code)
        new = [
            each.restated_from(told[each.month])
            if each.month in told
            else replace(each, id=identity.new_id(each.ID_PREFIX))
            for each in months
        ]
        put(self._store.loyalty_of(segment_id), new)
        return sum(each.month in told and each.restatements != told[each.month].restatements for each in new)
