"""The stages of a relationship, and what moves a customer from one to another: never a hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.chassis.domain import OpenEnum

FLOOR_DAYS = 30
"""Days of silence that are never unusual, whatever the rhythm of a customer."""


class Lifecycle(OpenEnum):
    """The stage of the relationship, moved by what happens and never typed in."""

    VISITOR = "VISITOR"
    LEAD = "LEAD"
    PROSPECT = "PROSPECT"
    ACTIVE = "ACTIVE"
    AT_RISK = "AT_RISK"
    DORMANT = "DORMANT"
    CHURNED = "CHURNED"


NOT_YET = frozenset({Lifecycle.VISITOR, Lifecycle.LEAD, Lifecycle.PROSPECT})
"""The stages of those who have not bought."""
EVALUATED = (Lifecycle.DORMANT, Lifecycle.AT_RISK, Lifecycle.ACTIVE)
"""The stages between which silence, warnings and purchases move a customer."""


class LifecycleReason(OpenEnum):
    """Cause of a move of a customer."""

    PURCHASE = "PURCHASE"
    CONTRACT = "CONTRACT"
    WON_BACK = "WON_BACK"
    SILENCE = "SILENCE"
    WARNING = "WARNING"
    RECOVERY = "RECOVERY"
    CHURN_RECORDED = "CHURN_RECORDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleMove:
    """The last step of a customer from one stage to another, with its evidence."""

    from_lifecycle: Lifecycle
    to_lifecycle: Lifecycle
    reason: LifecycleReason
    explanation: str
    move_time: datetime


def bought(stage: Lifecycle, at: datetime, now: datetime) -> LifecycleMove | None:
    """Effect of a purchase on a customer. None for nothing.

    One that is told late, of a time that is over, makes a buyer, but wakes nobody: whether the silence since was
    unusual is for the next evaluation to say.
    """
    if stage is Lifecycle.ACTIVE or (stage not in NOT_YET and at <= now - timedelta(days=FLOOR_DAYS)):
        return None
    reason = LifecycleReason.WON_BACK if stage is Lifecycle.CHURNED else LifecycleReason.PURCHASE
    return move_to(Lifecycle.ACTIVE, stage, reason, f"bought on {at:%Y-%m-%d}", now)


def agreed(stage: Lifecycle, plan: str, now: datetime) -> LifecycleMove | None:
    """Effect of a running contract on a customer. None for nothing."""
    if stage not in NOT_YET and stage is not Lifecycle.CHURNED:
        return None
    reason = LifecycleReason.WON_BACK if stage is Lifecycle.CHURNED else LifecycleReason.CONTRACT
    return move_to(Lifecycle.ACTIVE, stage, reason, f"has a running contract, {plan}", now)


def departed(stage: Lifecycle, why: str, now: datetime) -> LifecycleMove | None:
    """Effect of a churn record, without which nobody is counted as lost. None for who has never been a customer."""
    if stage in NOT_YET:
        return None
    return move_to(Lifecycle.CHURNED, stage, LifecycleReason.CHURN_RECORDED, f"left: {why}", now)


def move_to(
    stage: Lifecycle, before: Lifecycle, reason: LifecycleReason, explanation: str, at: datetime
) -> LifecycleMove | None:
    """The step from one stage to another. None when they are the same."""
    if stage is before:
        return None
    return LifecycleMove(
        from_lifecycle=before, to_lifecycle=stage, reason=reason, explanation=explanation, move_time=at
    )
