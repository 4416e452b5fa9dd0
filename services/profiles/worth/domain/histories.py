"""The purchases of a customer as the models of value take them: how often, how lately, for how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from services.profiles.worth.domain.contribution import Figures

DAYS_PER_WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Purchases since the first one, in weeks. What is bought on one day is one purchase."""

    repeats: int
    last: float
    """Time of the latest repeat since the first purchase. 0 without one."""
    again: float
    """Time of the first repeat. 0 without one."""
    age: float
    spend: float
    """Mean sales of a repeat, in minor units. 0 without one."""
    later: int = 0
    """Purchases between the end of the history and the end of what is known."""


def history(days: Iterable[Figures], end: date) -> History | None:
    """The history until and with `end`, from the figures of days in any order. None for who had not bought by then."""
    bought = sorted((each.day, each.sales) for each in days if each.day is not None and each.sale_count)
    known = [(day, sales) for day, sales in bought if day <= end]
    if not known:
        return None
    first = known[0][0]
    repeats = known[1:]
    return History(
        repeats=len(repeats),
        last=(known[-1][0] - first).days / DAYS_PER_WEEK,
        again=(repeats[0][0] - first).days / DAYS_PER_WEEK if repeats else 0.0,
        age=(end - first).days / DAYS_PER_WEEK,
        spend=sum(sales for _, sales in repeats) / len(repeats) if repeats else 0.0,
        later=len(bought) - len(known),
    )
