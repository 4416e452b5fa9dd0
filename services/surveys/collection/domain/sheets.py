"""Sheets: what a respondent has answered so far, on one device or several, until it is handed in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, FailedPrecondition, InvalidArgument, OpenEnum
from services.surveys.collection.domain.responses import Mode, Response, ResponseState, quality
from services.surveys.questionnaires.domain.answers import Answer
from services.surveys.questionnaires.domain.items import check
from services.surveys.questionnaires.domain.logic import Ending
from services.surveys.questionnaires.domain.surveys import Anonymity, Questionnaire, Survey

DEVICES_MAX = 20


class ItemUnknown(InvalidArgument):
    """Version {version} of survey {survey_id} has no item {item}."""

    wrong_field = "answers"
    survey_id: str
    version: int
    item: str


class LanguageUnknown(InvalidArgument):
    """The survey is not asked in {language}: it is in {languages}."""

    wrong_field = "language"
    language: str
    languages: tuple[str, ...]


class SheetEnded(FailedPrecondition):
    """Sheet {sheet_id} is {state}: nothing more is taken in."""

    sheet_id: str
    state: str


class ResponseIncomplete(FailedPrecondition):
    """Item {item} of sheet {sheet_id} is not answered yet: answer it, or save a blank one where that is allowed."""

    sheet_id: str
    item: str


class SheetState(OpenEnum):
    """State of a sheet."""

    OPEN = "OPEN"
    HANDED_IN = "HANDED_IN"
    ABANDONED = "ABANDONED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An answer with its place in the order of the respondent's changes."""

    answer: Answer
    sequence: int
    """Number that the client gives its changes. A lower one never takes the place of a higher one."""
    save_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAnswer:
    """An answer as a client sends it."""

    item: str
    answer: Answer
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet(Entity):
    """Answers of one respondent that are not handed in yet. All devices of a respondent share one."""

    ID_PREFIX: ClassVar[str] = "sht"

    survey_id: str
    version: int = 0
    wave: int = 0
    mode: Mode = Mode.WEB
    language: str = ""
    languages: tuple[str, ...] = ()
    """Languages that it was answered in."""
    customer_id: str = ""
    invitation_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    stratum: str = ""
    weight: float = 1.0
    answers: Mapping[str, Given] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    """Digests of the names that its devices gave themselves."""
    seats: tuple[str, ...] = ()
    """Quotas that it is counted in."""
    start_time: datetime | None = None
    idle_time: datetime | None = None
    """Time at which it is given up when nothing more comes. None of a sheet that has ended."""
    state: SheetState = SheetState.OPEN
    response_id: str = ""

    # ------------------------------------------------------------------------------------------------------ filling

    def begin(self, given: Sheet, survey: Survey, now: datetime, device: str) -> Change[Sheet]:
        """Begun in the present version, or gone on with on another device."""
        if self.revision:
            return self.touched(survey, now, self.language, device), []
        begun = replace(
            given,
            id=self.id,
            version=survey.version,
            wave=survey.wave,
            start_time=now,
            language=_known(survey.questionnaire, given.language or survey.questionnaire.languages[0]),
        )
        return begun.touched(survey, now, begun.language, device), []

    def save(
        self,
        answers: Sequence[ItemAnswer],
        survey: Survey,
        questionnaire: Questionnaire,
        *,
        now: datetime,
        language: str = "",
        device: str = "",
    ) -> Change[Sheet]:
        """With these answers, each unless a later one of the same item is there."""
        self.require_open()
        items, kept = questionnaire.by_key, dict(self.answers)
        for each in answers:
            if each.item not in items:
                raise ItemUnknown(survey_id=self.survey_id, version=self.version, item=each.item)
            check(items[each.item], each.answer)
            if each.item not in kept or each.sequence > kept[each.item].sequence:
                kept[each.item] = Given(answer=each.answer, sequence=each.sequence, save_time=now)
        chosen = _known(questionnaire, language or self.language)
        return replace(self, answers=kept).touched(survey, now, chosen, device), []

    def sit(self, seats: Sequence[str]) -> Change[Sheet]:
        """Counted in these quotas."""
        return replace(self, seats=tuple(seats)), []

    def end(self, state: SheetState, response_id: str) -> Change[Sheet]:
        """Ended. What it said is kept by the response alone."""
        ended = replace(self, state=state, response_id=response_id, answers={}, devices=(), idle_time=None, labels={})
        return ended, []

    def erase(self) -> Change[Sheet]:
        """Given up, because its customer was erased."""
        return self.end(SheetState.ABANDONED, self.response_id)

    def require_open(self) -> None:
        """SheetEnded for one that takes nothing more in."""
        if self.state is not SheetState.OPEN:
            raise SheetEnded(sheet_id=self.id, state=self.state)

    def touched(self, survey: Survey, now: datetime, language: str, device: str) -> Sheet:
        """Answered just now, in a language and on a device."""
        name = hashlib.sha256(f"{self.id} {device}".encode()).hexdigest()[:16] if device else ""
        known = name in self.devices or not name or len(self.devices) >= DEVICES_MAX
        return replace(
            self,
            language=language,
            languages=self.languages if language in self.languages else (*self.languages, language),
            devices=self.devices if known else (*self.devices, name),
            idle_time=now + survey.idle_limit,
        )

    # -------------------------------------------------------------------------------------------------- handing in

    @property
    def given(self) -> Mapping[str, Answer]:
        """Key of an item → answer."""
        return {key: each.answer for key, each in self.answers.items()}

    def progress(self, questionnaire: Questionnaire, sent: Sequence[ItemAnswer] = ()) -> Progress:
        """The way that the answers lead, and those just sent that came too late."""
        route = questionnaire.route(self.given)
        late = [each.item for each in sent if self.answers[each.item].sequence > each.sequence]
        return Progress(sheet=self, shown=route.shown, ending=route.ending, next=route.next, late_items=tuple(late))

    def response(
        self,
        survey: Survey,
        questionnaire: Questionnaire,
        now: datetime,
        state: ResponseState | None = None,
    ) -> Response:
        """The response that it makes. ResponseIncomplete unless its way has ended or a state is given."""
        route = questionnaire.route(self.given)
        if state is None and route.ending is Ending.OPEN:
            raise ResponseIncomplete(sheet_id=self.id, item=route.next)
        screened = route.ending is Ending.SCREENED_OUT
        ended = state or (ResponseState.SCREENED_OUT if screened else ResponseState.COMPLETED)
        heeded = {key: answer for key, answer in self.given.items() if key in route.shown}
        seconds = (now - (self.start_time or now)).total_seconds()
        named = survey.anonymity is Anonymity.IDENTIFIED
        hour = survey.anonymity is Anonymity.ANONYMOUS
        return Response(
            id="",
            survey_id=self.survey_id,
            version=self.version,
            wave=self.wave,
            state=ended,
            mode=self.mode,
            language=self.language,
            customer_id=self.customer_id if named else "",
            invitation_id=self.invitation_id if named else "",
            answers=heeded,
            unheeded_answers={key: answer for key, answer in self.given.items() if key not in heeded},
            labels=self.labels,
            stratum=self.stratum,
            weight=self.weight,
            start_time=to_the_hour(self.start_time) if hour else self.start_time,
            complete_time=to_the_hour(now) if hour else now,
            seconds=int(seconds),
            devices=max(len(self.devices), 1),
            flags=quality(
                questionnaire.by_key,
                heeded,
                seconds=seconds,
                languages=len(self.languages),
                devices=len(self.devices),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A sheet, and what is asked next."""

    sheet: Sheet
    shown: tuple[str, ...]
    ending: Ending
    next: str = ""
    late_items: tuple[str, ...] = ()
    """Items of which a later answer was there, so that the one just sent was not taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A link that was followed, before anything is started."""

    survey_id: str
    display_name: str
    anonymity: Anonymity
    questionnaire: Questionnaire
    language: str = ""
    started: bool = False


def to_the_hour(at: datetime | None) -> datetime | None:
    """The beginning of the hour of a time."""
    return at.replace(minute=0, second=0, microsecond=0) if at is not None else None


def _known(questionnaire: Questionnaire, language: str) -> str:
    if language not in questionnaire.languages:
        raise LanguageUnknown(language=language, languages=questionnaire.languages)
    return language
