"""Forecasts as they were on a night, how they moved, and how good they turned out to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from libs.chassis.domain import Change, Entity, Event, OpenEnum
from services.opportunities.deals.domain.history import DealState
from services.opportunities.forecast.domain.accuracy import Accuracy, Judged, accuracy
from services.opportunities.forecast.domain.plans import ForecastOverride
from services.opportunities.forecast.domain.simulation import Distribution
from services.opportunities.forecast.domain.totals import CurrencyForecast, Sums, Total, forecast
from services.opportunities.pipelines.domain import ForecastCategory

OWNERS_MAX: Final = 2_000
"""Owners of one snapshot that are told apart, those with the most in front."""
HORIZONS: Final = ((0, 7), (8, 30), (31, 60), (61, 92), (93, 366))
"""Days from a snapshot to the end of its period that accuracy is told by."""


class ForecastBasis(OpenEnum):
    """Way in which a forecast was made."""

    SUMS = "SUMS"
    """Closed, and open by its chances."""
    SIMULATION = "SIMULATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerForecast:
    """Forecast of one owner in one currency."""

    owner: str
    currency_code: str
    closed: int
    expected: int
    slipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedForecast:
    """Distribution of what a period brings in one currency: won already, won of open deals, and of new ones."""

    pipeline_id: str
    start_date: date
    end_date: date
    currency_code: str
    closed: int
    distribution: Distribution
    rho: float
    learned_time: datetime | None
    """Time of the model whose lessons were used. None when only the chances of stages were."""
    open_deals: int
    """Open deals that may be won within the period."""
    undated_deals: int
    """Open deals without a close date that are not in it, for want of a model that tells when they end."""
    new_deals: float
    """Deals that are expected to be opened and won in time."""
    oldest_rate_date: date | None
    unconverted_deals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSnapshot(Entity):
    """A forecast of one period as it was on one night. It never changes."""

    ID_PREFIX: ClassVar[str] = "fsn"

    pipeline_id: str
    snapshot_date: date
    """Day that had just begun, in the zone of the pipeline."""
    period: str
    start_date: date
    end_date: date
    as_of_time: datetime | None
    currencies: tuple[CurrencyForecast, ...] = ()
    owners: tuple[OwnerForecast, ...] = ()
    overrides: tuple[ForecastOverride, ...] = ()
    simulations: tuple[SimulatedForecast, ...] = ()

    def take(self) -> Change[ForecastSnapshot]:
        """This snapshot, as it is kept."""
        return self, [ForecastSnapshotted(snapshot=self)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSnapshotted(Event):
    """The forecast of a night was kept."""

    snapshot: ForecastSnapshot


def by_owner(totals: Iterable[Total], start: date, end: date, today: date) -> tuple[OwnerForecast, ...]:
    """The forecast of each owner and currency, from sums by owner."""
    groups: dict[str, list[Total]] = {}
    for each in totals:
        groups.setdefault(each.place.key, []).append(each)
    found = [
        OwnerForecast(
            owner=owner,
            currency_code=each.currency_code,
            closed=each.closed.amount,
            expected=each.expected,
            slipped=each.slipped.amount,
        )
        for owner, theirs in groups.items()
        for each in forecast(theirs, start, end, today)
    ]
    first = sorted(found, key=lambda each: (-each.expected, each.owner, each.currency_code))
    return tuple(sorted(first[:OWNERS_MAX], key=lambda each: (each.owner, each.currency_code)))


# ---------------------------------------------------------------------------------------------------- the nights


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPlan(Entity):
    """The next night on which a tenant keeps its forecasts: when a day begins in the zone of one of its pipelines."""

    ID_PREFIX: ClassVar[str] = "snp"

    next_time: datetime | None = None

    def expect(self, at: datetime) -> Change[SnapshotPlan]:
        """With an earlier night, if that is one."""
        return (self if self.next_time is not None and self.next_time <= at else replace(self, next_time=at)), []

    def advance(self, due: datetime, following: datetime) -> Change[SnapshotPlan]:
        """After the work of a night was begun. Nothing changes when another one was faster."""
        return (replace(self, next_time=following) if self.next_time == due else self), []


def next_night(zones: Iterable[str], now: datetime) -> datetime:
    """The next time at which a day begins in one of these zones."""
    return min((_midnight(ZoneInfo(zone), now) for zone in zones), default=_midnight(ZoneInfo("UTC"), now))


def _midnight(zone: ZoneInfo, now: datetime) -> datetime:
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), zone).astimezone(now.tzinfo)


# ------------------------------------------------------------------------------------------------------- comparing


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryDifference:
    """Movement of one category."""

    category: ForecastCategory
    sums: Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyDifference:
    """Movement of a forecast in one currency: what was there later, less what was there before."""

    currency_code: str
    closed: Sums
    categories: tuple[CategoryDifference, ...]
    slipped: Sums
    undated: Sums
    expected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastComparison:
    """Two nights of the same period, and what moved between them."""

    before: ForecastSnapshot
    after: ForecastSnapshot
    currencies: tuple[CurrencyDifference, ...]


def compare(before: ForecastSnapshot, after: ForecastSnapshot) -> ForecastComparison:
    """What moved from one night to another."""
    first = {each.currency_code: each for each in before.currencies}
    second = {each.currency_code: each for each in after.currencies}
    codes = sorted({*first, *second})
    return ForecastComparison(
        before=before,
        after=after,
        currencies=tuple(_difference(code, first.get(code), second.get(code)) for code in codes),
    )


def _difference(code: str, before: CurrencyForecast | None, after: CurrencyForecast | None) -> CurrencyDifference:
    def moved(name: str) -> Sums:
        later: Sums = getattr(after, name, Sums())
        return later.plus(getattr(before, name, Sums()), -1)

    first, second = _categories(before), _categories(after)
    return CurrencyDifference(
        currency_code=code,
        closed=moved("closed"),
        categories=tuple(
            CategoryDifference(category=each, sums=second.get(each, Sums()).plus(first.get(each, Sums()), -1))
            for each in sorted({*first, *second})
        ),
        slipped=moved("slipped"),
        undated=moved("undated"),
        expected=(after.expected if after else 0) - (before.expected if before else 0),
    )


def _categories(found: CurrencyForecast | None) -> Mapping[ForecastCategory, Sums]:
    return {each.category: each.sums for each in found.categories} if found is not None else {}


# --------------------------------------------------------------------------------------------------------- judging


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRow:
    """Accuracy of forecasts of one basis that looked equally far ahead."""

    currency_code: str
    basis: ForecastBasis
    owner: str
    """Empty for everybody."""
    days_from: int
    days_to: int
    """Days from the snapshot to the end of its period, both included."""
    accuracy: Accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyReport:
    """Forecasts of periods that are over, beside what came, as of the latest change of a deal."""

    pipeline_id: str
    as_of_time: datetime | None
    snapshots: int
    rows: tuple[AccuracyRow, ...]


Actual = Mapping[tuple[str, str], int]
"""(currency, owner or nothing for everybody) → what was won within a period."""


def actuals(everybody: Iterable[Total], owners: Iterable[Total]) -> dict[tuple[str, str], int]:
    """What was won, from sums of closed deals."""
    found: dict[tuple[str, str], int] = {}
    for each in (*everybody, *owners):
        if each.place.state is DealState.WON:
            at = each.place.currency_code, each.place.key
            found[at] = found.get(at, 0) + each.sums.amount
    return found


def judge(snapshots: Sequence[tuple[ForecastSnapshot, Actual]]) -> tuple[AccuracyRow, ...]:
    """Error, bias and coverage by currency, basis, owner and horizon."""
    groups: dict[tuple[str, ForecastBasis, str, tuple[int, int]], list[Judged]] = {}
    for snapshot, actual in snapshots:
        days = (snapshot.end_date - snapshot.snapshot_date).days
        horizon = next((each for each in HORIZONS if each[0] <= days <= each[1]), None)
        if horizon is not None:
            for code, basis, owner, told in _forecasts(snapshot, actual):
                groups.setdefault((code, basis, owner, horizon), []).append(told)
    return tuple(
        AccuracyRow(
            currency_code=code,
            basis=basis,
            owner=owner,
            days_from=horizon[0],
            days_to=horizon[1],
            accuracy=accuracy(groups[code, basis, owner, horizon]),
        )
        for code, basis, owner, horizon in sorted(groups)
    )


def _forecasts(snapshot: ForecastSnapshot, actual: Actual) -> Iterator[tuple[str, ForecastBasis, str, Judged]]:
    for each in snapshot.currencies:
        came = actual.get((each.currency_code, ""), 0)
        yield each.currency_code, ForecastBasis.SUMS, "", Judged(forecast=each.expected, actual=came)
    for owner in snapshot.owners:
        came = actual.get((owner.currency_code, owner.owner), 0)
        yield owner.currency_code, ForecastBasis.SUMS, owner.owner, Judged(forecast=owner.expected, actual=came)
    for simulation in snapshot.simulations:
        came, found = actual.get((simulation.currency_code, ""), 0), simulation.distribution
        told = Judged(forecast=found.mean, actual=came, interval=(found.p10, found.p90))
        yield simulation.currency_code, ForecastBasis.SIMULATION, "", told
