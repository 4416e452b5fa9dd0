"""Leads: captured, assigned, contacted, and then converted, laid aside or given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event, InvalidArgument, Open
from services.opportunities.leads.domain.conversions import Conversion, ConversionStep
from services.opportunities.leads.domain.forms import AttributeValue
from services.opportunities.leads.domain.parts import (
    OPEN_STATES,
    Assignment,
    DisqualifyReason,
    LeadKind,
    LeadPoint,
    LeadState,
    ResponseClock,
)
from services.opportunities.leads.domain.refusals import LeadMoveForbidden

CARE: Final = "care"
"""Source of leads that care tells of: needs of customers, whose leads are theirs from the beginning."""
AT_ONCE: Final = datetime(1970, 1, 2, tzinfo=UTC)
"""Time from which a lead waits for its assignment that nobody postponed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead(Entity):
    """Somebody who may become a customer."""

    ID_PREFIX: ClassVar[str] = "lead"

    source: str
    source_key: str
    form_id: str = ""
    campaign: str = ""
    kind: LeadKind = LeadKind.PERSON
    display_name: str = ""
    contact_points: tuple[LeadPoint, ...] = ()
    attributes: tuple[AttributeValue, ...] = ()
    needs: tuple[str, ...] = ()
    territory: str = ""
    skills: tuple[str, ...] = ()
    consent_ref: str = ""
    capture_time: datetime | None = None
    owner: str = ""
    customer_id: str = ""
    state: LeadState = LeadState.NEW
    probability_basis_points: int = 0
    assignment: Assignment | None = None
    response: ResponseClock | None = None
    close_time: datetime | None = None
    disqualify_reason: DisqualifyReason | None = None
    note: str = ""
    recycle_time: datetime | None = None
    recycled: int = 0
    conversion: Conversion | None = None
    erased: bool = False
    triage_time: Open[datetime | None] = None
    """Time from which it waits to be assigned. Absent when it does not."""
    respond_time: Open[datetime | None] = None
    """Time by which the first attempt is due. Absent when it was made, or is overdue."""

    # ------------------------------------------------------------------------------------------------- beginning

    def capture(self) -> Change[Lead]:
        """This lead as a new one. Whoever is named as its owner answers for it at once."""
        captured = Lead(id=self.id, **{name: getattr(self, name) for name in (*_FIXED, *_WRITTEN)})
        state = LeadState.ASSIGNED if captured.owner else LeadState.NEW
        captured = replace(captured, state=state, triage_time=None if captured.owner else AT_ONCE)
        return captured, [LeadCaptured(lead=captured)]

    def sense(self) -> Change[Lead]:
        """This lead as a new one of a customer, with a need that its source and key are the evidence of."""
        captured, _ = self.capture()
        known = replace(captured, customer_id=self.customer_id)
        return known, [LeadCaptured(lead=known)]

    def past(
        self, *, converted: bool | None, close_time: datetime | None, reason: DisqualifyReason | None
    ) -> Change[Lead]:
        """This lead as one of the past, perhaps with its outcome."""
        captured, events = self.capture()
        if converted is None:
            return captured, events
        closed = replace(
            captured,
            state=LeadState.CONVERTED if converted else LeadState.DISQUALIFIED,
            triage_time=None,
            close_time=close_time or captured.capture_time,
            disqualify_reason=None if converted else reason or DisqualifyReason.OTHER,
        )
        return closed, [LeadCaptured(lead=closed)]

    def update(self, other: Lead) -> Change[Lead]:
        """With what was written anew."""
        updated = replace(self, **{name: getattr(other, name) for name in _WRITTEN})
        return (updated, [LeadUpdated(lead=updated)]) if updated != self else (self, [])

    @property
    def begin_time(self) -> datetime | None:
        """The time at which it came in."""
        return self.capture_time or self.create_time

    # ------------------------------------------------------------------------------------- somebody answers for it

    def score(self, points: int) -> Change[Lead]:
        """With the chance that a model gives it."""
        if points == self.probability_basis_points:
            return self, []
        scored = replace(self, probability_basis_points=points)
        return scored, [LeadScored(lead=scored)]

    def assign(self, owner: str, assignment: Assignment, response: ResponseClock | None) -> Change[Lead]:
        """With somebody who answers for it. Its clock goes on when it runs already."""
        self._require(OPEN_STATES, "reopen it first")
        state = LeadState.ASSIGNED if self.state is LeadState.NEW else self.state
        clock = self.response or response
        assigned = replace(
            self,
            owner=owner,
            state=state,
            assignment=assignment,
            response=clock,
            respond_time=clock.due_time if clock and clock.attempt_time is None and not clock.breached else None,
            triage_time=None,
        )
        return assigned, [LeadAssigned(lead=assigned)]

    def pass_over(self, assignment: Assignment, triage_time: datetime) -> Change[Lead]:
        """Still without somebody, with the reasons, until another look."""
        waiting = replace(self, assignment=assignment, triage_time=triage_time)
        return waiting, [LeadPassedOver(lead=waiting)]

    # -------------------------------------------------------------------------------------------------- its clock

    def contact(self, at: datetime, spent: timedelta | None) -> Change[Lead]:
        """Contacted. The first attempt stops the clock, and of several the earliest counts."""
        if self.state not in OPEN_STATES:
            return self, []
        clock = self.response or ResponseClock(start_time=self.begin_time or at)
        if clock.attempt_time is not None and clock.attempt_time <= at:
            return self, []
        late = clock.due_time is not None and at > clock.due_time
        contacted = replace(
            self,
            state=LeadState.CONTACTED if self.state is not LeadState.QUALIFIED else self.state,
            response=replace(clock, attempt_time=at, spent=spent, breached=late),
            respond_time=None,
            triage_time=self.triage_time if not self.owner else None,
        )
        return contacted, [LeadContacted(lead=contacted)]

    def breach(self, now: datetime) -> Change[Lead]:
        """Overdue, when nobody tried in time."""
        if self.respond_time is None or self.respond_time > now or self.response is None:
            return self, []
        overdue = replace(self, respond_time=None, response=replace(self.response, breached=True))
        return overdue, [LeadResponseOverdue(lead=overdue)]

    # ----------------------------------------------------------------------------------------------------- endings

    def qualify(self, note: str) -> Change[Lead]:
        """Worth an opportunity."""
        self._require(OPEN_STATES, "it is open no longer")
        if self.state is LeadState.QUALIFIED and self.note == note:
            return self, []
        qualified = replace(self, state=LeadState.QUALIFIED, note=note)
        return qualified, [LeadQualified(lead=qualified)]

    def disqualify(self, reason: DisqualifyReason, note: str, now: datetime) -> Change[Lead]:
        """Given up."""
        self._require((*OPEN_STATES, LeadState.RECYCLED), "its outcome is known")
        self._require_unconverted()
        gone = replace(
            self._resting(),
            state=LeadState.DISQUALIFIED,
            disqualify_reason=reason,
            note=note,
            close_time=now,
            recycle_time=None,
        )
        return gone, [LeadDisqualified(lead=gone)]

    def recycle(self, until: datetime, note: str, now: datetime) -> Change[Lead]:
        """Laid aside until a date."""
        self._require((*OPEN_STATES, LeadState.RECYCLED, LeadState.DISQUALIFIED), "it was converted")
        self._require_unconverted()
        if until <= now:
            raise InvalidArgument.field("recycle_time", f"{until.isoformat()} is over; give a later time")
        aside = replace(
            self._resting(),
            state=LeadState.RECYCLED,
            recycle_time=until,
            note=note,
            close_time=None,
            disqualify_reason=None,
        )
        return aside, [LeadRecycled(lead=aside)]

    def revive(self, now: datetime) -> Change[Lead]:
        """Back as a new lead, once its date has come."""
        if self.state is not LeadState.RECYCLED or self.recycle_time is None or self.recycle_time > now:
            return self, []
        back = replace(
            self,
            state=LeadState.NEW,
            owner="",
            assignment=None,
            response=None,
            recycle_time=None,
            recycled=self.recycled + 1,
            triage_time=AT_ONCE,
        )
        return back, [LeadRevived(lead=back)]

    # -------------------------------------------------------------------------------------------------- conversion

    def begin_conversion(self, wanted: Conversion) -> Change[Lead]:
        """With what is wanted of its conversion written down. The same wish again changes nothing."""
        current = self.conversion
        if current is not None and current.step is not ConversionStep.UNDONE:
            current.require_same(self.id, wanted)
            return self, []
        self._require((LeadState.ASSIGNED, LeadState.CONTACTED, LeadState.QUALIFIED, LeadState.NEW), "it is not open")
        begun = replace(self, conversion=replace(wanted, number=current.number + 1 if current is not None else 1))
        return begun, [LeadConversionBegun(lead=begun)]

    def found_customer(self, customer_id: str) -> Change[Lead]:
        """With the customer that it turned out to be."""
        current = self._conversion()
        if current.step is not ConversionStep.BEGUN:
            return self, []
        known = replace(self, conversion=current.with_customer(customer_id), customer_id=customer_id)
        return known, [LeadConversionBegun(lead=known)]

    def convert(self, deal_id: str, now: datetime) -> Change[Lead]:
        """Converted into a deal of its customer."""
        current = self._conversion()
        if current.step is ConversionStep.DONE:
            return self, []
        converted = replace(
            self._resting(),
            state=LeadState.CONVERTED,
            close_time=now,
            conversion=replace(current, step=ConversionStep.DONE, deal_id=deal_id),
        )
        return converted, [LeadConverted(lead=converted)]

    def undo_conversion(self) -> Change[Lead]:
        """Qualified again and linked to nothing, whether its conversion was done or only begun."""
        current = self.conversion
        if current is None or current.step is ConversionStep.UNDONE:
            return self, []
        open_again = replace(
            self,
            state=LeadState.QUALIFIED if self.state is LeadState.CONVERTED else self.state,
            customer_id=self.customer_id if self.source == CARE else "",
            close_time=None,
            conversion=replace(current, step=ConversionStep.UNDONE),
        )
        return open_again, [LeadConversionUndone(lead=open_again)]

    def erase(self) -> Change[Lead]:
        """Without words: states, dates and numbers stay for what was learned."""
        if self.erased:
            return self, []
        kept = self.conversion
        left = replace(
            self._resting(),
            display_name="",
            contact_points=(),
            attributes=(),
            needs=(),
            note="",
            conversion=replace(kept, deal_name="", role="") if kept is not None else None,
            recycle_time=None,
            erased=True,
        )
        return left, [LeadErased(lead=left)]

    # ------------------------------------------------------------------------------------------------- its parts

    def _conversion(self) -> Conversion:
        if self.conversion is None or self.conversion.step is ConversionStep.UNDONE:
            raise LeadMoveForbidden(lead_id=self.id, state=self.state, allowed="its conversion was undone")
        return self.conversion

    def _require(self, states: Sequence[LeadState], allowed: str) -> None:
        if self.state not in states:
            raise LeadMoveForbidden(lead_id=self.id, state=self.state, allowed=allowed)

    def _require_unconverted(self) -> None:
        if self.conversion is not None and self.conversion.step is not ConversionStep.UNDONE:
            raise LeadMoveForbidden(
                lead_id=self.id, state="being converted", allowed="finish its conversion or undo it"
            )

    def _resting(self) -> Lead:
        """Waiting for nothing."""
        return replace(self, triage_time=None, respond_time=None)


