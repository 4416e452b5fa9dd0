"""Sums of deals by day and stage: they follow every change, so that no answer looks at a deal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, InvalidArgument, Open, OpenEnum
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.history import DealState
from services.opportunities.deals.domain.terms import WHOLE, Split
from services.opportunities.pipelines.domain import CERTAIN, ForecastCategory

_DAY: Final = timedelta(days=1)


class ReportTooLarge(InvalidArgument):
    """The answer would be made of more than {allowed} sums: ask for a shorter period."""

    wrong_field: ClassVar[str] = "end_date"
    allowed: int


class Dimension(OpenEnum):
    """Parts of the company that sums are kept by."""

    ALL = "ALL"
    OWNER = "OWNER"
    TEAM = "TEAM"
    TERRITORY = "TERRITORY"
    PRODUCT = "PRODUCT"
    CHANNEL = "CHANNEL"
    CUSTOMER = "CUSTOMER"
    COMPETITOR = "COMPETITOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Place where a deal counts."""

    pipeline_id: str
    currency_code: Open[str]
    """A currency."""
    dimension: Dimension
    key: Open[str]
    """An owner, team, territory, product, channel or competitor, or the id of a customer: names of no person."""
    close_date: Open[date | None]
    """A day of business."""
    stage: Open[str]
    """The key of a stage."""
    state: DealState
    category: ForecastCategory


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Numbers that add up."""

    deals: int = 0
    amount: int = 0
    recurring: int = 0
    weighted: int = 0

    def plus(self, other: Sums, sign: int = 1) -> Sums:
        """With other numbers, or without them."""
        return Sums(
            deals=self.deals + sign * other.deals,
            amount=self.amount + sign * other.amount,
            recurring=self.recurring + sign * other.recurring,
            weighted=self.weighted + sign * other.weighted,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Sums that one deal adds at one place."""

    place: Place
    sums: Sums
    cycle_days: int | None = None
    """Whole days from the beginning to the end of a closed deal."""


def entries(deal: Deal) -> Iterator[Entry]:
    """Everything that a deal adds: once for all, and once for each owner, product and so on that it belongs to.

    Shares of a team and lines of products are parts of the amount, so their sums never count money twice. A deal counts
    whole for each of its competitors, so sums of competitors are not added up.
    """
    currency = deal.amount.currency_code if deal.amount is not None else _recurring_currency(deal)
    amount = deal.amount.minor_units if deal.amount is not None else 0
    recurring = deal.recurring.monthly.minor_units * deal.recurring.months if deal.recurring is not None else 0
    whole = [(1, amount, recurring)]
    parts: dict[tuple[Dimension, str], list[tuple[int, int, int]]] = {
        (Dimension.ALL, ""): whole,
        (Dimension.TEAM, deal.team): whole,
        (Dimension.TERRITORY, deal.territory): whole,
        (Dimension.CHANNEL, deal.channel): whole,
    }
    parts |= {(Dimension.COMPETITOR, each.name): whole for each in deal.competitors}
    if deal.customer_id:
        parts[Dimension.CUSTOMER, deal.customer_id] = whole
    for member, of_amount, of_recurring in _shared(deal, amount, recurring):
        parts.setdefault((Dimension.OWNER, member), []).append((1, of_amount, of_recurring))
    for product in dict.fromkeys(each.product for each in deal.lines):
        of_product = sum(each.amount.minor_units for each in deal.lines if each.product == product)
        parts[Dimension.PRODUCT, product] = [(1, of_product, 0)]
    cycle = _cycle(deal.open_time, deal.close_time)
    for (dimension, key), shares in parts.items():
        place = Place(
            pipeline_id=deal.pipeline_id,
            currency_code=currency,
            dimension=dimension,
            key=key,
            close_date=deal.close_date,
            stage=deal.stage,
            state=deal.state,
            category=deal.category,
        )
        total = sum(each[1] for each in shares)
        sums = Sums(
            deals=1,
            amount=total,
            recurring=sum(each[2] for each in shares),
            weighted=_weighted(total, deal.probability_basis_points),
        )
        yield Entry(place=place, sums=sums, cycle_days=cycle)


def _recurring_currency(deal: Deal) -> str:
    return deal.recurring.monthly.currency_code if deal.recurring is not None else ""


