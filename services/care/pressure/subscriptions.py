"""The reaction that writes burdens of persons and of other services into the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any, cast

from kehu.common.v1.types_pb2 import Channel as ChannelNumber
from kehu.interactions.v1 import events_pb2 as interactions
from kehu.interactions.v1 import timeline_pb2

from libs.chassis.enums import enum_word
from libs.chassis.inbox import Received, Subscription
from services.care.customers.domain.projection import Channel, ConsentPurpose
from services.care.pressure.application import ContactPressure
from services.care.pressure.domain import Burden
from services.care.pressure.store import PressureStore

_PURPOSES = {
    timeline_pb2.Interaction.PURPOSE_SALES: ConsentPurpose.MARKETING,
    timeline_pb2.Interaction.PURPOSE_CARE: ConsentPurpose.CARE,
    timeline_pb2.Interaction.PURPOSE_SURVEY: ConsentPurpose.SURVEY,
}
"""Purpose of an interaction → that of the ledger. All others answer a customer or a contract: exempt and counted."""
_OWN = "care:"
"""Beginning of the external keys of our own touches, which were counted when they were claimed."""


def subscriptions(store: PressureStore) -> list[Subscription]:
    """Calls and visits on the company's initiative that did not go through this service, such as calls of sales."""

    def note(events: Sequence[Received]) -> None:
        ContactPressure(store).note(told for event in events for told in _burdens(event))

    return [
        Subscription(
            name="burdens",
            listens=(interactions.InteractionRecorded, interactions.InteractionAttributed),
            handle=note,
            remembers=False,  # a book knows its burdens by their keys
        )
    ]


def _burdens(event: Received) -> Iterator[tuple[str, Burden]]:
    told = cast(Any, event.message).interaction
    outbound = told.direction == timeline_pb2.Interaction.DIRECTION_OUTBOUND
    if outbound and told.customer_id and not told.external_key.startswith(_OWN):
        burden = Burden(
            key=told.id,
            time=min(told.occurred_time.ToDatetime(UTC), event.time),
            channel=Channel(enum_word(ChannelNumber.DESCRIPTOR, told.channel) or "UNSPECIFIED"),
            purpose=_PURPOSES.get(told.purpose, ConsentPurpose.SERVICE),
            weight=0,
        )
        yield told.customer_id, burden
