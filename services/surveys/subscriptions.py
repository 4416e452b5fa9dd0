"""Reactions and timers of all areas."""

from __future__ import annotations

from typing import Any

from libs.chassis.inbox import Subscription
from libs.chassis.timers import Timer
from services.surveys.customers.subscriptions import customer_events
from services.surveys.store import SurveysStore


def subscriptions(store: SurveysStore) -> list[Subscription]:
    """Everything that the worker consumes."""
    return [customer_events(store.customers).subscription(store.privacy.erasures.begin)]


def timers(store: SurveysStore) -> list[Timer[Any]]:
    """Everything that the clock sets off."""
    return [store.privacy.erasures.timer()]
