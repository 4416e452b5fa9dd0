"""CustomerEvents about customers: what the profiles service tells of them, as this service keeps it."""

from __future__ import annotations

from collections.abc import Iterable

from kehu.common.v1 import types_pb2
from kehu.profiles.v1 import consent_pb2, customer_pb2, merges_pb2
from kehu.profiles.v1 import contact_points_pb2 as contact
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis.enums import enum_word
from libs.chassis.projection import CustomerEvents
from services.interactions.customers.domain import (
    Channel,
    ConsentSummary,
    CustomerProjection,
    Identifier,
    IdentifierKind,
    customer_key,
)
from services.interactions.customers.store import CustomersStore

_DEAD_ENDS = (contact.ContactPoint.STATUS_RECYCLED, contact.ContactPoint.STATUS_INVALID)
"""Contact points that no longer lead to this customer, or never did."""


def customer_events(store: CustomersStore) -> CustomerEvents[CustomerProjection]:
    """The fields that are kept of a customer, and those that an alias hands over."""
    return CustomerEvents(
        store,
        profiles,
        {
            "display_name": "display_name",
            "lifecycle": lambda customer: enum_word(customer_pb2.Customer.Lifecycle.DESCRIPTOR, customer.lifecycle),
            "language_code": "preferences.language_code",
            "time_zone": "preferences.time_zone",
            "preferred_channels": lambda customer: tuple(filter(None, map(_channel, customer.preferences.channels))),
            "consents": lambda customer: _consents(customer.consent),
            "identifiers": _leading,
        },
        {"handed_over": identifier_keys},
    )


def _leading(customer: customer_pb2.Customer) -> tuple[str, ...]:
    """Keys of what leads to a customer. Identifiers of an absorbed one lead to the survivor."""
    gone = customer.HasField("delete_time") and not customer.merged_into
    return (customer_key(customer.id), *(() if gone else identifier_keys(customer)))


def identifier_keys(customer: customer_pb2.Customer | merges_pb2.Alias) -> Iterable[str]:
    """Keys of what leads to the customer besides its id, each once."""
    kinds = {str(kind): kind for kind in IdentifierKind}
    points = [
        Identifier(kind=kinds[name], value=point.canonical)
        for point in customer.contact_points
        if (name := enum_word(contact.ContactPoint.Type.DESCRIPTOR, point.type)) in kinds
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
            purpose=enum_word(consent_pb2.ConsentReceipt.Purpose.DESCRIPTOR, decision.purpose),
            state=enum_word(consent_pb2.ConsentReceipt.State.DESCRIPTOR, decision.state),
            channel=_channel(decision.channel),
            contact_point=decision.contact_point,
        )
        for decision in consent.decisions
    )


def _channel(number: int) -> Channel | None:
    """The channel of a number. None for every channel, and for one that this code is too old to know."""
    name = enum_word(types_pb2.Channel.DESCRIPTOR, number)
    return Channel(name) if name in set(Channel) else None
