"""What a caller is shown of contact points, and the record of those who look."""

from __future__ import annotations

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from kehu.profiles.v1 import customer_pb2, privacy_pb2
from kehu.profiles.v1 import events_pb2 as events
from kehu.profiles.v1 import profiles_pb2 as pb

from libs.chassis.domain import PermissionDenied
from libs.chassis.memory import MemoryDatabase
from services.profiles.api import ProfilesServicer
from services.profiles.application.customers import Customers
from services.profiles.domain.access import READ_CONTACTS, masked, sees_contacts
from services.profiles.store import ProfilesStore
from tests.unit.profiles.builders import email, person, phone
from tests.unit.profiles.conftest import As
from tests.unit.profiles.test_doors import CALL, no_history

FULL = frozenset({READ_CONTACTS})


@pytest.fixture
def servicer(store: ProfilesStore) -> ProfilesServicer:
    return ProfilesServicer(store, no_history)


@pytest.fixture
def ada(store: ProfilesStore) -> str:
    return Customers(store).create(person(contact_points=(email(), phone()))).id


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("+8613112345678", "+86•••••78"),
        ("ada@example.com", "a•••••@example.com"),
        ("wechat:ada_l", "wechat:a•••••"),
        ("5f1e0c", "•••••"),
        ("", ""),
    ],
)
def test_just_enough_is_left_to_recognise_it(value: str, shown: str) -> None:
    assert masked(value) == shown


@pytest.mark.parametrize("scope", ["*", "profiles.*", "profiles.contacts.*", READ_CONTACTS])
def test_scopes_that_show_contact_points(scope: str) -> None:
    assert sees_contacts({scope})
    assert not sees_contacts({"profiles.customers.read", "interactions.*"})


def shown(servicer: ProfilesServicer, id: str) -> list[str]:
    customer = servicer.GetCustomer(pb.GetCustomerRequest(customer_id=id), CALL)
    return [text for point in customer.contact_points for text in (point.raw, point.canonical)]


def test_contact_points_are_masked_without_the_scope(servicer: ProfilesServicer, ada: str, acting: As) -> None:
    assert shown(servicer, ada) == ["a•••••@example.com"] * 2 + ["+86•••••89"] * 2
    with acting(scopes=FULL):
        assert shown(servicer, ada)[1::2] == ["ada@example.com", "+8613123456789"]


def test_writing_back_what_was_masked_changes_nothing(
    servicer: ProfilesServicer, store: ProfilesStore, ada: str
) -> None:
    seen = servicer.GetCustomer(pb.GetCustomerRequest(customer_id=ada), CALL)
    seen.owner = "bob"
    servicer.UpdateCustomer(pb.UpdateCustomerRequest(customer=seen), CALL)
    stored = store.customers.get(ada)
    assert (stored.owner, stored.contact_points[0].canonical) == ("bob", "ada@example.com")


def test_nobody_changes_what_they_cannot_see(servicer: ProfilesServicer, ada: str) -> None:
    draft = customer_pb2.Customer(id=ada)
    draft.contact_points.add(type="TYPE_EMAIL", raw="eve@example.com")
    request = pb.UpdateCustomerRequest(customer=draft, update_mask=FieldMask(paths=["contact_points"]))
    with pytest.raises(PermissionDenied, match=READ_CONTACTS):
        servicer.UpdateCustomer(request, CALL)


def test_a_look_shows_all_and_is_recorded(
    servicer: ProfilesServicer, database: MemoryDatabase, ada: str, acting: As
) -> None:
    request = privacy_pb2.RevealContactPointsRequest(customer_id=ada, purpose_of_use="returning a call")
    with acting("eve"):
        revealed = servicer.RevealContactPoints(request, CALL)
    assert [point.canonical for point in revealed.contact_points] == ["ada@example.com", "+8613123456789"]
    assert (revealed.access.reader, revealed.access.purpose_of_use) == ("eve", "returning a call")
    told = events.ContactPointsRevealed.FromString(database.events()[-1].data)
    assert told.access == revealed.access
    listed = servicer.ListAccesses(privacy_pb2.ListAccessesRequest(customer_id=ada), CALL)
    assert list(listed.accesses) == [revealed.access]


def test_an_export_is_in_full(servicer: ProfilesServicer, ada: str) -> None:
    records = list(servicer.ExportSubjectData(privacy_pb2.ExportSubjectDataRequest(customer_id=ada), CALL))
    assert records[0].customer.contact_points[0].canonical == "ada@example.com"
    kinds = [record.WhichOneof("record") for record in records]
    assert kinds == ["customer", "transaction_summary", "contact_habits"]
