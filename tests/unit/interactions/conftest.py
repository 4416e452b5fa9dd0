"""The service over the in-memory store, at a time that stands still, with its events delivered on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.message import Message
from kehu.common.v1 import envelope_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.inbox import event_type
from libs.engine.inbox.decoding import decode
from libs.engine.store.memory import MemoryDatabase
from services.interactions.conversations.domain import Conversation
from services.interactions.customers.domain import Channel, Identifier, IdentifierKind
from services.interactions.store import InteractionsStore
from services.interactions.subscriptions import subscriptions, timers
from services.interactions.timeline.domain import Direction, Interaction
from tests.support.timers import tick

NOW = datetime(2026, 8, 10, 9, tzinfo=UTC)  # a Monday


@dataclass
class World:
    """The service and everything around it."""

    database: MemoryDatabase
    store: InteractionsStore
    clock: identity.FixedClock
    delivered: set[str] = field(default_factory=set)

    def events(self) -> list[str]:
        """The types of all events so far, without their common beginning and end."""
        return [each.type.removeprefix("kehu.interactions.").removesuffix(".v1") for each in self.database.events()]

    def deliver(self) -> None:
        """Hands the service its own events, until they cause no more."""
        while fresh := [each for each in self.database.events() if each.id not in self.delivered]:
            self.delivered |= {each.id for each in fresh}
            for subscription in subscriptions(self.store):
                known = [each for each in fresh if each.type in subscription.types]
                if known:
                    with self.database.transaction():
                        subscription.handle([decode(subscription, each.SerializeToString()) for each in known])

    def tick(self, timer: str) -> int:
        """What a timer of the service finds and does."""
        return tick(self.database, timers(self.store), timer)

    def conversation(self, interaction: Interaction) -> Conversation:
        """The conversation of a contact, once everything that was recorded is taken in."""
        self.deliver()
        return self.store.conversations.conversations.get(interaction.conversation_id)

    def hear(self, *messages: Message, revision: int = 1) -> None:
        """Hands the service events of profiles about one customer each, then what they cause."""
        for message in messages:
            envelope = envelope_pb2.Envelope(
                id=f"{message.customer.id}:{revision}:0",
                type=event_type(type(message)),
                tenant=context.current().tenant,
                entity_id=message.customer.id,
                revision=revision,
                time=self.clock.at,
                data=message.SerializeToString(),
            )
            [attribution] = [each for each in subscriptions(self.store) if each.name == "attribution"]
            with self.database.transaction():
                attribution.handle([decode(attribution, envelope.SerializeToString())])
        self.deliver()


@pytest.fixture
def world() -> Iterator[World]:
    """An empty service of the tenant `acme`."""
    database = MemoryDatabase("interactions")
    clock = identity.FixedClock(NOW)
    with identity.clock(clock), context.enter(Context(tenant="acme", actor="ann")):
        yield World(database, InteractionsStore(database), clock)


@pytest.fixture
def contact() -> Callable[..., Interaction]:
    """Makes a contact as a source tells it: an incoming call five minutes ago, unless said otherwise."""

    def make(**fields: Any) -> Interaction:
        told = {
            "id": "",
            "channel": Channel.VOICE,
            "direction": Direction.INBOUND,
            "occurred_time": identity.now() - timedelta(minutes=5),
            **fields,
        }
        return Interaction(**told)

    return make


@pytest.fixture
def phone() -> Callable[[str], Identifier]:
    """Makes an identifier of a telephone number."""
    return lambda number: Identifier(kind=IdentifierKind.PHONE, value=number)


@pytest.fixture
def customer(world: World) -> Callable[..., str]:
    """Makes a customer known to the service. Gives its id."""

    def make(*phones: str, name: str = "Li Wei") -> str:
        created = profiles.CustomerCreated()
        created.customer.id = identity.new_id("cus")
        created.customer.display_name = name
        for number in phones:
            created.customer.contact_points.add(type="TYPE_PHONE", canonical=number)
        world.hear(created)
        return created.customer.id

    return make