_FIXED = ("source", "source_key", "form_id", "capture_time", "owner")
_WRITTEN = (
    "campaign",
    "kind",
    "display_name",
    "contact_points",
    "attributes",
    "needs",
    "territory",
    "skills",
    "consent_ref",
)


# ------------------------------------------------------------------------------------------------------------ events


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadEvent(Event):
    """Something that happened to a lead, which it carries as it is afterwards."""

    lead: Lead


class LeadCaptured(LeadEvent):
    """A lead was captured."""


class LeadUpdated(LeadEvent):
    """A lead was written anew."""


class LeadScored(LeadEvent):
    """A lead was judged."""


class LeadAssigned(LeadEvent):
    """Somebody answers for a lead."""


class LeadPassedOver(LeadEvent):
    """No agent could take a lead."""


class LeadContacted(LeadEvent):
    """Somebody tried to reach a lead."""


class LeadResponseOverdue(LeadEvent):
    """Nobody tried to reach a lead in time."""


class LeadQualified(LeadEvent):
    """A lead is worth an opportunity."""


class LeadDisqualified(LeadEvent):
    """A lead was given up."""


class LeadRecycled(LeadEvent):
    """A lead was laid aside."""


class LeadRevived(LeadEvent):
    """A lead came back."""


class LeadConversionBegun(LeadEvent):
    """The conversion of a lead goes on."""


class LeadConverted(LeadEvent):
    """A lead became an opportunity."""


class LeadConversionUndone(LeadEvent):
    """The conversion of a lead was undone."""


class LeadErased(LeadEvent):
    """What is personal in a lead was erased."""
