"""The machine of a complaint, after the stages of ISO 10002."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from libs.chassis.domain import Change, Entity, Event, OpenEnum
from services.interactions.complaints.domain.attribution import Attribution, References, Taxonomy
from services.interactions.complaints.domain.recoveries import DEALS_MAX, LaterDeal
from services.interactions.complaints.domain.refusals import (
    AcknowledgementEmpty,
    ComplaintFull,
    ComplaintMoveForbidden,
    ComplaintTextMissing,
    ComplaintTimeUnfit,
    QuietCustomerNotReached,
    RemedyNotApproved,
)
from services.interactions.remedies.domain.goodwill import Goodwill, GoodwillState


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
PARTS_MAX: Final = 100
"""Findings and appeals that a complaint has at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """First answer to a complaint: the plan, and the promise by when."""

    time: datetime
    plan: str
    eta_time: datetime
    promise_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint(Entity):
    """A case in which a customer is not satisfied and wants an answer."""

    ID_PREFIX: ClassVar[str] = "cmp"

    case_id: str = ""
    customer_id: str = ""
    complained_of: str
    """Matter of the complaint, in the words of the customer."""
    occurred_time: datetime | None = None
    requested_remedy: str = ""
    first_time: datetime | None = None
    """Time of the first interaction about the matter, which may have begun as a mere question."""
    received_time: datetime | None = None
    state: ComplaintState = RECEIVED
    state_time: datetime | None = None
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
    timely: bool | None = None
    """True when it was acknowledged in time. Absent while nobody knows."""
    forwarded_time: datetime | None = None
    """Time at which an imported one reached whoever answers."""
    disputed: bool | None = None
    """True when the customer disputed the answer, as the source of an imported one told."""
    source_key: str = ""
    later_deals: tuple[LaterDeal, ...] = ()
    """Deals that the customer made within a year after it had ended."""
    wake_time: datetime | None = None
    """Time at which a quiet customer is reached out to, or silence closes it."""
    erased: bool = False

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
    ) -> Change[Complaint]:
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
        received = ComplaintReceived(complaint=complaint)
        complaint, rated = complaint.rate(severity, now)
        escalated = [each for each in rated if isinstance(each, ComplaintEscalated)]
        return complaint, [received, *escalated]

    def rate(self, severity: ComplaintSeverity, now: datetime) -> Change[Complaint]:
        """Another severity. Safety is escalated at once, in whatever state, and stays so."""
        rated = replace(self, severity=severity)
        if severity is not ComplaintSeverity.SAFETY or self.escalated_time is not None:
            return (rated, [ComplaintUpdated(complaint=rated)]) if rated != self else (self, [])
        escalated = replace(rated, escalated_time=now)
        return escalated, [ComplaintEscalated(complaint=escalated)]

    def acknowledge(
        self, plan: str, eta: datetime | None, promise_id: str, now: datetime, *, timely: bool | None = None
    ) -> Change[Complaint]:
        """The customer knows how it is handled, and by when: an answer without both is none."""
        told = {"plan": plan.strip(), "eta": eta, "promise_id": promise_id}
        if missing := tuple(name for name, value in told.items() if not value):
            raise AcknowledgementEmpty(missing=missing)
        if eta is None or eta <= now:
            raise AcknowledgementEmpty(missing=("an eta that lies ahead",))
        given = Acknowledgement(time=now, plan=plan.strip(), eta_time=eta, promise_id=promise_id)
        return self._move(ACKNOWLEDGED, now, ComplaintAcknowledged, acknowledgement=given, timely=timely)

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
    ) -> Change[Complaint]:
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
        assessed, rated = assessed.rate(severity, now)
        return assessed, [*events, *(each for each in rated if isinstance(each, ComplaintEscalated))]

    def investigate(self, now: datetime) -> Change[Complaint]:
        """The causes are looked for."""
        return self._move(INVESTIGATING, now)

    def find(self, finding: str) -> Change[Complaint]:
        """One finding more of the investigation."""
        if self.state is not INVESTIGATING:
            raise self._forbidden(INVESTIGATING)
        if len(self.findings) >= PARTS_MAX:
            raise ComplaintFull(complaint_id=self.id, part="findings", limit=PARTS_MAX)
        found = replace(self, findings=(*self.findings, _text("finding", finding)))
        return found, [ComplaintUpdated(complaint=found)]

    def propose(self, decision: str, now: datetime, *, goodwill: tuple[Goodwill, ...] = ()) -> Change[Complaint]:
        """An answer with its reasons, and goodwill that is posted: inside the authority, or approved."""
        for each in goodwill:
            if each.state is not GoodwillState.POSTED or each.case_id != self.case_id:
                raise RemedyNotApproved(complaint_id=self.id, goodwill_id=each.id, state=each.state)
        ids = dict.fromkeys((*self.goodwill_ids, *(each.id for each in goodwill)))
        return self._move(REMEDY_PROPOSED, now, decision=_text("decision", decision), goodwill_ids=tuple(ids))

    def accept(self, now: datetime) -> Change[Complaint]:
        """The customer takes the remedy."""
        return self._move(ACCEPTED, now)

    def reject(self, now: datetime) -> Change[Complaint]:
        """The customer does not."""
        return self._move(REJECTED, now)

    def appeal(self, reason: str, now: datetime) -> Change[Complaint]:
        """The customer asks for another decision."""
        if len(self.appeals) >= PARTS_MAX:
            raise ComplaintFull(complaint_id=self.id, part="appeals", limit=PARTS_MAX)
        return self._move(APPEALED, now, appeals=(*self.appeals, _text("reason", reason)), confirmed_time=None)

    def go_external(self, regulator_ref: str, now: datetime) -> Change[Complaint]:
        """A regulator or an ombudsman takes over."""
        return self._move(EXTERNAL, now, regulator_ref=_text("regulator_ref", regulator_ref))

    def remedy(self, feedback: str, now: datetime) -> Change[Complaint]:
        """The remedy is done and the customer is told."""
        return self._move(REMEDIED, now, ComplaintRemedied, feedback=_text("feedback", feedback))

    def confirm(self, now: datetime) -> Change[Complaint]:
        """The customer says that it is made good, be it after a silent close."""
        if not self.feedback:
            raise ComplaintTextMissing(text="feedback")
        return self._move(CONFIRMED, now, ComplaintConfirmed, confirmed_time=now)

    def reach_out(self, now: datetime) -> Change[Complaint]:
        """A quiet customer is asked once whether it is made good."""
        if self.state not in {REMEDY_PROPOSED, REMEDIED}:
            raise self._forbidden(SILENT_CLOSE)
        if self.reached_out_time is not None:
            return self, []
        asked = replace(self, reached_out_time=now)
        return asked, [ComplaintReachedOut(complaint=asked)]

    def close_silently(self, feedback: str, now: datetime, grace: timedelta) -> Change[Complaint]:
        """Closed without a word of the customer, who was reached out to in vain. This is no satisfaction."""
        reached = self.reached_out_time
        if SILENT_CLOSE in MOVES.get(self.state, ()) and (reached is None or now < reached + grace):
            raise QuietCustomerNotReached(complaint_id=self.id, grace_days=grace.days)
        return self._move(SILENT_CLOSE, now, feedback=_text("feedback", feedback))

    @property
    def end_time(self) -> datetime | None:
        """Time at which it ended, be it with the word of the customer. None while it goes on."""
        return self.confirmed_time or (self.state_time if self.state in {SILENT_CLOSE, EXTERNAL} else None)

    def follow(self, deal: LaterDeal) -> Change[Complaint]:
        """With a deal that its customer made afterwards. Unchanged by one that is known or came at another time."""
        known = {each.deal_id for each in self.later_deals}
        if deal.deal_id in known or not deal.follows(self.end_time) or len(known) >= DEALS_MAX:
            return self, []
        followed = replace(self, later_deals=(*self.later_deals, deal))
        return followed, [ComplaintUpdated(complaint=followed)]

    def unfollow(self, deal_id: str) -> Change[Complaint]:
        """Without a deal that was not won after all."""
        left = tuple(each for each in self.later_deals if each.deal_id != deal_id)
        if left == self.later_deals:
            return self, []
        unfollowed = replace(self, later_deals=left)
        return unfollowed, [ComplaintUpdated(complaint=unfollowed)]

    def timed(self, grace: timedelta) -> Complaint:
        """With the time at which a quiet customer is reached out to, or silence closes it."""
        since = self.reached_out_time or self.state_time
        waits = self.state in {REMEDY_PROPOSED, REMEDIED} and since is not None
        return replace(self, wake_time=since + grace if waits and since is not None else None)

    def wake(self, now: datetime, grace: timedelta) -> Change[Complaint]:
        """Moved on by time: a quiet customer is reached out to once, then silence closes it."""
        current = self.timed(grace)
        if self.wake_time is None or current.wake_time is None:
            return self, []
        if current.wake_time > now:
            return (current, [ComplaintUpdated(complaint=current)]) if current != self else (self, [])
        if self.reached_out_time is None:
            asked, events = self.reach_out(now)
            return asked.timed(grace), events
        closed, events = self.close_silently(self.feedback or self.decision, now, grace)
        return closed.timed(grace), events

    def erase(self) -> Change[Complaint]:
        """Without words: states, times and causes stay for the books."""
        if self.erased:
            return self, []
        told = self.acknowledgement
        left = replace(
            self,
            complained_of="",
            requested_remedy="",
            acknowledgement=replace(told, plan="") if told is not None else None,
            scope="",
            findings=(),
            decision="",
            appeals=(),
            feedback="",
            wake_time=None,
            erased=True,
        )
        return left, [ComplaintErased(complaint=left)]

    def _move(
        self, to: ComplaintState, now: datetime, told_by: Callable[..., ComplaintEvent] | None = None, **changes: Any
    ) -> Change[Complaint]:
        if to not in MOVES.get(self.state, ()):
            raise self._forbidden(to)
        if self.state_time is not None and now < self.state_time:
            raise ComplaintTimeUnfit(time=now, before_time=self.state_time)
        # A new answer is a new silence: the customer is reached out to again.
        reached = None if to in {REMEDY_PROPOSED, REMEDIED} else self.reached_out_time
        moved = replace(self, state=to, state_time=now, reached_out_time=reached, **changes)
        return moved, [(told_by or ComplaintStateChanged)(complaint=moved)]

    def _forbidden(self, to: ComplaintState) -> ComplaintMoveForbidden:
        allowed = tuple(sorted(MOVES.get(self.state, ())))
        return ComplaintMoveForbidden(complaint_id=self.id, state=self.state, to=to, allowed=allowed)


def _text(name: str, value: str) -> str:
    if not value.strip():
        raise ComplaintTextMissing(text=name)
    return value.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintEvent(Event):
    """Something that happened to a complaint. Carries it as it is afterwards."""

    complaint: Complaint


class ComplaintReceived(ComplaintEvent):
    """A complaint came in."""


class ComplaintStateChanged(ComplaintEvent):
    """A complaint came to another stage."""


class ComplaintUpdated(ComplaintEvent):
    """Details of a complaint changed."""


class ComplaintAcknowledged(ComplaintEvent):
    """The customer was told how a complaint is handled, and by when."""


class ComplaintEscalated(ComplaintEvent):
    """A complaint is about safety."""


class ComplaintRemedied(ComplaintEvent):
    """The remedy of a complaint is done."""


class ComplaintConfirmed(ComplaintEvent):
    """The customer says that a complaint is made good."""


class ComplaintReachedOut(ComplaintEvent):
    """A quiet customer is to be asked once whether a complaint is made good."""


class ComplaintErased(ComplaintEvent):
    """The personal words of a complaint were erased."""
