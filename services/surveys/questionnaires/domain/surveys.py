"""Surveys: what is asked, of whom, and where it stands, from the first draft until respondents know what came of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, FieldViolation, InvalidArgument, OpenEnum
from services.surveys.questionnaires.domain import logic
from services.surveys.questionnaires.domain.answers import Answer
from services.surveys.questionnaires.domain.items import SCALES, Item, ItemType
from services.surveys.questionnaires.domain.logic import Jump, Route

SCORE_BASE_MIN = 30
"""Answers below which a survey that says nothing else shows no score."""
CELL_BASE_MIN = 5
"""Answers below which a survey that says nothing else shows no cell."""
IDLE_LIMIT = timedelta(days=7)
ANSWER_WITHIN = timedelta(days=1)
DETRACTOR_AT_MOST = 6


class SurveyStateForbids(FailedPrecondition):
    """Survey {survey_id} is {state}: this needs {allowed}."""

    survey_id: str
    state: str
    allowed: tuple[str, ...]


class LaunchIncomplete(FailedPrecondition):
    """Survey {survey_id} lacks {missing}: add it, then launch."""

    survey_id: str
    missing: tuple[str, ...]


class SurveyKind(OpenEnum):
    """Purpose of a survey."""

    NPS = "NPS"
    CSAT = "CSAT"
    CES = "CES"
    SERVQUAL = "SERVQUAL"
    PULSE = "PULSE"
    EXIT = "EXIT"
    CUSTOM = "CUSTOM"


class Anonymity(OpenEnum):
    """Knowledge about a respondent."""

    IDENTIFIED = "IDENTIFIED"
    CONFIDENTIAL = "CONFIDENTIAL"
    ANONYMOUS = "ANONYMOUS"


class SurveyState(OpenEnum):
    """Place of a survey on its way."""

    DRAFT = "DRAFT"
    PILOT = "PILOT"
    LIVE = "LIVE"
    PAUSED = "PAUSED"
    FIELD_CLOSED = "FIELD_CLOSED"
    ANALYSED = "ANALYSED"
    RESULTS_SHARED = "RESULTS_SHARED"
    CLOSED = "CLOSED"


IN_FIELD = (SurveyState.PILOT, SurveyState.LIVE)
"""States in which respondents are taken in."""
ANSWERABLE = (*IN_FIELD, SurveyState.PAUSED)
"""States in which those who began may go on."""


class DesignMethod(OpenEnum):
    """Way in which those who are asked are chosen."""

    CENSUS = "CENSUS"
    SIMPLE_RANDOM = "SIMPLE_RANDOM"
    STRATIFIED = "STRATIFIED"
    SYSTEMATIC = "SYSTEMATIC"
    QUOTA = "QUOTA"
    PROPORTIONAL_TO_SIZE = "PROPORTIONAL_TO_SIZE"
    TRIGGERED = "TRIGGERED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Questionnaire:
    """Items, and the ways through them."""

    languages: tuple[str, ...]
    items: tuple[Item, ...]
    jumps: tuple[Jump, ...] = ()
    introduction: Mapping[str, str] = field(default_factory=dict)
    thanks: Mapping[str, str] = field(default_factory=dict)
    equivalent_items: tuple[str, ...] = ()
    """Keys of items whose changed words ask the same as before."""

    def violations(self) -> Iterator[FieldViolation]:
        """Everything that makes it unsound."""
        try:
            logic.check(self.items, self.jumps, self.languages)
        except InvalidArgument as error:
            yield from error.violations
        for name in self.equivalent_items:
            if name not in self.by_key:
                yield FieldViolation("equivalent_items", f"{name} is no item")

    @property
    def by_key(self) -> Mapping[str, Item]:
        """Key → item."""
        return {item.key: item for item in self.items}

    def route(self, answers: Mapping[str, Answer]) -> Route:
        """The way that answers lead."""
        return logic.route(self.items, self.jumps, answers)

    def text(self, texts: Mapping[str, str], language: str) -> str:
        """Words in a language, else in the first one that the questionnaire has."""
        return texts.get(language) or texts.get(self.languages[0], "")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    """Answers that are told to somebody at once."""

    item: str = ""
    at_most: int = DETRACTOR_AT_MOST
    safety_words: tuple[str, ...] = ()
    answer_within: timedelta = ANSWER_WITHIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey(Entity):
    """A questionnaire that is asked, wave after wave."""

    ID_PREFIX: ClassVar[str] = "svy"

    display_name: str
    kind: SurveyKind
    questionnaire: Questionnaire
    anonymity: Anonymity = Anonymity.IDENTIFIED
    design: DesignMethod | None = None
    owner: str = ""
    goals: str = ""
    score_base_min: int = 0
    cell_base_min: int = 0
    consent_required: bool = False
    sampling_basis_points: int = 0
    idle_limit: timedelta = IDLE_LIMIT
    alert_policy: AlertPolicy | None = None
    state: SurveyState = SurveyState.DRAFT
    version: int = 0
    wave: int = 0
    launch_time: datetime | None = None
    field_close_time: datetime | None = None
    share_time: datetime | None = None
    thank_time: datetime | None = None

    # ------------------------------------------------------------------------------------------------ its content

    def create(self) -> Change[Survey]:
        """This survey as a new draft. InvalidArgument names everything that is wrong with it."""
        drafted = Survey(id=self.id, **{name: getattr(self, name) for name in _WRITTEN}).checked()
        return drafted, [SurveyCreated(survey=drafted)]

    def redefine(self, other: Survey) -> Change[Survey]:
        """With other content: the same draft, or the next version of what was launched."""
        if self.state in (SurveyState.FIELD_CLOSED, SurveyState.ANALYSED):
            raise self.forbids(SurveyState.DRAFT, *ANSWERABLE, SurveyState.RESULTS_SHARED, SurveyState.CLOSED)
        written = replace(self, **{name: getattr(other, name) for name in _WRITTEN}).checked()
        if written == self:
            return self, []
        if self.version and written.questionnaire != self.questionnaire:
            written = replace(written, version=self.version + 1)
        if self.version and written.anonymity is not self.anonymity:
            raise InvalidArgument.field("anonymity", "what respondents were told cannot change")
        return written, [SurveyRedefined(survey=written)]

    def checked(self) -> Survey:
        """This survey with its bases filled in. Refuses an unsound one with everything that is wrong."""
        found = [replace(each, field=f"questionnaire.{each.field}") for each in self.questionnaire.violations()]
        found += self._faults_of_alerts()
        if found:
            raise InvalidArgument(violations=found)
        return replace(
            self,
            score_base_min=self.score_base_min or SCORE_BASE_MIN,
            cell_base_min=self.cell_base_min or CELL_BASE_MIN,
        )

    def _faults_of_alerts(self) -> list[FieldViolation]:
        policy = self.alert_policy
        if policy is None or not policy.item:
            return []
        numbered = (*SCALES, ItemType.SCALE, ItemType.NUMBER)
        item = self.questionnaire.by_key.get(policy.item)
        if item is None or item.type not in numbered:
            return [FieldViolation("alert_policy.item", f"{policy.item} is no item with a number")]
        return []

    def version_after(self, before: SurveyVersion | None) -> SurveyVersion:
        """The present version, to be kept beside the one before it."""
        return SurveyVersion(
            id="",
            survey_id=self.id,
            number=self.version,
            questionnaire=self.questionnaire,
            wordings=wordings(self.questionnaire, self.version, before),
        )

    # ------------------------------------------------------------------------------------------------ its places

    def launch(self, *, pilot: bool, now: datetime) -> Change[Survey]:
        """In the field, in its first version unless it has one."""
        allowed = (SurveyState.DRAFT,) if pilot else (SurveyState.DRAFT, SurveyState.PILOT)
        self.require(*allowed)
        missing = [name for name in ("design", "owner") if not getattr(self, name)]
        if missing:
            raise LaunchIncomplete(survey_id=self.id, missing=tuple(missing))
        launched = replace(
            self,
            state=SurveyState.PILOT if pilot else SurveyState.LIVE,
            version=self.version or 1,
            wave=self.wave or 1,
            launch_time=now,
        )
        return launched, [SurveyLaunched(survey=launched)]

    def pause(self) -> Change[Survey]:
        """Taking nobody in."""
        return self._moved(SurveyState.PAUSED, *IN_FIELD)

    def resume(self) -> Change[Survey]:
        """Taking respondents in again."""
        return self._moved(SurveyState.LIVE, SurveyState.PAUSED)

    def close_field(self, now: datetime) -> Change[Survey]:
        """No longer answered."""
        return self._moved(SurveyState.FIELD_CLOSED, *ANSWERABLE, field_close_time=now)

    def confirm_analysis(self) -> Change[Survey]:
        """With results that were read."""
        return self._moved(SurveyState.ANALYSED, SurveyState.FIELD_CLOSED)

    def share(self, now: datetime) -> Change[Survey]:
        """With results that respondents know."""
        return self._moved(SurveyState.RESULTS_SHARED, SurveyState.ANALYSED, share_time=now)

    def thank(self, now: datetime) -> Change[Survey]:
        """With respondents who were thanked."""
        if self.thank_time is not None:
            return self, []
        return self._moved(self.state, SurveyState.ANALYSED, SurveyState.RESULTS_SHARED, thank_time=now)

    def close(self) -> Change[Survey]:
        """With its loop closed. The caller has seen to what a closed loop needs."""
        return self._moved(SurveyState.CLOSED, SurveyState.RESULTS_SHARED)

    def start_wave(self, now: datetime) -> Change[Survey]:
        """In the field for another wave."""
        self.require(SurveyState.RESULTS_SHARED, SurveyState.CLOSED)
        begun = replace(
            self,
            state=SurveyState.LIVE,
            wave=self.wave + 1,
            launch_time=now,
            field_close_time=None,
            share_time=None,
            thank_time=None,
        )
        return begun, [SurveyLaunched(survey=begun)]

    def require(self, *allowed: SurveyState) -> None:
        """SurveyStateForbids unless it is in one of these states."""
        if self.state not in allowed:
            raise self.forbids(*allowed)

    def forbids(self, *allowed: SurveyState) -> SurveyStateForbids:
        """The refusal that names the states that would do."""
        return SurveyStateForbids(survey_id=self.id, state=self.state, allowed=tuple(map(str, allowed)))

    def _moved(self, state: SurveyState, *allowed: SurveyState, **fields: object) -> Change[Survey]:
        self.require(*allowed)
        moved = replace(self, state=state, **fields)  # type: ignore[arg-type]
        return moved, [SurveyStateChanged(survey=moved)]


_WRITTEN = (
    "display_name",
    "kind",
    "anonymity",
    "questionnaire",
    "design",
    "owner",
    "goals",
    "score_base_min",
    "cell_base_min",
    "consent_required",
    "sampling_basis_points",
    "idle_limit",
    "alert_policy",
)
"""The fields of a survey that people write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyVersion(Entity):
    """A questionnaire that respondents were asked. Never changed."""

    ID_PREFIX: ClassVar[str] = "svv"

    survey_id: str
    number: int
    questionnaire: Questionnaire
    wordings: Mapping[str, int] = field(default_factory=dict)
    """Key of an item → version in which its present words, or words that ask the same, were first asked."""


def wordings(questionnaire: Questionnaire, number: int, before: SurveyVersion | None) -> Mapping[str, int]:
    """The version with which the trend of each item begins: the present one, unless the item asks what it asked before.

    An item asks the same when its type, its scale, its options and its words in every language are the same, or when
    the questionnaire declares it equivalent.
    """
    old = before.questionnaire.by_key if before is not None else {}
    same: Collection[str] = {
        item.key
        for item in questionnaire.items
        if item.key in old and (_asked(item) == _asked(old[item.key]) or item.key in questionnaire.equivalent_items)
    }
    known = before.wordings if before is not None else {}
    return {item.key: known.get(item.key, number) if item.key in same else number for item in questionnaire.items}


def _asked(item: Item) -> tuple[object, ...]:
    return item.type, item.texts, item.options, item.rows, item.scale, item.reverse_scored


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyEvent(Event):
    """Something that happened to a survey. Carries it as it is afterwards."""

    survey: Survey


class SurveyCreated(SurveyEvent):
    """A survey was created."""


class SurveyRedefined(SurveyEvent):
    """A survey was written anew."""


class SurveyLaunched(SurveyEvent):
    """The field of a survey was opened."""


class SurveyStateChanged(SurveyEvent):
    """A survey stands elsewhere."""
