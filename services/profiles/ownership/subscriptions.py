"""The reactions of ownership: owners that are written into customers, and deals in a late stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from kehu.opportunities.v1 import events_pb2 as opportunities
from kehu.opportunities.v1.deals_pb2 import DEAL_STATE_OPEN
from kehu.opportunities.v1.pipelines_pb2 import ForecastCategory

from libs.chassis.inbox import Received, Subscription
from services.profiles.customers.subscriptions import CUSTOMER_EVENTS
from services.profiles.ownership.application.ownership import Ownerships
from services.profiles.ownership.application.policies import OwnershipPolicies
from services.profiles.ownership.domain.negotiations import LATE, Negotiation
from services.profiles.ownership.store import OwnershipStore

DEAL_EVENTS = [
    opportunities.DealCreated,
    opportunities.DealUpdated,
    opportunities.DealStageChanged,
    opportunities.DealWon,
    opportunities.DealLost,
    opportunities.DealReopened,
    opportunities.DealErased,
]
_CATEGORIES = {ForecastCategory.Value(f"FORECAST_CATEGORY_{name}") for name in LATE}


def subscriptions(store: OwnershipStore) -> list[Subscription]:
    """The look at the owners of customers that changed, and at deals that come to a late stage or leave it."""
    ownerships, policies = Ownerships(store), OwnershipPolicies(store)

    def follow(events: Sequence[Received]) -> None:
        ownerships.follow({event.entity_id for event in events})

    def learn(events: Sequence[Received]) -> None:
        policies.hear_of_deals([_told(each) for each in events])

    return [
        # It looks at customers as they are, so a repeat changes nothing; the customers of one owner share a tally.
        Subscription(name="owners", listens=CUSTOMER_EVENTS, handle=follow, remembers=False, partitions=1),
        # A deal knows the revision that it was told at.
        Subscription(name="negotiations", listens=DEAL_EVENTS, handle=learn, remembers=False),
    ]


def _told(event: Received) -> Negotiation:
    deal = cast(Any, event.message).deal
    late = deal.state == DEAL_STATE_OPEN and deal.category in _CATEGORIES
    return Negotiation(id=deal.id, customer_id=deal.customer_id, source_revision=event.revision, late=late)
