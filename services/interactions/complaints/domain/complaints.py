"""The machine of a complaint, after the stages of ISO 10002."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from libs.chassis.domain import OpenEnum
from services.interactions.complaints.domain.attribution import Attribution, References, Taxonomy
from services.interactions.complaints.domain.refusals import (
    AcknowledgementEmpty,
    ComplaintMoveForbidden,
    ComplaintTextMissing,
    ComplaintTimeUnfit,
    QuietCustomerNotReached,
    RemedyNotApproved,
)
from services.interactions.remedies.domain import Goodwill, GoodwillState


class ComplaintState(OpenEnum):
    """State of a complaint."""

    RECEIVED = "RECEIVED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    ASSESSED = "ASSESSED"
    INVESTIGATING = "INVESTIGATING"
    REMEDY_PROPOSED = "REMEDY_PROPOSED"
    ACCEPTED = "ACCEPTED"
    REMEDIED = "REMEDIED"
    CONFIRMED = "CONFIRMED"
    REJECTED = "REJECTED"
    APPEALED = "APPEALED"
    EXTERNAL = "EXTERNAL"
    SILENT_CLOSE = "SILENT_CLOSE"


class ComplaintSeverity(OpenEnum):
    """Severity of a complaint. SAFETY is escalated at once."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    SAFETY = "SAFETY"


class ComplaintEventKind(OpenEnum):
    """Kind of what happened to a complaint."""

    RECEIVED = "RECEIVED"
    STATE_CHANGED = "STATE_CHANGED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    ESCALATED = "ESCALATED"
    REMEDIED = "REMEDIED"
    CONFIRMED = "CONFIRMED"
    REACHED_OUT = "REACHED_OUT"


