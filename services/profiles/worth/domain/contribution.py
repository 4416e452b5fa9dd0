"""Contribution of customers: what they pay less what goods, service and goodwill cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from libs.chassis.domain import InvalidArgument
from libs.money import CURRENCIES
from services.profiles.activity.domain.transactions import Money, TransactionType
from services.profiles.customers.domain.preferences import time_zones

LONGEST = timedelta(days=3660)
DEFAULT_DAYS = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time that a figure is about: from `start_time` until just before `end_time`."""

    start_time: datetime
    end_time: datetime

    def __post_init__(self) -> None:
        if not timedelta(0) < self.end_time - self.start_time <= LONGEST:
            raise InvalidArgument.field(
                "end_time", f"{self.end_time.isoformat()} is not after start_time, within {LONGEST.days} days of it"
            )

    @classmethod
    def of(cls, start: datetime | None, end: datetime | None, now: datetime) -> Window:
        """The window that a caller asked for. Without an end until now, without a start a year."""
        until = end or now
        return cls(start_time=start or until - timedelta(days=DEFAULT_DAYS), end_time=until)


class Subtotal(NamedTuple):
    """Total of the transactions of one type, in minor units."""

    type: TransactionType
    units: int
    direct_cost: int
    number: int
    uncosted_count: int
    """Transactions without a direct cost."""
    first_time: datetime
    last_time: datetime


_SUMS = {
    TransactionType.REFUND: "refunds",
    TransactionType.FEE: "fees",
    TransactionType.COST_TO_SERVE: "cost_to_serve",
    TransactionType.GOODWILL: "goodwill",
}
"""Type → the field of `Figures` that holds its sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Total of the transactions of one customer in one currency, over a window or on one day of it.

    Amounts are in minor units and positive, but for `direct_cost`, which is net of goods that came back.
    """

    currency_code: str
    day: date | None = None
    sales: int = 0
    refunds: int = 0
    fees: int = 0
    direct_cost: int = 0
    cost_to_serve: int = 0
    goodwill: int = 0
    transaction_count: int = 0
    sale_count: int = 0
    uncosted_sale_count: int = 0
    """Sales whose direct cost nobody told: their whole amount counts as contribution."""
    first_sale_time: datetime | None = None
    last_sale_time: datetime | None = None

    @property
    def contribution(self) -> int:
        """`sales - refunds + fees - direct cost - cost to serve - goodwill`. Negative where a customer costs more."""
        return self.sales - self.refunds + self.fees - self.direct_cost - self.cost_to_serve - self.goodwill

    @property
    def net_sales(self) -> int:
        """Sales less refunds. A refund counts when it happens, whenever its sale was."""
        return self.sales - self.refunds

    @classmethod
    def of(cls, currency_code: str, day: date | None, subtotals: Iterable[Subtotal]) -> Figures:
        """The figures of one currency, and perhaps day, from one subtotal for each type of transaction."""
        parts: dict[str, Any] = {}
        count = cost = 0
        for each in subtotals:
            count += each.number
            cost += -each.direct_cost if each.type is TransactionType.REFUND else each.direct_cost
            if each.type is TransactionType.SALE:
                parts["sales"], parts["sale_count"] = each.units, each.number
                parts["uncosted_sale_count"] = each.uncosted_count
                parts["first_sale_time"], parts["last_sale_time"] = each.first_time, each.last_time
            elif each.type in _SUMS:
                parts[_SUMS[each.type]] = each.units
        return cls(currency_code=currency_code, day=day, transaction_count=count, direct_cost=cost, **parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyContribution:
    """The contribution in one currency and the parts that it is made of."""

    contribution: Money
    sales: Money
    refunds: Money
    fees: Money
    direct_cost: Money
    cost_to_serve: Money
    goodwill: Money
    sale_count: int
    transaction_count: int
    uncosted_sale_count: int

    @classmethod
    def of(cls, figures: Figures) -> CurrencyContribution:
        """The parts as money."""

        def money(minor_units: int) -> Money:
            return Money(currency_code=figures.currency_code, minor_units=minor_units)

        return cls(
            contribution=money(figures.contribution),
            sales=money(figures.sales),
            refunds=money(figures.refunds),
            fees=money(figures.fees),
            direct_cost=money(figures.direct_cost),
            cost_to_serve=money(figures.cost_to_serve),
            goodwill=money(figures.goodwill),
            sale_count=figures.sale_count,
            transaction_count=figures.transaction_count,
            uncosted_sale_count=figures.uncosted_sale_count,
        )


def check_currency(code: str, path: str = "currency_code") -> str:
    """The code of a currency that exists."""
    if code not in CURRENCIES:
        raise InvalidArgument.field(path, f"{code!r} is no ISO 4217 code such as CNY")
    return code


def check_time_zone(name: str, path: str = "time_zone") -> str:
    """The name of a time zone that exists. UTC for none."""
    if name and name not in time_zones():
        raise InvalidArgument.field(path, f"{name!r} is no time zone such as Asia/Shanghai")
    return name or "UTC"
