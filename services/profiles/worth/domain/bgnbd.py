"""Purchases still to come where customers leave without a word: the BG/NBD model.

Fader, Hardie and Lee, "Counting your customers the easy way", Marketing Science 24(2), 2005; in the numerically stable
form of Fader and Hardie, 2013. Purchases of one day count as one; x are the repeat purchases, t_x the time of the last
and T the age of the customer, both since the first purchase and in one unit, here weeks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaln, gammaln

from libs.chassis.domain import FailedPrecondition, InvalidArgument

FEWEST_REPEATERS = 100
_LONGEST = 50.0
"""Ages are scaled to about this before the search, so that all four parameters are of one size."""
_NEAR_ONE = 1e-9
_TERMS = 100_000
_LIMIT = 1e4
"""A parameter beyond it means that the data do not tell customers apart: the likelihood has no maximum inside."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BgNbd:
    """The four parameters: purchase rates are Gamma(r, alpha), the chance to leave after a purchase is Beta(a, b)."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Floats:
        """Of each customer."""
        x, t_x, age = _floats(x), _floats(t_x), _floats(age)
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        again = np.maximum(x, 1)
        a1 = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        a2 = betaln(a, b + x) - betaln(a, b)
        a3 = -(r + x) * np.log(alpha + age)
        a4 = np.log(a) - np.log(b + again - 1) - (r + x) * np.log(alpha + t_x)
        return np.asarray(a1 + a2 + np.where(x > 0, np.logaddexp(a3, a4), a3))

    def alive(self, x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Floats:
        """The probability that a customer has not left. 1 for who bought once: the model sees no chance to leave
        before a second purchase, so an age rule has to say when to stop calling them customers."""
        x, t_x, age = _floats(x), _floats(t_x), _floats(age)
        return np.asarray(1 / (1 + self._odds_left(x, t_x, age)))

    def expected(self, periods: float, x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Floats:
        """Purchases to be expected in the next `periods`.

        Written with Euler's transformation, 2F1(r+x, b+x; c; z) = (1-z)^(a-1-r-x) 2F1(a+b-1-r, a-1; c; z), which cannot
        overflow whatever x; and with the factor 1/(a-1) taken into the series, which removes the singularity at a = 1.
        """
        x, t_x, age = np.broadcast_arrays(_floats(x), _floats(t_x), _floats(age))
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        z = periods / (alpha + age + periods)
        log_w = np.log1p(-z)
        series = _series(a + b - 1 - r, a, a + b + x - 1, z)
        shrink = np.exp((a - 1) * log_w)
        first = -log_w if abs(a - 1) < _NEAR_ONE else -np.expm1((a - 1) * log_w) / (a - 1)
        left = 1 + self._odds_left(x, t_x, age)
        return np.asarray(np.maximum((a + b + x - 1) * (first - shrink * series) / left, 0.0))

    def expected_of_new(self, periods: float) -> float:
        """Repeat purchases of a customer who has just bought for the first time."""
        return float(self.expected(periods, 0.0, 0.0, 0.0))

    def _odds_left(self, x: Floats, t_x: Floats, age: Floats) -> Floats:
        again = np.maximum(x, 1)
        ratio = (self.r + x) * (np.log(self.alpha + age) - np.log(self.alpha + t_x))
        odds = np.exp(np.minimum(np.log(self.a) - np.log(self.b + again - 1) + ratio, 700.0))
        return np.asarray(np.where(x > 0, odds, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Parameters found, and how far to trust them."""

    model: BgNbd
    log_likelihood: float
    customers: int
    repeaters: int


