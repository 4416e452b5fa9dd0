"""Reactions that begin, end and help to measure plays, and the timer that takes their steps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from kehu.care.v1 import events_pb2 as own
from kehu.interactions.v1 import events_pb2 as interactions
from kehu.profiles.v1 import events_pb2 as profiles
from kehu.profiles.v1 import transactions_pb2

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.care.alerts.domain.alerts import Alert
from services.care.plays.application import Plays
from services.care.plays.store import PlaysStore


def subscriptions(store: PlaysStore) -> list[Subscription]:
    """Everything that plays react to."""
    plays = Plays(store)

    def follow(events: Sequence[Received]) -> None:
        for event in events:
            alert = from_proto(Alert, cast(Any, event.message).alert)
            with event.cause():
                if isinstance(event.message, own.AlertRaised):
                    plays.answer([alert])
                else:
                    plays.close([alert])

    def happen(events: Sequence[Received]) -> None:
        bought, met = dict[str, datetime](), dict[str, datetime]()
        for event in events:
            message = cast(Any, event.message)
            if isinstance(event.message, profiles.TransactionRecorded):
                if message.transaction.type == transactions_pb2.Transaction.TYPE_SALE:
                    _later(bought, message.transaction)
            else:
                _later(met, message.interaction)
        plays.happen(bought, met)

    return [
        Subscription(name="plays", listens=(own.AlertRaised, own.AlertClosed), handle=follow),
        Subscription(
            name="play_facts",
            listens=(
                profiles.TransactionRecorded,
                interactions.InteractionRecorded,
                interactions.InteractionAttributed,
            ),
            handle=happen,
        ),
    ]


def timers(store: PlaysStore) -> list[Timer[Any]]:
    """The steps of plays, and their measuring."""
    return [Timer(name="plays", every=timedelta(seconds=10), due=store.due(), run=Plays(store).advance)]


def _later(times: dict[str, datetime], told: Any) -> None:
    if told.customer_id:
        at = told.occurred_time.ToDatetime(UTC)
        times[told.customer_id] = max(times.get(told.customer_id, at), at)
