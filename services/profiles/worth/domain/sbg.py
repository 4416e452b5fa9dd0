"""The search for the parameters of the shifted-beta-geometric model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from libs.chassis.domain import InvalidArgument
from services.profiles.worth.domain.bgnbd import refused
from services.profiles.worth.domain.retention import ShiftedBetaGeometric

FEWEST_LOST = 10
FEWEST_RENEWALS = 2
_LIMIT = 1e4


def fit(lost: Sequence[int], kept: Sequence[int]) -> ShiftedBetaGeometric:
    """The parameters of greatest likelihood. See `ShiftedBetaGeometric.log_likelihood`."""
    if min([*lost, *kept, 0]) < 0:
        raise InvalidArgument.field("lost", f"no count can be negative: {list(lost)}, {list(kept)}")
    if sum(lost) < FEWEST_LOST or max(len(lost), len(kept) - 1) < FEWEST_RENEWALS:
        raise refused(
            f"{sum(lost)} customers left within {max(len(lost), len(kept) - 1)} renewals, "
            f"{FEWEST_LOST} within {FEWEST_RENEWALS} are needed",
            lost=sum(lost),
            needed=FEWEST_LOST,
        )

    def loss(log_parameters: NDArray[np.float64]) -> float:
        alpha, beta = np.exp(np.clip(log_parameters, -20, 20))
        return -ShiftedBetaGeometric(alpha=float(alpha), beta=float(beta)).log_likelihood(lost, kept)

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 2000})
    alpha, beta = (float(value) for value in np.exp(found.x))
    if not found.success or max(alpha, beta) > _LIMIT:
        raise refused(
            f"alpha={alpha:.4g}, beta={beta:.4g}: the customers do not differ in their chance to leave",
            alpha=alpha,
            beta=beta,
        )
    return ShiftedBetaGeometric(alpha=alpha, beta=beta)
