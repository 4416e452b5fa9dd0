"""Customers: life, changes, search and look-up, bulk creation. State and events."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from kehu.profiles.v1 import events_pb2

from libs.chassis.domain import AlreadyExists, Conflict, FailedPrecondition, InvalidArgument, NotFound, SourceKeyReused
from libs.chassis.identity import FixedClock
from libs.chassis.paging import PageRequest
from libs.chassis.store import KeyTaken, RequestIdReused
from libs.engine.store.memory import MemoryDatabase
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.domain.addresses import Address
from services.profiles.customers.domain.contact_points import (
    ContactPointStatus,
    ContactPointType,
    Spelling,
    VerificationMethod,
)
from services.profiles.customers.domain.customers import (
    Customer,
    CustomerKind,
    CustomerLifecycleChanged,
    ExternalId,
)
from services.profiles.customers.domain.lifecycle import Lifecycle
from services.profiles.customers.domain.names import PersonName
from services.profiles.store import ProfilesStore
from tests.unit.profiles.builders import NOW, customer, email, organisation, person, phone
from tests.unit.profiles.conftest import As

FIRST = PageRequest()


def draft(**fields: Any) -> Customer:
    return Customer(**{"id": "", "kind": CustomerKind.PERSON, "names": (PersonName(given="Ada"),), **fields})


def types(database: MemoryDatabase) -> list[str]:
    return [event.type.removeprefix("kehu.profiles.").removesuffix(".v1") for event in database.events()]


# ------------------------------------------------------------------------------------------------------ domain


@pytest.mark.parametrize(
    ("fields", "lifecycle"),
    [
        ({"names": ()}, Lifecycle.VISITOR),
        ({"names": (PersonName(given="Ada"),)}, Lifecycle.LEAD),
        ({"names": (), "contact_points": (email(),)}, Lifecycle.LEAD),
        ({"lifecycle": Lifecycle.CHURNED}, Lifecycle.LEAD),
    ],
)
def test_a_new_customer_is_a_visitor_until_known(fields: dict[str, Any], lifecycle: Lifecycle) -> None:
    assert person(**fields).lifecycle is lifecycle


def test_a_visitor_becomes_a_lead_when_named() -> None:
    visitor = person(names=())
    known, _ = visitor.revise(replace(visitor, names=(PersonName(given="Ada"),)))
    assert known.lifecycle is Lifecycle.LEAD


def test_the_first_sale_makes_a_buyer_and_the_next_ones_nothing_more() -> None:
    buyer, events = person().buy(NOW, NOW)
    assert buyer.lifecycle is Lifecycle.ACTIVE
    assert events == [CustomerLifecycleChanged(customer=buyer)]
    assert buyer.buy(NOW, NOW) == (buyer, [])


def test_the_display_name_follows_the_name_while_nobody_chose_it() -> None:
    ada = person()
    renamed, _ = ada.revise(replace(ada, names=(PersonName(given="Ada", family="King"),)))
    assert renamed.display_name == "Ada King"
    chosen, _ = ada.revise(replace(ada, display_name="Countess"))
    renamed, _ = chosen.revise(replace(chosen, names=(PersonName(given="Ada", family="King"),)))
    assert renamed.display_name == "Countess"


def test_an_update_that_changes_nothing_says_nothing() -> None:
    ada = person(contact_points=(email(), phone()))
    assert ada.revise(ada) == (ada, [])


@pytest.mark.parametrize(
    ("fields", "field", "complaint"),
    [
        ({"kind": CustomerKind.ORGANISATION, "names": ()}, "display_name", "is required"),
        ({"kind": CustomerKind.HOUSEHOLD}, "names", "are for persons"),
        ({"aliases": ("",)}, "aliases[0]", "is required"),
        ({"aliases": ("x",) * 21}, "aliases", "21 entries; at most 20"),
        ({"owner": "x" * 201}, "owner", "at most 200"),
        ({"external_ids": (ExternalId(system="ERP!", id="1"),)}, "external_ids[0].system", "lower-case name"),
        ({"external_ids": (ExternalId(system="erp", id="1"),) * 2}, "external_ids[1]", "is there twice"),
        ({"addresses": (Address(region_code="china"),)}, "addresses[0].region_code", "no ISO 3166-1 code"),
        ({"addresses": (Address(region_code="CN", lines=("a",) * 11),)}, "addresses[0].lines", "at most 10"),
        ({"labels": {"Big Spender": "yes"}}, "labels[Big Spender]", "lower-case name"),
        ({"labels": {"vip": "\x07"}}, "labels[vip]", "control characters"),
    ],
)
def test_wrong_fields_are_refused_by_path(fields: dict[str, Any], field: str, complaint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        draft(**fields).create()
    assert [v.field for v in refused.value.violations] == [f"customer.{field}"]
    assert complaint in refused.value.violations[0].description


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidArgument) as refused:
        draft(owner="x" * 201, names=(PersonName(),), contact_points=(email("no"),)).create()
    assert len(refused.value.violations) == 3


# ------------------------------------------------------------------------------------------------- application


def test_creating_stores_and_tells(store: ProfilesStore, database: MemoryDatabase) -> None:
    made = Customers(store.customers).create(draft())
    assert (made.revision, made.create_time, store.customers.customers.get(made.id)) == (1, NOW, made)
    (event,) = database.events()
    told = events_pb2.CustomerCreated.FromString(event.data).customer
    assert (event.entity_id, told.id, told.revision, told.display_name, event.actor) == (
        made.id,
        made.id,
        1,
        "Ada",
        "ada",
    )


def test_a_repeated_command_creates_nothing(store: ProfilesStore, database: MemoryDatabase, acting: As) -> None:
    with acting(request_id="1", of=b"Ada"):
        made = Customers(store.customers).create(draft())
    with acting(request_id="1", of=b"Ada"):
        assert Customers(store.customers).create(draft()) == made
    with acting(request_id="1", of=b"Eve"), pytest.raises(RequestIdReused):
        Customers(store.customers).create(draft(names=(PersonName(given="Eve"),)))
    assert types(database) == ["customer.created"]


def test_updating_tells_what_changed(store: ProfilesStore, database: MemoryDatabase) -> None:
    made = Customers(store.customers).create(draft())
    changed = Customers(store.customers).update(made.id, lambda current: replace(current, owner="bob"), 1)
    assert (changed.owner, changed.revision) == ("bob", 2)
    assert types(database) == ["customer.created", "customer.updated"]
    assert list(database.events()[1].changed_fields) == ["owner"]


def test_a_stale_update_is_refused(store: ProfilesStore) -> None:
    made = Customers(store.customers).create(draft())
    Customers(store.customers).update(made.id, lambda current: replace(current, owner="bob"), 0)
    with pytest.raises(Conflict):
        Customers(store.customers).update(made.id, lambda current: replace(current, owner="eve"), 1)


def test_the_kind_is_fixed(store: ProfilesStore) -> None:
    made = Customers(store.customers).create(draft())
    with pytest.raises(InvalidArgument, match=r"customer\.kind: is PERSON for ever"):
        Customers(store.customers).update(made.id, lambda current: replace(current, kind=CustomerKind.HOUSEHOLD), 0)


def test_deleting_hides_and_undeleting_brings_back(store: ProfilesStore, database: MemoryDatabase) -> None:
    customers = Customers(store.customers)
    made = customers.create(draft(contact_points=(email(),), external_ids=(ExternalId(system="erp", id="7"),)))
    gone = customers.delete(made.id, 0)
    assert (gone.delete_time, gone.purge_time) == (NOW, NOW + timedelta(days=30))
    assert customers.get(made.id) == gone
    assert customers.search("ada", 0) == []
    assert customers.lookup_external_id(ExternalId(system="erp", id="7")).items == []
    assert (
        customers.lookup_contact_point(Spelling(type=ContactPointType.EMAIL, value="ada@example.com"), FIRST).items
        == []
    )
    with pytest.raises(NotFound):
        customers.delete(made.id, 0)
    with pytest.raises(FailedPrecondition, match="undelete it first"):
        customers.update(made.id, lambda current: replace(current, owner="bob"), 0)
    back = customers.undelete(made.id, 0)
    assert replace(back, revision=1, update_time=NOW) == made
    assert [hit.id for hit in customers.search("ada", 0)] == [made.id]
    with pytest.raises(AlreadyExists):
        customers.undelete(made.id, 0)
    assert types(database) == ["customer.created", "customer.deleted", "customer.undeleted"]


def test_a_deleted_customer_can_be_restored_for_thirty_days(store: ProfilesStore, clock: FixedClock) -> None:
    made = Customers(store.customers).create(draft())
    Customers(store.customers).delete(made.id, 0)
    clock.advance(timedelta(days=30))
    with pytest.raises(FailedPrecondition, match="could be restored until"):
        Customers(store.customers).undelete(made.id, 0)


def test_lists_filter_order_and_hide_the_deleted(store: ProfilesStore, clock: FixedClock) -> None:
    customers, ids = Customers(store.customers), []
    for name, kind in (
        ("Ada", CustomerKind.HOUSEHOLD),
        ("Bob", CustomerKind.ORGANISATION),
        ("Cyd", CustomerKind.HOUSEHOLD),
    ):
        ids.append(customers.create(Customer(id="", kind=kind, display_name=name)).id)
        clock.advance(timedelta(seconds=1))

    def listed(filter: str = "", order_by: str = "", show_deleted: bool = False) -> str:
        page = customers.list(filter, order_by, FIRST, show_deleted=show_deleted)
        return " ".join(each.display_name for each in page.items)

    assert listed() == "Cyd Bob Ada"
    assert listed("kind = HOUSEHOLD", "create_time") == "Ada Cyd"
    assert listed("lifecycle = ACTIVE") == ""
    assert listed('create_time > "2026-05-04T09:30:00Z"', "create_time") == "Bob Cyd"
    customers.delete(ids[2], 0)
    assert listed() == "Bob Ada"
    assert listed(show_deleted=True, order_by="update_time desc") == "Cyd Bob Ada"
    with pytest.raises(InvalidArgument, match="allowed: create_time, kind, lifecycle, owner, update_time"):
        listed('email = "a"')
    with pytest.raises(InvalidArgument, match="allowed: create_time, update_time, each"):
        listed(order_by="owner")
    with pytest.raises(InvalidArgument, match="takes one field"):
        listed(order_by="update_time, create_time")


def test_pages_continue_where_they_ended(store: ProfilesStore, clock: FixedClock) -> None:
    customers = Customers(store.customers)
    for n in range(5):
        clock.advance(timedelta(seconds=1))
        customers.create(draft(names=(PersonName(given=f"A{n}"),)))
    token, seen = "", []
    while True:
        page = customers.list("", "create_time", PageRequest(2, token), show_deleted=False)
        seen += [each.display_name for each in page.items]
        token = page.next_page_token
        if not token:
            break
    assert seen == ["A0", "A1", "A2", "A3", "A4"]


def test_search_finds_every_script_and_the_closest_first(store: ProfilesStore) -> None:
    customers = Customers(store.customers)
    for family, given_name in (("张", "三"), ("张", "三丰"), ("单", "雄信"), ("Müller", "Käthe")):
        customers.create(draft(names=(PersonName(family=family, given=given_name),)))

    def found(query: str) -> list[str]:
        return [hit.display_name for hit in customers.search(query, 0)]

    assert found("张") == found("zhangs") == found("Zhang S") == found("ＺＨＡＮＧ") == ["张三", "张三丰"]
    assert found("zsf") == found("sanfeng") == ["张三丰"]
    assert found("shanx") == found("sxx") == found("单") == ["单雄信"]
    assert found("danx") == []
    assert found("MULLER k") == found("käthe") == ["Käthe Müller"]
    assert len(customers.search("张", 1)) == 1
    with pytest.raises(InvalidArgument, match="neither a letter nor a digit"):
        customers.search("!?", 0)
    with pytest.raises(InvalidArgument, match="page_size: -1 is negative"):
        customers.search("a", -1)


def test_a_shared_contact_point_leads_to_everybody_who_uses_it(store: ProfilesStore) -> None:
    customers = Customers(store.customers)
    switchboard = (phone("+49 30 901820"),)
    firm = customers.create(organisation(contact_points=switchboard))
    ada = customers.create(draft(contact_points=switchboard))
    spelling = Spelling(type=ContactPointType.PHONE, value="030/901820", region_code="DE")
    assert {each.id for each in customers.lookup_contact_point(spelling, FIRST).items} == {firm.id, ada.id}
    with pytest.raises(InvalidArgument) as refused:
        customers.lookup_contact_point(Spelling(type=ContactPointType.PHONE, value="030/901820"), FIRST)
    assert refused.value.violations[0].field == "value"


def test_an_external_id_belongs_to_one_customer_of_a_tenant(store: ProfilesStore, acting: As) -> None:
    erp = (ExternalId(system="erp", id="7"), ExternalId(system="shop", id="a"))
    ada = Customers(store.customers).create(draft(external_ids=erp))
    with pytest.raises(AlreadyExists, match="an external id belongs to another customer"):
        Customers(store.customers).create(draft(external_ids=erp[1:]))
    Customers(store.customers).create(draft(external_ids=(ExternalId(system="erp", id="a"),)))
    assert Customers(store.customers).lookup_external_id(erp[1]).items == [ada]
    with acting(tenant="other"):
        Customers(store.customers).create(draft(external_ids=erp))


def test_another_tenant_sees_nothing(store: ProfilesStore, acting: As) -> None:
    ada = Customers(store.customers).create(draft())
    with acting(tenant="other"):
        with pytest.raises(NotFound):
            Customers(store.customers).get(ada.id)
        assert Customers(store.customers).search("ada", 0) == []


def test_contact_points_are_added_verified_reported_and_removed(store: ProfilesStore, database: MemoryDatabase) -> None:
    customers = Customers(store.customers)
    ada = customers.create(draft())
    mailbox = Spelling(type=ContactPointType.EMAIL, value="ada@EXAMPLE.com")
    assert customers.add_contact_point(ada.id, email(), 1).contact_points[0].primary
    verified = customers.verify_contact_point(ada.id, mailbox, VerificationMethod.LINK, None, 2).contact_points[0]
    assert (verified.verification_method, verified.verify_time) == (VerificationMethod.LINK, NOW)
    bounced = customers.report_contact_point(ada.id, mailbox, ContactPointStatus.BOUNCED, 3).contact_points[0]
    assert (bounced.status, bounced.verify_time) == (ContactPointStatus.BOUNCED, NOW)
    assert customers.remove_contact_point(ada.id, mailbox, 4).contact_points == ()
    with pytest.raises(NotFound, match="ContactPoint"):
        customers.remove_contact_point(ada.id, mailbox, 0)
    assert types(database) == ["customer.created"] + ["customer.updated"] * 4


def test_every_row_of_an_import_stands_alone_and_is_made_once(store: ProfilesStore, database: MemoryDatabase) -> None:
    customers = Customers(store.customers)

    def wrong() -> Customer:
        raise InvalidArgument.field("customer.kind", "is required")

    rows = [
        ("r1", draft),
        ("r2", wrong),
        ("r3", lambda: draft(names=(PersonName(),))),
        ("r4", lambda: draft(external_ids=(ExternalId(system="erp", id="7"),))),
        ("r5", lambda: draft(external_ids=(ExternalId(system="erp", id="7"),))),
        ("r1", draft),
        ("r1", lambda: draft(owner="eve")),
    ]
    first, second = customers.import_rows(rows), customers.import_rows(rows)
    assert [outcome.created for outcome in first] == [True, False, False, True, False, False, False]
    assert [outcome.created for outcome in second] == [False] * 7
    assert [type(outcome.error) for outcome in first] == [type(outcome.error) for outcome in second]
    assert [type(outcome.error) for outcome in first] == [
        type(None),
        InvalidArgument,
        InvalidArgument,
        type(None),
        KeyTaken,
        type(None),
        SourceKeyReused,
    ]
    assert first[5].entity == first[0].entity
    assert types(database) == ["customer.created"] * 2


def test_builders_make_what_the_service_makes(store: ProfilesStore) -> None:
    made = Customers(store.customers).create(customer(kind=CustomerKind.HOUSEHOLD, display_name="The Lovelaces"))
    assert made.search_keys == ("lovelaces", "thelovelaces")
