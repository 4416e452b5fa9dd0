"""Customers who became one: rows keep the id they were recorded for, and are found under who lives on."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from kehu.common.v1 import envelope_pb2
from kehu.interactions.v1 import events_pb2 as interactions
from kehu.interactions.v1 import timeline_pb2
from kehu.profiles.v1 import customer_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import context
from libs.chassis.domain import NotFound
from libs.chassis.inbox import event_type
from libs.chassis.paging import PageRequest
from libs.engine.inbox.decoding import decode
from services.interactions.context.application import Contexts
from services.interactions.conversations.application import Conversations
from services.interactions.customers.domain import Identifier, IdentifierKind
from services.interactions.promises.application import Promises
from services.interactions.subscriptions import subscriptions
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Interaction, TimelineQuery
from tests.unit.interactions.conftest import World

A, B, C = (f"cus_{letter * 26}" for letter in "abc")
PHONES = {A: "+8613800138000", B: "+8613900139000", C: "+8613700137000"}
Contact = Callable[..., Interaction]


@dataclass(frozen=True)
class News:
    """An event of profiles."""

    message: Any
    revision: int

    def encoded(self) -> bytes:
        customer = self.message.customer
        return envelope_pb2.Envelope(
            id=f"{customer.id}:{self.revision}:0",
            type=event_type(type(self.message)),
            tenant=context.current().tenant,
            entity_id=customer.id,
            revision=self.revision,
            data=self.message.SerializeToString(),
        ).SerializeToString()


def state(id: str, *more_phones: str, **fields: Any) -> customer_pb2.Customer:
    customer = customer_pb2.Customer(id=id, display_name=id[-1], **fields)
    for number in (PHONES[id], *more_phones):
        customer.contact_points.add(type="TYPE_PHONE", canonical=number)
    return customer


def created(id: str) -> News:
    message = profiles.CustomerCreated(customer=state(id))
    if id == B:
        message.customer.external_ids.add(system="erp", id="9")
    return News(message, 1)


def gone(id: str, into: str, revision: int) -> News:
    customer = state(id, merged_into=into)
    customer.delete_time.GetCurrentTime()
    return News(profiles.CustomerUpdated(customer=customer), revision)


def merged(survivor: str, *losers: str, epoch: int, revision: int) -> News:
    message = profiles.CustomersMerged(customer=state(survivor, *(PHONES[each] for each in losers), merged_ids=losers))
    for loser in losers:
        alias = message.aliases.add(customer_id=loser, canonical_id=survivor, epoch=epoch)
        alias.contact_points.add(type="TYPE_PHONE", canonical=PHONES[loser])
        if loser == B:
            alias.external_ids.add(system="erp", id="9")
            message.customer.external_ids.add(system="erp", id="9")
    return News(message, revision)


def unmerged(survivor: str, loser: str, *, epoch: int, revision: int) -> News:
    message = profiles.CustomersUnmerged(customer=state(survivor))
    message.aliases.add(customer_id=loser, canonical_id=loser, epoch=epoch)
    return News(message, revision)


def hear(world: World, *news: News) -> None:
    [attribution] = [each for each in subscriptions(world.store) if each.name == "attribution"]
    for each in news:
        with world.database.transaction():
            attribution.handle([decode(attribution, each.encoded())])
    world.deliver()


@pytest.fixture
def timeline(world: World) -> Timeline:
    return Timeline(world.store.timeline)


def request(**fields: Any) -> Any:
    return PageRequest.of(timeline_pb2.ListTimelineRequest(**fields))


def seen(timeline: Timeline, id: str) -> tuple[str, set[str]]:
    """(who lives on, the keys of the timeline of an id)."""
    canonical, page = timeline.of_customer(TimelineQuery(customer_id=id), request(customer_id=id))
    return canonical, {each.external_key for each in page.items}


def by_phone(contact: Contact, id: str, key: str) -> Interaction:
    return contact(identifier=Identifier(kind=IdentifierKind.PHONE, value=PHONES[id]), external_key=key)


@pytest.mark.parametrize("seed", range(20))
def test_rows_of_a_loser_are_found_under_the_survivor_in_whatever_order_news_arrive(
    world: World, timeline: Timeline, contact: Contact, seed: int
) -> None:
    """T-01: events about B late, repeated and out of order, before and after its merge into A and that of A into C."""
    for id in (A, B, C):
        timeline.ingest(by_phone(contact, id, f"early {id[-1]}"))
    news = [
        created(A),
        created(B),
        created(C),
        merged(A, B, epoch=1, revision=2),
        gone(B, A, 2),
        merged(C, A, B, epoch=2, revision=2),
        gone(A, C, 3),
        gone(B, C, 3),
    ]
    shuffled = [*news, *news[:3]]
    random.Random(seed).shuffle(shuffled)
    for i, each in enumerate(shuffled):
        hear(world, each)
        if i == len(shuffled) // 2:
            for id in (A, B, C):
                timeline.ingest(by_phone(contact, id, f"late {id[-1]}"))
    world.deliver()
    keys = {f"{when} {letter}" for when in ("early", "late") for letter in "abc"}
    for id in (A, B, C):
        assert seen(timeline, id) == (C, keys)
    owners: dict[str, set[str]] = {}
    for event in world.database.events():
        if event.type.startswith("kehu.interactions.interaction."):
            told = interactions.InteractionRecorded.FromString(event.data).interaction  # All of them carry one.
            owners.setdefault(event.entity_id, set()).add(told.customer_id)
    assert all(len(ids - {""}) == 1 for ids in owners.values()), "a row that was somebody's stays theirs"


def test_a_row_told_for_an_old_id_keeps_it_and_splits_again_with_its_identifiers(
    world: World, timeline: Timeline, contact: Contact
) -> None:
    """T-03: rows of before split exactly. Those recorded while the two were one follow the identifier."""
    hear(world, created(A), created(B))
    timeline.ingest(by_phone(contact, A, "a before"))
    timeline.ingest(by_phone(contact, B, "b before"))
    hear(world, merged(A, B, epoch=1, revision=2), gone(B, A, 2))
    timeline.ingest(by_phone(contact, A, "a during"))
    timeline.ingest(by_phone(contact, B, "b during"))
    erp = Identifier(kind=IdentifierKind.EXTERNAL_ID, system="erp", value="9")
    timeline.ingest(contact(identifier=erp, external_key="b by erp"))
    timeline.ingest(contact(customer_id=B, external_key="b told late"))
    timeline.ingest(contact(customer_id=A, external_key="a told"))
    world.deliver()
    everything = {"a before", "b before", "a during", "b during", "b by erp", "b told late", "a told"}
    assert seen(timeline, A) == seen(timeline, B) == (A, everything)
    back = created(B)
    hear(world, unmerged(A, B, epoch=2, revision=3), News(profiles.CustomerUpdated(customer=back.message.customer), 3))
    assert seen(timeline, A) == (A, {"a before", "a during", "a told"})
    assert seen(timeline, B) == (B, {"b before", "b during", "b by erp", "b told late"})
    hear(world, merged(A, B, epoch=1, revision=2))
    assert seen(timeline, B)[0] == B, "old news about where an id leads are skipped"


def test_context_conversations_and_promises_are_of_all_ids(world: World, timeline: Timeline, contact: Contact) -> None:
    hear(world, created(A), created(B))
    for id in (A, B):
        timeline.ingest(by_phone(contact, id, f"call {id[-1]}"))
    world.deliver()
    hear(world, merged(A, B, epoch=1, revision=2), gone(B, A, 2))
    for id in (A, B):
        told = Contexts(world.store.timeline, world.store.cases).get(id)
        assert (told.customer.id, told.customer.merged_ids) == (A, (B,))
        assert len(told.interactions) == len(told.conversations) == 2
        listed = Conversations(world.store.conversations).list(
            f'customer_id = "{id}" AND state = WAITING', PageRequest()
        )
        assert len(listed.items) == 2
        of_all = timeline.list(f'(customer_id = "{id}" OR customer_id = "{C}")', PageRequest())
        assert len(of_all.items) == 2
        promises = Promises(world.store.promises).list(f'customer_id = "{id}"', PageRequest())
        assert list(promises.items) == []


def test_a_contact_of_either_goes_to_the_conversation_that_is_open(
    world: World, timeline: Timeline, contact: Contact
) -> None:
    hear(world, created(A), created(B))
    first = timeline.ingest(by_phone(contact, A, "first"))
    world.deliver()
    hear(world, merged(A, B, epoch=1, revision=2), gone(B, A, 2))
    second = timeline.ingest(by_phone(contact, B, "second"))
    world.deliver()
    assert (first.customer_id, second.customer_id) == (A, B)
    assert second.conversation_id == first.conversation_id
    resumed = Conversations(world.store.conversations).resume(conversation_id=first.conversation_id, customer_id=B)
    assert resumed.customer_id == A


def test_contacts_of_a_phone_that_two_shared_wait_until_they_are_one(
    world: World, timeline: Timeline, contact: Contact
) -> None:
    shared = [News(profiles.CustomerCreated(customer=state(id, PHONES[C])), 1) for id in (A, B)]
    hear(world, *shared)
    waiting = timeline.ingest(by_phone(contact, C, "shared"))
    assert waiting.customer_id == ""
    survivor = merged(A, B, epoch=1, revision=2)
    survivor.message.customer.contact_points.add(type="TYPE_PHONE", canonical=PHONES[C])
    hear(world, survivor)
    assert seen(timeline, A) == (A, {"shared"})


def test_nothing_is_known_of_a_stranger(timeline: Timeline) -> None:
    with pytest.raises(NotFound):
        seen(timeline, A)
