"""Reactions that count results and note reviews, and the timer that tells which are overdue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, cast

from kehu.care.v1 import events_pb2 as own
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.care.adherence.application import Adherence
from services.care.adherence.domain import PolicyKind, PolicyReview
from services.care.adherence.store import AdherenceStore
from services.care.programs.domain.programs import Program, ProgramState
from services.care.touches.domain.touches import Touch

ENDS = (own.TouchSent, own.TouchResponded, own.TouchLapsed, own.TouchSuppressed, own.TouchFailed)


def subscriptions(store: AdherenceStore) -> list[Subscription]:
    """Touches that end, and rules that are written."""
    adherence = Adherence(store)

    def count(events: Sequence[Received]) -> None:
        adherence.count([(each.time, from_proto(Touch, cast(Any, each.message).touch)) for each in events])

    def note(events: Sequence[Received]) -> None:
        for event in events:
            with event.cause():
                if isinstance(event.message, profiles.TierPolicyCreated):
                    told = event.message.tier_policy
                    day = told.review_date
                    review = PolicyReview(
                        id="", kind=PolicyKind.TIER_POLICY, subject_id=told.id, display_name=told.name
                    )
                    adherence.plan_review(review, date(day.year, day.month, day.day) if day.year else None)
                else:
                    program = from_proto(Program, cast(Any, event.message).program)
                    review = PolicyReview(
                        id="", kind=PolicyKind.PROGRAM, subject_id=program.id, display_name=program.display_name
                    )
                    in_use = program.state is not ProgramState.RETIRED
                    adherence.plan_review(review, program.review_date if in_use else None)

    return [
        Subscription(name="results", listens=ENDS, handle=count, adds_up=ENDS),
        Subscription(
            name="reviews",
            listens=(own.ProgramCreated, own.ProgramRevised, own.ProgramMoved, profiles.TierPolicyCreated),
            handle=note,
        ),
    ]


def timers(store: AdherenceStore) -> list[Timer[Any]]:
    """Rules that become overdue."""
    return [Timer(name="reviews", every=timedelta(minutes=1), due=store.to_lapse(), run=Adherence(store).lapse)]
