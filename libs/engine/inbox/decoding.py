"""From the body of a message to the event that a subscription's function is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from google.protobuf.message import DecodeError, Message
from kehu.common.v1 import envelope_pb2

from libs.chassis.inbox import Permanent, Received, Subscription
from libs.engine.bus import Route
from libs.engine.store.vault import Vault


@dataclass(frozen=True, kw_only=True)
class Everything(Subscription):
    """A subscription to every event of one service, of any type. The message of each is its envelope."""

    service: str


def route_of(subscription: Subscription) -> Route:
    """Returns the queues that a subscription needs. The publishing service is the second word of an event's type."""
    keys: dict[str, list[str]] = {subscription.service: ["#"]} if isinstance(subscription, Everything) else {}
    for name in subscription.types:
        keys.setdefault(name.split(".")[1], []).append(name)
    return Route(name=subscription.name, keys=keys, partitions=subscription.partitions, ordered=subscription.ordered)


def decode(subscription: Subscription, body: bytes) -> Received:
    """The event in a message. Permanent when it is none that the subscription listens to."""
    envelope = parse_envelope(body)
    if isinstance(subscription, Everything):
        return received(envelope, envelope)
    message_class = subscription.types.get(envelope.type)
    if message_class is None:
        raise Permanent(f"{subscription.name} does not listen to {envelope.type!r}")
    try:
        message = message_class.FromString(envelope.data)
    except DecodeError as error:
        raise Permanent(f"{envelope.id}: the data is no {message_class.DESCRIPTOR.full_name}") from error
    return replace(received(envelope, message), sealed=envelope.sealed if envelope.HasField("sealed") else None)


def parse_envelope(body: bytes) -> envelope_pb2.Envelope:
    """The envelope in the body of a message. Permanent when the bytes are something else."""
    try:
        envelope = envelope_pb2.Envelope.FromString(body)
    except DecodeError as error:
        raise Permanent("the body is no event envelope") from error
    # Protobuf takes many byte strings for messages: an envelope without these is not one of ours.
    if not (envelope.id and envelope.type and envelope.tenant and envelope.entity_id and envelope.revision > 0):
        raise Permanent("the body is no event envelope: id, type, tenant, entity or revision is missing")
    return envelope


def opened(vault: Vault, events: Sequence[Received]) -> list[Received]:
    """The events with their personal values, or without them where the key was destroyed."""
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
