"""Reactions to events: at least once in, exactly once in effect, nothing dropped.

A subscription names event messages and a plain function. The function gets batches of decoded events, for one tenant at
a time and inside a transaction that also remembers their ids, so what it writes happens once however often an event is
delivered. Its exception decides the fate of an event: `Retryable` is tried again later, `Permanent` and every refusal
of the domain parks the event, and `Transient` holds the whole batch until what is down is up again. One bad event never
takes its neighbors along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final

from google.protobuf.message import Message
from kehu.common.v1 import envelope_pb2, options_pb2

from libs import tracing
from libs.chassis import context


class Transient(Exception):
    """Something that this service depends on is down. The batch is held and tried again."""


class Retryable(Exception):
    """May work later. The event takes the delay queues."""


class Permanent(Exception):
    """Will never work. The event is parked for a person to decide."""


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
    """Time of the change (UTC)."""
    actor: str
    """Author of the change."""
    correlation_id: str
    traceparent: str
    changed_fields: tuple[str, ...]
    """Top-level fields of the entity that this change altered. Empty for its first revision."""
    message: Message
    """The event message, or the envelope for the journal."""
    sealed: envelope_pb2.Envelope.Sealed | None = None
    """Personal values of the message, until it is opened."""

    @contextmanager
    def cause(self) -> Iterator[None]:
        """Changes inside the block name this event as their cause.

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
    """Unique within the service. The queues are `<service>.<name>.<partition>`, so a new name is a new subscription."""
    listens: Sequence[type[Message]]
    """Event messages, each with the option `(kehu.common.v1.event)`."""
    handle: Handler
    """Called inside a transaction and inside a context of one tenant. May be called again with the same events after a
    rollback, so it must not touch anything but the store."""
    partitions: int = 4
    """Work queues, and the number of processes that can work at the same time. Fixed for the life of the name."""
    ordered: bool = True
    """True when the events of an entity are handled in the order of its revisions, each at its first attempt."""
    remembers: bool = True
    """True when the inbox keeps the ids of handled events. False for a handler that recognizes repeats by itself."""
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
        shared = SHARED in event_type(message)
        return [event_type(message, each) for each in self.services] if shared else [event_type(message)]


SHARED: Final = "{service}"
"""In the type of an event that several services publish: stands for the one that does."""


def event_type(message: type[Message], publisher: str = SHARED) -> str:
    """The type that an event message declares, as a service publishes it. TypeError when it declares none."""
    declared: str = message.DESCRIPTOR.GetOptions().Extensions[options_pb2.event].type
    if not declared:
        raise TypeError(f"{message.DESCRIPTOR.full_name} lacks the option (kehu.common.v1.event)")
    return declared.replace(SHARED, publisher)
