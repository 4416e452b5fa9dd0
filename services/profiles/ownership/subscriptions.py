"""The reaction of ownership: owners that are written into customers."""

from __future__ import annotations

from collections.abc import Sequence

from libs.chassis.inbox import Received, Subscription
from services.profiles.customers.subscriptions import CUSTOMER_EVENTS
from services.profiles.ownership.application.ownership import Ownerships
from services.profiles.ownership.store import OwnershipStore


def subscriptions(store: OwnershipStore) -> list[Subscription]:
    """The look at the owners of customers that changed."""
    ownerships = Ownerships(store)

    def follow(events: Sequence[Received]) -> None:
        ownerships.follow({event.entity_id for event in events})

    # It looks at customers as they are, so a repeat changes nothing; the customers of one owner share a tally.
    return [Subscription(name="owners", listens=CUSTOMER_EVENTS, handle=follow, remembers=False, partitions=1)]
