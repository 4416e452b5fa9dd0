"""The timers of routing: sharing out what waits, offers that end, callbacks that are due, agents who vanished."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from libs.chassis.timers import Timer
from services.interactions.routing.application.works import PAUSE, Works
from services.interactions.routing.store import RoutingStore


def timers(store: RoutingStore) -> list[Timer[Any]]:
    """Everything that time causes in routing."""
    works = Works(store)
    return [
        Timer(name="presences", every=timedelta(seconds=1), due=store.lapsed(), run=works.lapse),
        Timer(name="offers", every=timedelta(seconds=1), due=store.to_wake(), run=works.wake),
        Timer(name="routing", every=PAUSE, due=store.to_route(), run=works.route),
    ]
