"""What a caller is shown of contact points, and the record of those who look."""

from __future__ import annotations

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from kehu.common.v1.options_pb2 import Personal
from kehu.profiles.v1 import customer_pb2, duplicates_pb2, privacy_pb2, segments_pb2
from kehu.profiles.v1 import customers_pb2 as pb
from kehu.profiles.v1 import events_pb2 as events

from libs.chassis.domain import PermissionDenied
from libs.engine.store.memory import MemoryDatabase
from services.profiles.api import servicers
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.domain.addresses import Address
from services.profiles.customers.domain.dates import TypedDate, TypedDateKind
from services.profiles.identity.application.duplicates import Duplicates
from services.profiles.store import ProfilesStore
from tests.support.servicers import Methods
from tests.unit.profiles.builders import email, person, phone
from tests.unit.profiles.conftest import As
from tests.unit.profiles.test_doors import CALL, no_history

FULL = frozenset(f"profiles.{each}.read" for each in ("addresses", "contacts", "dates", "names"))
HOME = Address(
    region_code="CN", administrative_area="上海", locality="上海", postal_code="200000", lines=("南京路1号",)
)
BORN = TypedDate(kind=TypedDateKind.BIRTH, year=1990, month=5, day=17)


@pytest.fixture
def servicer(store: ProfilesStore) -> Methods:
    return Methods(servicers(store, no_history))


@pytest.fixture
def ada(store: ProfilesStore) -> str:
    made = person(contact_points=(email(), phone()), aliases=("Countess",), addresses=(HOME,), dates=(BORN,))
    return Customers(store.customers).create(made).id


def shown(servicer: Methods, id: str) -> list[str]:
    customer = servicer.GetCustomer(pb.GetCustomerRequest(customer_id=id), CALL)
    return [text for point in customer.contact_points for text in (point.raw, point.canonical)]


def test_contact_points_are_masked_without_the_scope(servicer: Methods, ada: str, acting: As) -> None:
    assert shown(servicer, ada) == ["a•••••@example.com"] * 2 + ["+86•••••89"] * 2
    with acting(scopes=FULL):
        assert shown(servicer, ada)[1::2] == ["ada@example.com", "+8613123456789"]


def test_writing_back_what_was_masked_changes_nothing(servicer: Methods, store: ProfilesStore, ada: str) -> None:
    seen = servicer.GetCustomer(pb.GetCustomerRequest(customer_id=ada), CALL)
    seen.owner = "bob"
    servicer.UpdateCustomer(pb.UpdateCustomerRequest(customer=seen), CALL)
    stored = store.customers.customers.get(ada)
    assert (stored.owner, stored.contact_points[0].canonical) == ("bob", "ada@example.com")


def test_nobody_changes_what_they_cannot_see(servicer: Methods, ada: str) -> None:
    draft = customer_pb2.Customer(id=ada)
    draft.contact_points.add(type="TYPE_EMAIL", raw="eve@example.com")
    request = pb.UpdateCustomerRequest(customer=draft, update_mask=FieldMask(paths=["contact_points"]))
    with pytest.raises(PermissionDenied, match=r"profiles\.contacts\.read"):
        servicer.UpdateCustomer(request, CALL)


def test_names_addresses_and_dates_are_masked_each_without_its_scope(servicer: Methods, ada: str, acting: As) -> None:
    with acting():
        seen = servicer.GetCustomer(pb.GetCustomerRequest(customer_id=ada), CALL)
        [found] = servicer.SearchCustomers(pb.SearchCustomersRequest(query="lovel"), CALL).customers
    assert (seen.display_name, seen.names[0].family, list(seen.aliases)) == ("A•••••", "L•••••", ["C•••••"])
    assert found.display_name == "A•••••"
    [home], [born] = seen.addresses, seen.dates
    assert (home.region_code, home.locality, home.postal_code, list(home.lines)) == ("CN", "上海", "•••••", ["•••••"])
    assert (born.kind, born.HasField("year"), born.month, born.day) == (customer_pb2.TypedDate.KIND_BIRTH, False, 0, 0)
    for scope, shown_field in (("names", "names"), ("addresses", "addresses"), ("dates", "dates")):
        with acting(scopes={f"profiles.{scope}.read"}):
            one = servicer.GetCustomer(pb.GetCustomerRequest(customer_id=ada), CALL)
        with acting(scopes=FULL):
            whole = servicer.GetCustomer(pb.GetCustomerRequest(customer_id=ada), CALL)
        same = {name for name in ("names", "addresses", "dates") if getattr(one, name) == getattr(whole, name)}
        assert same == {shown_field}


