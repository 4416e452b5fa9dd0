"""What a filter can ask about a customer, and when time alone changes the answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.profiles.activity.domain.habits import Contact, ContactRecord, Direction
from services.profiles.activity.domain.transactions import TransactionSummary, TransactionType
from services.profiles.customers.domain.consents import ConsentState, Purpose
from services.profiles.customers.domain.contact_points import Channel
from services.profiles.customers.domain.customers import Address
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.segments.domain.rules import clauses
from services.profiles.segments.domain.subjects import FIELDS, Subject, facts, next_change
from services.profiles.segments.store import compile_rule
from tests.unit.profiles.builders import NOW, decided, decision, email, person, transaction

DAY = timedelta(days=1)


def subject(**fields: Any) -> Subject:
    ada = person(
        create_time=NOW - 10 * DAY,
        owner="bob",
        labels={"vip": "yes"},
        contact_points=(email(),),
        addresses=(Address(region_code="CN", locality="上海"), Address(region_code="DE")),
        external_ids=(ExternalId(system="erp", id="7"),),
    )
    sales = [
        transaction("1", 500, occurred_time=NOW - 40 * DAY),
        transaction("2", 300, occurred_time=NOW - 35 * DAY),
        transaction("3", 200, type=TransactionType.REFUND, occurred_time=NOW - 30 * DAY),
    ]
    calls = [
        Contact(id="int_1", occurred_time=NOW - 95 * DAY, channel=Channel.VOICE, direction=Direction.INBOUND),
        Contact(id="int_2", occurred_time=NOW - 89 * DAY, channel=Channel.EMAIL, direction=Direction.OUTBOUND),
    ]
    summary = TransactionSummary(id="cus_1", customer_id="cus_1").plus(sales)
    return Subject(**{"customer": ada, "summary": summary, "contacts": ContactRecord(id="cus_1").plus(calls), **fields})


def holds(text: str, about: Subject | None = None, now: datetime = NOW) -> bool:
    rule = compile_rule(text)
    return rule.judge(facts(about or subject(), {clause.field for clause in clauses(rule)}, now)).holds


@pytest.mark.parametrize(
    "text",
    [
        "kind = PERSON lifecycle = LEAD owner = b*",
        'region_codes = DE localities = "上海" region_codes != US',
        "contact_point_types = EMAIL contact_point_types != PHONE",
        "external_systems:erp labels.vip = yes -labels.card:*",
        "create_time < 2026-05-01T00:00:00Z days_since_create = 10",
        "transaction_count = 3 sale_count = 2 refund_count = 1 net_sales.EUR = 600 net_sales.USD = 0",
        "days_since_last_transaction = 30 first_transaction_time < 2026-04-01T00:00:00Z",
        "days_since_last_contact = 89 days_since_last_inbound = 95 days_since_last_outbound < 90",
        "-language_code:* -time_zone:* granted != MARKETING refused != MARKETING",
    ],
)
def test_every_field_can_be_asked(text: str) -> None:
    assert holds(text)


def test_who_never_bought_and_was_never_met_has_no_days() -> None:
    nobody = Subject(person(create_time=NOW))
    assert not holds("days_since_last_contact >= 0 OR days_since_last_transaction >= 0", nobody)
    assert holds("-last_contact_time:* AND -last_transaction_time:* AND sale_count = 0 AND net_sales.EUR = 0", nobody)


def test_consent_is_asked_by_purpose_and_channel() -> None:
    ada = decided(
        person(),
        decision(),
        decision(ConsentState.DENIED, channel=Channel.SMS),
        decision(purpose=Purpose.CARE, channel=Channel.EMAIL, effective_to_time=NOW + DAY),
    )
    about = Subject(ada)
    assert holds("granted = MARKETING granted = MARKETING/EMAIL granted != MARKETING/SMS", about)
    assert holds("refused = MARKETING/SMS refused != MARKETING refused != MARKETING/EMAIL", about)
    assert holds("granted = CARE/EMAIL granted != CARE", about)
    assert not holds("granted = CARE/EMAIL", about, NOW + DAY)
    (clause,) = clauses(compile_rule("granted = CARE/EMAIL"))
    assert next_change(about, [clause], NOW) == NOW + DAY
    assert next_change(about, [clause], NOW + DAY) is None


@given(
    st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
    st.integers(-3, 12),
    st.integers(0, 10 * 24 * 60),
    st.integers(1, 20 * 24 * 60),
)
def test_nothing_changes_before_the_time_told(operator: str, days: int, minutes_ago: int, later: int) -> None:
    """The answer stays the same from now until the next change, and all changes are found on the way."""
    about = Subject(person(create_time=NOW - timedelta(minutes=minutes_ago)))
    text = f"days_since_create {operator} {days}"
    asked = list(clauses(compile_rule(text)))
    at, end, answer = NOW, NOW + timedelta(minutes=later), holds(text, about)
    while (change := next_change(about, asked, at)) is not None and change <= end:
        assert holds(text, about, change - timedelta(milliseconds=1)) == answer
        at, answer = change, holds(text, about, change)
    assert holds(text, about, end) == answer


def test_days_without_end_are_never_reached() -> None:
    (clause,) = clauses(compile_rule(f"days_since_create > {10**12}"))
    assert next_change(subject(), [clause], NOW) is None


def test_every_field_is_read_from_a_customer_of_whom_nothing_is_known() -> None:
    known = facts(Subject(person()), FIELDS, NOW)
    assert {name: known[name] for name in ("kind", "sale_count", "granted")} == {
        "kind": "PERSON",
        "sale_count": 0,
        "granted": frozenset(),
    }
