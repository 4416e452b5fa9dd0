"""Lessons of deals that ended: chances and pace by stage, conversion with censoring, slips, and how deals come in."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar, Final, TypeVar

from libs.chassis.domain import Change, Entity, Open
from libs.statistics.survival import aalen_johansen
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.history import DealChange, DealState
from services.opportunities.forecast.domain.accuracy import Calibration, calibration
from services.opportunities.forecast.domain.stages import NothingToLearn, StageModel, Tally, fit

ARRIVAL_DAYS: Final = 91
"""Days back over which new deals are counted: a quarter."""
SAMPLE_MAX: Final = 1_000
"""Values of an empirical distribution that are kept: every n-th of the ordered ones."""
STEPS_MAX: Final = 400
"""Steps of a curve that are kept."""
TRAINED_SHARE: Final = 2 / 3
"""Share of the ended deals, the earliest, that a model is fitted on before it is judged by the others."""
MONTH_ENDED_MIN: Final = 20
"""Ended deals of a month from which on its win rate says something about the market."""
RHO_MAX: Final = 0.9
AGING_SHARE: Final = 0.9
"""Share of won deals that had left a stage sooner than one that is flagged (P90)."""
_DAY: Final = timedelta(days=1)

T = TypeVar("T")
N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Time that a deal spent in an open stage."""

    stage: str
    start: datetime
    end: datetime | None
    """None while it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DealPath:
    """Way of a deal so far. A deal that was closed and reopened goes it as one that was never closed."""

    deal_id: str
    state: DealState
    open_time: datetime
    end_time: datetime | None
    """None while it is open."""
    visits: tuple[Visit, ...]
    currency_code: str
    first_amount: int
    amount: int
    first_close_date: date | None
    """Close date that was first expected."""
    close_date: date | None

    @property
    def won(self) -> bool:
        """True for a won deal."""
        return self.state is DealState.WON


def path_of(deal: Deal, rows: Sequence[DealChange]) -> DealPath:
    """The way of a deal, from the rows of its history in their order."""
    entered: list[tuple[str, datetime]] = []
    for row in rows:
        stage = row.facts.stage if row.facts.state is DealState.OPEN else ""
        if not entered or entered[-1][0] != stage:
            entered.append((stage, row.effective_time))
    visits = [
        Visit(stage=stage, start=start, end=after[1] if after is not None else None)
        for (stage, start), after in zip(entered, [*entered[1:], None], strict=True)
        if stage
    ]
    priced = [row.facts.amount.minor_units for row in rows if row.facts.amount is not None]
    dated = [row.facts.close_date for row in rows if row.facts.state is DealState.OPEN and row.facts.close_date]
    opened = deal.open_time or rows[0].effective_time
    return DealPath(
        deal_id=deal.id,
        state=deal.state,
        open_time=opened,
        end_time=deal.close_time if deal.state is not DealState.OPEN else None,
        visits=tuple(visits),
        currency_code=deal.amount.currency_code if deal.amount is not None else "",
        first_amount=priced[0] if priced else 0,
        amount=deal.amount.minor_units if deal.amount is not None else 0,
        first_close_date=dated[0] if dated else None,
        close_date=deal.close_date,
    )


# ----------------------------------------------------------------------------------------------- what is learned


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveStep:
    """Shares of deals that had been won, had been lost or were open so many days after a beginning."""

    days: int
    won: float
    lost: float
    open: float
    at_risk: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLesson:
    """Lessons about one stage."""

    stage: str
    won: int
    ended: int
    probability: float
    """Chance to win a deal that was ever in the stage, by the beta-binomial model."""
    aging_days: float | None
    """Days in the stage that nine of ten won deals did not reach. None when none was won."""
    curve: tuple[CurveStep, ...]
    """Ends after entering the stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """New deals of one currency, and amounts that such deals were won for."""

    currency_code: Open[str]
    """A currency."""
    per_day: float
    amounts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineModel(Entity):
    """Lessons of the deals of a pipeline that have ended, with what says how far to trust them."""

    ID_PREFIX: ClassVar[str] = "pmod"

    pipeline_id: str
    fit_time: datetime | None = None
    won: int = 0
    ended: int = 0
    alpha: float = 0.0
    beta: float = 0.0
    rho: float = 0.0
    """Correlation of wins, from how far the win rates of months scatter beyond chance (Vasicek 1987)."""
    won_days_mean: float = 0.0
    calibration: Calibration | None = None
    """Of a model fitted on the earlier two thirds, by the others. None when the earlier ones teach nothing."""
    curve: tuple[CurveStep, ...] = ()
    """Ends after the beginning of a deal."""
    stages: tuple[StageLesson, ...] = ()
    amount_ratios: tuple[float, ...] = ()
    slips: tuple[int, ...] = ()
    arrivals: tuple[Arrivals, ...] = ()

    def relearn(self, learned: PipelineModel) -> Change[PipelineModel]:
        """In place of what was learned before."""
        return replace(learned, id=self.id, revision=self.revision, create_time=self.create_time), []

    def stage(self, key: str) -> StageLesson | None:
        """The lessons about a stage."""
        return next((each for each in self.stages if each.stage == key), None)

    def within(self, stage: str, entered: datetime, start: datetime, end: datetime) -> tuple[float, float]:
        """(chance to be won between two times, chance to be won at all) of a deal that is open in a stage since a time.

        Both are conditional on its age: `(F(end) - F(start)) / S(age)` of the curve of the stage.
        """
        lesson = self.stage(stage)
        curve = lesson.curve if lesson is not None and lesson.curve else self.curve
        now = max(self.fit_time or start, entered)
        age = (now - entered) / _DAY
        at_age = at(curve, age)
        if at_age.open <= 0:
            return 0.0, 0.0
        from_days, to_days = max((start - entered) / _DAY, age), max((end - entered) / _DAY, age)
        inside = (at(curve, to_days).won - at(curve, from_days).won) / at_age.open
        ever = (curve[-1].won - at_age.won) / at_age.open if curve else 0.0
        return inside, ever


