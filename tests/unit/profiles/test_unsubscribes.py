"""Refusals that customers give by the link of a message."""

from __future__ import annotations

from datetime import timedelta

import pytest
from kehu.care.v1 import events_pb2 as care
from kehu.common.v1 import envelope_pb2

from libs.chassis import identity
from libs.chassis.inbox import event_type
from libs.chassis.paging import PageRequest
from libs.engine.inbox.decoding import received
from libs.engine.store.memory import MemoryDatabase
from services.profiles.consent.application import Consents
from services.profiles.customers.domain.consents import Capture, ConsentState, Purpose
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.store import ProfilesStore
from services.profiles.subscriptions import subscriptions
from tests.unit.profiles.builders import NOW, decision, person


def refuse(database: MemoryDatabase, store: ProfilesStore, customer_id: str, touch_id: str) -> None:
    told = care.UnsubscribeRequested(touch_id=touch_id, customer_id=customer_id, purpose="CARE")
    told.request_time.FromDatetime(NOW - timedelta(minutes=1))
    envelope = envelope_pb2.Envelope(
        id="x", type=event_type(care.UnsubscribeRequested), tenant="acme", entity_id=touch_id, revision=1
    )
    [reaction] = [each for each in subscriptions(store) if each.name == "unsubscribes"]
    with database.transaction():
        reaction.handle([received(envelope, told)])


@pytest.mark.parametrize("granted", [True, False])
def test_the_link_of_a_message_leaves_a_receipt_with_its_proof(
    database: MemoryDatabase, store: ProfilesStore, granted: bool
) -> None:
    customer = store.customers.customers.insert(
        lambda id: Customer(id=id, kind=CustomerKind.PERSON, names=person().names).create()
    )
    consents = Consents(store.consent)
    if granted:
        consents.record(customer.id, decision(ConsentState.GRANTED, purpose=Purpose.CARE), within="")
    touch = identity.new_id("tch")
    refuse(database, store, customer.id, touch)
    receipt = consents.list(customer.id, PageRequest(size=5)).items[0]
    assert receipt.state is (ConsentState.WITHDRAWN if granted else ConsentState.DENIED)
    assert (receipt.purpose, receipt.channel, receipt.capture) == (Purpose.CARE, None, Capture.CUSTOMER_ACTION)
    assert receipt.proof_ref == f"care:{touch}"


def test_nobody_is_left_to_refuse(database: MemoryDatabase, store: ProfilesStore) -> None:
    gone = identity.new_id("cus")
    refuse(database, store, gone, identity.new_id("tch"))
    assert store.consent.receipts.find(None, limit=5) == []