def test_masked_values_go_back_as_they_were_and_cannot_be_altered(
    servicer: Methods, store: ProfilesStore, ada: str, acting: As
) -> None:
    before = store.customers.customers.get(ada)
    with acting():
        seen = servicer.GetCustomer(pb.GetCustomerRequest(customer_id=ada), CALL)
        seen.owner = "bob"
        servicer.UpdateCustomer(pb.UpdateCustomerRequest(customer=seen), CALL)
        after = store.customers.customers.get(ada)
        assert (after.owner, after.names, after.display_name) == ("bob", before.names, before.display_name)
        assert (after.addresses, after.dates, after.aliases) == (before.addresses, before.dates, before.aliases)
        for field, value in (("display_name", "Eve"), ("aliases", ["Eve"]), ("dates", []), ("addresses", [])):
            draft = customer_pb2.Customer(id=ada, **{field: value})  # type: ignore[arg-type]
            request = pb.UpdateCustomerRequest(customer=draft, update_mask=FieldMask(paths=[field]))
            with pytest.raises(PermissionDenied, match="are masked for you: profiles"):
                servicer.UpdateCustomer(request, CALL)


def test_duplicates_and_lists_of_others_show_no_more(
    servicer: Methods, store: ProfilesStore, ada: str, acting: As
) -> None:
    twin = Customers(store.customers).create(person(id="", contact_points=(email(),), dates=(BORN,), addresses=(HOME,)))
    Duplicates(store.identity).look_again([ada, twin.id])
    with acting():
        asked = duplicates_pb2.ListDuplicateCandidatesRequest(customer_id=ada)
        [pair] = servicer.ListDuplicateCandidates(asked, CALL).duplicate_candidates
        asked_preview = segments_pb2.PreviewSegmentRequest(filter="kind = PERSON", customer_ids=[ada])
        [verdict] = servicer.PreviewSegment(asked_preview, CALL).verdicts
    told = str(pair) + str(verdict)
    for value in ("lovelace", "Lovelace", "ada@example.com", "1990", "南京路"):
        assert value not in told
    assert "•••••" in told


def test_a_look_at_fields_shows_what_was_asked_for_and_is_recorded(
    servicer: Methods, database: MemoryDatabase, ada: str, acting: As
) -> None:
    request = privacy_pb2.RevealFieldsRequest(
        customer_id=ada,
        purpose_of_use="sending the contract",
        read_classes=["ADDRESSES", "NAMES"],
    )
    with acting("eve"):
        revealed = servicer.RevealFields(request, CALL)
    assert (revealed.customer.display_name, revealed.customer.addresses[0].postal_code) == ("Ada Lovelace", "200000")
    assert (revealed.customer.contact_points[0].canonical, revealed.customer.dates[0].month) == (
        "a•••••@example.com",
        0,
    )
    told = events.FieldsRevealed.FromString(database.events()[-1].data)
    assert told.access == revealed.access
    assert list(told.access.read_classes) == [Personal.ADDRESSES, Personal.NAMES]
    assert (told.access.reader, told.access.purpose_of_use) == ("eve", "sending the contract")


def test_a_look_shows_all_and_is_recorded(servicer: Methods, database: MemoryDatabase, ada: str, acting: As) -> None:
    request = privacy_pb2.RevealContactPointsRequest(customer_id=ada, purpose_of_use="returning a call")
    with acting("eve"):
        revealed = servicer.RevealContactPoints(request, CALL)
    assert [point.canonical for point in revealed.contact_points] == ["ada@example.com", "+8613123456789"]
    assert (revealed.access.reader, revealed.access.purpose_of_use) == ("eve", "returning a call")
    told = events.ContactPointsRevealed.FromString(database.events()[-1].data)
    assert told.access == revealed.access
    listed = servicer.ListAccesses(privacy_pb2.ListAccessesRequest(customer_id=ada), CALL)
    assert list(listed.accesses) == [revealed.access]


def test_an_export_shows_what_the_scopes_of_its_caller_open(servicer: Methods, ada: str, acting: As) -> None:
    def exported(scopes: frozenset[str]) -> list[privacy_pb2.ExportedRecord]:
        with acting(scopes=scopes):
            return list(servicer.ExportSubjectData(privacy_pb2.ExportSubjectDataRequest(customer_id=ada), CALL))

    masked, records = exported(frozenset())[0].customer, exported(FULL)
    assert (masked.display_name, masked.contact_points[0].canonical) == ("A•••••", "a•••••@example.com")
    assert (masked.addresses[0].postal_code, masked.dates[0].month) == ("•••••", 0)
    whole = records[0].customer
    assert (whole.display_name, whole.contact_points[0].canonical) == ("Ada Lovelace", "ada@example.com")
    kinds = [record.WhichOneof("record") for record in records]
    assert kinds == ["customer", "transaction_summary", "contact_habits"]
