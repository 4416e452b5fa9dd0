"""Whatever stores something of a customer, and an erasure that begins and ends in the middle of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from kehu.profiles.v1 import customer_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.customers import CustomerErased
from libs.chassis.domain import DomainError
from libs.chassis.projection import Customers
from libs.worktime.civil import CivilTime
from libs.worktime.terms import Term
from services.interactions.conversations.application import Conversations
from services.interactions.conversations.domain import CloseReason
from services.interactions.customers.domain import Channel, Identifier, IdentifierKind
from services.interactions.promises.application import Promises
from services.interactions.promises.domain import Promise
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Interaction
from tests.unit.interactions.conftest import NOW, World

CANARY = "Zanzibar7731"
ADA, ERASURE = "cus_" + "0" * 25 + "1", "era_" + "0" * 25 + "1"
MAILBOX = Identifier(kind=IdentifierKind.EMAIL, value="ada@example.com")
SOON = Term(civil_time=CivilTime(date=(NOW + timedelta(days=1)).date(), time_zone="UTC"))
LATER = Term(civil_time=CivilTime(date=(NOW + timedelta(days=9)).date(), time_zone="UTC"))


class Desk:
    """Somebody who serves Ada, with a call, a conversation and a promise of hers at hand."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.timeline = Timeline(world.store.timeline)
        self.conversations = Conversations(world.store.conversations)
        self.promises = Promises(world.store.promises)
        ada = customer_pb2.Customer(id=ADA, display_name="Ada")
        ada.contact_points.add(type="TYPE_EMAIL", canonical=MAILBOX.value, status="STATUS_ACTIVE")
        world.hear(profiles.CustomerCreated(customer=ada))
        self.told = self.timeline.ingest(self.contact(customer_id=ADA))
        self.conversation = world.conversation(self.told)
        self.promise = self.promises.make(Promise(id="", customer_id=ADA, text="call back", term=SOON))
        self.broken = self.promises.make(Promise(id="", customer_id=ADA, text="call back", term=SOON))
        self.promises.give_up(self.broken.id, "no time")

    def contact(self, **fields: Any) -> Interaction:
        at = identity.now() - timedelta(minutes=5)
        told = Interaction(id="", channel=Channel.EMAIL, direction="INBOUND", occurred_time=at)  # type: ignore[arg-type]
        return replace(told, **fields)

    def erase(self) -> None:
        doomed = customer_pb2.Customer(id=ADA)
        doomed.delete_time.FromDatetime(NOW)
        request = profiles.CustomerErasureRequested(customer_id=ADA, erasure_id=ERASURE, customer=doomed)
        self.world.hear(request, revision=2)
        while self.world.tick("erasures"):
            self.world.deliver()
        assert self.world.store.privacy.erasures.collection.get(ERASURE).answered


def ingest(desk: Desk) -> None:
    desk.timeline.ingest(desk.contact(customer_id=ADA, summary=CANARY))


def ingest_what_she_wrote(desk: Desk) -> None:
    desk.timeline.ingest(desk.contact(identifier=MAILBOX, summary=CANARY, external_key="1"))


def ingest_into_a_new_conversation(desk: Desk) -> None:
    desk.timeline.ingest(desk.contact(customer_id=ADA, summary=CANARY))


def ingest_with_a_token(desk: Desk) -> None:
    told = desk.contact(summary=CANARY)
    desk.timeline.ingest(told, continuity_token=desk.conversation.continuity_token)


def load(desk: Desk) -> None:
    told = desk.contact(customer_id=ADA, summary=CANARY, external_key="2")
    [outcome] = desk.timeline.load([told])
    if outcome.error is not None:
        raise outcome.error


def make(desk: Desk) -> None:
    desk.promises.make(Promise(id="", customer_id=ADA, text=CANARY, term=SOON))


def renegotiate(desk: Desk) -> None:
    desk.promises.renegotiate(desk.promise.id, LATER, agreement=f"{CANARY} agrees", text=CANARY)


def give_up(desk: Desk) -> None:
    desk.promises.give_up(desk.promise.id, CANARY)


def recover(desk: Desk) -> None:
    desk.promises.recover(desk.broken.id, CANARY)


def transfer(desk: Desk) -> None:
    desk.conversations.transfer(desk.conversation.id, queue="second", note=CANARY)


def resume(desk: Desk) -> None:
    desk.conversations.resume(continuity_token=desk.conversation.continuity_token, customer_id=ADA)


def resume_what_was_closed(desk: Desk) -> None:
    desk.conversations.resume(conversation_id=desk.conversation.id)


