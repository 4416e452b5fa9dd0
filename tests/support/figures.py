"""The definition of what transactions come to, one by one, beside which the sums of the store are held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

from services.profiles.activity.domain.transactions import Transaction, TransactionType
from services.profiles.worth.domain.contribution import Figures


def sum_up(transactions: Iterable[Transaction], time_zone: str = "") -> list[Figures]:
    """The figures by currency and, with a time zone, by its calendar days. In that order."""
    zone = ZoneInfo(time_zone) if time_zone else None
    found: dict[tuple[str, date | None], Figures] = {}
    for each in transactions:
        key = each.amount.currency_code, each.occurred_time.astimezone(zone).date() if zone else None
        found[key] = plus(found.get(key, Figures(currency_code=key[0], day=key[1])), each)
    return [found[key] for key in sorted(found, key=lambda key: (key[0], key[1] or date.min))]


def plus(figures: Figures, transaction: Transaction) -> Figures:
    """With one more transaction of the same currency."""
    units, type = transaction.amount.minor_units, transaction.type
    cost = transaction.direct_cost.minor_units if transaction.direct_cost is not None else 0
    sale = type is TransactionType.SALE
    times = [transaction.occurred_time] if sale else []
    return replace(
        figures,
        sales=figures.sales + units * sale,
        refunds=figures.refunds + units * (type is TransactionType.REFUND),
        fees=figures.fees + units * (type is TransactionType.FEE),
        direct_cost=figures.direct_cost + (-cost if type is TransactionType.REFUND else cost),
        cost_to_serve=figures.cost_to_serve + units * (type is TransactionType.COST_TO_SERVE),
        goodwill=figures.goodwill + units * (type is TransactionType.GOODWILL),
        transaction_count=figures.transaction_count + 1,
        sale_count=figures.sale_count + sale,
        uncosted_sale_count=figures.uncosted_sale_count + (sale and transaction.direct_cost is None),
        first_sale_time=min(filter(None, [figures.first_sale_time, *times]), default=None),
        last_sale_time=max(filter(None, [figures.last_sale_time, *times]), default=None),
    )