(
    RECEIVED,
    ACKNOWLEDGED,
    ASSESSED,
    INVESTIGATING,
    REMEDY_PROPOSED,
    ACCEPTED,
    REMEDIED,
    CONFIRMED,
    REJECTED,
    APPEALED,
    EXTERNAL,
    SILENT_CLOSE,
) = ComplaintState
MOVES: Final = {
    RECEIVED: {ACKNOWLEDGED},
    ACKNOWLEDGED: {ASSESSED},
    ASSESSED: {INVESTIGATING},
    INVESTIGATING: {REMEDY_PROPOSED},
    REMEDY_PROPOSED: {ACCEPTED, REJECTED, SILENT_CLOSE},
    ACCEPTED: {REMEDIED},
    REMEDIED: {CONFIRMED, APPEALED, SILENT_CLOSE},
    REJECTED: {APPEALED, EXTERNAL},
    APPEALED: {REMEDY_PROPOSED, EXTERNAL},
    SILENT_CLOSE: {CONFIRMED, APPEALED},
}
"""State → the states that follow it. From CONFIRMED and EXTERNAL nothing does."""
_TOLD: Final = {
    ACKNOWLEDGED: ComplaintEventKind.ACKNOWLEDGED,
    REMEDIED: ComplaintEventKind.REMEDIED,
    CONFIRMED: ComplaintEventKind.CONFIRMED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """First answer to a complaint: the plan, and the promise by when."""

    time: datetime
    plan: str
    eta: datetime
    promise_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintEvent:
    """A fact about a complaint, with the complaint as it is after it."""

    kind: ComplaintEventKind
    complaint: Complaint


ComplaintChange = tuple["Complaint", tuple[ComplaintEvent, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """A case in which a customer is not satisfied and wants an answer."""

    ID_PREFIX: ClassVar[str] = "cmp"

    id: str
    case_id: str
    customer_id: str
    complained_of: str
    """Matter of the complaint, in the words of the customer."""
    occurred_time: datetime | None = None
    requested_remedy: str = ""
    first_time: datetime
    """Time of the first interaction about the matter, which may have begun as a mere question."""
    received_time: datetime
    state: ComplaintState = RECEIVED
    state_time: datetime
    severity: ComplaintSeverity = ComplaintSeverity.MEDIUM
    scope: str = ""
    escalated_time: datetime | None = None
    acknowledgement: Acknowledgement | None = None
    taxonomy_path: str = ""
    taxonomy_version: int = 0
    attribution: Attribution | None = None
    findings: tuple[str, ...] = ()
    decision: str = ""
    """Answer to the customer, with its reasons."""
    goodwill_ids: tuple[str, ...] = ()
    appeals: tuple[str, ...] = ()
    regulator_ref: str = ""
    reached_out_time: datetime | None = None
    feedback: str = ""
    """Words in which the customer was told the end of it."""
    confirmed_time: datetime | None = None

    @classmethod
    def receive(
        cls,
        id: str,
        *,
        case_id: str,
        customer_id: str,
        complained_of: str,
        now: datetime,
        first_time: datetime | None = None,
        severity: ComplaintSeverity = ComplaintSeverity.MEDIUM,
        occurred_time: datetime | None = None,
        requested_remedy: str = "",
    ) -> ComplaintChange:
        """A new complaint: the matter, its time and the remedy that is wanted."""
        first_time = first_time or now
        if first_time > now:
            raise ComplaintTimeUnfit(time=now, before_time=first_time)
        complaint = cls(
            id=id,
            case_id=case_id,
            customer_id=customer_id,
            complained_of=_text("complained_of", complained_of),
            first_time=first_time,
            received_time=now,
            state_time=now,
            occurred_time=occurred_time,
            requested_remedy=requested_remedy,
        )
        received = (ComplaintEvent(kind=ComplaintEventKind.RECEIVED, complaint=complaint),)
        complaint, escalated = complaint.rate(severity, now)
        return complaint, (*received, *escalated)

    def rate(self, severity: ComplaintSeverity, now: datetime) -> ComplaintChange:
        """Another severity. Safety is escalated at once, in whatever state, and stays so."""
        rated = replace(self, severity=severity)
        if severity is not ComplaintSeverity.SAFETY or self.escalated_time is not None:
            return rated, ()
        escalated = replace(rated, escalated_time=now)
        return escalated, (ComplaintEvent(kind=ComplaintEventKind.ESCALATED, complaint=escalated),)

    def acknowledge(self, plan: str, eta: datetime | None, promise_id: str, now: datetime) -> ComplaintChange:
        """The customer knows how it is handled, and by when: an answer without both is none."""
        told = {"plan": plan.strip(), "eta": eta, "promise_id": promise_id}
        if missing := tuple(name for name, value in told.items() if not value):
            raise AcknowledgementEmpty(missing=missing)
        if eta is None or eta <= now:
            raise AcknowledgementEmpty(missing=("an eta that lies ahead",))
        given = Acknowledgement(time=now, plan=plan.strip(), eta=eta, promise_id=promise_id)
        return self._move(ACKNOWLEDGED, now, acknowledgement=given)

    def assess(
        self,
        severity: ComplaintSeverity,
        scope: str,
        path: str,
        attribution: Attribution,
        now: datetime,
        *,
        taxonomy: Taxonomy,
        references: References,
    ) -> ComplaintChange:
        """Severity, scope, cause and attribution, checked against the taxonomy and what is known."""
        taxonomy.check(path)
        references.check(attribution)
        assessed, events = self._move(
            ASSESSED,
            now,
            scope=_text("scope", scope),
            taxonomy_path=path,
            taxonomy_version=taxonomy.version,
            attribution=attribution,
        )
        assessed, escalated = assessed.rate(severity, now)
        return assessed, (*events, *escalated)

    def investigate(self, now: datetime) -> ComplaintChange:
        """The causes are looked for."""
        return self._move(INVESTIGATING, now)

    def find(self, finding: str) -> Complaint:
        """One finding more of the investigation."""
        if self.state is not INVESTIGATING:
            raise self._forbidden(INVESTIGATING)
        return replace(self, findings=(*self.findings, _text("finding", finding)))

    def propose(self, decision: str, now: datetime, *, goodwill: tuple[Goodwill, ...] = ()) -> ComplaintChange:
        """An answer with its reasons, and goodwill that is posted: inside the authority, or approved."""
        for each in goodwill:
            if each.state is not GoodwillState.POSTED or each.case_id != self.case_id:
                raise RemedyNotApproved(complaint_id=self.id, goodwill_id=each.id, state=each.state)
        ids = dict.fromkeys((*self.goodwill_ids, *(each.id for each in goodwill)))
        return self._move(REMEDY_PROPOSED, now, decision=_text("decision", decision), goodwill_ids=tuple(ids))

    def accept(self, now: datetime) -> ComplaintChange:
        """The customer takes the remedy."""
        return self._move(ACCEPTED, now)

    def reject(self, now: datetime) -> ComplaintChange:
        """The customer does not."""
        return self._move(REJECTED, now)

    def appeal(self, reason: str, now: datetime) -> ComplaintChange:
        """The customer asks for another decision."""
        return self._move(APPEALED, now, appeals=(*self.appeals, _text("reason", reason)), confirmed_time=None)

    def go_external(self, regulator_ref: str, now: datetime) -> ComplaintChange:
        """A regulator or an ombudsman takes over."""
        return self._move(EXTERNAL, now, regulator_ref=_text("regulator_ref", regulator_ref))

    def remedy(self, feedback: str, now: datetime) -> ComplaintChange:
        """The remedy is done and the customer is told."""
        return self._move(REMEDIED, now, feedback=_text("feedback", feedback))

    def confirm(self, now: datetime) -> ComplaintChange:
        """The customer says that it is made good, be it after a silent close."""
        if not self.feedback:
            raise ComplaintTextMissing(text="feedback")
        return self._move(CONFIRMED, now, confirmed_time=now)

    def reach_out(self, now: datetime) -> ComplaintChange:
        """A quiet customer is asked once whether it is made good."""
        if self.state not in {REMEDY_PROPOSED, REMEDIED}:
            raise self._forbidden(SILENT_CLOSE)
        if self.reached_out_time is not None:
            return self, ()
        asked = replace(self, reached_out_time=now)
        return asked, (ComplaintEvent(kind=ComplaintEventKind.REACHED_OUT, complaint=asked),)

    def close_silently(self, feedback: str, now: datetime, grace: timedelta) -> ComplaintChange:
        """Closed without a word of the customer, who was reached out to in vain. This is no satisfaction."""
        reached = self.reached_out_time
        if SILENT_CLOSE in MOVES.get(self.state, ()) and (reached is None or now < reached + grace):
            raise QuietCustomerNotReached(complaint_id=self.id, grace_days=grace.days)
        return self._move(SILENT_CLOSE, now, feedback=_text("feedback", feedback))

    def _move(self, to: ComplaintState, now: datetime, **changes: Any) -> ComplaintChange:
        if to not in MOVES.get(self.state, ()):
            raise self._forbidden(to)
        if now < self.state_time:
            raise ComplaintTimeUnfit(time=now, before_time=self.state_time)
        # A new answer is a new silence: the customer is reached out to again.
        reached = None if to in {REMEDY_PROPOSED, REMEDIED} else self.reached_out_time
        moved = replace(self, state=to, state_time=now, reached_out_time=reached, **changes)
        kind = _TOLD.get(to, ComplaintEventKind.STATE_CHANGED)
        return moved, (ComplaintEvent(kind=kind, complaint=moved),)

    def _forbidden(self, to: ComplaintState) -> ComplaintMoveForbidden:
        allowed = tuple(sorted(MOVES.get(self.state, ())))
        return ComplaintMoveForbidden(complaint_id=self.id, state=self.state, to=to, allowed=allowed)


def _text(name: str, value: str) -> str:
    if not value.strip():
        raise ComplaintTextMissing(text=name)
    return value.strip()
