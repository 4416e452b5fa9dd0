"""The reaction that keeps calendars current."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from kehu.interactions.v1 import events_pb2 as interactions

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from services.opportunities.calendars.domain import CalendarProjection
from services.opportunities.calendars.store import CalendarsStore


def subscriptions(store: CalendarsStore) -> list[Subscription]:
    """Every change of a calendar."""

    def learn(events: Sequence[Received]) -> None:
        told = [_told(each) for each in events]
        blanks = [(CalendarProjection(id=each.id), each) for each in told]
        store.calendars.upsert_many(blanks, CalendarProjection.take)

    return [
        Subscription(
            name="calendars",
            listens=[interactions.CalendarCreated, interactions.CalendarUpdated],
            handle=learn,
            remembers=False,  # a projection knows the revision that it was told at
        )
    ]


def _told(event: Received) -> CalendarProjection:
    calendar = from_proto(CalendarProjection, cast(Any, event.message).calendar)
    return replace(calendar, revision=0, create_time=None, update_time=None, source_revision=event.revision)
