"""Invitations: who may be asked, who was, and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, Open, OpenEnum, Sealed
from services.surveys.questionnaires.domain.surveys import IN_FIELD, Survey

REMINDERS_MAX = 2
REMINDER_GAP = timedelta(days=3)
VALID_FOR = timedelta(days=30)
"""Time for which an invitation that says nothing else can be followed."""


class SurveyTokenUnknown(FailedPrecondition):
    """No link ends in {ending}: ask for another one."""

    ending: str


class SurveyTokenExpired(FailedPrecondition):
    """This link could be followed until {expire_time}."""

    expire_time: datetime


class SurveyTokenUsed(FailedPrecondition):
    """The response of this link to survey {survey_id} was handed in: it cannot be changed any more."""

    survey_id: str


class SurveyTokenOfAnother(FailedPrecondition):
    """This link belongs to another survey, not to {survey_id}."""

    survey_id: str


class RemindersExhausted(FailedPrecondition):
    """Invitation {invitation_id} was followed by {reminders} reminders: no more are sent."""

    invitation_id: str
    reminders: int


class ReminderTooSoon(FailedPrecondition):
    """Invitation {invitation_id} may be followed by a reminder from {next_time} on."""

    invitation_id: str
    next_time: datetime


class InvitationEnded(FailedPrecondition):
    """Invitation {invitation_id} is {state}: nothing more happens to it."""

    invitation_id: str
    state: str


class InvitationState(OpenEnum):
    """Fate of an invitation."""

    INELIGIBLE = "INELIGIBLE"
    REQUESTED = "REQUESTED"
    SENT = "SENT"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    SCREENED_OUT = "SCREENED_OUT"
    QUOTA_FULL = "QUOTA_FULL"
    EXPIRED = "EXPIRED"
    BOUNCED = "BOUNCED"
    OPTED_OUT = "OPTED_OUT"
    SUPERSEDED = "SUPERSEDED"


OPEN = (InvitationState.REQUESTED, InvitationState.SENT, InvitationState.STARTED)
"""States from which a response may still come."""
ANSWERED = (
    InvitationState.COMPLETED,
    InvitationState.PARTIAL,
    InvitationState.SCREENED_OUT,
    InvitationState.QUOTA_FULL,
)


class Reason(OpenEnum):
    """Obstacle to asking a customer."""

    NOT_IN_FIELD = "NOT_IN_FIELD"
    ERASED = "ERASED"
    NO_CONSENT = "NO_CONSENT"
    FATIGUE = "FATIGUE"
    OPEN_COMPLAINT = "OPEN_COMPLAINT"
    EMPLOYEE = "EMPLOYEE"
    MINOR = "MINOR"
    QUOTA_FULL = "QUOTA_FULL"
    WINDOW_CLOSED = "WINDOW_CLOSED"
    ALREADY_INVITED = "ALREADY_INVITED"
    NOT_SAMPLED = "NOT_SAMPLED"
    NOT_SENT = "NOT_SENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class FatigueRule(Entity):
    """Invitations that a customer gets at most, over all surveys."""

    ID_PREFIX: ClassVar[str] = "fat"

    invitations_max: int = 4
    period: timedelta = timedelta(days=365)
    gap: timedelta = timedelta(days=30)
    """Time between two invitations at least."""

    def tires(self, times: Sequence[datetime], now: datetime) -> bool:
        """True when another invitation would be one too many after those of these times."""
        recent = [each for each in times if each > now - self.period]
        return len(recent) >= self.invitations_max or any(each > now - self.gap for each in recent)

    def set(self, other: FatigueRule) -> Change[FatigueRule]:
        """With other limits."""
        return replace(self, invitations_max=other.invitations_max, period=other.period, gap=other.gap), []


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Facts about a customer that the caller knows and this service does not."""

    open_complaint: bool = False
    window_close_time: datetime | None = None
    """End of the time in which the channel takes messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Everything that decides about asking a customer."""

    erased: bool = False
    agrees: bool = True
    employee: bool = False
    adult_date: date | None = None
    invited_times: tuple[datetime, ...] = ()
    already_invited: bool = False
    quota_full: bool = False
    sampled: bool = True


