"""Reactions and timers of all areas."""

from __future__ import annotations

from typing import Any

from libs.chassis.inbox import Subscription
from libs.chassis.timers import Timer
from services.care.adherence import subscriptions as adherence
from services.care.alerts import subscriptions as alerts
from services.care.churn import subscriptions as churn
from services.care.customers import subscriptions as customers
from services.care.entitlements import subscriptions as entitlements
from services.care.plays import subscriptions as plays
from services.care.pressure import subscriptions as pressure
from services.care.store import CareStore
from services.care.touches import subscriptions as touches
from services.care.touches.application.planning import Planning


def subscriptions(store: CareStore) -> list[Subscription]:
    """Everything that the worker consumes."""
    planning = Planning(store.touches)
    return [
        customers.subscription(
            store.customers,
            store.privacy.erasures.begin,
            touches.after_customers(store.touches),
            alerts.after_customers(store.alerts),
        ),
        *customers.meetings(
            store.customers, silence=lambda ids: planning.follow(ids, silence_alone=True), moved=planning.follow
        ),
        *pressure.subscriptions(store.pressure),
        *touches.subscriptions(store.touches),
        *alerts.subscriptions(store.alerts),
        *plays.subscriptions(store.plays),
        *churn.subscriptions(store.churn),
        *adherence.subscriptions(store.adherence),
        *entitlements.subscriptions(store.entitlements),
    ]


def timers(store: CareStore) -> list[Timer[Any]]:
    """Everything that the clock sets off."""
    return [
        *touches.timers(store.touches),
        *alerts.timers(store.alerts),
        *plays.timers(store.plays),
        *churn.timers(store.churn),
        *adherence.timers(store.adherence),
        store.privacy.erasures.timer(),
    ]
