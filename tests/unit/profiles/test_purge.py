"""Deleted customers are erased when their time is over, and their external ids are free again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from libs.chassis.domain import AlreadyExists, FailedPrecondition
from libs.chassis.testing import World
from services.profiles.__main__ import SERVICE
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.domain.customers import KEPT_AFTER_DELETION, Customer, CustomerKind
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.privacy.application.access import Privacy
from services.profiles.privacy.application.erasures import Erasures
from services.profiles.privacy.domain.erasures import ErasureReceipt
from services.profiles.store import ProfilesStore
from tests.unit.profiles.builders import NOW


@pytest.fixture
def world() -> Iterator[World[ProfilesStore]]:
    with World(SERVICE, at=NOW).entered() as entered:
        yield entered


def create(world: World[ProfilesStore]) -> Customer:
    ids = (ExternalId(system="erp", id="7"),)
    draft = Customer(id="", kind=CustomerKind.PERSON, display_name="Ada", external_ids=ids)
    return Customers(world.store.customers).create(draft)


def test_a_deleted_customer_is_erased_at_its_purge_time_and_not_before(world: World[ProfilesStore]) -> None:
    customers, erasures = Customers(world.store.customers), Erasures(world.store.privacy)
    ada = create(world)
    customers.delete(ada.id, 0)
    world.clock.advance(KEPT_AFTER_DELETION - timedelta(seconds=1))
    assert world.tick("purges") == 0
    with pytest.raises(AlreadyExists):
        create(world)
    world.clock.advance(timedelta(seconds=1))
    assert world.tick("purges") == 1
    assert world.tick("purges") == 0, "it is asked for once"
    erasure = erasures.status(customer_id=ada.id)
    erasures.take_answers([(erasure.id, ErasureReceipt(service=s, erase_time=NOW)) for s in erasure.awaited_services])
    world.tick("erasures")
    left = world.store.customers.customers.get(ada.id)
    assert (left.display_name, left.external_ids) == ("", ())
    assert left.erase_time is not None
    assert create(world).id != ada.id


def test_a_restored_customer_and_one_under_a_legal_hold_stay(world: World[ProfilesStore]) -> None:
    customers = Customers(world.store.customers)
    ada = create(world)
    customers.delete(ada.id, 0)
    customers.undelete(ada.id, 0)
    world.clock.advance(2 * KEPT_AFTER_DELETION)
    assert world.tick("purges") == 0
    customers.delete(ada.id, 0)
    Privacy(world.store.privacy).hold(ada.id, "a court asked for it", 0)
    world.clock.advance(2 * KEPT_AFTER_DELETION)
    assert world.tick("purges") == 0
    with pytest.raises(FailedPrecondition, match="could be restored until"):
        customers.undelete(ada.id, 0)
    assert not world.store.customers.customers.get(ada.id).erasure_id
    Privacy(world.store.privacy).release(ada.id, 0)
    assert world.tick("purges") == 1
