"""Results of computations over all customers, for calls to read: scales, fits and scores."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from libs.chassis.domain import Entity, FailedPrecondition
from services.profiles.activity.domain.transactions import Money
from services.profiles.worth.domain.contribution import Figures, Window
from services.profiles.worth.domain.measures import Basis
from services.profiles.worth.domain.rfm import FREQUENCY_BREAKS, Scale, recency_days, scale


class NobodyBought(FailedPrecondition):
    """Nobody bought anything in {currency_code} since {start_time}."""

    currency_code: str
    start_time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RfmTable(Entity):
    """The scales of one computation. With them anybody's scores follow from three numbers."""

    ID_PREFIX: ClassVar[str] = "rfm"

    currency_code: str
    window: Window
    as_of_date: date
    time_zone: str
    customer_count: int
    recency: Scale
    frequency: Scale
    monetary: Scale


class RfmTally:
    """Collects the three values of many customers. Arrays keep eight bytes for a number where a list keeps forty."""

    def __init__(self, currency_code: str, window: Window, time_zone: str) -> None:
        self._currency_code, self._window, self._time_zone = currency_code, window, time_zone or "UTC"
        self._as_of = window.end_time.astimezone(ZoneInfo(self._time_zone)).date()
        self._recency, self._frequency, self._monetary = array("q"), array("q"), array("q")

    def __len__(self) -> int:
        return len(self._recency)

    def add(self, figures: Figures) -> None:
        """One customer, by the figures of the currency. Who bought nothing is left out."""
        if figures.last_sale_time is not None:
            self._recency.append(recency_days(figures.last_sale_time, self._as_of, self._time_zone))
            self._frequency.append(figures.sale_count)
            self._monetary.append(figures.sales)

    def table(self, id: str) -> RfmTable:
        """The scales. Refused when nobody bought anything."""
        if not self._recency:
            raise NobodyBought(currency_code=self._currency_code, start_time=self._window.start_time.isoformat())
        return RfmTable(
            id=id,
            currency_code=self._currency_code,
            window=self._window,
            as_of_date=self._as_of,
            time_zone=self._time_zone,
            customer_count=len(self),
            recency=scale(self._recency, descending=True),
            frequency=scale(self._frequency, fixed=FREQUENCY_BREAKS),
            monetary=scale(self._monetary),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rfm:
    """The three values of a customer and their scores from 1 to 5."""

    customer_id: str
    recency_days: int
    frequency: int
    monetary: Money
    recency_score: int
    frequency_score: int
    monetary_score: int
    table: RfmTable
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class ClvModel(Entity):
    """A fit of BG/NBD and Gamma-Gamma to the customers of one currency, with what says how far to trust it."""

    ID_PREFIX: ClassVar[str] = "clvm"

    currency_code: str
    window: Window
    time_zone: str
    horizon_months: int
    margin: float
    discount: float
    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    p: float
    q: float
    gamma: float
    """In minor units."""
    spend_correlation: float
    customer_count: int
    repeater_count: int
    holdout_weeks: float
    holdout_expected: float
    holdout_observed: int
    holdout_error: float
    holdout_naive_error: float
    mean_alive: float
    mean_spend: float
    """Of the population, in minor units."""
    one_time_limit_weeks: float
    """Nineteen of twenty repeaters have come back for the first time within it: who bought once and is older is not
    considered alive."""
    total_value: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class ClvScore(Entity):
    """Score of one customer by the latest fit. The id is the customer's."""

    ID_PREFIX: ClassVar[str] = "cus"

    model_id: str
    repeat_count: int
    last_weeks: float
    age_weeks: float
    alive_probability: float
    considered_alive: bool
    expected_purchases: float
    """Within the horizon."""
    expected_spend: Money
    value: Money
    as_of_time: datetime
