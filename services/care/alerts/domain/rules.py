"""Rules of alerts: from what on they are raised, for whom, and by when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event, OpenEnum


class AlertKind(OpenEnum):
    """Subject of an alert."""

    CHURN_RISK = "CHURN_RISK"
    DECLINE = "DECLINE"
    SILENCE = "SILENCE"
    PROMISE_BROKEN = "PROMISE_BROKEN"
    COOLING = "COOLING"
    CONSENT_LATE = "CONSENT_LATE"


_THRESHOLDS: Final[Mapping[AlertKind, int]] = {
    AlertKind.CHURN_RISK: 50,
    AlertKind.DECLINE: 50,
    AlertKind.COOLING: 50,
    AlertKind.SILENCE: 45,
}
_DUE_HOURS, _QUIET_DAYS = 24, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule(Entity):
    """Rule of the alerts of a kind. Zeros stand for the values of the house."""

    ID_PREFIX: ClassVar[str] = "alu"

    kind: AlertKind
    disabled: bool = False
    threshold: int = 0
    """Points, thousandths or days, by kind."""
    due_hours: int = 0
    owner: str = ""
    escalate_to: str = ""
    quiet_days: int = 0
    play_id: str = ""

    def define(self, other: AlertRule) -> Change[AlertRule]:
        """As another one says it."""
        kept = {name: getattr(self, name) for name in ("id", "revision", "create_time", "update_time")}
        defined = replace(other, **kept)
        return (self, []) if defined == self and self.revision else (defined, [AlertRuleDefined(rule=defined)])

    @property
    def limit(self) -> int:
        """The threshold that counts."""
        return self.threshold or _THRESHOLDS.get(self.kind, 0)

    @property
    def due_within(self) -> timedelta:
        """Time that somebody has."""
        return timedelta(hours=self.due_hours or _DUE_HOURS)

    @property
    def quiet_for(self) -> timedelta:
        """Time without another alert after one was closed."""
        return timedelta(days=self.quiet_days or _QUIET_DAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRuleDefined(Event):
    """Tells that a rule of alerts was defined."""

    rule: AlertRule