def _shared(deal: Deal, amount: int, recurring: int) -> Iterator[tuple[str, int, int]]:
    splits = deal.splits or (Split(member=deal.owner, basis_points=WHOLE),)
    points = [each.basis_points for each in splits]
    shares = zip(splits, apportion(amount, points), apportion(recurring, points), strict=True)
    yield from ((split.member, of_amount, of_recurring) for split, of_amount, of_recurring in shares)


def apportion(total: int, points: Sequence[int]) -> list[int]:
    """Whole parts of a total in proportion to the points, by largest remainder: they add up to it exactly."""
    whole = sum(points)
    parts = [total * each // whole for each in points]
    by_remainder = sorted(range(len(points)), key=lambda place: (-(total * points[place] % whole), place))
    for place in by_remainder[: total - sum(parts)]:
        parts[place] += 1
    return parts


def _weighted(amount: int, points: int) -> int:
    """Amount times probability in whole minor units, half to even."""
    quotient, rest = divmod(amount * points, CERTAIN)
    return quotient + (2 * rest > CERTAIN or (2 * rest == CERTAIN and quotient % 2 == 1))


def _cycle(opened: datetime | None, closed: datetime | None) -> int | None:
    return (closed - opened) // _DAY if opened is not None and closed is not None else None


# ------------------------------------------------------------------------------------------------ what is stored


@dataclass(frozen=True, slots=True, kw_only=True)
class DealPosition(Entity):
    """Sums that a deal adds at present, to be taken away when it changes. Its id is that of the deal."""

    ID_PREFIX: ClassVar[str] = "deal"

    source_revision: int = 0
    entries: tuple[Entry, ...] = ()

    def take(self, heard: DealPosition) -> Change[DealPosition]:
        """As a later revision of the deal has it. An earlier one changes nothing."""
        return (replace(heard, id=self.id) if heard.source_revision > self.source_revision else self), []


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """Closed deals that took the same number of days."""

    days: int
    deals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Total(Entity):
    """Sums of all deals at one place."""

    ID_PREFIX: ClassVar[str] = "tot"

    place: Place
    sums: Sums = Sums()
    cycles: tuple[Cycle, ...] = ()

    def add(self, entry: Entry, sign: int) -> Change[Total]:
        """With what a deal adds, or without it."""
        cycles = Counter({each.days: each.deals for each in self.cycles})
        if entry.cycle_days is not None:
            cycles[entry.cycle_days] += sign
        kept = tuple(Cycle(days=days, deals=deals) for days, deals in sorted(cycles.items()) if deals)
        return replace(self, sums=self.sums.plus(entry.sums, sign), cycles=kept), []


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalsHead(Entity):
    """The time of the latest change of a deal that the sums know."""

    ID_PREFIX: ClassVar[str] = "toh"

    as_of_time: datetime | None = None

    def reach(self, at: datetime) -> Change[TotalsHead]:
        """At a later time."""
        return replace(self, as_of_time=max(at, self.as_of_time or at)), []


def moved(before: Iterable[Entry], after: Iterable[Entry]) -> Iterator[tuple[Entry, int]]:
    """(entry, -1 to take it away or 1 to add it) that leads from what a deal added to what it adds."""
    gone, come = list(before), list(after)
    yield from ((each, -1) for each in gone if each not in come)
    yield from ((each, 1) for each in come if each not in gone)


# --------------------------------------------------------------------------------------------------- the answers


@dataclass(frozen=True, slots=True, kw_only=True)
class CategorySums:
    """Open deals of one category that are expected within a period."""

    category: ForecastCategory
    sums: Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSums:
    """Open deals of one stage, whatever their dates."""

    stage: str
    sums: Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyForecast:
    """Money that a period brings in one currency. A won deal counts once, as closed."""

    currency_code: str
    closed: Sums
    categories: tuple[CategorySums, ...]
    slipped: Sums
    """Open deals whose close date is over: part of no period, and always shown."""
    undated: Sums
    stages: tuple[StageSums, ...]
    expected: int
    """Closed, and open within the period by their chances."""


def forecast(totals: Iterable[Total], start: date, end: date, today: date) -> tuple[CurrencyForecast, ...]:
    """The forecast of each currency for a period, both days included."""
    by_currency: dict[str, list[Total]] = {}
    for each in totals:
        by_currency.setdefault(each.place.currency_code, []).append(each)
    return tuple(_of_currency(code, by_currency[code], start, end, today) for code in sorted(by_currency))


def _of_currency(code: str, totals: Sequence[Total], start: date, end: date, today: date) -> CurrencyForecast:
    closed = slipped = undated = Sums()
    categories: dict[ForecastCategory, Sums] = {}
    stages: dict[str, Sums] = {}
    for each in totals:
        place, day = each.place, each.place.close_date
        if place.state is DealState.WON and day is not None and start <= day <= end:
            closed = closed.plus(each.sums)
        if place.state is not DealState.OPEN:
            continue
        stages[place.stage] = stages.get(place.stage, Sums()).plus(each.sums)
        if day is None:
            undated = undated.plus(each.sums)
        elif day < today:
            slipped = slipped.plus(each.sums)
        elif start <= day <= end:
            categories[place.category] = categories.get(place.category, Sums()).plus(each.sums)
    counted = [each for category, each in categories.items() if category is not ForecastCategory.OMITTED]
    return CurrencyForecast(
        currency_code=code,
        closed=closed,
        categories=tuple(CategorySums(category=each, sums=categories[each]) for each in sorted(categories)),
        slipped=slipped,
        undated=undated,
        stages=tuple(StageSums(stage=each, sums=stages[each]) for each in sorted(stages)),
        expected=closed.amount + sum(each.weighted for each in counted),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Closed deals of one owner, product and so on in one currency, perhaps of one month."""

    key: str
    currency_code: str
    month: str = ""
    won: int
    lost: int
    revenue: int
    win_rate: float | None
    """Won over won and lost."""
    win_rate_low: float | None
    win_rate_high: float | None
    won_days_mean: float | None
    won_days_median: float | None
    lost_days_mean: float | None
    lost_days_median: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesReport:
    """Ends of deals, as of the latest change of a deal that is in it."""

    pipeline_id: str
    dimension: Dimension
    as_of_time: datetime | None
    results: tuple[Results, ...]


def results(totals: Iterable[Total], *, by_month: bool) -> tuple[Results, ...]:
    """The results of closed deals, by key, currency and perhaps month of the close date."""
    groups: dict[tuple[str, str, str], list[Total]] = {}
    for each in totals:
        place = each.place
        if place.close_date is not None and place.state is not DealState.OPEN:
            month = place.close_date.strftime("%Y-%m") if by_month else ""
            groups.setdefault((place.key, place.currency_code, month), []).append(each)
    return tuple(_results(*group, groups[group]) for group in sorted(groups))


def _results(key: str, currency_code: str, month: str, totals: Sequence[Total]) -> Results:
    from libs.statistics.estimates import share

    sums = {state: Sums() for state in (DealState.WON, DealState.LOST)}
    cycles: Mapping[DealState, Counter[int]] = {state: Counter() for state in sums}
    for each in totals:
        sums[each.place.state] = sums[each.place.state].plus(each.sums)
        cycles[each.place.state].update({cycle.days: cycle.deals for cycle in each.cycles})
    won, lost = sums[DealState.WON], sums[DealState.LOST]
    rate = share(won.deals, won.deals + lost.deals)
    return Results(
        key=key,
        currency_code=currency_code,
        month=month,
        won=won.deals,
        lost=lost.deals,
        revenue=won.amount,
        win_rate=won.deals / (won.deals + lost.deals) if rate is not None else None,
        win_rate_low=rate.lower if rate is not None else None,
        win_rate_high=rate.upper if rate is not None else None,
        won_days_mean=mean(cycles[DealState.WON]),
        won_days_median=median(cycles[DealState.WON]),
        lost_days_mean=mean(cycles[DealState.LOST]),
        lost_days_median=median(cycles[DealState.LOST]),
    )


def mean(counts: Counter[int]) -> float | None:
    """Mean of numbers of which each is there so many times."""
    total = counts.total()
    return sum(value * count for value, count in counts.items()) / total if total else None


def median(counts: Counter[int]) -> float | None:
    """Median of numbers of which each is there so many times."""
    total, seen, found = counts.total(), 0, list[int]()
    if not total:
        return None
    for value in sorted(counts):
        before, seen = seen, seen + counts[value]
        found += [value for place in ((total - 1) // 2, total // 2) if before <= place < seen]
    return sum(found) / 2
