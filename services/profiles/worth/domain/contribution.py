"""What customers contribute: what they pay less what goods, service and goodwill cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from libs.chassis.domain import InvalidArgument
from services.profiles.activity.domain.transactions import CURRENCIES, Money, Transaction, TransactionType

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
        """What a caller asked for; without an end until now, without a start a year."""
        until = end or now
        return cls(start_time=start or until - timedelta(days=DEFAULT_DAYS), end_time=until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What transactions of one customer in one currency come to, over a window or on one day of it.

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
        """`sales - refunds + fees - direct cost - cost to serve - goodwill`; negative where a customer costs more."""
        return self.sales - self.refunds + self.fees - self.direct_cost - self.cost_to_serve - self.goodwill

    @property
    def net_sales(self) -> int:
        """Sales less refunds; a refund counts when it happens, whenever its sale was."""
        return self.sales - self.refunds

    def plus(self, transaction: Transaction) -> Figures:
        """With one more transaction of the same currency."""
        units, type = transaction.amount.minor_units, transaction.type
        cost = transaction.direct_cost.minor_units if transaction.direct_cost is not None else 0
        sale = type is TransactionType.SALE
        times = [transaction.occurred_time] if sale else []
        return replace(
            self,
            sales=self.sales + units * sale,
            refunds=self.refunds + units * (type is TransactionType.REFUND),
            fees=self.fees + units * (type is TransactionType.FEE),
            direct_cost=self.direct_cost + (-cost if type is TransactionType.REFUND else cost),
            cost_to_serve=self.cost_to_serve + units * (type is TransactionType.COST_TO_SERVE),
            goodwill=self.goodwill + units * (type is TransactionType.GOODWILL),
            transaction_count=self.transaction_count + 1,
            sale_count=self.sale_count + sale,
            uncosted_sale_count=self.uncosted_sale_count + (sale and transaction.direct_cost is None),
            first_sale_time=min(filter(None, [self.first_sale_time, *times]), default=None),
            last_sale_time=max(filter(None, [self.last_sale_time, *times]), default=None),
        )


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


def sum_up(transactions: Iterable[Transaction], time_zone: str = "") -> list[Figures]:
    """The figures by currency and, with a time zone, by its calendar days; in that order."""
    zone = ZoneInfo(time_zone) if time_zone else None
    found: dict[tuple[str, date | None], Figures] = {}
    for each in transactions:
        key = each.amount.currency_code, each.occurred_time.astimezone(zone).date() if zone else None
        found[key] = found.get(key, Figures(currency_code=key[0], day=key[1])).plus(each)
    return [found[key] for key in sorted(found, key=lambda key: (key[0], key[1] or date.min))]


def check_currency(code: str, path: str = "currency_code") -> str:
    """The code of a currency that exists."""
    if code not in CURRENCIES:
        raise InvalidArgument.field(path, f"{code!r} is no ISO 4217 code such as CNY")
    return code


def check_time_zone(name: str, path: str = "time_zone") -> str:
    """The name of a time zone that exists; UTC for none."""
    if name and name not in available_timezones():
        raise InvalidArgument.field(path, f"{name!r} is no time zone such as Asia/Shanghai")
    return name or "UTC"
