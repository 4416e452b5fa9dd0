"""Entitlements: who has what, which rule gave it, and which ones were overruled."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument, NotFound
from libs.chassis.paging import PageRequest
from services.profiles.contracts.application import Contracts
from services.profiles.contracts.domain import Contract
from services.profiles.customers.application.customers import Customers
from services.profiles.entitlements.application import Entitlements
from services.profiles.entitlements.domain import Basis, Claimant, Entitlement, Period, resolve
from services.profiles.segments.application import Segments
from services.profiles.segments.domain.segments import Segment
from services.profiles.segments.domain.subjects import Source
from services.profiles.store import ProfilesStore
from tests.unit.profiles.builders import NOW, person

TODAY = NOW.date()
ADA = Claimant(customer_ids=("cus_1",), segments=frozenset({"gold"}), plans={"care": "7"})


def entitlement(basis: Basis = Basis.EVERYBODY, subject: str = "", **fields: Any) -> Entitlement:
    return Entitlement(
        **{
            "id": f"ent_{basis}_{subject}",
            "benefit": "visit",
            "basis": basis,
            "subject": subject,
            "allowance": 1,
            "period": Period.YEAR,
            "valid_from_date": date(2026, 1, 1),
            **fields,
        }
    )


def test_the_closest_to_the_customer_wins_and_the_others_are_told() -> None:
    rules = [
        entitlement(display_name="Visit"),
        entitlement(Basis.SEGMENT, "gold", allowance=4),
        entitlement(Basis.SEGMENT, "silver", allowance=9),
        entitlement(Basis.PLAN, "care", allowance=2, period=Period.MONTH),
        entitlement(Basis.PLAN, "other", allowance=9),
    ]
    (visit,) = resolve(ADA, rules, TODAY).benefits
    assert (visit.allowance, visit.period, visit.basis, visit.display_name) == (2, Period.MONTH, Basis.PLAN, "Visit")
    assert visit.explanation == "contract 7 of the plan care"
    assert (visit.period_from_date, visit.period_to_date) == (date(2026, 5, 1), date(2026, 5, 31))
    assert [(each.entitlement_id, each.explanation) for each in visit.overruled] == [
        ("ent_SEGMENT_gold", "4 a year to those in the segment gold: PLAN overrules SEGMENT"),
        ("ent_EVERYBODY_", "1 a year to everybody: PLAN overrules EVERYBODY"),
    ]
    taken_away = entitlement(Basis.CUSTOMER, "cus_1", allowance=0, note="abuse", author="bob")
    (visit,) = resolve(ADA, [*rules, taken_away], TODAY).benefits
    assert (visit.allowance, visit.explanation) == (0, "given to this customer by bob: abuse")
    assert len(visit.overruled) == 3


def test_of_the_same_basis_the_most_generous_wins() -> None:
    gold = Claimant(customer_ids=("cus_1",), segments=frozenset({"gold", "old", "new"}), plans={})
    monthly = entitlement(Basis.SEGMENT, "gold", allowance=1, period=Period.MONTH)
    yearly = entitlement(Basis.SEGMENT, "old", allowance=11)
    (visit,) = resolve(gold, [yearly, monthly], TODAY).benefits
    assert (visit.entitlement_id, visit.overruled[0].explanation) == (
        monthly.id,
        "11 a year to those in the segment old: another one gives more",
    )
    boundless = entitlement(Basis.SEGMENT, "new", allowance=None)
    assert resolve(gold, [yearly, monthly, boundless], TODAY).benefits[0].allowance is None
    later = entitlement(Basis.SEGMENT, "new", allowance=11, valid_from_date=date(2026, 2, 1))
    (visit,) = resolve(gold, [yearly, later], TODAY).benefits
    assert (visit.entitlement_id, visit.overruled[0].explanation.split(": ")[1]) == (
        later.id,
        "a later one gives the same",
    )


def test_only_what_is_valid_on_the_day_counts() -> None:
    short = entitlement(Basis.SEGMENT, "gold", period=Period.ONCE, valid_to_date=date(2026, 5, 4), benefit="gift")
    (gift,) = resolve(ADA, [short], TODAY).benefits
    assert (gift.period_from_date, gift.period_to_date) == (date(2026, 1, 1), date(2026, 5, 4))
    for day in (date(2025, 12, 31), date(2026, 5, 5)):
        assert resolve(ADA, [short], day).benefits == ()


@given(st.dates(date(1999, 1, 1), date(2101, 1, 1)), st.sampled_from(Period))
def test_a_day_lies_in_its_period_and_periods_fill_the_year(day: date, period: Period) -> None:
    around = period.around(day)
    if around is None:
        assert period is Period.ONCE
        return
    first, last = around
    assert first <= day <= last
    assert period.around(first) == period.around(last) == around
    assert period.around(date.fromordinal(last.toordinal() + 1)) != around
    assert (last.month - first.month + 1) * period.times_a_year == 12


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (entitlement(benefit="Visit"), "benefit"),
        (entitlement(Basis.SEGMENT), "subject"),
        (entitlement(subject="gold"), "subject"),
        (entitlement(Basis.PLAN, "Gold"), "subject"),
        (entitlement(allowance=-1), "allowance"),
        (entitlement(valid_to_date=date(2025, 1, 1)), "valid_to_date"),
        (entitlement(Basis.CUSTOMER, "cus_1", note="x"), "valid_to_date"),
        (entitlement(Basis.CUSTOMER, "cus_1", valid_to_date=date(2027, 1, 1)), "note"),
    ],
)
def test_wrong_entitlements_are_refused_by_path(wrong: Entitlement, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        wrong.create("ada")
    assert [violation.field for violation in refused.value.violations] == [f"entitlement.{field}"]


def test_a_customer_has_what_segment_contract_and_favour_give(store: ProfilesStore) -> None:
    entitlements, ada = (
        Entitlements(store.entitlements),
        Customers(store.customers).create(person(id="", labels={"level": "gold"})),
    )
    Segments(store.segments).define(Segment(id="", key="gold", filter="labels.level = gold"), 0, validate_only=False)
    Segments(store.segments).follow([ada.id], Source.CUSTOMER)
    contract = Contract(id="", customer_id=ada.id, number="7", plan="care", valid_from_date=date(2026, 1, 1))
    contract = Contracts(store.contracts).add(contract)
    entitlements.create(entitlement(id=""))
    visits = entitlements.create(entitlement(Basis.PLAN, "care", id="", allowance=5))
    entitlements.create(entitlement(Basis.SEGMENT, "gold", id="", benefit="card"))
    favour = entitlement(
        Basis.CUSTOMER, ada.id, id="", benefit="gift", note="sorry", valid_to_date=date(2026, 6, 1), period=Period.ONCE
    )
    gift = entitlements.create(favour)
    with pytest.raises(NotFound):
        entitlements.create(entitlement(Basis.CUSTOMER, "cus_0", note="x", valid_to_date=date(2027, 1, 1)))

    def allowances(on: date | None = None) -> dict[str, int | None]:
        return {each.benefit: each.allowance for each in entitlements.of_customer(ada.id, on).benefits}

    assert allowances() == {"visit": 5, "card": 1, "gift": 1}
    assert allowances(date(2026, 6, 2)) == {"visit": 5, "card": 1}
    Contracts(store.contracts).end(contract.id, date(2026, 5, 31), 0)
    assert allowances(date(2026, 6, 1)) == {"visit": 1, "card": 1, "gift": 1}
    assert entitlements.end(gift.id, None, 0).valid_to_date == TODAY
    assert entitlements.end(gift.id, TODAY, 0).revision == 2
    assert entitlements.end(visits.id, date(2026, 5, 3), 0).author == "ada"
    assert allowances() == {"visit": 1, "card": 1, "gift": 1}
    page = entitlements.list("basis = PLAN AND subject = care", PageRequest())
    assert [each.id for each in page.items] == [visits.id]
    with pytest.raises(NotFound):
        entitlements.of_customer("cus_0", None)
