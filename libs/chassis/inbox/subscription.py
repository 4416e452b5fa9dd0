"""What a service declares about events it reacts to, and what its function receives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from google.protobuf.message import DecodeError, Message
from kehu.common.v1 import envelope_pb2, options_pb2

from libs.chassis import context, tracing
from libs.chassis.bus import Route
from libs.chassis.inbox.fates import Permanent
from libs.chassis.store.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An event as its consumer sees it."""

    id: str
    """The same for every delivery and replay."""
    type: str
    """For example `kehu.profiles.customer.updated.v1`."""
    tenant: str
    entity_id: str
    revision: int
    """Revision of the entity after the change: a consumer that keeps a copy skips what is not newer."""
    time: datetime
    """When the change was made (UTC)."""
    actor: str
    """Who made it."""
    correlation_id: str
    traceparent: str
    changed_fields: tuple[str, ...]
    """Top-level fields of the entity that this change altered; empty for its first revision."""
    message: Message
    """The event message; for the journal, the envelope."""
    sealed: envelope_pb2.Envelope.Sealed | None = None
    """What is personal in it, until it is opened."""

    @contextmanager
    def cause(self) -> Iterator[None]:
        """What is written inside the block names this event as its cause.

        For handlers that react event by event with changes that publish; a batch as a whole has no single cause.
        """
        here = context.current()
        caused = replace(here, causation_id=self.id, correlation_id=self.correlation_id)
        with context.enter(caused), tracing.work(self.type, parent=self.traceparent):
            yield


Handler = Callable[[Sequence[Received]], None]


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """Events that a service reacts to."""

    name: str
    """Unique within the service; the queues are `<service>.<name>.<partition>`, so a new name is a new subscription."""
    listens: Sequence[type[Message]]
    """Event messages, each with the option `(kehu.common.v1.event)`."""
    handle: Handler
    """Called inside a transaction and inside a context of one tenant; may be called again with the same events after a
    rollback, so it must not touch anything but the store."""
    partitions: int = 4
    """Work queues, and the number of processes that can work at the same time; fixed for the life of the name."""
    ordered: bool = True
    """Whether the events of an entity are handled in the order of its revisions, each at its first attempt."""
    remembers: bool = True
    """Whether the inbox keeps the ids of what was handled; False for a handler that recognises repeats by itself."""
    adds_up: Sequence[type[Message]] = ()
    """Those of the events whose effect would be there twice if they were handled again: their ids are kept for ever, so
    that a replay of old events adds nothing. For counters and the like; whatever compares revisions does without."""

    services: Sequence[str] = ()
    """Services that are listened to for the events that several of them publish, `kehu.{service}.…`."""

    @cached_property
    def types(self) -> dict[str, type[Message]]:
        """Event type → message class."""
        return {name: message for message in self.listens for name in self._types_of(message)}

    @cached_property
    def lasting(self) -> frozenset[str]:
        """The types of the events that add up."""
        return frozenset(name for message in self.adds_up for name in self._types_of(message))

    def _types_of(self, message: type[Message]) -> list[str]:
        name = event_type(message)
        return [name.format(service=each) for each in self.services] if SHARED in name else [name]

    def route(self) -> Route:
        """What the broker must provide. The publishing service is the second word of a type."""
        keys: dict[str, list[str]] = {}
        for name in self.types:
            keys.setdefault(name.split(".")[1], []).append(name)
        return Route(name=self.name, keys=keys, partitions=self.partitions, ordered=self.ordered)

    def decode(self, body: bytes) -> Received:
        """The event in a message; Permanent when it is none that this subscription listens to."""
        envelope = parse_envelope(body)
        message_class = self.types.get(envelope.type)
        if message_class is None:
            raise Permanent(f"{self.name} does not listen to {envelope.type!r}")
        try:
            message = message_class.FromString(envelope.data)
        except DecodeError as error:
            raise Permanent(f"{envelope.id}: the data is no {message_class.DESCRIPTOR.full_name}") from error
        return replace(received(envelope, message), sealed=envelope.sealed if envelope.HasField("sealed") else None)


SHARED: Final = "{service}"
"""In the type of an event that several services publish: stands for the one that does."""


def event_type(message: type[Message]) -> str:
    """The type that an event message declares; TypeError when it declares none."""
    declared: str = message.DESCRIPTOR.GetOptions().Extensions[options_pb2.event].type
    if not declared:
        raise TypeError(f"{message.DESCRIPTOR.full_name} lacks the option (kehu.common.v1.event)")
    return declared


def parse_envelope(body: bytes) -> envelope_pb2.Envelope:
    """The envelope in the body of a message; Permanent when the bytes are something else."""
    try:
        envelope = envelope_pb2.Envelope.FromString(body)
    except DecodeError as error:
        raise Permanent("the body is no event envelope") from error
    # Protobuf takes many byte strings for messages: an envelope without these is not one of ours.
    if not (envelope.id and envelope.type and envelope.tenant and envelope.entity_id and envelope.revision > 0):
        raise Permanent("the body is no event envelope: id, type, tenant, entity or revision is missing")
    return envelope


def opened(vault: Vault, events: Sequence[Received]) -> list[Received]:
    """The events with what is personal in them; without it where its key was destroyed."""
    whole = vault.open_events({each.id: (each.tenant, each.sealed) for each in events if each.sealed is not None})
    return [
        replace(each, message=type(each.message).FromString(whole[each.id]), sealed=None) if each.id in whole else each
        for each in events
    ]


def received(envelope: envelope_pb2.Envelope, message: Message) -> Received:
    """An event for its handler."""
    return Received(
        id=envelope.id,
        type=envelope.type,
        tenant=envelope.tenant,
        entity_id=envelope.entity_id,
        revision=envelope.revision,
        time=envelope.time.ToDatetime(UTC),
        actor=envelope.actor,
        correlation_id=envelope.correlation_id,
        traceparent=envelope.traceparent,
        changed_fields=tuple(envelope.changed_fields),
        message=message,
    )
