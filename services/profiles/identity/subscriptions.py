"""The reaction of identity: customers are compared again when they change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from libs.chassis.inbox import Received, Subscription
from services.profiles.customers.subscriptions import CUSTOMER_EVENTS
from services.profiles.identity.application.duplicates import Duplicates
from services.profiles.identity.store import IdentityStore

COMPARED: Final = frozenset(
    {"display_name", "names", "contact_points", "addresses", "external_ids", "dates", "delete_time", "merged_into"}
)
"""The fields of a customer that tell whom it may be the same as."""


def subscriptions(store: IdentityStore) -> list[Subscription]:
    """The search for duplicates."""
    duplicates = Duplicates(store)

    def look_again(events: Sequence[Received]) -> None:
        changed = (each for each in events if not each.changed_fields or COMPARED & set(each.changed_fields))
        duplicates.look_again([each.entity_id for each in changed])

    # One after the other: of two who are new at the same time, the second to be looked at meets the first.
    return [Subscription(name="duplicates", listens=CUSTOMER_EVENTS, handle=look_again, partitions=1)]
