"""Money that moved because of a customer, and what it comes to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, OpenEnum
from libs.money import CURRENCIES
from services.profiles.customers.domain.text import clean
from services.profiles.customers.domain.violations import Violations

MOST_MINOR_UNITS = 10**15
"""More is a mistake of units. A million such amounts still fit into 64 bits."""
_AHEAD = timedelta(days=1)
"""Tolerated error of the clock of a source, or of its time zone."""


class TransactionType(OpenEnum):
    """Kind of the money, which also tells the direction."""

    SALE = "SALE"
    REFUND = "REFUND"
    FEE = "FEE"
    COST_TO_SERVE = "COST_TO_SERVE"
    GOODWILL = "GOODWILL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in the smallest unit of one currency."""

    currency_code: str
    minor_units: int

    def __add__(self, other: Money) -> Money:
        """The sum. ValueError for another currency, because only a rate could make them one."""
        if other.currency_code != self.currency_code:
            raise ValueError(f"{self.currency_code} and {other.currency_code} cannot be added")
        return replace(self, minor_units=self.minor_units + other.minor_units)

    def check(self, path: str, violations: Violations) -> None:
        """Refuse an unknown currency, a negative amount and one that no customer ever paid."""
        if self.currency_code not in CURRENCIES:
            violations.add(f"{path}.currency_code", f"{self.currency_code!r} is no ISO 4217 code such as CNY")
        if self.minor_units < 0:
            violations.add(f"{path}.minor_units", "is negative; the type tells the direction")
        elif self.minor_units > MOST_MINOR_UNITS:
            violations.add(f"{path}.minor_units", f"{self.minor_units} is more than {MOST_MINOR_UNITS}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction(Entity):
    """Money that moved, or was spent, because of a customer. It never changes.

    A refund may be larger than the sale it belongs to: this is a record of what another system did, not a permission.
    """

    ID_PREFIX: ClassVar[str] = "txn"

    customer_id: str = ""
    occurred_time: datetime
    type: TransactionType
    amount: Money
    direct_cost: Money | None = None
    product: str = ""
    order_ref: str = ""
    source: str
    source_key: str

    @property
    def key(self) -> str:
        """The key that a transaction shares with its repeats."""
        return f"{self.source}/{self.source_key}"

    def record(self, now: datetime) -> Change[Transaction]:
        """The transaction that a row describes."""
        violations = Violations("transaction")
        self.amount.check("amount", violations)
        if self.direct_cost is not None:
            self.direct_cost.check("direct_cost", violations)
            if self.direct_cost.currency_code != self.amount.currency_code:
                violations.add("direct_cost.currency_code", f"must be {self.amount.currency_code}, that of the amount")
        if self.occurred_time > now + _AHEAD:
            violations.add("occurred_time", f"{self.occurred_time.isoformat()} is in the future")
        if not re.fullmatch("[a-z][a-z0-9_.-]{0,62}", self.source):
            violations.add("source", f"{self.source!r} is no short lower-case name such as erp")
        transaction = replace(
            self,
            product=clean(self.product, "product", 200, violations),
            order_ref=clean(self.order_ref, "order_ref", 200, violations),
            source_key=clean(self.source_key, "source_key", 200, violations, required=True),
        )
        violations.refuse()
        return transaction, [TransactionRecorded(transaction=transaction)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRecorded(Event):
    """A transaction was recorded."""

    transaction: Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """The sum of the transactions of one type in one currency."""

    type: TransactionType
    amount: Money
    count: int

    def plus(self, amount: Money) -> Total:
        """With one more transaction."""
        return replace(self, amount=self.amount + amount, count=self.count + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionSummary(Entity):
    """The totals of all transactions of one customer. The id is the customer's."""

    ID_PREFIX: ClassVar[str] = "cus"

    customer_id: str
    count: int = 0
    first_time: datetime | None = None
    last_time: datetime | None = None
    totals: tuple[Total, ...] = ()
    """By currency and type."""

    @classmethod
    def of(cls, customer_id: str, summaries: Iterable[TransactionSummary]) -> TransactionSummary:
        """The summary of a customer of whom there are summaries under several ids, or none."""
        totals: dict[tuple[str, TransactionType], Total] = {}
        first, last, count = [], [], 0
        for each in summaries:
            first += [each.first_time] if each.first_time else []
            last += [each.last_time] if each.last_time else []
            count += each.count
            for total in each.totals:
                key = total.amount.currency_code, total.type
                known = totals.get(key, replace(total, amount=replace(total.amount, minor_units=0), count=0))
                totals[key] = replace(known, amount=known.amount + total.amount, count=known.count + total.count)
        return cls(
            id=customer_id,
            customer_id=customer_id,
            count=count,
            first_time=min(first, default=None),
            last_time=max(last, default=None),
            totals=tuple(total for _, total in sorted(totals.items())),
        )

    def plus(self, transactions: Iterable[Transaction]) -> TransactionSummary:
        """With more transactions, in any order of their times."""
        totals = {(total.amount.currency_code, total.type): total for total in self.totals}
        times = [time for time in (self.first_time, self.last_time) if time is not None]
        count = self.count
        for each in transactions:
            key = each.amount.currency_code, each.type
            none = Total(type=each.type, amount=replace(each.amount, minor_units=0), count=0)
            totals[key] = totals.get(key, none).plus(each.amount)
            times.append(each.occurred_time)
            count += 1
        return replace(
            self,
            count=count,
            first_time=min(times, default=None),
            last_time=max(times, default=None),
            totals=tuple(total for _, total in sorted(totals.items())),
        )
