"""Time until something happens, where for some it has not happened yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Generic, TypeVar

from libs.statistics.estimates import quantile

C = TypeVar("C", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """Share that is still without the event right after a time."""

    time: float
    share: float
    at_risk: int
    """Cases under observation right before that time."""
    events: int
    lower: float
    upper: float
    """Greenwood's interval (1926) of 95 %, inside 0 and 1."""


def kaplan_meier(cases: Iterable[tuple[float, bool]]) -> list[Survival]:
    """Product-limit estimate (Kaplan and Meier 1958) over (time, whether the event happened then).

    A case without the event is censored: it was without it until its time. One step for every time with events.
    """
    observed = sorted(cases)
    happened = Counter(time for time, event in observed if event)
    left = Counter(time for time, _ in observed)
    at_risk, share, variance, steps = len(observed), 1.0, 0.0, list[Survival]()
    for time in sorted(left):
        if events := happened[time]:
            share *= 1 - events / at_risk
            variance += events / (at_risk * (at_risk - events)) if at_risk > events else 0.0
            reach = quantile() * share * sqrt(variance)
            lower, upper = max(share - reach, 0.0), min(share + reach, 1.0)
            steps.append(Survival(time=time, share=share, at_risk=at_risk, events=events, lower=lower, upper=upper))
        at_risk -= left[time]
    return steps


def time_to(share: float, steps: Iterable[Survival]) -> float | None:
    """Least time by which this share has had the event, for example 0.5 for the median. None while too few have."""
    return next((step.time for step in steps if 1 - step.share >= share - 1e-12), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incidence(Generic[C]):
    """Cumulative share of every cause of ending right after a time."""

    time: float
    shares: dict[C, float]
    open: float
    """Share that has not ended: one minus all shares."""
    at_risk: int


def aalen_johansen(cases: Iterable[tuple[float, C | None]]) -> list[Incidence[C]]:
    """Cumulative incidence of competing causes (Aalen and Johansen 1978) over (time, cause, None when censored).

    won / (won + lost) overstates wins while slow cases are still open; this does not. One step for every time at which
    a case ended.
    """
    observed = sorted(cases, key=lambda case: case[0])
    causes = list(dict.fromkeys(cause for _, cause in observed if cause is not None))
    left = Counter(time for time, _ in observed)
    ended = Counter((time, cause) for time, cause in observed if cause is not None)
    at_risk, surviving = len(observed), 1.0
    shares = dict.fromkeys(causes, 0.0)
    steps = list[Incidence[C]]()
    for time in sorted(left):
        now = {cause: ended[time, cause] for cause in causes}
        if total := sum(now.values()):
            shares = {cause: shares[cause] + surviving * now[cause] / at_risk for cause in causes}
            surviving *= 1 - total / at_risk
            steps.append(Incidence(time=time, shares=shares, open=surviving, at_risk=at_risk))
        at_risk -= left[time]
    return steps
