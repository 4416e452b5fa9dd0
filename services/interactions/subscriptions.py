"""Reactions and timers of all areas."""

from __future__ import annotations

from typing import Any

from libs.chassis.inbox import Subscription
from libs.chassis.timers import Timer
from services.interactions.attribution import subscriptions as attribution
from services.interactions.cases import subscriptions as cases
from services.interactions.complaints import subscriptions as complaints
from services.interactions.counts import subscriptions as counts
from services.interactions.promises import subscriptions as promises
from services.interactions.quality import subscriptions as quality
from services.interactions.remedies import subscriptions as remedies
from services.interactions.routing import subscriptions as routing
from services.interactions.sla import subscriptions as sla
from services.interactions.store import InteractionsStore
from services.interactions.timeline import subscriptions as timeline


def subscriptions(store: InteractionsStore) -> list[Subscription]:
    """Everything that the worker consumes."""
    return [
        *attribution.subscriptions(store.timeline, store.privacy),
        *timeline.subscriptions(store.timeline),
        *counts.subscriptions(store.counts),
        *cases.subscriptions(store.cases),
        *complaints.subscriptions(store.complaints),
        *sla.subscriptions(store.sla),
        *quality.subscriptions(store.quality),
    ]


def timers(store: InteractionsStore) -> list[Timer[Any]]:
    """Everything that the clock sets off."""
    return [
        *promises.timers(store.promises),
        *attribution.timers(store.timeline),
        *cases.timers(store.cases),
        *remedies.timers(store.remedies),
        *complaints.timers(store.complaints),
        *sla.timers(store.sla, store.operations),
        *routing.timers(store.routing),
        *quality.timers(store.quality),
        store.privacy.erasures.timer(),
    ]
