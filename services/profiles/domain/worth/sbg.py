"""The search for the parameters of the shifted-beta-geometric model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from libs.chassis.domain import InvalidArgument
from services.profiles.domain.worth.bgnbd import refused
from services.profiles.domain.worth.contracts import ShiftedBetaGeometric

FEWEST_LOST = 10
_LIMIT = 1e4


def fit(lost: Sequence[int], remaining: int) -> ShiftedBetaGeometric:
    """The parameters of greatest likelihood for a cohort; see `ShiftedBetaGeometric.log_likelihood`."""
    if len(lost) < 2 or min(lost, default=0) < 0 or remaining < 0:
        raise InvalidArgument.field("lost", f"needs two renewals or more and no negative count, not {list(lost)}")
    if sum(lost) < FEWEST_LOST:
        raise refused(f"{sum(lost)} customers left, {FEWEST_LOST} are needed", lost=sum(lost), needed=FEWEST_LOST)

    def loss(log_parameters: NDArray[np.float64]) -> float:
        alpha, beta = np.exp(np.clip(log_parameters, -20, 20))
        return -ShiftedBetaGeometric(alpha=float(alpha), beta=float(beta)).log_likelihood(lost, remaining)

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 2000})
    alpha, beta = (float(value) for value in np.exp(found.x))
    if not found.success or max(alpha, beta) > _LIMIT:
        raise refused(
            f"alpha={alpha:.4g}, beta={beta:.4g}: the customers do not differ in their chance to leave",
            alpha=alpha,
            beta=beta,
        )
    return ShiftedBetaGeometric(alpha=alpha, beta=beta)