def at(curve: Sequence[CurveStep], days: float) -> CurveStep:
    """The step that holds so many days after the beginning."""
    place = bisect_right(curve, days, key=lambda each: each.days)
    return curve[place - 1] if place else CurveStep(days=0, won=0.0, lost=0.0, open=1.0, at_risk=0)


def learn(pipeline_id: str, paths: Sequence[DealPath], now: datetime) -> PipelineModel:
    """Everything that the deals of a pipeline teach. NothingToLearn of too few ended ones, or of one outcome only."""
    ended = sorted(
        (each for each in paths if each.end_time is not None), key=lambda each: (each.end_time, each.deal_id)
    )
    model = fit(tallies(ended))
    won = [each for each in ended if each.won]
    keys = list(dict.fromkeys(visit.stage for path in paths for visit in path.visits))
    return PipelineModel(
        id="",
        pipeline_id=pipeline_id,
        fit_time=now,
        won=len(won),
        ended=len(ended),
        alpha=model.alpha,
        beta=model.beta,
        rho=correlation(months(ended)),
        won_days_mean=sum(_days(each.open_time, each.end_time or now) for each in won) / len(won),
        calibration=judged(ended),
        curve=_curve((_days(each.open_time, each.end_time or now), _outcome(each)) for each in paths),
        stages=tuple(_lesson(key, model, paths, now) for key in sorted(keys)),
        amount_ratios=_sample(each.amount / each.first_amount for each in won if each.first_amount and each.amount),
        slips=_sample(
            (each.close_date - each.first_close_date).days for each in won if each.first_close_date and each.close_date
        ),
        arrivals=tuple(_arrivals(paths, now)),
    )


def tallies(ended: Iterable[DealPath]) -> dict[str, Tally]:
    """Ended deals by every stage that they were ever in."""
    won, all_of = Counter[str](), Counter[str]()
    for path in ended:
        for stage in {visit.stage for visit in path.visits}:
            all_of[stage] += 1
            won[stage] += path.won
    return {stage: Tally(won=won[stage], ended=all_of[stage]) for stage in sorted(all_of)}


def judged(ended: Sequence[DealPath]) -> Calibration | None:
    """The quality of a model of the earlier deals, by what became of the later ones."""
    cut = round(len(ended) * TRAINED_SHARE)
    try:
        model = fit(tallies(ended[:cut]))
    except NothingToLearn:
        return None
    later = ((model.probability(visit.stage), path.won) for path in ended[cut:] for visit in path.visits)
    return calibration(later)