def fit(x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Fit:
    """The parameters of greatest likelihood. Refuses impossible data, too little of it, and a search without end."""
    x, t_x, age = _floats(x), _floats(t_x), _floats(age)
    _refuse_impossible(x, t_x, age)
    repeaters = int(np.count_nonzero(x))
    if repeaters < FEWEST_REPEATERS:
        raise refused(
            f"{repeaters} of {x.size} customers bought again, {FEWEST_REPEATERS} are needed",
            repeaters=repeaters,
            customers=x.size,
            needed=FEWEST_REPEATERS,
        )
    rows, counts = np.unique(np.column_stack((x, t_x, age)), axis=0, return_counts=True)
    unit = _LONGEST / float(age.max())
    several, last, old = rows[:, 0], rows[:, 1] * unit, rows[:, 2] * unit

    def loss(log_parameters: Floats) -> float:
        # np.exp of a wild step of the search: kept where everything stays finite.
        r, alpha, a, b = np.exp(np.clip(log_parameters, -20, 20))
        model = BgNbd(r=r, alpha=alpha, a=a, b=b)
        return -float(counts @ model.log_likelihood(several, last, old)) / float(counts.sum())

    found = minimize(
        loss, np.log([1.0, 10.0, 1.0, 2.0]), method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-7, "maxiter": 500}
    )
    r, alpha, a, b = (float(value) for value in np.exp(found.x))
    if not found.success or max(r, a, b, alpha) > _LIMIT or min(r, a, b, alpha) < 1 / _LIMIT:
        raise refused(
            f"the likelihood has no clear maximum (r={r:.4g}, alpha={alpha / unit:.4g}, a={a:.4g}, b={b:.4g}): "
            "these customers do not differ in the way the model assumes",
            r=r,
            alpha=alpha / unit,
            a=a,
            b=b,
        )
    model = BgNbd(r=r, alpha=alpha / unit, a=a, b=b)
    return Fit(
        model=model,
        log_likelihood=float(model.log_likelihood(x, t_x, age).sum()),
        customers=int(x.size),
        repeaters=repeaters,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """Accuracy with which a fit to the first part of the time foretells the rest."""

    periods: float
    expected: float
    observed: int
    error: float
    """Root of the mean squared error for each customer."""
    naive_error: float
    """The same when everybody is foretold the average of the past."""


def holdout(model: BgNbd, x: ArrayLike, t_x: ArrayLike, age: ArrayLike, *, later: ArrayLike, periods: float) -> Holdout:
    """Compares with what happened `later`, in the `periods` after the fit. Refuses a model worse than the average."""
    x, later = _floats(x), _floats(later)
    foretold = model.expected(periods, x, t_x, age)
    average = float(x.sum()) / float(_floats(age).sum()) * periods
    found = Holdout(
        periods=periods,
        expected=float(foretold.sum()),
        observed=int(later.sum()),
        error=float(np.sqrt(np.mean((foretold - later) ** 2))),
        naive_error=float(np.sqrt(np.mean((average - later) ** 2))),
    )
    if found.error > found.naive_error:
        raise refused(
            f"in the {periods:g} periods held out the model errs by {found.error:.4g} for each customer, "
            f"the plain average by {found.naive_error:.4g}",
            error=found.error,
            naive_error=found.naive_error,
        )
    return found


class FitRefused(FailedPrecondition):
    """{problem}."""

    problem: str
    numbers: Mapping[str, object]
    """Each one is in the metadata by its own name."""

    def __post_init__(self) -> None:
        FailedPrecondition.__post_init__(self)
        self.metadata = {name: str(value) for name, value in self.numbers.items()}


def refused(problem: str, **numbers: object) -> FitRefused:
    """The refusal of a fit, with the numbers that it rests on."""
    return FitRefused(problem=problem, numbers=numbers)


def _refuse_impossible(x: Floats, t_x: Floats, age: Floats) -> None:
    if not x.size or not (x.size == t_x.size == age.size):
        raise InvalidArgument.field("customers", f"{x.size} counts, {t_x.size} last times and {age.size} ages")
    tests: Sequence[tuple[str, NDArray[np.bool_]]] = (
        ("is no finite number", ~(np.isfinite(x) & np.isfinite(t_x) & np.isfinite(age))),
        ("has a count that is negative or no whole number", (x < 0) | (x != np.floor(x))),
        ("has no age", age <= 0),
        ("bought last before the first time or after the end", (t_x < 0) | (t_x > age)),
        ("bought once, yet has a repeat", (x == 0) & (t_x != 0)),
        ("has repeats, yet all of them at the start", (x > 0) & (t_x == 0)),
    )
    for what, wrong in tests:
        if wrong.any():
            first = int(np.argmax(wrong))
            raise InvalidArgument.field(
                f"customers[{first}]",
                f"{what}: x={x[first]:g}, t_x={t_x[first]:g}, T={age[first]:g} ({int(wrong.sum())} like it)",
            )


def _series(upper: float, a: float, lower: Floats, z: Floats) -> Floats:
    """(2F1(upper, a - 1; lower; z) - 1) / (a - 1), the same for a = 1."""
    term = upper * z / lower
    total = term.copy()
    for n in range(1, _TERMS):
        term = term * (upper + n) * (a + n - 1) / ((lower + n) * (n + 1)) * z
        total += term
        if np.all(np.abs(term) <= 1e-15 * np.abs(total)):
            return total
    raise ArithmeticError(f"the series did not end at z = {float(np.max(z))}")


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)
