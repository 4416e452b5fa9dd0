"""What the service reacts to: news about customers, its own contacts, and the clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import cast

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from kehu.common.v1 import types_pb2
from kehu.interactions.v1 import events_pb2 as own
from kehu.profiles.v1 import consent_pb2, customer_pb2, identity_pb2
from kehu.profiles.v1 import contact_pb2 as contact
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.interactions.attribution.application import Attribution, News
from services.interactions.conversations.domain import Conversation
from services.interactions.counts.application import Counts
from services.interactions.customers.domain import (
    Alias,
    Channel,
    ConsentSummary,
    CustomerCopy,
    Identifier,
    IdentifierKind,
    customer_key,
)
from services.interactions.privacy.application import Erasures
from services.interactions.promises.application import Promises
from services.interactions.store import InteractionsStore
from services.interactions.timeline.domain import Interaction

CUSTOMER_NEWS = (
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


def subscriptions(store: InteractionsStore) -> list[Subscription]:
    """Everything that the worker consumes."""
    return [
        Subscription(
            name="attribution",
            listens=[*CUSTOMER_NEWS, own.InteractionRecorded, own.ConversationAttributed],
            handle=partial(attribute, Attribution(store), Erasures(store)),
            partitions=1,  # because its reactions are run one after the other
        ),
        Subscription(
            name="counts",
            listens=[own.InteractionRecorded],
            handle=partial(count, Counts(store)),
            partitions=1,  # because most contacts count in the same few documents, those of today
        ),
    ]


def timers(store: InteractionsStore) -> list[Timer]:
    """Everything that the clock sets off."""
    return [
        Timer(name="promises", every=timedelta(seconds=1), run=Promises(store).wake_due),
        Timer(name="erasures", every=timedelta(seconds=1), run=Erasures(store).advance),
    ]


def attribute(attribution: Attribution, erasures: Erasures, events: Sequence[Received]) -> None:
    """Learns of customers, takes contacts into conversations, finds out whom they were with, and who is to be erased.

    A request to erase is noted and carried out later, so whatever else is in the batch does not matter.
    """
    news: list[News] = []
    doomed: list[tuple[str, str, Sequence[str]]] = []
    recorded: list[Interaction] = []
    attributed: list[Conversation] = []
    for event in events:
        match event.message:
            case own.InteractionRecorded(interaction=interaction):
                recorded.append(from_proto(Interaction, interaction))
            case own.ConversationAttributed(conversation=conversation):
                attributed.append(from_proto(Conversation, conversation))
            case message:
                if isinstance(message, profiles.CustomerErasureRequested):
                    led = [*_identifier_keys(message.customer)]
                    doomed.append((message.erasure_id, message.customer_id, led))
                customer = cast(profiles.CustomerUpdated, message).customer  # all of CUSTOMER_NEWS carry one
                copy = copy_of(customer, event.revision, event.time)
                news.append((copy.id, copy.heard_after))
                news += [
                    (alias.customer_id, partial(alias.heard_after, time=event.time)) for alias in _aliases(message)
                ]
    attribution.learn(news)
    attribution.settle(recorded)
    attribution.join(attributed)
    erasures.begin(doomed)


def count(counts: Counts, events: Sequence[Received]) -> None:
    """Counts contacts."""
    recorded = [cast(own.InteractionRecorded, event.message).interaction for event in events]
    counts.count([from_proto(Interaction, interaction) for interaction in recorded])


def copy_of(customer: customer_pb2.Customer, revision: int, time: datetime) -> CustomerCopy:
    """The few fields of a customer that this service keeps."""
    deleted = customer.HasField("delete_time")
    gone = deleted and not customer.merged_into  # What leads to one who was merged leads to who lives on.
    preferences = customer.preferences
    return CustomerCopy(
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
        identifiers=(customer_key(customer.id), *(() if gone else _identifier_keys(customer))),
        merged_ids=tuple(customer.merged_ids),
    )


def _aliases(message: Message) -> list[Alias]:
    """Where ids lead since a merge or an unmerge; nothing in other news."""
    if not isinstance(message, profiles.CustomersMerged | profiles.CustomersUnmerged):
        return []
    return [
        Alias(
            customer_id=each.customer_id,
            canonical_id=each.canonical_id,
            epoch=each.epoch,
            handed_over=tuple(_identifier_keys(each)),
        )
        for each in message.aliases
    ]


def _identifier_keys(customer: customer_pb2.Customer | identity_pb2.Alias) -> Iterable[str]:
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
