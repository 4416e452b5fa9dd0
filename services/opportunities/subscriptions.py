"""Reactions and timers of all areas."""

from __future__ import annotations

from functools import partial
from typing import Any

from libs.chassis.inbox import Subscription
from libs.chassis.timers import Timer
from services.opportunities.assignment import subscriptions as assignment
from services.opportunities.calendars import subscriptions as calendars
from services.opportunities.customers.subscriptions import customer_events
from services.opportunities.deals import subscriptions as deals
from services.opportunities.forecast import subscriptions as forecast
from services.opportunities.leads import subscriptions as leads
from services.opportunities.privacy.subscriptions import begin_erasures
from services.opportunities.store import OpportunitiesStore


def subscriptions(store: OpportunitiesStore) -> list[Subscription]:
    """Everything that the worker consumes."""
    return [
        customer_events(store.customers).subscription(partial(begin_erasures, store.privacy)),
        *forecast.subscriptions(store.forecast),
        *calendars.subscriptions(store.calendars),
        *leads.subscriptions(store.leads),
    ]


def timers(store: OpportunitiesStore) -> list[Timer[Any]]:
    """Everything that the clock sets off."""
    return [
        *deals.timers(store.deals),
        *leads.timers(store.leads),
        *assignment.timers(store.assignment),
        *forecast.timers(store.forecast, store.operations),
        store.privacy.erasures.timer(),
    ]
