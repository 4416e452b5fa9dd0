"""The one place that decides who has gone quiet, who is at risk, and who is well."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.profiles.customers.domain.lifecycle import (
    EVALUATED,
    Lifecycle,
    LifecycleMove,
    LifecycleReason,
    move_to,
)
from services.profiles.worth.domain.dormancy import Silence
from services.profiles.worth.domain.warning import EarlyWarning

AT_RISK_SCORE: Final = 50
"""Points of early warning from which a customer is at risk, unless the caller says otherwise."""


def evaluate(
    stage: Lifecycle, silence: Silence | None, warning: EarlyWarning, *, at_risk_score: int, now: datetime
) -> LifecycleMove | None:
    """The move of a customer who has bought, with its evidence. None when the stage is right."""
    if stage not in EVALUATED:
        return None
    points = f"early warning {warning.score:g} of 100"
    gap = f"{silence.gap_days} days since the last purchase" if silence is not None else ""
    if silence is not None and silence.dormant:
        told = f"{gap}; over {silence.limit_days:g} are unusual here"
        return move_to(Lifecycle.DORMANT, stage, LifecycleReason.SILENCE, told, now)
    if warning.score >= at_risk_score:
        why = "; ".join(signal.explanation for signal in warning.signals if signal.points)
        told = f"{points}, {at_risk_score} or more: {why}"
        return move_to(Lifecycle.AT_RISK, stage, LifecycleReason.WARNING, told, now)
    usual = f"{gap}, up to {silence.limit_days:g} are usual here; " if silence is not None else ""
    return move_to(
        Lifecycle.ACTIVE, stage, LifecycleReason.RECOVERY, f"{usual}{points}, less than {at_risk_score}", now
    )
