"""Erasure: what this service held on a customer, batch by batch, and the receipt for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from kehu.common.v1 import erasure_pb2
from kehu.profiles.v1 import customer_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import erasure, identity
from libs.chassis.domain import NotFound
from libs.engine.store.memory import MemoryCollection
from libs.worktime.civil import CivilTime
from libs.worktime.terms import Term
from services.interactions.conversations.application import Conversations
from services.interactions.conversations.domain import CloseReason
from services.interactions.customers.application import Customers
from services.interactions.customers.domain import Channel, Identifier, IdentifierKind
from services.interactions.promises.application import Promises
from services.interactions.promises.domain import Promise
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Interaction
from tests.unit.interactions.conftest import NOW, World

CANARY = "Zanzibar7731"
ADA, ERASURE = "cus_" + "0" * 25 + "1", "era_" + "0" * 25 + "1"
MAILBOX = Identifier(kind=IdentifierKind.EMAIL, value=f"{CANARY}@example.com")


@pytest.fixture
def ada(world: World, contact: Callable[..., Interaction]) -> str:
    """A customer with a canary in every corner, and the contact she wrote."""
    customer = customer_pb2.Customer(id=ADA, display_name=CANARY)
    customer.contact_points.add(type="TYPE_EMAIL", canonical=MAILBOX.value, status="STATUS_ACTIVE")
    world.hear(profiles.CustomerCreated(customer=customer))
    mail = Timeline(world.store.timeline).ingest(
        contact(channel=Channel.EMAIL, identifier=MAILBOX, summary=f"{CANARY} is angry", external_key="mail/1")
    )
    world.deliver()
    Conversations(world.store.conversations).transfer(mail.conversation_id, queue="second", note=f"call {CANARY} back")
    day = (NOW + timedelta(days=1)).date()
    Promises(world.store.promises).make(
        Promise(
            id="",
            customer_id=ADA,
            text=f"send {CANARY} a new one",
            term=Term(civil_time=CivilTime(date=day, time_zone="UTC")),
        )
    )
    world.deliver()
    return mail.id


def request(world: World, revision: int = 2) -> None:
    doomed = customer_pb2.Customer(id=ADA)
    doomed.delete_time.FromDatetime(NOW)
    world.hear(
        profiles.CustomerErasureRequested(customer_id=ADA, erasure_id=ERASURE, customer=doomed), revision=revision
    )


def finish(world: World) -> erasure_pb2.ErasureCompleted:
    while world.tick("erasures"):
        world.deliver()
    [completed] = [event for event in world.database.events() if event.type.endswith("erasure.completed.v1")]
    return erasure_pb2.ErasureCompleted.FromString(completed.data)


def everything_stored(world: World) -> str:
    kept = world.database.collections.items()
    return repr({name: c.documents for name, c in kept if isinstance(c, MemoryCollection)})


def test_nothing_personal_lies_open_anywhere(world: World, ada: str) -> None:
    stored = everything_stored(world)
    assert ada in stored
    assert CANARY not in stored


@pytest.mark.usefixtures("ada")
def test_the_receipt_tells_what_was_erased(world: World) -> None:
    request(world)
    told = finish(world)
    assert (told.erasure_id, told.customer_id, told.receipt.service) == (ERASURE, ADA, "interactions")
    assert {each.kind: each.count for each in told.receipt.erased} == {
        "customers": 1,
        "conversations": 1,
        "promises": 1,
        "interactions": 1,
    }
    assert told.receipt.destroyed_keys == 4
    assert len(told.receipt.digest) == 64


def test_what_is_left_counts_and_names_nobody(world: World, ada: str) -> None:
    before = world.store.timeline.interactions.get(ada)
    request(world)
    finish(world)
    left = world.store.timeline.interactions.get(ada)
    assert (left.summary, left.identifier, left.links, left.digest) == ("", None, (), "")
    assert (left.customer_id, left.channel, left.occurred_time) == (ADA, before.channel, before.occurred_time)
    conversation = world.store.conversations.conversations.get(left.conversation_id)
    assert (conversation.close_reason, conversation.interaction_count) == (CloseReason.ERASED, 1)
    [promise], _ = world.store.privacy.erasures.holdings["promises"].on(ADA, 9)
    assert (promise.text, promise.wake_time) == ("", None)
    copy = world.store.customers.customers.get(ADA)
    assert (copy.display_name, copy.identifiers, copy.deleted, copy.erased) == ("", (), True, True)
    assert not any(CANARY.encode() in event.data for event in world.database.events())


@pytest.mark.usefixtures("ada")
def test_a_later_contact_leads_to_nobody(world: World, contact: Callable[..., Interaction]) -> None:
    request(world)
    finish(world)
    later = Timeline(world.store.timeline).ingest(
        contact(channel=Channel.EMAIL, identifier=MAILBOX, external_key="mail/2")
    )
    world.deliver()
    assert world.store.timeline.interactions.get(later.id).customer_id == ""


@pytest.mark.usefixtures("ada")
def test_news_that_come_late_bring_nothing_back(world: World) -> None:
    request(world)
    finish(world)
    world.hear(profiles.CustomerUpdated(customer=customer_pb2.Customer(id=ADA, display_name=CANARY)), revision=9)
    copy = world.store.customers.customers.get(ADA)
    assert (copy.display_name, copy.source_revision, copy.erased) == ("", 9, True)
    merged = profiles.CustomersMerged(customer=customer_pb2.Customer(id="cus_" + "0" * 25 + "2"))
    alias = merged.aliases.add(customer_id=ADA, canonical_id=merged.customer.id, epoch=1)
    alias.contact_points.add(type="TYPE_EMAIL", canonical=MAILBOX.value)
    world.hear(merged, revision=2)
    copy = world.store.customers.customers.get(ADA)
    assert (copy.merged_into, copy.identifiers, copy.handed_over) == (merged.customer.id, (), ())


@pytest.mark.usefixtures("ada")
def test_it_goes_batch_by_batch_and_on_after_a_crash(
    world: World, contact: Callable[..., Interaction], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "ERASURE_BATCH", 2)
    for number in range(5):
        told = contact(occurred_time=identity.now() - timedelta(hours=number), customer_id=ADA, summary=CANARY)
        Timeline(world.store.timeline).ingest(told)
    world.deliver()
    request(world)
    request(world, revision=3)  # told twice
    world.tick("erasures")
    world.store.promises.promises.erase([each.id for each in world.store.promises.pending_of(ADA, 9)])
    assert {each.kind: each.count for each in finish(world).receipt.erased}["interactions"] == 6
    assert CANARY not in repr([each for _, each in world.store.privacy.erasures.everything(ADA)])


@pytest.mark.usefixtures("ada")
def test_an_export_holds_everything(world: World) -> None:
    held = list(world.store.privacy.erasures.everything(ADA))
    assert [kind for kind, _ in held] == ["customer", "conversation", "promise", "interaction"]
    assert CANARY in repr(held[3])
    with pytest.raises(NotFound):
        list(world.store.privacy.erasures.everything("cus_nobody"))


def test_erasing_somebody_of_whom_little_is_known(world: World) -> None:
    request(world)
    assert [each.kind for each in finish(world).receipt.erased] == ["customers"]
    assert Customers(world.store.customers).require(ADA).erased


def doomed(world: World, customer_id: str, erasure_id: str, *phones: str, **fields: object) -> None:
    """A request to erase a customer who was reached at some telephones."""
    gone = customer_pb2.Customer(id=customer_id, **fields)  # type: ignore[arg-type]
    gone.delete_time.FromDatetime(NOW)
    for number in phones:
        gone.contact_points.add(type="TYPE_PHONE", canonical=number, status="STATUS_ACTIVE")
    world.hear(
        profiles.CustomerErasureRequested(customer_id=customer_id, erasure_id=erasure_id, customer=gone), revision=7
    )
    while world.tick("erasures"):
        world.deliver()


OWN, FAMILY = "+8613100000001", "+8621600000002"
FIRST, SECOND = "era_" + "0" * 25 + "2", "era_" + "0" * 25 + "3"


def test_contacts_of_nobody_known_are_erased_by_what_led_to_the_customer_alone(
    world: World,
    contact: Callable[..., Interaction],
    customer: Callable[..., str],
    phone: Callable[[str], Identifier],
) -> None:
    """A family telephone is the other one's too, until that one is erased as well."""
    ann, ben = customer(OWN, FAMILY), customer(FAMILY)
    calls = {}
    world.hear(profiles.CustomerDeleted(customer=_deleted(ann)), revision=2)
    calls["own"] = Timeline(world.store.timeline).ingest(contact(identifier=phone(OWN), summary=CANARY))
    world.hear(profiles.CustomerUndeleted(customer=_deleted(ann, OWN + "9", FAMILY, live=True)), revision=3)
    calls["family"] = Timeline(world.store.timeline).ingest(contact(identifier=phone(FAMILY), summary=CANARY))
    calls["stranger"] = Timeline(world.store.timeline).ingest(
        contact(identifier=phone("+8613100000009"), summary=CANARY)
    )
    world.deliver()
    assert [world.store.timeline.interactions.get(each.id).customer_id for each in calls.values()] == ["", "", ""]
    talk = world.store.timeline.interactions.get(calls["own"].id).conversation_id

    doomed(world, ann, FIRST, OWN, FAMILY)
    told = _receipt(world, FIRST)
    assert {each.kind: each.count for each in told.erased} == {"customers": 1, "interactions": 1, "conversations": 1}
    left = {name: world.store.timeline.interactions.get(each.id) for name, each in calls.items()}
    assert (left["own"].summary, left["own"].identifier, left["own"].identifier_key) == ("", None, "")
    assert [left[name].summary for name in ("family", "stranger")] == [CANARY, CANARY]
    assert world.store.conversations.conversations.get(talk).close_reason is CloseReason.ERASED
    assert world.store.privacy.erasures.collection.get(FIRST).identifiers == ()

    doomed(world, ben, SECOND, FAMILY)
    assert world.store.timeline.interactions.get(calls["family"].id).summary == ""
    assert world.store.timeline.interactions.get(calls["stranger"].id).summary == CANARY
    assert OWN not in everything_stored(world)


