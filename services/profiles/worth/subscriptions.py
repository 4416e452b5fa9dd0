"""Reactions and timers of worth: contracts make customers active, and overrides of tiers end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from kehu.care.v1 import events_pb2 as care_pb2
from kehu.profiles.v1 import events_pb2

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.profiles.contracts.domain import Contract
from services.profiles.worth.application.lifecycles import Lifecycles
from services.profiles.worth.application.tiers import Tiers
from services.profiles.worth.store import WorthStore


def subscriptions(store: WorthStore) -> list[Subscription]:
    """The stage of customers with contracts."""
    lifecycles = Lifecycles(store)

    def agree(events: Sequence[Received]) -> None:
        told = [cast(events_pb2.ContractChanged, event.message).contract for event in events]
        lifecycles.follow([from_proto(Contract, each) for each in told])

    def depart(events: Sequence[Received]) -> None:
        records = [cast(care_pb2.ChurnRecorded, event.message).record for event in events]
        lifecycles.depart({each.customer_id: each.reason_path for each in records})

    # The first looks at customers as they are, so a repeat changes nothing.
    return [
        Subscription(name="lifecycles", listens=[events_pb2.ContractChanged], handle=agree, remembers=False),
        Subscription(name="departures", listens=[care_pb2.ChurnRecorded], handle=depart),
    ]


def timers(store: WorthStore) -> list[Timer[Any]]:
    """The overrides of tiers whose time is over."""
    expire, due = Tiers(store).expire_overrides, store.expired_overrides()
    return [Timer(name="tier_overrides", every=timedelta(minutes=1), due=due, run=expire)]