STORING = [
    (ingest, "timeline.interactions", "insert"),
    (ingest_what_she_wrote, "timeline.interactions", "insert"),
    (ingest_into_a_new_conversation, "conversations.conversations", "insert"),
    (ingest_with_a_token, "timeline.interactions", "insert"),
    (load, "timeline.interactions", "insert_many"),
    (make, "promises.promises", "insert"),
    (renegotiate, "promises.promises", "insert"),
    (give_up, "promises.promises", "update"),
    (recover, "promises.promises", "update"),
    (transfer, "conversations.conversations", "update"),
    (resume_what_was_closed, "conversations.conversations", "update"),
]
"""What stores something, and the write before which it is held up."""


def prepare(desk: Desk, store: Callable[[Desk], None]) -> None:
    """What has to be so before it stores anything."""
    if store in (ingest_into_a_new_conversation, resume_what_was_closed):
        desk.conversations.close(desk.conversation.id, CloseReason.RESOLVED)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def readable(world: World) -> str:
    """Everything that can still be read, in the collections and in what they published."""
    collections = world.database.collections.values()
    entities = [collection.read(each) for collection in collections for each in collection.documents.values()]  # type: ignore[attr-defined]
    return repr(entities) + repr([event.data for event in world.database.events()])


@pytest.mark.parametrize(("store", "where", "write"), STORING, ids=[store.__name__ for store, _, _ in STORING])
def test_nothing_is_stored_of_somebody_who_is_erased_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, store: Callable[[Desk], None], where: str, write: str
) -> None:
    prepare(desk, store)
    area, name = where.split(".")
    collection = getattr(getattr(desk.world.store, area), name)
    go_on = getattr(collection, write)

    def late(*arguments: Any, **named: Any) -> Any:
        monkeypatch.undo()
        desk.erase()
        return go_on(*arguments, **named)

    monkeypatch.setattr(collection, write, late)
    with pytest.raises(DomainError):  # most see CustomerErased; what changes an entity may find it ended first
        store(desk)
    assert getattr(collection, write) == go_on, "the erasure came before the write"
    desk.world.deliver()
    assert CANARY not in readable(desk.world)
    conversations = [each for kind, each in held_on(desk.world) if kind == "conversation"]
    assert all(not each.is_open for each in conversations)


class Killed(BaseException):
    """The end of a process, which nothing catches."""


@pytest.mark.parametrize(("store", "where", "write"), STORING, ids=[store.__name__ for store, _, _ in STORING])
def test_who_dies_before_withdrawing_leaves_it_to_the_second_round(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, store: Callable[[Desk], None], where: str, write: str
) -> None:
    prepare(desk, store)
    area, name = where.split(".")
    collection = getattr(getattr(desk.world.store, area), name)
    go_on = getattr(collection, write)

    def late(*arguments: Any, **named: Any) -> Any:
        monkeypatch.undo()
        desk.erase()
        return go_on(*arguments, **named)

    def die(*_: object) -> None:
        raise Killed

    whole = Customers.while_living
    monkeypatch.setattr(collection, write, late)
    with pytest.MonkeyPatch.context() as there:
        there.setattr(Customers, "while_living", lambda self, ids, store, _: whole(self, ids, store, die))
        with pytest.raises((Killed, DomainError)):
            store(desk)
    desk.world.clock.advance(timedelta(hours=2))
    while desk.world.tick("erasures"):
        desk.world.deliver()
    desk.world.deliver()
    assert CANARY not in readable(desk.world)
    assert not desk.world.store.privacy.erasures.collection.get(ERASURE).pending


@pytest.mark.parametrize("store", [store for store, _, _ in STORING] + [resume], ids=lambda each: each.__name__)
def test_nothing_is_stored_of_somebody_who_was_erased(desk: Desk, store: Callable[[Desk], None]) -> None:
    prepare(desk, store)
    desk.erase()
    before = len(desk.world.store.timeline.interactions.documents)  # type: ignore[attr-defined]
    if store is ingest_what_she_wrote:  # from a mailbox that leads to nobody any more: a stranger
        ingest_what_she_wrote(desk)
        return
    with pytest.raises(DomainError):
        store(desk)
    assert len(desk.world.store.timeline.interactions.documents) == before  # type: ignore[attr-defined]
    assert CANARY not in readable(desk.world)


def test_the_refusal_tells_why(desk: Desk) -> None:
    desk.erase()
    for store in (ingest, load, make, give_up, recover, resume):
        with pytest.raises(CustomerErased) as refused:
            store(desk)
        assert refused.value.metadata["customer_id"] == ADA


def held_on(world: World) -> list[tuple[str, Any]]:
    return list(world.store.privacy.erasures.everything(ADA))
