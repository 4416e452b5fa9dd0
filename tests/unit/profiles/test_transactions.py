"""Transactions: rows that stand alone, repeats, and what they come to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kehu.interactions.v1 import events_pb2 as interactions

from libs.chassis import identity
from libs.chassis.domain import InvalidArgument, NotFound, SourceKeyReused
from libs.chassis.paging import PageRequest
from libs.chassis.testing import World
from libs.engine.store.memory import MemoryDatabase
from services.profiles.__main__ import SERVICE
from services.profiles.activity.application.transactions import Row, Transactions
from services.profiles.activity.domain.transactions import (
    CURRENCIES,
    Money,
    Total,
    Transaction,
    TransactionSummary,
    TransactionType,
)
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.customers.domain.lifecycle import Lifecycle
from services.profiles.store import ProfilesStore
from tests.unit.profiles.builders import NOW, person, transaction

ERP_7 = ExternalId(system="erp", id="7")


@pytest.fixture
def ada_id(store: ProfilesStore) -> str:
    return store.customers.customers.insert(person(external_ids=(ERP_7,)).create()).id


def money(units: int, currency: str = "EUR") -> Money:
    return Money(currency_code=currency, minor_units=units)


@pytest.mark.parametrize(
    ("fields", "field", "complaint"),
    [
        ({"amount": money(1, "XXX")}, "amount.currency_code", "'XXX' is no ISO 4217 code"),
        ({"amount": money(1, "eur")}, "amount.currency_code", "no ISO 4217 code"),
        ({"amount": money(-1)}, "amount.minor_units", "the type tells the direction"),
        ({"amount": money(10**15 + 1)}, "amount.minor_units", "is more than"),
        ({"direct_cost": money(1, "USD")}, "direct_cost.currency_code", "must be EUR"),
        ({"occurred_time": NOW + timedelta(days=2)}, "occurred_time", "in the future"),
        ({"source": "My ERP"}, "source", "lower-case name"),
        ({"source_key": " "}, "source_key", "is required"),
        ({"product": "\x00"}, "product", "control characters"),
    ],
)
def test_wrong_transactions_are_refused_by_path(fields: dict[str, Any], field: str, complaint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        transaction(**fields).record(NOW)
    assert [v.field for v in refused.value.violations] == [f"transaction.{field}"]
    assert complaint in refused.value.violations[0].description


def test_a_refund_may_be_larger_than_its_sale_because_it_is_a_record() -> None:
    refund = transaction(units=10**9, type=TransactionType.REFUND)
    assert refund.record(NOW)[0].amount.minor_units == 10**9


def test_currencies_are_three_capitals() -> None:
    assert all(code.isascii() and code.isupper() and len(code) == 3 for code in CURRENCIES)
    assert {"CNY", "EUR", "JPY", "KWD", "USD"} < CURRENCIES
    assert not {"XXX", "XTS", "XAU", "DEM"} & CURRENCIES


def test_money_of_two_currencies_is_never_added() -> None:
    with pytest.raises(ValueError, match="cannot be added"):
        money(1) + money(1, "USD")


def test_every_row_stands_alone_and_repeats_are_recognised(
    store: ProfilesStore, database: MemoryDatabase, ada_id: str
) -> None:
    nobody = ExternalId(system="erp", id="8")
    rows = [
        Row(transaction("1", customer_id=ada_id)),
        Row(transaction("2", customer_id=""), ERP_7),
        InvalidArgument.field("transaction.type", "is required"),
        Row(transaction("3", customer_id="cus_0")),
        Row(transaction("4", customer_id=""), nobody),
        Row(transaction("5", customer_id=ada_id), ERP_7),
        Row(transaction("6", customer_id=ada_id, amount=money(1, "XXX"))),
        Row(transaction("1", customer_id=ada_id)),
        Row(transaction("1", customer_id=ada_id, units=1)),
    ]
    first, second = Transactions(store.activity).record(rows), Transactions(store.activity).record(rows)
    assert [outcome.created for outcome in first] == [True, True] + [False] * 7
    assert not any(outcome.created for outcome in second)
    errors = [InvalidArgument, NotFound, NotFound, InvalidArgument, InvalidArgument]
    expected = [type(None), type(None), *errors, type(None), SourceKeyReused]
    assert [type(outcome.error) for outcome in first] == expected == [type(outcome.error) for outcome in second]
    assert first[7].entity == first[0].entity
    assert {each.entity.customer_id for each in first[:2] if each.entity} == {ada_id}
    told = [event for event in database.events() if event.type == "kehu.profiles.transaction.recorded.v1"]
    assert len(told) == 2


def test_a_list_tells_the_latest_first_and_filters(store: ProfilesStore, ada_id: str) -> None:
    sales = [transaction(str(n), customer_id=ada_id, occurred_time=NOW - timedelta(days=n)) for n in range(3)]
    refund = replace(sales[0], type=TransactionType.REFUND, source_key="r", occurred_time=NOW - timedelta(hours=1))
    Transactions(store.activity).record([Row(each) for each in (*sales, refund)])

    def listed(filter: str) -> list[str]:
        page = Transactions(store.activity).list(ada_id, filter, PageRequest())
        return [each.source_key for each in page.items]

    assert listed("") == ["0", "r", "1", "2"]
    assert listed("type = REFUND") == ["r"]
    assert listed('type = SALE AND occurred_time < "2026-05-04T00:00:00Z"') == ["1", "2"]
    with pytest.raises(InvalidArgument, match="allowed: occurred_time, type"):
        listed("product = x")
    with pytest.raises(NotFound):
        Transactions(store.activity).list("cus_0", "", PageRequest())


def test_the_summary_adds_up_and_a_buyer_becomes_active(
    store: ProfilesStore, database: MemoryDatabase, ada_id: str
) -> None:
    assert Transactions(store.activity).summary(ada_id) == TransactionSummary(id=ada_id, customer_id=ada_id)
    refund = transaction("2", 500, customer_id=ada_id, type=TransactionType.REFUND, occurred_time=NOW)
    Transactions(store.activity).sum_up([refund])
    assert store.customers.customers.get(ada_id).lifecycle is Lifecycle.LEAD
    yen = transaction("3", 700, customer_id=ada_id, amount=money(700, "JPY"), occurred_time=NOW - timedelta(days=9))
    Transactions(store.activity).sum_up([transaction("1", customer_id=ada_id), yen, replace(yen, source_key="4")])
    summary = Transactions(store.activity).summary(ada_id)
    assert (summary.count, summary.first_time, summary.last_time) == (4, NOW - timedelta(days=9), NOW)
    assert summary.totals == (
        Total(type=TransactionType.REFUND, amount=money(500), count=1),
        Total(type=TransactionType.SALE, amount=money(1999), count=1),
        Total(type=TransactionType.SALE, amount=money(1400, "JPY"), count=2),
    )
    assert store.customers.customers.get(ada_id).lifecycle is Lifecycle.ACTIVE
    assert [event.type for event in database.events()].count("kehu.profiles.customer.lifecycle_changed.v1") == 1


def test_a_transaction_of_nobody_is_not_swallowed(store: ProfilesStore) -> None:
    with pytest.raises(NotFound):
        Transactions(store.activity).sum_up([transaction(customer_id="cus_0")])


TRANSACTIONS = st.builds(
    lambda units, type, currency, days: transaction(
        "k", amount=money(units, currency), type=type, occurred_time=NOW - timedelta(days=days)
    ),
    st.integers(0, 10**15),
    st.sampled_from(TransactionType),
    st.sampled_from(["EUR", "JPY", "KWD"]),
    st.integers(0, 4000),
)


@given(st.lists(TRANSACTIONS), st.randoms())
def test_the_summary_does_not_depend_on_order_or_batches(each: list[Transaction], random: Any) -> None:
    start = TransactionSummary(id="cus_1", customer_id="cus_1")
    whole = start.plus(each)
    shuffled = random.sample(each, len(each))
    cut = random.randint(0, len(each))
    assert start.plus(shuffled[:cut]).plus(shuffled[cut:]) == whole
    assert sum(total.count for total in whole.totals) == whole.count == len(each)
    for currency in ("EUR", "JPY", "KWD"):
        expected = sum(t.amount.minor_units for t in each if t.amount.currency_code == currency)
        assert expected == sum(t.amount.minor_units for t in whole.totals if t.amount.currency_code == currency)


def test_goodwill_that_another_service_posted_counts_once_even_under_the_id_of_an_absorbed_customer() -> None:
    with World(SERVICE, at=NOW).entered() as world:
        customers = world.store.customers.customers
        old = identity.new_id("cus")
        made, told = person().create()
        survivor = customers.insert((replace(made, merged_ids=(old,)), told))
        absorbed = customers.insert((replace(made, id=old, merged_into=survivor.id), told))
        posted = interactions.GoodwillPosted()
        posted.goodwill.id, posted.goodwill.customer_id = identity.new_id("gdw"), absorbed.id
        posted.goodwill.currency_code, posted.goodwill.amount = "EUR", 500
        posted.goodwill.decided_time.FromDatetime(NOW)
        world.hear(posted, entity_id=posted.goodwill.id)
        world.hear(posted, entity_id=posted.goodwill.id)
        [row] = Transactions(world.store.activity).list(survivor.id, "", PageRequest(size=5)).items
        assert (row.type, row.amount, row.source) == (TransactionType.GOODWILL, money(500), "interactions")
        [total] = Transactions(world.store.activity).summary(survivor.id).totals
        assert (total.type, total.count) == (TransactionType.GOODWILL, 1)
