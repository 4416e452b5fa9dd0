"""Nothing that can be read stays of a customer whose erasure begins while something is stored about the customer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from libs.chassis import context
from libs.chassis.domain import FailedPrecondition
from libs.engine.store.memory import MemoryDatabase
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.application.relationships import Relationships
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.relationships import Relationship, RelationshipType
from services.profiles.entitlements.application import Entitlements
from services.profiles.entitlements.domain import Basis, Entitlement, Period
from services.profiles.ownership.application.ownership import Ownerships
from services.profiles.ownership.domain.ownership import Hold
from services.profiles.privacy.application.erasures import Erasures
from services.profiles.store import ProfilesStore
from tests.unit.profiles.builders import NOW

CANARY = "zanzibar"


def relate(store: ProfilesStore, ada: str) -> None:
    bob = Customers(store.customers).create(Customer(id="", kind=CustomerKind.PERSON, display_name="Bob"))
    kind = RelationshipType.REFERRED_BY
    draft = Relationship(id="", from_customer_id=ada, to_customer_id=bob.id, type=kind, title=CANARY)
    Relationships(store.customers).add(draft)


def entitle(store: ProfilesStore, ada: str) -> None:
    Entitlements(store.entitlements).create(
        Entitlement(
            id="",
            benefit="hotline",
            basis=Basis.CUSTOMER,
            subject=ada,
            period=Period.MONTH,
            valid_from_date=NOW.date(),
            valid_to_date=NOW.date() + timedelta(days=30),
            note=CANARY,
        )
    )


def hold(store: ProfilesStore, ada: str) -> None:
    Ownerships(store.ownership).hold(ada, Hold(key="k", reason=CANARY))


STORING = [
    (relate, "customers.relationships", "insert"),
    (entitle, "entitlements.entitlements", "insert"),
    (hold, "ownership.ownerships", "upsert_many"),
]
"""Use-case, and the write before which an erasure begins: the collection and the method."""


def readable(database: MemoryDatabase) -> str:
    """Everything that can still be read, in the collections and in what they published."""
    entities = [c.read(each) for c in database.collections.values() for each in c.documents.values()]  # type: ignore[attr-defined]
    return repr(entities) + repr([event.data for event in database.events()])


@pytest.fixture
def ada_id(store: ProfilesStore) -> str:
    return Customers(store.customers).create(Customer(id="", kind=CustomerKind.PERSON, display_name="Ada")).id


@pytest.mark.parametrize("stored", STORING, ids=[each[0].__name__ for each in STORING])
def test_what_is_stored_while_an_erasure_begins_is_refused_and_unreadable(
    store: ProfilesStore,
    database: MemoryDatabase,
    ada_id: str,
    monkeypatch: pytest.MonkeyPatch,
    stored: tuple[Callable[[ProfilesStore, str], None], str, str],
) -> None:
    do, place, write = stored
    area, _, name = place.partition(".")
    collection = getattr(getattr(store, area), name)
    go_on = getattr(collection, write)

    def late(*arguments: Any, **named: Any) -> Any:
        monkeypatch.undo()
        with context.uncommanded():
            Erasures(store.privacy).request(ada_id, "letter", validate_only=False)
        return go_on(*arguments, **named)

    monkeypatch.setattr(collection, write, late)
    with pytest.raises(FailedPrecondition, match="is erased"):
        do(store, ada_id)
    assert getattr(collection, write) == go_on, "the erasure came before the write"
    assert CANARY not in readable(database)


@pytest.mark.parametrize("do", [each[0] for each in STORING], ids=lambda each: each.__name__)
def test_it_is_stored_of_a_customer_who_stays(
    store: ProfilesStore, database: MemoryDatabase, ada_id: str, do: Callable[[ProfilesStore, str], None]
) -> None:
    do(store, ada_id)
    assert CANARY in readable(database)
