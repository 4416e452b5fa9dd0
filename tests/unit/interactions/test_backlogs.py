"""History that was loaded before its customers: attributed in steps that hold nobody up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kehu.profiles.v1 import customer_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from services.interactions.attribution import application
from services.interactions.conversations.application import Conversations
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Interaction
from tests.unit.interactions.conftest import NOW, World

PHONE, OTHER = "+8613100000001", "+8613100000002"
STEP = 3


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "BATCH", STEP)


def attributed(world: World, customer_id: str) -> int:
    return len(world.store.timeline.last_of([customer_id], 100))


def load(world: World, contact: Callable[..., Interaction], phone: Any, number: str, count: int) -> None:
    contacts = [contact(identifier=phone(number), external_key=f"{number} {n}") for n in range(count)]
    assert all(each.created for each in Timeline(world.store.timeline).load(contacts))
    world.deliver()


def test_earlier_contacts_are_attributed_a_batch_at_a_time(
    world: World, contact: Callable[..., Interaction], phone: Any, customer: Callable[..., str]
) -> None:
    load(world, contact, phone, PHONE, 8)
    ada = customer(PHONE)
    assert attributed(world, ada) == STEP, "the transaction that learns of a customer takes no more"
    load(world, contact, phone, OTHER, 1)
    ben = customer(OTHER)
    assert attributed(world, ben) == 1, "the next customer does not wait for the first one's history"
    steps = 0
    while world.tick("backlogs"):
        steps += 1
        assert attributed(world, ada) <= STEP * (steps + 1)
    assert attributed(world, ada) == 8
    assert world.store.customers.customers.get(ada).backlog_time is None


def test_the_backlog_of_a_conversation_goes_on_too(
    world: World, contact: Callable[..., Interaction], phone: Any, customer: Callable[..., str]
) -> None:
    timeline, conversations = Timeline(world.store.timeline), Conversations(world.store.conversations)
    told = [timeline.ingest(contact(identifier=phone(PHONE))) for _ in range(7)]
    more = [timeline.ingest(contact(identifier=phone(OTHER))) for _ in range(2)]
    world.deliver()
    ada = customer()
    for first in (told[0], more[0]):
        conversations.resume(conversation_id=first.conversation_id, customer_id=ada)
    world.deliver()
    assert attributed(world, ada) == STEP
    while world.tick("backlogs"):
        pass
    assert attributed(world, ada) == 9
    assert world.store.customers.customers.get(ada).backlog_conversations == ()


def test_an_erasure_ends_the_backlog(
    world: World, contact: Callable[..., Interaction], phone: Any, customer: Callable[..., str]
) -> None:
    load(world, contact, phone, PHONE, 8)
    ada = customer(PHONE)
    doomed = customer_pb2.Customer(id=ada)
    doomed.contact_points.add(type="TYPE_PHONE", canonical=PHONE)
    doomed.delete_time.FromDatetime(NOW)
    erasure_id = "era_" + "0" * 25 + "1"
    world.hear(profiles.CustomerErasureRequested(customer_id=ada, erasure_id=erasure_id, customer=doomed), revision=2)
    assert world.tick("backlogs") == 0
    while world.tick("erasures"):
        world.deliver()
    assert attributed(world, ada) == STEP
    left = world.store.timeline.interactions.find(None, order="-occurred_time", limit=100)
    assert [each.identifier_key for each in left] == [""] * 8


def test_news_of_a_customer_keep_the_backlog(
    world: World, contact: Callable[..., Interaction], phone: Any, customer: Callable[..., str]
) -> None:
    load(world, contact, phone, PHONE, 8)
    ada = customer(PHONE)
    renamed = customer_pb2.Customer(id=ada, display_name="Ada")
    renamed.contact_points.add(type="TYPE_PHONE", canonical=PHONE)
    world.hear(profiles.CustomerUpdated(customer=renamed), revision=2)
    while world.tick("backlogs"):
        pass
    assert attributed(world, ada) == 8
