"""The pulse by which others know that they hear of consent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from kehu.profiles.v1 import events_pb2 as own

from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.profiles.consent.application import Consents
from services.profiles.consent.domain.pulses import ConsentPulse
from services.profiles.consent.store import ConsentStore


def subscriptions(store: ConsentStore) -> list[Subscription]:
    """The first customer of a tenant, with whom the pulse begins."""
    consents = Consents(store)

    def begin(_: Sequence[Received]) -> None:
        consents.begin_pulse()

    return [Subscription(name="pulses", listens=(own.CustomerCreated, own.ConsentChanged), handle=begin, partitions=1)]


def timers(store: ConsentStore) -> list[Timer[ConsentPulse]]:
    """The pulse of each tenant."""
    return [Timer(name="pulses", every=timedelta(seconds=5), due=store.to_beat(), run=Consents(store).beat)]
