"""Alerts: a customer somebody has to do something about, from the first sign to the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event, OpenEnum
from services.care.alerts.domain.refusals import AlertClosedAlready, OutcomeNotOfPeople
from services.care.alerts.domain.rules import AlertKind, AlertRule

ESCALATIONS_MAX: Final = 3
"""Times that an alert is escalated."""
DRIVERS_MAX: Final = 20
SCORE_MAX: Final = 100


class AlertState(OpenEnum):
    """Progress of an alert."""

    RAISED = "RAISED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    IN_PLAY = "IN_PLAY"
    HELD_OUT = "HELD_OUT"
    CLOSED = "CLOSED"


class AlertOutcome(OpenEnum):
    """End of an alert."""

    SAVED = "SAVED"
    LOST = "LOST"
    FALSE_ALARM = "FALSE_ALARM"
    VOID = "VOID"


class AlertFactor(OpenEnum):
    """Evidence for an alert."""

    SLOPE = "SLOPE"
    PEERS = "PEERS"
    SILENCE = "SILENCE"
    PROMISE = "PROMISE"
    COMPLAINT = "COMPLAINT"
    DISSATISFIED = "DISSATISFIED"
    SATISFIED = "SATISFIED"
    LIFECYCLE = "LIFECYCLE"
    CONSENT = "CONSENT"
    PERSON = "PERSON"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDriver:
    """One reason for an alert."""

    factor: AlertFactor
    points: int
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A reason to raise an alert of one kind, with its drivers."""

    kind: AlertKind
    drivers: tuple[AlertDriver, ...]

    @property
    def score(self) -> int:
        """Points of all drivers, at most 100."""
        return min(sum(each.points for each in self.drivers), SCORE_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Entity):
    """A customer somebody has to do something about."""

    ID_PREFIX: ClassVar[str] = "alt"

    customer_id: str = ""
    """Empty for what is about nobody."""
    kind: AlertKind
    state: AlertState = AlertState.RAISED
    score: int = 0
    drivers: tuple[AlertDriver, ...] = ()
    owner: str = ""
    play_id: str = ""
    due_time: datetime | None = None
    escalate_time: datetime | None = None
    escalations: int = 0
    acknowledge_time: datetime | None = None
    close_time: datetime | None = None
    outcome: AlertOutcome | None = None
    note: str = ""
    closed_by: str = ""
    open: bool = True

    def raise_(self, sign: Sign, rule: AlertRule, owner: str, now: datetime) -> Change[Alert]:
        """Raised for a sign. A repeat changes nothing."""
        if self.revision:
            return self, []
        due = now + rule.due_within
        drivers = tuple(sorted(sign.drivers, key=lambda each: -each.points))
        raised = replace(
            self,
            score=sign.score,
            drivers=drivers[:DRIVERS_MAX],
            owner=owner or rule.owner,
            play_id=rule.play_id,
            due_time=due,
            escalate_time=due,
        )
        return raised, [AlertRaised(alert=raised)]

    def strengthen(self, sign: Sign) -> Change[Alert]:
        """With further evidence. What is known already changes nothing."""
        known = {(each.factor, each.explanation) for each in self.drivers}
        fresh = [each for each in sign.drivers if (each.factor, each.explanation) not in known]
        told_by_events = [each for each in fresh if each.factor in (AlertFactor.PROMISE, AlertFactor.PERSON)]
        if not self.open or not told_by_events or len(self.drivers) >= DRIVERS_MAX:
            return self, []
        drivers = (*self.drivers, *told_by_events)[:DRIVERS_MAX]
        score = min(sum(each.points for each in drivers), SCORE_MAX)
        return self._changed(drivers=drivers, score=max(score, self.score))

    def acknowledge(self, actor: str, now: datetime) -> Change[Alert]:
        """Somebody has taken note, and answers for it unless somebody else does."""
        self._require_open()
        if self.acknowledge_time is not None:
            return self, []
        state = AlertState.ACKNOWLEDGED if self.state is AlertState.RAISED else self.state
        return self._changed(state=state, acknowledge_time=now, owner=self.owner or actor)

    def assign(self, owner: str) -> Change[Alert]:
        """Of somebody else."""
        self._require_open()
        return (self, []) if owner == self.owner else self._changed(owner=owner)

    def play(self, play_id: str) -> Change[Alert]:
        """Its play has begun."""
        if self.state not in (AlertState.RAISED, AlertState.ACKNOWLEDGED):
            return self, []
        return self._changed(state=AlertState.IN_PLAY, play_id=play_id)

    def hold_out(self, play_id: str) -> Change[Alert]:
        """Nothing is done about it, and nobody is reminded."""
        if self.state not in (AlertState.RAISED, AlertState.ACKNOWLEDGED):
            return self, []
        return self._changed(state=AlertState.HELD_OUT, play_id=play_id, escalate_time=None)

    def escalate(self, rule: AlertRule, now: datetime) -> Change[Alert]:
        """Due and not closed: it goes to who is told then, and is due again."""
        if not self.open or self.escalate_time is None or self.escalate_time > now:
            return self, []
        times = self.escalations + 1
        again = now + rule.due_within if times < ESCALATIONS_MAX else None
        escalated = replace(
            self, escalations=times, owner=rule.escalate_to or self.owner, escalate_time=again, due_time=self.due_time
        )
        return escalated, [AlertEscalated(alert=escalated)]

    def close(self, outcome: AlertOutcome, note: str, actor: str, now: datetime) -> Change[Alert]:
        """Closed by a person."""
        if outcome not in (AlertOutcome.SAVED, AlertOutcome.FALSE_ALARM):
            raise OutcomeNotOfPeople(outcome=outcome)
        self._require_open()
        return self._closed(outcome, now, note=note, closed_by=actor)

    def end(self, outcome: AlertOutcome, now: datetime) -> Change[Alert]:
        """Closed by what happened. One that is closed stays as it is."""
        return self._closed(outcome, now) if self.open else (self, [])

    def erase(self, now: datetime) -> Change[Alert]:
        """Without its reasons and words. One that is open ends."""
        if (self.note, self.drivers, self.open) == ("", (), False):
            return self, []
        ended, _ = self.end(AlertOutcome.VOID, now)
        erased = replace(ended, note="", drivers=())
        return erased, [AlertErased(alert=erased)]

    def _closed(self, outcome: AlertOutcome, now: datetime, note: str = "", closed_by: str = "") -> Change[Alert]:
        closed = replace(
            self,
            state=AlertState.CLOSED,
            open=False,
            outcome=outcome,
            close_time=now,
            escalate_time=None,
            note=note,
            closed_by=closed_by,
        )
        return closed, [AlertClosed(alert=closed)]

    def _changed(self, **fields: object) -> Change[Alert]:
        changed = replace(self, **fields)  # type: ignore[arg-type]
        return changed, [AlertChanged(alert=changed)]

    def _require_open(self) -> None:
        if not self.open:
            raise AlertClosedAlready(alert_id=self.id, outcome=str(self.outcome))


def strongest(drivers: Sequence[AlertDriver]) -> tuple[AlertDriver, ...]:
    """Drivers that count, the strongest first."""
    return tuple(sorted((each for each in drivers if each.points > 0), key=lambda each: -each.points))


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRaised(Event):
    """Tells that somebody has to do something about a customer."""

    alert: Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChanged(Event):
    """Tells that somebody took note of an alert, got it, or began its play, or that more speaks for it."""

    alert: Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEscalated(Event):
    """Tells that nobody did anything about an alert in time."""

    alert: Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertClosed(Event):
    """Tells how an alert ended."""

    alert: Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertErased(Event):
    """Tells that what is personal in an alert was erased."""

    alert: Alert
