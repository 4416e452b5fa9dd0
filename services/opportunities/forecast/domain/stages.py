"""Chances of winning by stage, learned from deals that ended, and the pace of a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp, lgamma, log

from libs.chassis.domain import FailedPrecondition

ENDED_MIN = 30
"""Ended deals of a pipeline from which on a model is fitted."""
_STRENGTH_MAX = 1e4
"""Alpha and beta together above which all stages are alike."""


class NothingToLearn(FailedPrecondition):
    """{ended} deals have ended, {won} of them won: at least {needed} are needed, and both outcomes."""

    ended: int
    won: int
    needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Deals that were once in a stage and have ended since."""

    won: int
    ended: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageModel:
    """Beta-binomial model: stages of a pipeline have chances that scatter around a common one.

    A stage with few ended deals is drawn towards the others, one with many stands for itself.
    """

    alpha: float
    beta: float
    tallies: Mapping[str, Tally]
    """Key of a stage → deals it is learned from."""

    def probability(self, stage: str) -> float:
        """Chance to win a deal that is in the stage: `(alpha + won) / (alpha + beta + ended)`."""
        tally = self.tallies.get(stage, Tally(won=0, ended=0))
        return (self.alpha + tally.won) / (self.alpha + self.beta + tally.ended)


def fit(tallies: Mapping[str, Tally]) -> StageModel:
    """Alpha and beta of greatest marginal likelihood over the stages.

    NothingToLearn when too few deals have ended, or all of them the same way.
    """
    most = max(tallies.values(), key=lambda tally: tally.ended, default=Tally(won=0, ended=0))
    ended, won = (sum(getattr(tally, name) for tally in tallies.values()) for name in ("ended", "won"))
    if most.ended < ENDED_MIN or won in (0, ended):
        raise NothingToLearn(ended=most.ended, won=won, needed=ENDED_MIN)
    from scipy.optimize import minimize

    def loss(parameters: Sequence[float]) -> float:
        center, strength = 1 / (1 + exp(-parameters[0])), exp(min(parameters[1], log(_STRENGTH_MAX)))
        return -marginal_likelihood(tallies.values(), center * strength, (1 - center) * strength)

    found = minimize(loss, [0.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000})
    center, strength = 1 / (1 + exp(-found.x[0])), exp(min(found.x[1], log(_STRENGTH_MAX)))
    return StageModel(alpha=float(center * strength), beta=float((1 - center) * strength), tallies=dict(tallies))


def marginal_likelihood(tallies: Iterable[Tally], alpha: float, beta: float) -> float:
    """Logarithm of the likelihood of the counts with the chances of the stages integrated out."""
    return sum(_log_beta(alpha + each.won, beta + each.ended - each.won) - _log_beta(alpha, beta) for each in tallies)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


@dataclass(frozen=True, slots=True, kw_only=True)
class Velocity:
    """Value that a pipeline brings each day, and what it is made of, in one currency."""

    currency_code: str
    open_deals: int
    win_rate: float | None
    mean_won: float | None
    """Minor units of a won deal."""
    cycle_days: float | None
    """Days from the beginning of a deal to winning it."""
    per_day: float | None
    """Minor units: `deals * win rate * mean value / days of a cycle`. None while a factor is not known."""
    as_of_time: datetime | None


def velocity(
    open_deals: int,
    win_rate: float | None,
    mean_won: float | None,
    cycle_days: float | None,
    *,
    currency_code: str = "",
    as_of_time: datetime | None = None,
) -> Velocity:
    """The value of each day. None when no deal was won, or all within a day."""
    known = win_rate is not None and mean_won is not None and cycle_days is not None and cycle_days > 0
    return Velocity(
        currency_code=currency_code,
        open_deals=open_deals,
        win_rate=win_rate,
        mean_won=mean_won,
        cycle_days=cycle_days,
        per_day=open_deals * win_rate * mean_won / cycle_days if known else None,  # type: ignore[operator]
        as_of_time=as_of_time,
    )