def months(ended: Iterable[DealPath]) -> list[Tally]:
    """Ended deals by the month of their end."""
    won, all_of = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    for path in ended:
        if path.end_time is not None:
            month = path.end_time.year, path.end_time.month
            all_of[month] += 1
            won[month] += path.won
    return [Tally(won=won[month], ended=all_of[month]) for month in sorted(all_of)]


def correlation(groups: Iterable[Tally]) -> float:
    """Correlation of a one-factor Gaussian copula, by the method of moments.

    The variance of the win rates of months, less what chance alone brings, is that of the conditional chance:
    `Phi2(c, c; rho) - p^2` with `c = Phi^-1(p)` (Vasicek 1987; Gordy 2000). 0 with fewer than three months.
    """
    kept = [each for each in groups if each.ended >= MONTH_ENDED_MIN]
    ended = sum(each.ended for each in kept)
    share = sum(each.won for each in kept) / ended if ended else 0.0
    if len(kept) < 3 or not 0 < share < 1:
        return 0.0
    variance = sum((each.won / each.ended - share) ** 2 for each in kept) / (len(kept) - 1)
    chance = sum(share * (1 - share) / each.ended for each in kept) / len(kept)
    wanted = variance - chance
    if wanted <= 0:
        return 0.0
    from scipy.special import ndtri

    threshold, low, high = float(ndtri(share)), 0.0, RHO_MAX
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _both(threshold, middle) - share**2 < wanted else (low, middle)
    return round(low, 6)


def _both(threshold: float, rho: float) -> float:
    """Chance that two variables of a bivariate normal distribution are both below a threshold."""
    from scipy.stats import multivariate_normal

    return float(multivariate_normal.cdf([threshold, threshold], mean=[0, 0], cov=[[1, rho], [rho, 1]]))


def _lesson(key: str, model: StageModel, paths: Sequence[DealPath], now: datetime) -> StageLesson:
    visits = [(path, visit) for path in paths for visit in path.visits if visit.stage == key]
    tally = model.tallies.get(key, Tally(won=0, ended=0))
    stays = sorted(_days(visit.start, visit.end) for path, visit in visits if path.won and visit.end is not None)
    return StageLesson(
        stage=key,
        won=tally.won,
        ended=tally.ended,
        probability=model.probability(key),
        aging_days=stays[min(int(len(stays) * AGING_SHARE), len(stays) - 1)] if stays else None,
        curve=_curve((_days(visit.start, path.end_time or now), _outcome(path)) for path, visit in visits),
    )


def _outcome(path: DealPath) -> DealState | None:
    return path.state if path.end_time is not None else None


def _curve(cases: Iterable[tuple[float, DealState | None]]) -> tuple[CurveStep, ...]:
    steps = [
        CurveStep(
            days=int(each.time),
            won=each.shares.get(DealState.WON, 0.0),
            lost=each.shares.get(DealState.LOST, 0.0),
            open=each.open,
            at_risk=each.at_risk,
        )
        for each in aalen_johansen((float(int(days)), outcome) for days, outcome in cases)
    ]
    return tuple(_thinned(steps, STEPS_MAX))


def _arrivals(paths: Sequence[DealPath], now: datetime) -> Iterator[Arrivals]:
    since = now - timedelta(days=ARRIVAL_DAYS)
    first = min((each.open_time for each in paths), default=now)
    days = max(min(_days(first, now), float(ARRIVAL_DAYS)), 1.0)
    for code in sorted({each.currency_code for each in paths} - {""}):
        new = sum(each.currency_code == code and since < each.open_time <= now for each in paths)
        amounts = _sample(each.amount for each in paths if each.won and each.currency_code == code)
        if new and amounts:
            yield Arrivals(currency_code=code, per_day=new / days, amounts=amounts)


def _days(start: datetime, end: datetime) -> float:
    return max((end - start) / _DAY, 0.0)


def _sample(values: Iterable[N]) -> tuple[N, ...]:
    return tuple(_thinned(sorted(values), SAMPLE_MAX))


def _thinned(values: Sequence[T], most: int) -> list[T]:
    """At most so many of ordered values, evenly over all of them. The last one stays."""
    if len(values) <= most:
        return [*values]
    return [values[((2 * number + 1) * len(values)) // (2 * most)] for number in range(most - 1)] + [values[-1]]
