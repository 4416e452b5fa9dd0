"""The reaction that takes in what was settled, and the timer that tells whether customers came back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from kehu.interactions.v1 import events_pb2 as own

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.interactions.cases.domain.cases import Case
from services.interactions.quality.application.figures import Figures
from services.interactions.quality.domain.resolutions import Resolution
from services.interactions.quality.store import QualityStore
from services.interactions.routing.domain.work import WorkItem


def subscriptions(store: QualityStore) -> list[Subscription]:
    """Work that was done, and cases that closed."""
    figures = Figures(store)

    def take(events: Sequence[Received]) -> None:
        told = [cast(Any, event.message) for event in events]
        figures.settle([from_proto(WorkItem, each.work) for each in told if isinstance(each, own.WorkCompleted)])
        cases = [from_proto(Case, each.case) for each in told if isinstance(each, own.CaseClosed)]
        figures.settle_cases([resolution_of(each) for each in cases])

    return [Subscription(name="quality", listens=[own.WorkCompleted, own.CaseClosed], handle=take)]


def resolution_of(case: Case) -> Resolution:
    """A case as something that was settled."""
    last = case.episodes[-1]
    return Resolution(
        id=f"case:{case.id}",
        customer_id=case.customer_id,
        queue_id="",
        agent_id="",
        channel="",
        topic=case.topic,
        cause=last.cause,
        close_time=last.close_time or last.resolved_time or last.open_time,
        episodes=len(case.episodes),
    )


def timers(store: QualityStore) -> list[Timer[Resolution]]:
    """What was settled so long ago that whoever came back has come back."""
    judge = Figures(store).judge
    return [Timer(name="first_contacts", every=timedelta(seconds=10), due=store.to_judge(), run=judge)]
