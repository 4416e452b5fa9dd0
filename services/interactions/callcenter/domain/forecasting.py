"""Forecast of calls by half hours: a level that follows the weeks, the share of the weekday, and the shape of its day.

Days of one kind (a weekday, or a holiday whatever its weekday) share a factor and a shape. The level is the smoothed
weekly ratio of what came to what the factors say; the shape is shrunk towards that of all days of work by how little is
known of the kind. Uncertainty is Poisson's plus that of whole days as it was measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from math import fsum, sqrt
from typing import ClassVar
from zoneinfo import ZoneInfo

from libs.chassis.domain import Change, Entity, FailedPrecondition
from services.interactions.callcenter.domain.staffing import Staffing

HALF_HOUR = timedelta(minutes=30)
SLOTS = 48
SMOOTHING = 0.25
"""Weight of the latest week in the level (simple exponential smoothing)."""
KIND_PRIOR = 2.0
"""Days that the common shape counts for beside those of a kind."""
DAYS_LEAST = 14
"""Days without which nothing is forecast: two of each weekday."""
BACKTEST_DAYS = 28
NINE_IN_TEN = 1.2815515655446004
"""Quantile of the normal distribution that nine of ten do not exceed."""
HOLIDAY = 7
"""Kind of a holiday, beside those of weekdays from 0, Monday."""


class TooLittleToLearn(FailedPrecondition):
    """Queue {queue_id} has counts of {days} days before, and {least} are needed."""

    queue_id: str
    days: int
    least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCount(Entity):
    """Calls of an interval."""

    ID_PREFIX: ClassVar[str] = "cnt"

    queue_id: str
    start_time: datetime
    length_seconds: int
    offered: int = 0
    estimated: bool = False

    def record(self) -> Change[CallCount]:
        """This count as a new one."""
        return replace(self), []


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInterval:
    """Calls that are expected in half an hour."""

    start_time: datetime
    calls: float
    low_calls: float
    high_calls: float
    holiday: bool = False
    staffing: Staffing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallForecast:
    """Calls that are expected, and the agents they need."""

    intervals: tuple[CallInterval, ...]
    learned_days: int
    learned_holidays: int
    calls: float
    agent_hours: float = 0.0
    error_share: float | None = None
    naive_error_share: float | None = None


Days = Mapping[date, Sequence[float]]
"""Day → calls of each half hour."""


def by_days(counts: Iterable[tuple[datetime, int, int]], zone: ZoneInfo) -> dict[date, list[float]]:
    """Calls by day and half hour of (start, seconds, calls). A longer interval is spread evenly."""
    days: dict[date, list[float]] = {}
    for start, seconds, calls in counts:
        pieces = max(1, round(seconds / HALF_HOUR.total_seconds()))
        for number in range(pieces):
            at = (start + number * HALF_HOUR).astimezone(zone)
            slots = days.setdefault(at.date(), [0.0] * SLOTS)
            slots[at.hour * 2 + at.minute // 30] += calls / pieces
    return days


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that was learned."""

    level: float
    factors: Mapping[int, float]
    shapes: Mapping[int, Sequence[float]]
    spread: float
    """Relative standard deviation of whole days around what was expected."""

    def day(self, kind: int) -> list[float]:
        """Calls of each half hour of a day of a kind."""
        total = self.level * self.factors.get(kind, self.factors.get(HOLIDAY, min(self.factors.values())))
        shape = self.shapes.get(kind, self.shapes[-1])
        return [total * each for each in shape]

    def range(self, calls: float) -> tuple[float, float]:
        """The calls that one of ten intervals stays below, and one of ten exceeds."""
        width = NINE_IN_TEN * sqrt(calls + (self.spread * calls) ** 2)
        return max(0.0, calls - width), calls + width


def kind_of(day: date, holidays: Collection[date]) -> int:
    """The kind of a day."""
    return HOLIDAY if day in holidays else day.weekday()


