"""Contact points: canonical forms, primaries, verification."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import FailedPrecondition, InvalidArgument, NotFound
from services.profiles.customers.domain.contact_points import (
    ContactPoint,
    ContactPointStatus,
    ContactPointType,
    Spelling,
    UnreadableContactPoint,
    VerificationMethod,
    canonical,
)
from tests.unit.profiles.builders import NOW, email, person, phone, reachable

PHONE, EMAIL = ContactPointType.PHONE, ContactPointType.EMAIL


def test_every_telephone_number_of_the_reference_becomes_e164_or_is_refused(reference_data: Path) -> None:
    with (reference_data / "identity" / "phone_cases.csv").open(encoding="utf-8") as file:
        cases = list(csv.DictReader(file))
    assert len(cases) == 726
    for case in cases:
        try:
            found = canonical(PHONE, case["input"], case["region"])
        except UnreadableContactPoint:
            assert case["valid"] == "0", case
        else:
            assert (case["valid"], case["e164"]) == ("1", found), case


def test_every_mailbox_of_the_reference_is_taken_or_refused(reference_data: Path) -> None:
    lines = (reference_data / "identity" / "email_isemail_cases.jsonl").read_text(encoding="utf-8").splitlines()
    for case in map(json.loads, lines):
        try:
            canonical(EMAIL, case["address"])
        except UnreadableContactPoint:
            # A mailbox of a top-level domain exists, but nearly always it is a typing error.
            assert case["expect"] != "accept" or case["address"] == "test@io", case
        else:
            # Space around a mailbox is a slip of the pen.
            assert case["expect"] != "reject" or case["address"] != case["address"].strip(), case


@pytest.mark.parametrize(
    ("type", "raw", "region", "form"),
    [
        (PHONE, "131 2345 6789", "CN", "+8613123456789"),
        (PHONE, "＋８６１３１２３４５６７８９", "", "+8613123456789"),
        (PHONE, "tel:+86-131-2345-6789", "", "+8613123456789"),
        (PHONE, "0086 131 2345 6789", "CN", "+8613123456789"),
        (EMAIL, "Ada.Love@EXAMPLE.com", "", "Ada.Love@example.com"),
        (EMAIL, "ada@bücher.example.com", "", "ada@xn--bcher-kva.example.com"),
        (EMAIL, "a.d.a+tag@gmail.com", "", "a.d.a+tag@gmail.com"),
        (ContactPointType.POSTAL, "1  Rue\tÉmile", "", "1 rue émile"),
        (ContactPointType.MESSENGER, "WeChat:Ada_L", "", "wechat:Ada_L"),
        (ContactPointType.DEVICE, "f3a9:xyz", "", "f3a9:xyz"),
    ],
)
def test_spellings_of_the_same_thing_are_equal(type: ContactPointType, raw: str, region: str, form: str) -> None:
    assert canonical(type, raw, region) == form


@pytest.mark.parametrize(
    ("point", "field", "complaint"),
    [
        (phone("131 2345 6789"), "raw", "write it with + and country code, or give region_code"),
        (phone("12", region_code="CN"), "raw", "no number that exists"),
        (phone(region_code="XX"), "region_code", "no region"),
        (email("ada at example.com"), "raw", "no mailbox such as"),
        (email(""), "raw", "is required"),
        (ContactPoint(type=ContactPointType.MESSENGER, raw="ada"), "raw", "network:handle"),
        (ContactPoint(type=ContactPointType.DEVICE, raw="a b"), "raw", "no spaces"),
    ],
)
def test_a_contact_point_that_cannot_work_is_refused_by_path(point: ContactPoint, field: str, complaint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        person(contact_points=(email(), point))
    assert refused.value.violations[0].field == f"customer.contact_points[1].{field}"
    assert complaint in refused.value.violations[0].description


def test_the_first_of_a_type_is_primary_unless_another_is() -> None:
    ada = person(contact_points=(phone(), email("a@example.com"), email("b@example.com", primary=True)))
    assert [point.primary for point in ada.contact_points] == [True, False, True]


def test_two_primaries_and_two_spellings_of_one_point_are_refused() -> None:
    points = (phone("+86 131 2345 6789", primary=True), phone("+8613123456789", primary=True))
    with pytest.raises(InvalidArgument) as refused:
        person(contact_points=points)
    assert [v.field for v in refused.value.violations] == [
        "customer.contact_points[1].raw",
        "customer.contact_points[1].primary",
    ]


def test_a_caller_cannot_say_that_a_point_is_verified_or_works() -> None:
    forged = email(status=ContactPointStatus.BOUNCED, verification_method=VerificationMethod.CODE, verify_time=NOW)
    point = person(contact_points=(forged,)).contact_points[0]
    assert (point.status, point.verification_method, point.verify_time) == (ContactPointStatus.ACTIVE, None, None)


def test_what_is_known_about_a_point_survives_an_update_in_another_spelling() -> None:
    ada = reachable()
    respelled = (email("ada@EXAMPLE.com"), phone("＋８６ 131 2345 6789"))
    changed, _ = ada.revise(person(contact_points=respelled))
    assert [point.verify_time for point in changed.contact_points] == [NOW, NOW]


def test_a_new_primary_takes_the_place_of_the_old_one() -> None:
    ada, _ = person(contact_points=(email("a@example.com"),)).with_contact_point(email("b@example.com", primary=True))
    assert [(point.canonical, point.primary) for point in ada.contact_points] == [
        ("a@example.com", False),
        ("b@example.com", True),
    ]


def test_a_wrong_added_point_is_named_as_the_caller_sent_it() -> None:
    with pytest.raises(InvalidArgument) as refused:
        person(contact_points=(email(),)).with_contact_point(phone("12", region_code="CN"))
    assert refused.value.violations[0].field == "contact_point.raw"


def test_when_the_primary_goes_the_next_one_steps_in() -> None:
    ada = person(contact_points=(email("a@example.com"), phone(), email("b@example.com")))
    without, _ = ada.without_contact_point(ada.contact_points[0])
    assert [(point.canonical, point.primary) for point in without.contact_points] == [
        ("+8613123456789", True),
        ("b@example.com", True),
    ]


@pytest.mark.parametrize("status", [ContactPointStatus.RECYCLED, ContactPointStatus.INVALID])
def test_a_point_that_is_not_theirs_is_no_longer_verified(status: ContactPointStatus) -> None:
    point = reachable().contact_points[0].reported(status)
    assert (point.status, point.verify_time, point.verification_method) == (status, None, None)


def test_verifying_brings_a_bounced_point_back() -> None:
    bounced = reachable().contact_points[0].reported(ContactPointStatus.BOUNCED)
    assert bounced.verify_time == NOW
    assert bounced.verified(VerificationMethod.LINK, NOW, NOW).status is ContactPointStatus.ACTIVE


def test_a_verification_lies_in_the_past() -> None:
    with pytest.raises(InvalidArgument, match=r"verify_time: .* is in the future"):
        reachable().contact_points[0].verified(VerificationMethod.LINK, NOW.replace(year=2027), NOW)


def test_a_point_is_found_in_any_spelling_and_by_type() -> None:
    ada = person(contact_points=(phone("131 2345 6789", region_code="CN"), email()))
    assert ada.contact_point(Spelling(type=PHONE, value="131-2345-6789")) is ada.contact_points[0]
    assert ada.contact_point(Spelling(type=PHONE, value="+86 13123456789")) is ada.contact_points[0]
    assert ada.find_contact_point("ada@EXAMPLE.COM") is ada.contact_points[1]
    with pytest.raises(NotFound, match="ContactPoint '\\+86 10'"):
        ada.contact_point(Spelling(type=PHONE, value="+86 10"))


def test_a_deleted_customer_gets_no_contact_points() -> None:
    with pytest.raises(FailedPrecondition, match="undelete it first"):
        person().delete(NOW)[0].with_contact_point(email())


@given(st.sampled_from(ContactPointType), st.text(max_size=60))
def test_a_canonical_form_is_its_own_canonical_form(type: ContactPointType, raw: str) -> None:
    try:
        form = canonical(type, raw, "CN")
    except UnreadableContactPoint:
        return
    assert canonical(type, form) == form
