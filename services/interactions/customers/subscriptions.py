"""News about customers: what the profiles service tells of them, as this service keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from kehu.common.v1 import types_pb2
from kehu.profiles.v1 import consent_pb2, customer_pb2, merges_pb2
from kehu.profiles.v1 import contact_points_pb2 as contact
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis.inbox import Received
from services.interactions.customers.domain import (
    Alias,
    Channel,
    ConsentSummary,
    CustomerProjection,
    Identifier,
    IdentifierKind,
    News,
    customer_key,
)

CUSTOMER_EVENTS = (
    profiles.CustomerCreated,
    profiles.CustomerUpdated,
    profiles.CustomerDeleted,
    profiles.CustomerUndeleted,
    profiles.CustomerLifecycleChanged,
    profiles.ConsentChanged,
    profiles.CustomersMerged,
    profiles.CustomersUnmerged,
    profiles.CustomerErasureRequested,
    profiles.CustomerErased,
)
_DEAD_ENDS = (contact.ContactPoint.STATUS_RECYCLED, contact.ContactPoint.STATUS_INVALID)
"""Contact points that no longer lead to this customer, or never did."""


def news_of(event: Received) -> list[News]:
    """Changes that an event of `CUSTOMER_EVENTS` tells of."""
    customer = cast(profiles.CustomerUpdated, event.message).customer  # all of CUSTOMER_EVENTS carry one
    return [projection_of(customer, event.revision, event.time), *_aliases(event.message)]


def projection_of(customer: customer_pb2.Customer, revision: int, time: datetime) -> CustomerProjection:
    """The few fields of a customer that this service keeps."""
    deleted = customer.HasField("delete_time")
    gone = deleted and not customer.merged_into  # What leads to one who was merged leads to who lives on.
    preferences = customer.preferences
    return CustomerProjection(
        id=customer.id,
        source_revision=revision,
        source_time=time,
        display_name=customer.display_name,
        lifecycle=_name(customer_pb2.Customer.Lifecycle.DESCRIPTOR, customer.lifecycle, "LIFECYCLE_"),
        language_code=preferences.language_code,
        time_zone=preferences.time_zone,
        preferred_channels=tuple(filter(None, map(_channel, preferences.channels))),
        consents=_consents(customer.consent),
        deleted=deleted,
        identifiers=(customer_key(customer.id), *(() if gone else identifier_keys(customer))),
        merged_ids=tuple(customer.merged_ids),
    )


def _aliases(message: Message) -> list[Alias]:
    """Destinations of ids since a merge or an unmerge; nothing in other events."""
    if not isinstance(message, profiles.CustomersMerged | profiles.CustomersUnmerged):
        return []
    return [
        Alias(
            customer_id=each.customer_id,
            canonical_id=each.canonical_id,
            epoch=each.epoch,
            handed_over=tuple(identifier_keys(each)),
        )
        for each in message.aliases
    ]


def identifier_keys(customer: customer_pb2.Customer | merges_pb2.Alias) -> Iterable[str]:
    """Keys of what leads to the customer besides its id, each once."""
    kinds = {str(kind): kind for kind in IdentifierKind}
    points = [
        Identifier(kind=kinds[name], value=point.canonical)
        for point in customer.contact_points
        if (name := _name(contact.ContactPoint.Type.DESCRIPTOR, point.type, "TYPE_")) in kinds
        and point.canonical
        and point.status not in _DEAD_ENDS
    ]
    external = [
        Identifier(kind=IdentifierKind.EXTERNAL_ID, system=each.system, value=each.id) for each in customer.external_ids
    ]
    return dict.fromkeys(each.key for each in (*external, *points))


def _consents(consent: consent_pb2.ConsentHead) -> tuple[ConsentSummary, ...]:
    return tuple(
        ConsentSummary(
            purpose=_name(consent_pb2.ConsentReceipt.Purpose.DESCRIPTOR, decision.purpose, "PURPOSE_"),
            state=_name(consent_pb2.ConsentReceipt.State.DESCRIPTOR, decision.state, "STATE_"),
            channel=_channel(decision.channel),
            contact_point=decision.contact_point,
        )
        for decision in consent.decisions
    )


def _channel(number: int) -> Channel | None:
    """The channel of a number; None for every channel, and for one that this code is too old to know."""
    name = _name(types_pb2.Channel.DESCRIPTOR, number, "CHANNEL_")
    return Channel(name) if name in set(Channel) else None


def _name(enum: EnumDescriptor, number: int, prefix: str) -> str:
    """The word of an enum value; empty for the unspecified one, the number for one that this code does not know."""
    if number == 0:
        return ""
    value = enum.values_by_number.get(number)
    return value.name.removeprefix(prefix) if value is not None else str(number)
