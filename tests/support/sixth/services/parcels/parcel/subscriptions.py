"""Reactions of parcels."""

from __future__ import annotations

from collections.abc import Sequence

from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis.inbox import Received, Subscription
from services.parcels.parcel.store import ParcelStore


def subscriptions(store: ParcelStore) -> list[Subscription]:
    """Forgets customers that are to be erased."""

    def forget(events: Sequence[Received]) -> None:
        for event in events:
            store.forget(event.message.customer_id)

    return [Subscription(name="erasures", listens=[profiles.CustomerErasureRequested], handle=forget, partitions=1)]
