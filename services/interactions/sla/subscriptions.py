"""The reactions that count clocks anew or plan to, and the timer that has it done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from kehu.interactions.v1 import events_pb2 as own
from kehu.interactions.v1.sla_pb2 import RefoldPlannedClocksRequest
from kehu.profiles.v1 import events_pb2 as profiles
from kehu.profiles.v1 import tiers_pb2

from libs.chassis.codec import from_proto
from libs.chassis.enums import enum_word
from libs.chassis.inbox import Received, Subscription
from libs.chassis.operations import Operations
from libs.chassis.timers import Timer
from services.interactions.clocks.domain.policies import ServicePolicy
from services.interactions.sla.application import Sla
from services.interactions.sla.domain import Refolding
from services.interactions.sla.store import SlaStore


def subscriptions(store: SlaStore) -> list[Subscription]:
    """Calendars and policies that changed, and customers whose tier did."""
    sla = Sla(store)

    def plan(events: Sequence[Received]) -> None:
        for event in events:
            message = cast(Any, event.message)
            if isinstance(message, own.CalendarUpdated):
                sla.follow_calendar(message.calendar.id, event.revision)
            else:
                sla.follow_policy(from_proto(ServicePolicy, message.policy))

    def follow(events: Sequence[Received]) -> None:
        told = [(event.time, cast(Any, event.message).tier_assignment) for event in events]
        sla.follow_tiers([(each.customer_id, at, enum_word(tiers_pb2.Tier.DESCRIPTOR, each.tier)) for at, each in told])

    return [
        Subscription(name="sla", listens=(own.CalendarUpdated, own.PolicyVersionPublished), handle=plan),
        Subscription(name="tiers", listens=(profiles.TierChanged,), handle=follow),
    ]


def timers(store: SlaStore, operations: Operations) -> list[Timer[Any]]:
    """The plans whose time has come."""

    def begin(_: Sequence[Refolding]) -> None:
        operations.start_again("refold_clocks", RefoldPlannedClocksRequest())

    return [Timer(name="refoldings", every=timedelta(seconds=1), due=store.due(), run=begin)]
