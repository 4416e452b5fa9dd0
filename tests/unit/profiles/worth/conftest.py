"""Customers with transactions, recorded as any others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from libs.chassis import identity
from services.profiles.activity.application.transactions import Row, Transactions
from services.profiles.activity.domain.transactions import Money, TransactionType
from services.profiles.customers.domain.customers import Customer
from services.profiles.store import ProfilesStore
from tests.unit.profiles.builders import person, transaction

Buys = Callable[..., str]


@pytest.fixture
def ids(store: ProfilesStore) -> list[str]:
    """Ten customers, in the order of their ids."""
    made: list[Customer] = [
        store.customers.customers.insert(person(id=identity.new_id("cus")).create()) for _ in range(10)
    ]
    return sorted(each.id for each in made)


@pytest.fixture
def buys(store: ProfilesStore) -> Buys:
    """Record one transaction: `buys(id, 400)`, `buys(id, 90, type="REFUND", days_ago=3)`."""
    count = iter(range(10**6))

    def record(customer_id: str, units: int, *, type: str = "SALE", days_ago: float = 1, **fields: Any) -> str:
        currency, cost = fields.pop("currency", "EUR"), fields.pop("cost", None)
        row = transaction(
            str(next(count)),
            customer_id=customer_id,
            amount=Money(currency_code=currency, minor_units=units),
            direct_cost=Money(currency_code=currency, minor_units=cost) if cost is not None else None,
            type=TransactionType(type),
            occurred_time=identity.now() - timedelta(days=days_ago),
            **fields,
        )
        (outcome,) = Transactions(store.activity).record([Row(row)])
        assert outcome.entity, outcome.error
        return outcome.entity.id

    return record
