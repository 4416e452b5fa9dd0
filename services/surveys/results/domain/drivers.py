"""Drivers of satisfaction: importance and performance (Martilla and James 1977)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.chassis.domain import FailedPrecondition, OpenEnum

COLLINEAR_ABOVE = 5.0
"""Variance inflation from which on the importance of a driver cannot be told from that of others."""
RESPONDENTS_PER_DRIVER_MIN = 10


class TooFewRespondents(FailedPrecondition):
    """{respondents} respondents rated everything: at least {needed} are needed for {drivers} drivers."""

    respondents: int
    needed: int
    drivers: int


class Quadrant(OpenEnum):
    """Advice for a driver."""

    CONCENTRATE = "CONCENTRATE"
    """Important and done badly: concentrate here."""
    KEEP = "KEEP"
    """Important and done well: keep up the good work."""
    LOW_PRIORITY = "LOW_PRIORITY"
    """Neither important nor done well."""
    OVERKILL = "OVERKILL"
    """Done well and not important: resources may be better used elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One aspect of the service."""

    name: str
    performance: float
    """Mean rating."""
    coefficient: float
    """Standardized regression coefficient: deviations of satisfaction for one deviation of this rating."""
    share: float
    """Part of the explained variance that is this driver's (Shapley value; Lindeman, Merenda and Gold 1980)."""
    inflation: float
    """Variance inflation factor: 1 when nothing else tells the same."""
    quadrant: Quadrant


@dataclass(frozen=True, slots=True, kw_only=True)
class Drivers:
    """All aspects, and how much they explain together."""

    drivers: tuple[Driver, ...]
    explained: float
    """Share of the variance of satisfaction that the ratings explain (R²)."""
    respondents: int
    collinear: tuple[str, ...]
    """Drivers whose coefficient says little, because others tell the same: look at their share."""


def drivers(satisfaction: Sequence[float | None], ratings: Mapping[str, Sequence[float | None]]) -> Drivers:
    """Derived importance and performance of every rating.

    Respondents who left anything out are left out. TooFewRespondents with fewer than ten for each driver.
    """
    names = list(ratings)
    columns = [satisfaction, *(ratings[name] for name in names)]
    rows = np.array([row for row in zip(*columns, strict=True) if None not in row], dtype=float)
    needed = RESPONDENTS_PER_DRIVER_MIN * len(names)
    if len(rows) < needed or not names:
        raise TooFewRespondents(respondents=len(rows), needed=max(needed, 1), drivers=len(names))
    varied = [i for i, name in enumerate(names) if np.ptp(rows[:, i + 1]) > 0]
    correlations: NDArray[Any] = np.atleast_2d(np.corrcoef(rows[:, [0, *(i + 1 for i in varied)]], rowvar=False))
    among, with_it = correlations[1:, 1:], correlations[1:, 0]
    coefficients, inflations = dict.fromkeys(names, 0.0), dict.fromkeys(names, 1.0)
    inverse = np.linalg.pinv(among)
    for place, i in enumerate(varied):
        coefficients[names[i]] = float(inverse[place] @ with_it)
        inflations[names[i]] = float(inverse[place, place])
    shares = dict.fromkeys(names, 0.0) | {
        names[i]: value for i, value in zip(varied, _shapley(among, with_it), strict=True)
    }
    performance = dict(zip(names, (float(each) for each in rows[:, 1:].mean(axis=0)), strict=True))
    important, good = (float(np.mean([*each.values()])) for each in (shares, performance))
    return Drivers(
        drivers=tuple(
            Driver(
                name=name,
                performance=performance[name],
                coefficient=coefficients[name],
                share=shares[name],
                inflation=inflations[name],
                quadrant=_QUADRANTS[shares[name] >= important, performance[name] >= good],
            )
            for name in names
        ),
        explained=_explained(among, with_it, tuple(range(len(varied)))),
        respondents=len(rows),
        collinear=tuple(name for name in names if inflations[name] > COLLINEAR_ABOVE),
    )


_QUADRANTS = {
    (True, False): Quadrant.CONCENTRATE,
    (True, True): Quadrant.KEEP,
    (False, False): Quadrant.LOW_PRIORITY,
    (False, True): Quadrant.OVERKILL,
}
SHAPLEY_EXACT_MAX = 10
"""Drivers up to which all 2^n groups are looked at. Above, orders are sampled."""
SHAPLEY_ORDERS = 2000


def _explained(among: NDArray[Any], with_it: NDArray[Any], group: tuple[int, ...]) -> float:
    if not group:
        return 0.0
    chosen = list(group)
    return float(with_it[chosen] @ np.linalg.pinv(among[np.ix_(chosen, chosen)]) @ with_it[chosen])


def _shapley(among: NDArray[Any], with_it: NDArray[Any]) -> list[float]:
    """Mean gain of explained variance by each driver over the orders in which drivers can be added."""
    count = len(with_it)
    known: dict[frozenset[int], float] = {}

    def explained(group: frozenset[int]) -> float:
        if group not in known:
            known[group] = _explained(among, with_it, tuple(sorted(group)))
        return known[group]

    if count <= SHAPLEY_EXACT_MAX:
        shares = [0.0] * count
        for i in range(count):
            others = [each for each in range(count) if each != i]
            for size in range(count):
                weight = factorial(size) * factorial(count - size - 1) / factorial(count)
                for group in combinations(others, size):
                    without = frozenset(group)
                    shares[i] += weight * (explained(without | {i}) - explained(without))
        return shares
    orders = np.random.Generator(np.random.Philox(key=count))
    gains = np.zeros(count)
    for _ in range(SHAPLEY_ORDERS):
        before = frozenset[int]()
        for i in orders.permutation(count).tolist():
            gains[i] += explained(before | {i}) - explained(before)
            before |= {i}
    return [float(gain) for gain in gains / SHAPLEY_ORDERS]
