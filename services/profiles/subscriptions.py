"""The reactions and timers of the areas, put together."""

from __future__ import annotations

from functools import partial
from typing import Any

from libs.chassis.inbox import Subscription
from libs.chassis.timers import Timer
from services.profiles.activity import subscriptions as activity
from services.profiles.consent import subscriptions as consent
from services.profiles.identity import subscriptions as identity
from services.profiles.ownership import subscriptions as ownership
from services.profiles.privacy import subscriptions as privacy
from services.profiles.schedules import subscriptions as schedules
from services.profiles.segments import subscriptions as segments
from services.profiles.segments.application import Segments
from services.profiles.segments.domain.subjects import Source
from services.profiles.store import ProfilesStore
from services.profiles.worth import subscriptions as worth


def subscriptions(store: ProfilesStore) -> list[Subscription]:
    """Everything that the service reacts to."""
    follow = Segments(store.segments).follow
    return [
        *activity.subscriptions(
            store.activity,
            after_sales=partial(follow, because=Source.TRANSACTIONS),
            after_contacts=partial(follow, because=Source.CONTACTS),
        ),
        *consent.subscriptions(store.consent),
        *identity.subscriptions(store.identity),
        *ownership.subscriptions(store.ownership),
        *segments.subscriptions(store.segments),
        *worth.subscriptions(store.worth),
        *privacy.subscriptions(store.privacy),
    ]


def timers(store: ProfilesStore) -> list[Timer[Any]]:
    """Everything that the clock sets off."""
    return [
        *consent.timers(store.consent),
        *worth.timers(store.worth),
        *segments.timers(store.segments, store.operations),
        *schedules.timers(store.schedules, store.operations),
        *privacy.timers(store.privacy),
    ]