def reasons_against(
    survey: Survey, standing: Standing, told: Circumstances, rule: FatigueRule, now: datetime
) -> tuple[Reason, ...]:
    """Every reason against asking a customer now. None when it may be asked."""
    return tuple(_reasons(survey, standing, told, rule, now))


def _reasons(
    survey: Survey, standing: Standing, told: Circumstances, rule: FatigueRule, now: datetime
) -> Iterator[Reason]:
    tests = {
        Reason.NOT_IN_FIELD: survey.state not in IN_FIELD,
        Reason.ERASED: standing.erased,
        Reason.NO_CONSENT: not standing.agrees,
        Reason.FATIGUE: rule.tires(standing.invited_times, now),
        Reason.OPEN_COMPLAINT: told.open_complaint,
        Reason.EMPLOYEE: standing.employee,
        Reason.MINOR: standing.adult_date is not None and standing.adult_date > now.date(),
        Reason.QUOTA_FULL: standing.quota_full,
        Reason.WINDOW_CLOSED: told.window_close_time is not None and told.window_close_time <= now,
        Reason.ALREADY_INVITED: standing.already_invited,
        Reason.NOT_SAMPLED: not standing.sampled,
    }
    yield from (reason for reason, holds in tests.items() if holds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """Answer to the question of asking a customer, with every reason against it."""

    eligible: bool
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation(Entity):
    """A customer who is asked, or why it is not. One of each survey and cause."""

    ID_PREFIX: ClassVar[str] = "inv"

    survey_id: str
    customer_id: str
    wave: int = 0
    cause_ref: str = ""
    """Reference of what it is about, such as a case or an order. The wave when empty."""
    sample_id: str = ""
    channel: str = ""
    language: str = ""
    stratum: str = ""
    probability: float = 1.0
    labels: Mapping[str, str] = field(default_factory=dict)
    state: InvitationState = InvitationState.REQUESTED
    reasons: tuple[Reason, ...] = ()
    token_hash: Open[str] = ""
    """Digest of the survey token, which has too many bits to be guessed."""
    survey_token: Sealed[str] = ""
    """The survey token itself, for whoever sends or reminds. Sealed, and gone with the customer."""
    expire_time: datetime | None = None
    send_time: datetime | None = None
    reminders: int = 0
    remind_time: datetime | None = None
    response_id: str = ""

    @property
    def key(self) -> str:
        """The natural key: one invitation of each survey, cause and customer."""
        return f"{self.survey_id}:{self.cause_ref or f'wave {self.wave}'}:{self.customer_id}"

    def invite(self, given: Invitation, survey_token: str, reasons: tuple[Reason, ...]) -> Change[Invitation]:
        """As given, to be sent, or with the reasons against it. A repeat changes nothing, unless nobody was asked."""
        if self.revision and (self.state is not InvitationState.INELIGIBLE or reasons):
            return self, []
        made = replace(
            given,
            id=self.id,
            revision=self.revision,
            create_time=self.create_time,
            update_time=self.update_time,
            state=InvitationState.INELIGIBLE if reasons else InvitationState.REQUESTED,
            reasons=reasons,
            token_hash=hash_of(survey_token),
            survey_token=survey_token,
        )
        if reasons:
            return made, [InvitationWithheld(invitation=made)]
        return made, [InvitationRequested(invitation=made, survey_token=survey_token)]

    def deliver(self, outcome: InvitationState, now: datetime) -> Change[Invitation]:
        """Sent, bounced, or answered by a refusal to be asked."""
        if self.state not in OPEN:
            raise InvitationEnded(invitation_id=self.id, state=self.state)
        if outcome is self.state or (outcome is InvitationState.SENT and self.state is InvitationState.STARTED):
            return self, []
        return self._moved(outcome, send_time=self.send_time or now)

    def withhold(self, reasons: tuple[Reason, ...]) -> Change[Invitation]:
        """Not sent, for these reasons. One that was sent before stays as it is."""
        if self.state is not InvitationState.REQUESTED:
            return self, []
        withheld = replace(self, state=InvitationState.INELIGIBLE, reasons=reasons)
        return withheld, [InvitationWithheld(invitation=withheld)]

    def remind(self, now: datetime) -> Change[Invitation]:
        """With another reminder to be sent."""
        if self.state not in OPEN:
            raise InvitationEnded(invitation_id=self.id, state=self.state)
        self.require_valid(now)
        if self.reminders >= REMINDERS_MAX:
            raise RemindersExhausted(invitation_id=self.id, reminders=self.reminders)
        last = self.remind_time or self.send_time or self.create_time
        if last is not None and now < last + REMINDER_GAP:
            raise ReminderTooSoon(invitation_id=self.id, next_time=last + REMINDER_GAP)
        reminded = replace(self, reminders=self.reminders + 1, remind_time=now)
        return reminded, [InvitationReminded(invitation=reminded, survey_token=self.survey_token)]

    def start(self) -> Change[Invitation]:
        """Followed by its customer."""
        return self._moved(InvitationState.STARTED) if self.state in OPEN[:2] else (self, [])

    def answer(self, outcome: InvitationState, response_id: str) -> Change[Invitation]:
        """Answered."""
        return self._moved(outcome, response_id=response_id) if self.state in OPEN else (self, [])

    def expire(self, now: datetime) -> Change[Invitation]:
        """Expired, when its time is over and nobody answered."""
        over = self.state in OPEN and self.expire_time is not None and self.expire_time <= now
        return self._moved(InvitationState.EXPIRED) if over else (self, [])

    def supersede(self) -> Change[Invitation]:
        """Given up for another one of the same customer."""
        return self._moved(InvitationState.SUPERSEDED) if self.state in OPEN else (self, [])

    def erase(self) -> Change[Invitation]:
        """Without groups and without a way in."""
        erased = replace(self, labels={}, token_hash="", survey_token="", language="")
        return erased, [InvitationErased(invitation=erased)]

    def require_valid(self, now: datetime) -> None:
        """Refuses a link whose time is over, or that leads nowhere any more."""
        if self.state in ANSWERED:
            raise SurveyTokenUsed(survey_id=self.survey_id)
        if self.expire_time is not None and self.expire_time <= now:
            raise SurveyTokenExpired(expire_time=self.expire_time)
        if self.state not in OPEN:
            raise InvitationEnded(invitation_id=self.id, state=self.state)

    def _moved(self, state: InvitationState, **fields: object) -> Change[Invitation]:
        moved = replace(self, state=state, **fields)  # type: ignore[arg-type]
        return moved, [InvitationChanged(invitation=moved)]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedLink(Entity):
    """Mark of a link whose anonymous response was handed in. It tells neither the time nor the response."""

    ID_PREFIX: ClassVar[str] = "utk"

    survey_id: str

    def mark(self, survey_id: str) -> Change[UsedLink]:
        """Kept."""
        return replace(self, survey_id=survey_id), []


def hash_of(survey_token: str) -> str:
    """The form in which a survey token is stored and looked for. It has 128 random bits, so no salt is needed."""
    return hashlib.sha256(survey_token.encode()).hexdigest()


def one_to_keep(rivals: Sequence[Invitation]) -> Invitation:
    """Of several open invitations to one survey the one that was started, else the oldest."""
    return min(rivals, key=lambda each: (each.state is not InvitationState.STARTED, str(each.create_time), each.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An invitation with its way in, for whoever sends it."""

    invitation: Invitation
    survey_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationEvent(Event):
    """Something that happened to an invitation. Carries it as it is afterwards."""

    invitation: Invitation


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRequested(InvitationEvent):
    """A customer is to be asked: whoever sends messages sends this one."""

    survey_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationReminded(InvitationEvent):
    """A customer is to be reminded."""

    survey_token: str


class InvitationWithheld(InvitationEvent):
    """A customer is not asked, for reasons that the invitation tells."""


class InvitationChanged(InvitationEvent):
    """An invitation was sent, followed, answered or ended."""


class InvitationErased(InvitationEvent):
    """The customer of an invitation was erased."""