def test_those_who_were_merged_do_not_shield_each_other(
    world: World, contact: Callable[..., Interaction], phone: Callable[[str], Identifier]
) -> None:
    """Both have the number, and both are the customer that is erased. Whichever comes first."""
    survivor, loser = customer_pb2.Customer(id=ADA), customer_pb2.Customer(id="cus_" + "0" * 25 + "2")
    call = Timeline(world.store.timeline).ingest(contact(identifier=phone(OWN), summary=CANARY))
    for each in (survivor, loser):
        world.hear(profiles.CustomerCreated(customer=each))
    merged = profiles.CustomersMerged(customer=survivor)
    merged.customer.merged_ids.append(loser.id)
    merged.aliases.add(customer_id=loser.id, canonical_id=survivor.id, epoch=1).contact_points.add(
        type="TYPE_PHONE", canonical="+8613100000007"
    )
    world.hear(merged, revision=2)
    doomed(world, loser.id, FIRST, OWN, merged_into=survivor.id)
    doomed(world, survivor.id, SECOND, OWN, merged_ids=[loser.id])
    assert world.store.timeline.interactions.get(call.id).summary == ""


def _deleted(id: str, *phones: str, live: bool = False) -> customer_pb2.Customer:
    customer = customer_pb2.Customer(id=id, display_name=CANARY)
    for number in phones:
        customer.contact_points.add(type="TYPE_PHONE", canonical=number)
    if not live:
        customer.delete_time.FromDatetime(NOW)
    return customer


def _receipt(world: World, erasure_id: str) -> erasure_pb2.ErasureReceipt:
    completed = [event for event in world.database.events() if event.type.endswith("erasure.completed.v1")]
    [told] = [
        each
        for event in completed
        if (each := erasure_pb2.ErasureCompleted.FromString(event.data)).erasure_id == erasure_id
    ]
    return told.receipt
