"""Expected worth of a purchase: the Gamma-Gamma model.

Fader and Hardie, "The gamma-gamma model of monetary value", 2013; Colombo and Jiang, Journal of Interactive Marketing
13(3), 1999. It rests on spend that does not depend on how often one buys, which is tested and told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import gammaln

from libs.chassis.domain import InvalidArgument
from services.profiles.worth.domain.bgnbd import FEWEST_REPEATERS, Floats, refused

MOST_CORRELATION = 0.2
_LIMIT = 1e5


@dataclass(frozen=True, slots=True, kw_only=True)
class GammaGamma:
    """Spend for each purchase is Gamma(p, nu) of a customer, nu itself Gamma(q, gamma) among customers."""

    p: float
    q: float
    gamma: float

    @property
    def mean(self) -> float:
        """The mean spend of the population."""
        return self.p * self.gamma / (self.q - 1)

    def log_likelihood(self, x: ArrayLike, mean: ArrayLike) -> Floats:
        """Of each customer with x repeat purchases of this mean spend."""
        x, mean = np.asarray(x, dtype=np.float64), np.asarray(mean, dtype=np.float64)
        p, q, gamma = self.p, self.q, self.gamma
        return np.asarray(
            gammaln(p * x + q)
            - gammaln(p * x)
            - gammaln(q)
            + q * np.log(gamma)
            + (p * x - 1) * np.log(mean)
            + p * x * np.log(x)
            - (p * x + q) * np.log(gamma + x * mean)
        )

    def expected(self, x: ArrayLike, mean: ArrayLike) -> Floats:
        """The spend to be expected for each purchase. The population's mean where nothing was bought again."""
        x, mean = np.asarray(x, dtype=np.float64), np.asarray(mean, dtype=np.float64)
        return np.asarray(self.p * (self.gamma + x * mean) / (self.p * x + self.q - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendFit:
    """Parameters found, and how far to trust them."""

    model: GammaGamma
    log_likelihood: float
    customers: int
    correlation: float
    """Pearson's, of frequency and mean spend. The model needs it near zero."""


def fit(x: ArrayLike, mean: ArrayLike) -> SpendFit:
    """The parameters of greatest likelihood, from customers who bought again.

    Refuses too few of them, spend that is not positive, spend that goes with frequency, and q <= 1, where the mean of
    the population would not exist.
    """
    x, mean = np.asarray(x, dtype=np.float64), np.asarray(mean, dtype=np.float64)
    wrong = ~(np.isfinite(x) & np.isfinite(mean) & (x >= 1) & (mean > 0))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise InvalidArgument.field(
            f"customers[{first}]",
            f"needs x >= 1 and a positive mean spend, not x={x[first]:g} and {mean[first]:g} ({wrong.sum()} like it)",
        )
    if x.size < FEWEST_REPEATERS:
        raise refused(
            f"{x.size} customers bought again, {FEWEST_REPEATERS} are needed", repeaters=x.size, needed=FEWEST_REPEATERS
        )
    spread = float(x.std()) * float(mean.std())
    correlation = float(np.mean((x - x.mean()) * (mean - mean.mean()))) / spread if spread else 0.0
    if abs(correlation) >= MOST_CORRELATION:
        raise refused(
            f"spend goes with frequency (correlation {correlation:.3f}, less than {MOST_CORRELATION} is needed), "
            "which the model assumes it does not",
            correlation=correlation,
            allowed=MOST_CORRELATION,
        )
    unit = float(mean.mean())

    def loss(log_parameters: Floats) -> float:
        p, q, gamma = np.exp(np.clip(log_parameters, -20, 20))
        return -float(GammaGamma(p=p, q=q, gamma=gamma).log_likelihood(x, mean / unit).mean())

    found = minimize(
        loss, np.log([2.0, 3.0, 1.0]), method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-7, "maxiter": 500}
    )
    p, q, gamma = (float(value) for value in np.exp(found.x))
    if not found.success or max(p, q, gamma) > _LIMIT or q <= 1:
        raise refused(
            f"p={p:.4g}, q={q:.4g}, gamma={gamma * unit:.4g}: q must exceed 1 and all must be finite, "
            "or the mean spend does not exist",
            p=p,
            q=q,
            gamma=gamma * unit,
        )
    model = GammaGamma(p=p, q=q, gamma=gamma * unit)
    return SpendFit(
        model=model,
        log_likelihood=float(model.log_likelihood(x, mean).sum()),
        customers=int(x.size),
        correlation=correlation,
    )
