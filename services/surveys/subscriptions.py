"""Reactions and timers of all areas."""

from __future__ import annotations

from functools import partial
from typing import Any

from libs.chassis.inbox import Subscription
from libs.chassis.timers import Timer
from services.surveys.collection import subscriptions as collection
from services.surveys.customers.subscriptions import customer_events
from services.surveys.loop import subscriptions as loop
from services.surveys.results import subscriptions as results
from services.surveys.sampling import subscriptions as sampling
from services.surveys.store import SurveysStore


def subscriptions(store: SurveysStore) -> list[Subscription]:
    """Everything that the worker consumes."""
    reconcile = partial(sampling.reconcile_after, store.sampling)
    return [
        customer_events(store.customers).subscription(store.privacy.erasures.begin, reconcile),
        *sampling.subscriptions(store.sampling),
        *results.subscriptions(store.results),
        *loop.subscriptions(store.loop),
    ]


def timers(store: SurveysStore) -> list[Timer[Any]]:
    """Everything that the clock sets off."""
    return [
        *sampling.timers(store.sampling),
        *collection.timers(store.collection),
        store.privacy.erasures.timer(),
    ]