def learn(days: Days, holidays: Collection[date]) -> Model:
    """The model of some days."""
    totals = {day: fsum(slots) for day, slots in days.items()}
    kinds: dict[int, list[date]] = defaultdict(list)
    for day in sorted(days):
        kinds[kind_of(day, holidays)].append(day)
    weeks: dict[date, list[date]] = defaultdict(list)
    for day in days:
        weeks[day - timedelta(days=day.weekday())].append(day)
    usual = fsum(totals[day] for kind, some in kinds.items() if kind != HOLIDAY for day in some)
    counted = sum(len(some) for kind, some in kinds.items() if kind != HOLIDAY)
    mean = usual / counted if counted and usual else 1.0
    factors = {kind: fsum(totals[day] for day in some) / len(some) / mean for kind, some in kinds.items()}
    level = mean
    for monday in sorted(weeks):
        some = [day for day in weeks[monday] if day not in holidays]
        expected = fsum(factors[day.weekday()] for day in some)
        if expected:
            level += SMOOTHING * len(some) / 7 * (fsum(totals[day] for day in some) / expected - level)
    common = _shape([days[day] for kind, some in kinds.items() if kind != HOLIDAY for day in some], None)
    shapes = {kind: _shape([days[day] for day in some], common) for kind, some in kinds.items()}
    return Model(level, factors, {**shapes, -1: common}, _spread(totals, factors, weeks, holidays))


def _shape(days: Sequence[Sequence[float]], prior: Sequence[float] | None) -> list[float]:
    sums = [fsum(slots[n] for slots in days) for n in range(SLOTS)]
    total = fsum(sums)
    if prior is None:
        return [each / total for each in sums] if total else [1 / SLOTS] * SLOTS
    weight = KIND_PRIOR * (total / len(days)) if days else 1.0
    return [(each + weight * before) / (total + weight) if total else before for each, before in zip(sums, prior)]  # noqa: B905


def _spread(
    totals: Mapping[date, float],
    factors: Mapping[int, float],
    weeks: Mapping[date, Sequence[date]],
    holidays: Collection[date],
) -> float:
    """Relative deviation of days from their week, beyond Poisson's."""
    squares, count = 0.0, 0
    for some in weeks.values():
        usual = [day for day in some if day not in holidays]
        base = fsum(factors[day.weekday()] for day in usual)
        level = fsum(totals[day] for day in usual) / base if base else 0.0
        for day in usual:
            expected = level * factors[day.weekday()]
            if expected:
                squares += max(0.0, ((totals[day] - expected) ** 2 - expected) / expected**2)
                count += 1
    return sqrt(squares / count) if count else 0.0


def forecast(
    queue_id: str, days: Days, holidays: Collection[date], *, first: date, length: int, zone: ZoneInfo
) -> CallForecast:
    """The half hours of so many days. TooLittleToLearn from less than two weeks."""
    if len(days) < DAYS_LEAST:
        raise TooLittleToLearn(queue_id=queue_id, days=len(days), least=DAYS_LEAST)
    model = learn(days, holidays)
    intervals = []
    for number in range(length):
        day = first + timedelta(days=number)
        for slot, calls in enumerate(model.day(kind_of(day, holidays))):
            start = datetime(day.year, day.month, day.day, slot // 2, slot % 2 * 30, tzinfo=zone)
            low, high = model.range(calls)
            intervals.append(
                CallInterval(
                    start_time=start.astimezone(ZoneInfo("UTC")),
                    calls=calls,
                    low_calls=low,
                    high_calls=high,
                    holiday=day in holidays,
                )
            )
    error, naive = backtest(days, holidays)
    return CallForecast(
        intervals=tuple(intervals),
        learned_days=len(days),
        learned_holidays=sum(day in holidays for day in days),
        calls=fsum(each.calls for each in intervals),
        error_share=error,
        naive_error_share=naive,
    )


def backtest(days: Days, holidays: Collection[date]) -> tuple[float | None, float | None]:
    """(error, error of repeating the week before) of the last four weeks, each as a share of their calls."""
    last = max(days)
    tested = sorted(day for day in days if day > last - timedelta(days=BACKTEST_DAYS))
    before = {day: slots for day, slots in days.items() if day < tested[0]}
    if len(before) < DAYS_LEAST:
        return None, None
    model = learn(before, holidays)
    calls = fsum(fsum(days[day]) for day in tested)
    if not calls:
        return None, None
    ours = fsum(_error(model.day(kind_of(day, holidays)), days[day]) for day in tested)
    naive = fsum(_error(repeated(before, day), days[day]) for day in tested)
    return ours / calls, naive / calls


def repeated(days: Days, day: date) -> Sequence[float]:
    """What came on the last known day of the same weekday."""
    found = max((each for each in days if each.weekday() == day.weekday() and each < day), default=None)
    return days[found] if found is not None else [0.0] * SLOTS


def _error(expected: Sequence[float], came: Sequence[float]) -> float:
    return fsum(abs(a - b) for a, b in zip(expected, came, strict=True))
