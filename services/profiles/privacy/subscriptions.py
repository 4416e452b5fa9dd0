"""Reactions and timers of privacy: erasures that other services answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from kehu.common.v1 import erasure_pb2

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.profiles.privacy.application.erasures import Erasures
from services.profiles.privacy.domain.erasures import OTHERS, ErasureReceipt
from services.profiles.privacy.store import PrivacyStore


def subscriptions(store: PrivacyStore) -> list[Subscription]:
    """The receipts of services that erased a customer."""
    erasures = Erasures(store)

    def take_answers(events: Sequence[Received]) -> None:
        told = [cast(erasure_pb2.ErasureCompleted, event.message) for event in events]
        erasures.take_answers([(each.erasure_id, from_proto(ErasureReceipt, each.receipt)) for each in told])

    return [
        Subscription(
            name="erasures",
            listens=[erasure_pb2.ErasureCompleted],
            services=OTHERS,
            handle=take_answers,
            partitions=1,
            ordered=False,
        )
    ]


def timers(store: PrivacyStore) -> list[Timer[Any]]:
    """The erasures that everybody else has answered, and the customers who were deleted long enough ago."""
    erasures, minute = Erasures(store), timedelta(minutes=1)
    return [
        Timer(name="erasures", every=timedelta(seconds=1), due=store.erasures_to_finish(), run=erasures.finish),
        Timer(name="purges", every=minute, due=store.customers_to_purge(), run=erasures.purge),
    ]
