"""The measures of loyalty: base, retention of new and of regular customers, churn, frequency, spend, share of customer.

Retention and churn are taken on one and the same cohort, so that they add up to one; see `LoyaltyMeasures`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from libs.chassis.domain import Entity
from libs.statistics.estimates import Estimate, ratio, share
from services.profiles.segments.domain.segments import Segment
from services.profiles.worth.domain.contribution import Figures

REGULAR_PERIODS = 2
MOST_RESTATEMENTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Activity of one customer in one period."""

    orders: int
    revenue: int
    """Net of refunds in this period, in minor units."""
    transactions: int


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of one period over many customers, added one customer at a time."""

    active: int = 0
    new: int = 0
    new_retained: int = 0
    regular: int = 0
    regular_retained: int = 0
    retained: int = 0
    """Active in this period and in the next."""
    started: int = 0
    """Active in the period before."""
    lost: int = 0
    """Active in the period before and not in this."""
    orders: int = 0
    revenue: int = 0
    transactions: int = 0
    revenue_squares: int = 0
    revenue_orders: int = 0
    order_squares: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Restatement:
    """A measure that came out differently than told before, because transactions arrived late."""

    measure: str
    before: float
    after: float
    before_as_of_time: datetime
    late_transaction_count: int
    """Transactions of the period that were not there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoyaltyMeasures(Entity):
    """The measures of one calendar month in one currency, as far as the next month is not needed or is over.

    Of a segment, its members at the time of the computation are one cohort for every month: whoever left it since is in
    no numerator and no denominator.
    """

    ID_PREFIX: ClassVar[str] = "loy"

    segment_id: str = ""
    """The segment whose members were measured. Empty for all customers."""
    segment_key: str = ""
    segment_version: int = 0
    month: str
    """For example 2026-05."""
    currency_code: str
    time_zone: str
    as_of_time: datetime
    base: int
    """Distinct customers who bought."""
    new_customers: int
    """Of the base, who had never bought before."""
    regular_customers: int
    """Of the base, who bought in two months or more so far."""
    new_retention: Estimate | None = None
    """New ones who bought again in the next month. Absent until it is over."""
    regular_retention: Estimate | None = None
    """Regular ones who bought again in the next month. Absent until it is over."""
    retention: Estimate | None = None
    """Buyers of the month before who bought in this one. Absent until it is over."""
    churn: Estimate | None = None
    """Buyers of the month before who did not. With `retention` it makes one. Who is new is in neither."""
    frequency: Estimate | None = None
    """Orders for each active customer."""
    average_spend: Estimate | None = None
    """Net revenue for each order, in minor units."""
    transaction_count: int = 0
    restatements: tuple[Restatement, ...] = ()
    """The latest last."""

    def restated_from(self, before: LoyaltyMeasures | None) -> LoyaltyMeasures:
        """These measures with a line for each one that was told differently when the month was over already."""
        if before is None:
            return self
        was_over = month_at(before.as_of_time, before.time_zone) > self.month
        lines = [
            Restatement(
                measure=name,
                before=old,
                after=new,
                before_as_of_time=before.as_of_time,
                late_transaction_count=self.transaction_count - before.transaction_count,
            )
            for name, old, new in _compared(before, self)
            if was_over and old != new
        ]
        kept = (*before.restatements, *lines)[-MOST_RESTATEMENTS:]
        return replace(self, id=before.id, revision=before.revision, create_time=before.create_time, restatements=kept)


def _compared(before: LoyaltyMeasures, after: LoyaltyMeasures) -> Iterable[tuple[str, float, float]]:
    """(measure, before, after) of every measure that was told. One that comes for the first time is no restatement."""
    for name in ("base", "new_customers", "regular_customers"):
        yield name, getattr(before, name), getattr(after, name)
    for name in ("new_retention", "regular_retention", "retention", "churn", "frequency", "average_spend"):
        old, new = getattr(before, name), getattr(after, name)
        if old is not None and new is not None:
            yield name, old.value, new.value


def by_month(figures: Iterable[Figures]) -> dict[int, Activity]:
    """Month (`year * 12 + month - 1`) → what a customer did, from figures of days."""
    found: dict[int, Activity] = {}
    for each in figures:
        if each.day is None:
            raise ValueError("months are made of days")
        month = number_of(each.day)
        sofar = found.get(month, Activity(orders=0, revenue=0, transactions=0))
        found[month] = Activity(
            orders=sofar.orders + each.sale_count,
            revenue=sofar.revenue + each.net_sales,
            transactions=sofar.transactions + each.transaction_count,
        )
    return found


def add(tallies: dict[int, Tally], activity: Mapping[int, Activity], last: int) -> None:
    """Count one customer into the tallies of the periods up to `last`.

    Active in a period is who bought in it; a refund alone makes nobody active but lowers the revenue of its period.
    """
    bought = sorted(period for period, each in activity.items() if each.orders)
    for period, each in activity.items():
        tally = tallies.setdefault(period, Tally())
        tally.orders += each.orders
        tally.revenue += each.revenue
        tally.transactions += each.transactions
        tally.revenue_squares += each.revenue * each.revenue
        tally.revenue_orders += each.revenue * each.orders
        tally.order_squares += each.orders * each.orders
    there = set(bought)
    for count, period in enumerate(bought, 1):
        tally, again = tallies[period], period + 1 in there
        tally.active += 1
        tally.retained += again
        tally.new += count == 1
        tally.new_retained += count == 1 and again
        tally.regular += count >= REGULAR_PERIODS
        tally.regular_retained += count >= REGULAR_PERIODS and again
        if period < last:
            following = tallies.setdefault(period + 1, Tally())
            following.started += 1
            following.lost += not again


def measures(
    tally: Tally, month: int, *, currency_code: str, time_zone: str, as_of: datetime, segment: Segment | None = None
) -> LoyaltyMeasures:
    """The measures of a tally. Who stayed and who left is told only of months that are over."""
    present = month_at(as_of, time_zone)
    over, next_over = name_of(month) < present, name_of(month + 1) < present
    squares = float(tally.revenue_squares), float(tally.revenue_orders), float(tally.order_squares)
    return LoyaltyMeasures(
        id="",
        segment_id=segment.id if segment else "",
        segment_key=segment.key if segment else "",
        segment_version=segment.version if segment else 0,
        month=name_of(month),
        currency_code=currency_code,
        time_zone=time_zone,
        as_of_time=as_of,
        base=tally.active,
        new_customers=tally.new,
        regular_customers=tally.regular,
        new_retention=share(tally.new_retained, tally.new) if next_over else None,
        regular_retention=share(tally.regular_retained, tally.regular) if next_over else None,
        retention=share(tally.started - tally.lost, tally.started) if over else None,
        churn=share(tally.lost, tally.started) if over else None,
        frequency=ratio(tally.orders, tally.active, (squares[2], tally.orders, tally.active), tally.active),
        average_spend=ratio(tally.revenue, tally.orders, squares, tally.active),
        transaction_count=tally.transactions,
    )


def number_of(day: date) -> int:
    """A month as a number that can be counted on from."""
    return day.year * 12 + day.month - 1


def month_at(at: datetime, time_zone: str) -> str:
    """The month of an instant in a time zone."""
    return name_of(number_of(at.astimezone(ZoneInfo(time_zone)).date()))


def name_of(month: int) -> str:
    """For example 2026-05."""
    return f"{month // 12}-{month % 12 + 1:02d}"
