"""Customer lifetime value: expected purchases times expected spend, discounted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from libs.chassis.domain import InvalidArgument
from services.profiles.worth.domain.bgnbd import BgNbd, Floats

WEEKS_PER_MONTH = 365 / 84
MONTHS_PER_YEAR = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Assumptions of a value beside the customer. Returned with every value."""

    horizon_months: int
    margin: float
    """The share of revenue that is contribution."""
    discount: float
    """For a year: 0.1 makes 110 in a year worth 100 now."""

    def __post_init__(self) -> None:
        if not 1 <= self.horizon_months <= 120:
            raise InvalidArgument.field("horizon_months", f"{self.horizon_months} is not from 1 to 120")
        if not 0 < self.margin <= 1:
            raise InvalidArgument.field("margin", f"{self.margin} is no share above 0 and up to 1")
        if not 0 <= self.discount < 10:
            raise InvalidArgument.field("discount", f"{self.discount} is no rate for a year such as 0.1")


def value(model: BgNbd, x: ArrayLike, t_x: ArrayLike, age: ArrayLike, *, spend: ArrayLike, outlook: Outlook) -> Floats:
    """`sum over months k of margin * E[M] * (E[Y(k)] - E[Y(k-1)]) / (1 + d)^(k / 12)`, in the unit of `spend`.

    Times are in weeks; a month has 365 / 84 of them.
    """
    before = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(t_x), np.shape(age)))
    worth = before.copy()
    for k in range(1, outlook.horizon_months + 1):
        expected = model.expected(k * WEEKS_PER_MONTH, x, t_x, age)
        worth += (expected - before) / (1 + outlook.discount) ** (k / MONTHS_PER_YEAR)
        before = expected
    return np.asarray(outlook.margin * np.asarray(spend, dtype=np.float64) * worth)
