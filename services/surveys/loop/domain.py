"""The loop: what one answer sets off, and what all answers together change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, InvalidArgument, OpenEnum
from libs.statistics.estimates import Estimate, share
from services.surveys.collection.domain.responses import COUNTED, Response
from services.surveys.questionnaires.domain.surveys import ANSWER_WITHIN, AlertPolicy, Anonymity, Survey


class LoopOpen(FailedPrecondition):
    """The loop of survey {survey_id} is open: {missing}."""

    survey_id: str
    missing: tuple[str, ...]


class AlertSettled(FailedPrecondition):
    """Alert {alert_id} was settled: {outcome}."""

    alert_id: str
    outcome: str


class VerifiedTooEarly(FailedPrecondition):
    """Finding {finding_id} is of wave {wave}: its action is verified in a later one, and this is wave {now}."""

    finding_id: str
    wave: int
    now: int


class AlertKind(OpenEnum):
    """Cause of an alert."""

    DETRACTOR = "DETRACTOR"
    SAFETY = "SAFETY"


class AlertOutcome(OpenEnum):
    """Result of getting in touch with a respondent."""

    SOLVED = "SOLVED"
    EXPLAINED = "EXPLAINED"
    NOT_REACHED = "NOT_REACHED"
    NO_ACTION = "NO_ACTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Entity):
    """A response that somebody has to answer."""

    ID_PREFIX: ClassVar[str] = "alr"

    survey_id: str
    wave: int
    response_id: str
    customer_id: str
    kind: AlertKind
    number: int = 0
    """Answer that was too low, for a detractor."""
    words: str = ""
    """Text that the respondent wrote."""
    owner: str = ""
    due_time: datetime | None = None
    case_id: str = ""
    outcome: AlertOutcome | None = None
    settle_time: datetime | None = None

    def tell(self) -> Change[Alert]:
        """Raised. A repeat changes nothing."""
        return self, [] if self.revision else [AlertRaised(alert=self)]

    def settle(self, outcome: AlertOutcome, case_id: str, now: datetime) -> Change[Alert]:
        """Settled, with what came of it and the case in which it was."""
        if self.outcome is not None:
            raise AlertSettled(alert_id=self.id, outcome=self.outcome)
        settled = replace(self, outcome=outcome, case_id=case_id, settle_time=now)
        return settled, [AlertHandled(alert=settled)]

    def follow(self, outcome: AlertOutcome, case_id: str, now: datetime) -> Change[Alert]:
        """Settled as its case ended. One that was settled stays as it is."""
        return self.settle(outcome, case_id, now) if self.outcome is None else (self, [])

    def erase(self) -> Change[Alert]:
        """Without words."""
        erased = replace(self, words="")
        return erased, [AlertErased(alert=erased)]


def alert_of(response: Response, survey: Survey, now: datetime) -> Alert | None:
    """The alert that a response sets off. None when nothing in it asks for one, or nobody could answer it."""
    policy = survey.alert_policy
    if policy is None or survey.anonymity is Anonymity.ANONYMOUS or response.state not in COUNTED:
        return None
    texts = [answer.text for answer in response.answers.values() if answer.text]
    words = " / ".join(texts)[:2000]
    spoken = words.casefold()
    scored = response.answers.get(policy.item)
    low = scored is not None and scored.number is not None and scored.number <= policy.at_most
    critical = any(word.casefold() in spoken for word in policy.safety_words)
    if not (low or critical):
        return None
    return Alert(
        id="",
        survey_id=survey.id,
        wave=response.wave,
        response_id=response.id,
        customer_id=response.customer_id,
        kind=AlertKind.SAFETY if critical else AlertKind.DETRACTOR,
        number=scored.number if scored is not None and scored.number is not None else 0,
        words=words,
        owner=survey.owner,
        due_time=now + _within(policy),
    )


def _within(policy: AlertPolicy) -> timedelta:
    return policy.answer_within or ANSWER_WITHIN


class FindingState(OpenEnum):
    """Place of a finding on its way to an improvement."""

    FOUND = "FOUND"
    PLANNED = "PLANNED"
    DONE = "DONE"
    VERIFIED = "VERIFIED"
    NOT_CONFIRMED = "NOT_CONFIRMED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Entity):
    """Something that a wave taught, what is done about it, and whether the next wave confirms that it helped."""

    ID_PREFIX: ClassVar[str] = "fnd"

    survey_id: str
    wave: int = 0
    text: str
    """Words for respondents: "you said"."""
    item: str = ""
    action: str = ""
    """Words for respondents: "we did"."""
    owner: str = ""
    due_date: date | None = None
    state: FindingState = FindingState.FOUND
    done_time: datetime | None = None
    verified_wave: int = 0

    def find(self, wave: int) -> Change[Finding]:
        """This finding of a wave."""
        found = Finding(id=self.id, survey_id=self.survey_id, wave=wave, text=self.text, item=self.item)
        return found, [FindingCreated(finding=found)]

    def plan(self, action: str, owner: str, due_date: date | None) -> Change[Finding]:
        """With what is done about it."""
        if not action:
            raise InvalidArgument.field("action", "say what is done about it")
        return self._moved(FindingState.PLANNED, action=action, owner=owner, due_date=due_date)

    def finish(self, now: datetime) -> Change[Finding]:
        """With an action that was done."""
        if self.state is not FindingState.PLANNED:
            raise InvalidArgument.field("finding_id", f"it is {self.state}, and an action that is PLANNED can be done")
        return self._moved(FindingState.DONE, done_time=now)

    def verify(self, wave: int, *, confirmed: bool) -> Change[Finding]:
        """Confirmed, or not, by a later wave than its own."""
        if self.state is not FindingState.DONE:
            raise InvalidArgument.field("finding_id", f"it is {self.state}, and an action that is DONE can be verified")
        if wave <= self.wave:
            raise VerifiedTooEarly(finding_id=self.id, wave=self.wave, now=wave)
        state = FindingState.VERIFIED if confirmed else FindingState.NOT_CONFIRMED
        return self._moved(state, verified_wave=wave)

    def _moved(self, state: FindingState, **fields: object) -> Change[Finding]:
        moved = replace(self, state=state, **fields)  # type: ignore[arg-type]
        return moved, [FindingChanged(finding=moved)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStatus:
    """How far the loop of a wave is closed."""

    survey_id: str
    wave: int
    alerts: int
    settled: int
    overdue: int
    closure_rate: Estimate | None
    """Share of the alerts that were settled."""
    findings: Mapping[str, int]
    """State → findings of the survey."""
    missing: tuple[str, ...]
    """Things that are left to do before the survey can be closed."""


def status(survey: Survey, alerts: Sequence[Alert], findings: Sequence[Finding], now: datetime) -> LoopStatus:
    """The loop of the present wave of a survey."""
    of_wave = [each for each in alerts if each.wave == survey.wave]
    settled = sum(each.outcome is not None for each in of_wave)
    overdue = sum(each.outcome is None and each.due_time is not None and each.due_time < now for each in of_wave)
    states: dict[str, int] = {}
    for each in findings:
        states[str(each.state)] = states.get(str(each.state), 0) + 1
    missing = {
        "results were not shared": survey.share_time is None,
        "respondents were not thanked": survey.thank_time is None,
        f"{len(of_wave) - settled} alerts are not settled": settled < len(of_wave),
    }
    return LoopStatus(
        survey_id=survey.id,
        wave=survey.wave,
        alerts=len(of_wave),
        settled=settled,
        overdue=overdue,
        closure_rate=share(settled, len(of_wave)),
        findings=states,
        missing=tuple(words for words, lacks in missing.items() if lacks),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent(Event):
    """Something that happened to an alert. Carries it as it is afterwards."""

    alert: Alert


class AlertRaised(AlertEvent):
    """A response asks for an answer: a case is to be opened."""


class AlertHandled(AlertEvent):
    """An alert was settled."""


class AlertErased(AlertEvent):
    """The customer of an alert was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingEvent(Event):
    """Something that happened to a finding. Carries it as it is afterwards."""

    finding: Finding


class FindingCreated(FindingEvent):
    """A wave taught something."""


class FindingChanged(FindingEvent):
    """Something is done about a finding, or was confirmed."""
