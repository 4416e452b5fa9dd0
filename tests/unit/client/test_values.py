"""Between Python values and messages."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kehu.common.v1.types_pb2 import Money
from kehu.profiles.v1.contact_points_pb2 import ContactPoint
from kehu.profiles.v1.customer_pb2 import Customer
from kehu.profiles.v1.transactions_pb2 import Transaction

from libs.client import from_date, from_money, from_timestamp, to_date, to_money, to_timestamp
from libs.client.values import enum_name, enum_number, fill


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.34", "USD", 1234),
        ("12.3", "CNY", 1230),
        ("1234", "JPY", 1234),
        ("1.234", "KWD", 1234),
        ("-0.01", "EUR", -1),
        ("0", "CLP", 0),
    ],
)
def test_money_counts_the_smallest_unit_of_its_currency(text: str, currency: str, minor: int) -> None:
    money = to_money(text, currency)
    assert (money.currency_code, money.minor_units) == (currency, minor)
    assert from_money(money) == Decimal(text)


def test_money_keeps_the_decimals_of_its_currency() -> None:
    assert str(from_money(Money(currency_code="USD", minor_units=1230))) == "12.30"


@pytest.mark.parametrize(("amount", "currency"), [("0.001", "USD"), ("0.5", "JPY"), ("1.2345", "KWD")])
def test_an_amount_finer_than_the_currency_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match="decimals"):
        to_money(amount, currency)


def test_a_float_is_no_amount() -> None:
    with pytest.raises(TypeError, match="Decimal"):
        to_money(0.1, "USD")  # type: ignore[arg-type]


@given(st.integers(-(2**53), 2**53), st.sampled_from(["USD", "JPY", "KWD", "CNY"]))
def test_money_survives_the_way_there_and_back(minor: int, currency: str) -> None:
    money = Money(currency_code=currency, minor_units=minor)
    assert to_money(from_money(money), currency) == money


def test_an_instant_survives_and_comes_back_in_utc() -> None:
    at = datetime(2024, 2, 29, 23, 30, 15, 123000, tzinfo=timezone(timedelta(hours=8)))
    assert from_timestamp(to_timestamp(at)) == at
    assert from_timestamp(to_timestamp(at)).tzinfo is UTC


def test_a_time_without_zone_names_no_instant() -> None:
    with pytest.raises(ValueError, match="zone"):
        to_timestamp(datetime(2024, 1, 1))  # noqa: DTZ001


def test_a_date_survives() -> None:
    assert from_date(to_date(date(2024, 2, 29))) == date(2024, 2, 29)


def test_fill_builds_nested_messages_from_plain_values() -> None:
    customer = fill(
        Customer(),
        {
            "kind": "PERSON",
            "names": [{"family": "王", "given": "小明", "valid_from_date": date(1990, 1, 1)}],
            "contact_points": [{"type": "TYPE_PHONE", "raw": "13800138000"}, ContactPoint(raw="x@y.cn", type=2)],
            "preferences": {"channels": ["MESSENGER", 2]},
            "labels": {"vip": "yes"},
            "create_time": datetime(2024, 1, 1, tzinfo=UTC),
            "owner": None,
        },
    )
    assert customer.kind == Customer.KIND_PERSON
    assert customer.names[0].valid_from_date.year == 1990
    assert [point.type for point in customer.contact_points] == [ContactPoint.TYPE_PHONE, ContactPoint.TYPE_EMAIL]
    assert list(customer.preferences.channels) == [4, 2]
    assert customer.labels["vip"] == "yes"
    assert customer.create_time.ToDatetime() == datetime(2024, 1, 1)  # noqa: DTZ001
    assert customer.owner == ""


def test_an_empty_mapping_makes_a_message_present() -> None:
    assert fill(Customer(), {"preferences": {}}).HasField("preferences")


def test_fill_replaces_a_repeated_field() -> None:
    customer = Customer(aliases=["old"])
    assert list(fill(customer, {"aliases": ["new"]}).aliases) == ["new"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"nmae": "x"}, "Customer has no field 'nmae'; it has id, revision"),
        ({"kind": "ROBOT"}, "Customer.kind: 'ROBOT' is none of PERSON, ORGANISATION, HOUSEHOLD"),
        ({"names": [{"famly": "x"}]}, "Customer.names: PersonName has no field 'famly'"),
        ({"names": {"family": "x"}}, "Customer.names: expected a sequence"),
        ({"preferences": "zh"}, "Customer.preferences: expected a Preferences"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(fields: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message.replace("(", r"\(")):
        fill(Customer(), fields)


def test_enums_are_read_by_their_short_names() -> None:
    enum = Transaction.DESCRIPTOR.fields_by_name["type"].enum_type
    assert enum_number(enum, "SALE") == enum_number(enum, "TYPE_SALE") == Transaction.TYPE_SALE
    assert enum_name(enum, Transaction.TYPE_COST_TO_SERVE) == "COST_TO_SERVE"
    assert enum_name(enum, 99) == "99"
