"""The pulse by which others know that they hear of consent, and refusals that come by the link of a message."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, timedelta
from typing import Any, cast

from kehu.care.v1 import events_pb2 as care
from kehu.profiles.v1 import events_pb2 as own

from libs.chassis.domain import NotFound
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.profiles.consent.application import Consents
from services.profiles.consent.domain.pulses import ConsentPulse
from services.profiles.consent.store import ConsentStore
from services.profiles.customers.domain.consents import Capture, Purpose, Withdrawal


def subscriptions(store: ConsentStore) -> list[Subscription]:
    """The first customer of a tenant, with whom the pulse begins, and whoever wants no more messages."""
    consents = Consents(store)

    def begin(_: Sequence[Received]) -> None:
        consents.begin_pulse()

    def refuse(events: Sequence[Received]) -> None:
        for event in events:
            told = cast(Any, event.message)
            refusal = Withdrawal(
                purpose=Purpose(told.purpose),
                capture=Capture.CUSTOMER_ACTION,
                capture_time=told.request_time.ToDatetime(UTC),
                proof_ref=f"care:{told.touch_id}",
            ).refusal()
            with event.cause(), suppress(NotFound):  # nobody is left to be protected
                consents.record(told.customer_id, refusal, within="")

    return [
        Subscription(name="pulses", listens=(own.CustomerCreated, own.ConsentChanged), handle=begin, partitions=1),
        Subscription(name="unsubscribes", listens=(care.UnsubscribeRequested,), handle=refuse),
    ]


def timers(store: ConsentStore) -> list[Timer[ConsentPulse]]:
    """The pulse of each tenant."""
    return [Timer(name="pulses", every=timedelta(seconds=5), due=store.to_beat(), run=Consents(store).beat)]
