"""What the world sends: more refunded than sold, half a birthday, digits of any width, numbers of somebody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kehu.profiles.v1 import clv_pb2, contact_points_pb2, customer_pb2, loyalty_pb2, rfm_pb2
from kehu.profiles.v1 import customers_pb2 as pb

from libs.chassis import identity
from libs.chassis.domain import InvalidArgument
from libs.chassis.testing import MemoryJob
from services.profiles.activity.domain.transactions import Money, TransactionType
from services.profiles.api import servicers
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.domain.contact_points import ContactPointStatus, ContactPointType, Spelling
from services.profiles.customers.domain.dates import TypedDate, TypedDateKind
from services.profiles.identity.application.duplicates import Duplicates
from services.profiles.store import ProfilesStore
from services.profiles.worth.application.outlook import CustomerWorth
from services.profiles.worth.application.tiers import TierEvaluations, Tiers, TiersProgress, TiersRequest
from services.profiles.worth.domain.concentration import Tier
from services.profiles.worth.domain.tiers import TierPolicy
from tests.support.servicers import Methods
from tests.unit.profiles.builders import NOW, person, phone, transaction
from tests.unit.profiles.conftest import As
from tests.unit.profiles.test_doors import CALL, no_history


@pytest.fixture
def servicer(store: ProfilesStore) -> Methods:
    return Methods(servicers(store, no_history))


def record(store: ProfilesStore, customer_id: str, units: int, type: TransactionType, days_ago: int) -> None:
    told = transaction(
        identity.new_id("k"),
        units,
        customer_id=customer_id,
        type=type,
        occurred_time=NOW - timedelta(days=days_ago),
    )
    store.activity.transactions.insert(told.record(NOW), key=told.source_key)


def test_who_gave_back_more_than_was_bought_has_a_loss_and_is_told_apart(store: ProfilesStore) -> None:
    customers = [Customers(store.customers).create(person(id="")) for _ in range(3)]
    losing, *others = (each.id for each in customers)
    record(store, losing, 1000, TransactionType.SALE, 9)
    record(store, losing, 4000, TransactionType.REFUND, 5)
    for number, id in enumerate(others):
        record(store, id, 10_000 * (number + 1), TransactionType.SALE, 9)
    told = CustomerWorth(store.worth).contribution(losing, None, None)
    assert [each.contribution.minor_units for each in told.currencies] == [-3000]
    warning = CustomerWorth(store.worth).early_warning(losing)
    assert 0 <= warning.score <= 100
    assert next(each.strength for each in warning.signals if each.name == "trouble") == 1

    review = NOW.date() + timedelta(days=300)
    policy = Tiers(store.worth).create_policy(TierPolicy(id="", name="p", currency_code="EUR", review_date=review))
    TierEvaluations(store.worth).run(MemoryJob(TiersRequest(tier_policy_id=policy.id), TiersProgress()))
    assert Tiers(store.worth).standing(losing).tier_assignment.tier is Tier.LOSS
    measured = Tiers(store.worth).report("").evaluation.concentration
    assert (measured.customer_count, {each.tier: each.customer_count for each in measured.classes}[Tier.LOSS]) == (3, 1)

    share = CustomerWorth(store.worth).wallet_share(
        losing, category_spend=Money(currency_code="EUR", minor_units=5000), rank=0, brands=0, start=None, end=None
    )
    assert (share.share, share.own_sales) == (0, Money(currency_code="EUR", minor_units=-3000))
    with pytest.raises(InvalidArgument, match="5000 is less than the 10000 spent with us"):
        CustomerWorth(store.worth).wallet_share(
            others[0],
            category_spend=Money(currency_code="EUR", minor_units=5000),
            rank=0,
            brands=0,
            start=None,
            end=None,
        )


@pytest.mark.parametrize("currency", ["", "XXX", "eur", "EURO", "DEM"])
def test_a_currency_that_does_not_exist_is_refused_before_any_work_begins(servicer: Methods, currency: str) -> None:
    calls: list[Any] = [
        lambda: servicer.ComputeRfm(rfm_pb2.ComputeRfmRequest(currency_code=currency), CALL),
        lambda: servicer.FitClvModel(clv_pb2.FitClvModelRequest(currency_code=currency, margin=0.3), CALL),
        lambda: servicer.ComputeLoyaltyMeasures(
            loyalty_pb2.ComputeLoyaltyMeasuresRequest(currency_code=currency), CALL
        ),
    ]
    for call in calls:
        with pytest.raises(InvalidArgument, match="is no ISO 4217 code such as CNY"):
            call()


def test_a_birthday_without_its_year_is_kept_found_and_never_guessed(servicer: Methods, store: ProfilesStore) -> None:
    without = TypedDate(kind=TypedDateKind.BIRTH, month=5, day=17)
    ada = Customers(store.customers).create(person(id="", dates=(without,)))
    seen = servicer.GetCustomer(pb.GetCustomerRequest(customer_id=ada.id), CALL).dates[0]
    assert (seen.HasField("year"), seen.month, seen.day) == (False, 5, 17)
    whole, other = (TypedDate(kind=TypedDateKind.BIRTH, year=1990, month=5, day=day) for day in (17, 18))
    same_day = Customers(store.customers).create(person(id="", dates=(whole,)))
    another = Customers(store.customers).create(person(id="", dates=(other,)))
    [of_same, of_other] = Duplicates(store.identity).matches(ada, [same_day, another])
    assert of_same.score > of_other.score, "the day and month count for what they are worth"
    [of_whole] = Duplicates(store.identity).matches(
        same_day, [Customers(store.customers).create(person(id="", dates=(whole,)))]
    )
    assert of_whole.score > of_same.score, "and the year, where both have it, for more"


def test_digits_of_any_width_lead_to_the_same_customer(servicer: Methods, store: ProfilesStore) -> None:
    ada = Customers(store.customers).create(
        person(id="", contact_points=(phone("１３１ ２３４５ ６７８９", region_code="CN"),))
    )
    assert ada.contact_points[0].canonical == "+8613123456789"
    for spelling in ("13123456789", "１３１２３４５６７８９", "+86 131-2345-6789"):
        point = pb.LookupCustomerRequest.Point(type="TYPE_PHONE", value=spelling, region_code="CN")
        found = servicer.LookupCustomer(pb.LookupCustomerRequest(contact_point=point), CALL).customers
        assert [each.id for each in found] == [ada.id]


def test_a_number_that_somebody_else_has_now_is_used_for_neither_by_mistake(
    servicer: Methods, store: ProfilesStore, acting: As
) -> None:
    """Reported as recycled it stays on the card, struck out, and no longer says that the two are one."""
    before = Customers(store.customers).create(person(id="", contact_points=(phone(),)))
    spelling = Spelling(type=ContactPointType.PHONE, value="+86 131 2345 6789")
    Customers(store.customers).report_contact_point(before.id, spelling, ContactPointStatus.RECYCLED, 0)
    now = Customers(store.customers).create(person(id="", contact_points=(phone(),)))
    with acting(scopes={"*"}):
        old = servicer.GetCustomer(pb.GetCustomerRequest(customer_id=before.id), CALL).contact_points[0]
    assert (old.status, old.canonical) == (contact_points_pb2.ContactPoint.STATUS_RECYCLED, "+8613123456789")
    [match] = Duplicates(store.identity).matches(store.customers.customers.get(before.id), [now])
    assert "PHONE" not in {str(each.feature) for each in match.evidence if each.weight > 0}


@pytest.mark.parametrize("name", ["مريم ميرزاخاني", "😀", "👩‍🚀 Ada", "שרה", "नीला", "O'Brien-Ünal"])
def test_names_from_right_to_left_and_made_of_pictures_are_kept_shown_and_found(servicer: Methods, name: str) -> None:
    made = servicer.CreateCustomer(
        pb.CreateCustomerRequest(customer=customer_pb2.Customer(kind="KIND_ORGANISATION", display_name=name)), CALL
    )
    assert servicer.GetCustomer(pb.GetCustomerRequest(customer_id=made.id), CALL).display_name == name
    if any(letter.isalnum() for letter in name):
        query = next(word for word in name.split() if any(letter.isalnum() for letter in word))
        found = servicer.SearchCustomers(pb.SearchCustomersRequest(query=query), CALL).customers
        assert [each.id for each in found] == [made.id]
