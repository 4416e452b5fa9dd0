"""Responses: answers that were handed in, with what their quality and their weight rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, OpenEnum
from services.surveys.questionnaires.domain.answers import Answer
from services.surveys.questionnaires.domain.items import SCALES, Item, ItemType
from services.surveys.questionnaires.domain.surveys import Questionnaire

STRAIGHT_LINE_MIN = 5
"""Ratings on one scale from which on a row of equal ones is remarkable."""
SECONDS_PER_ITEM_MIN = 1.0
"""Seconds of an item below which nobody can have read it."""
SPEEDING_ITEMS_MIN = 3


class Mode(OpenEnum):
    """Way on which a response came."""

    WEB = "WEB"
    TELEPHONE = "TELEPHONE"
    IN_PERSON = "IN_PERSON"
    PAPER = "PAPER"
    LETTER = "LETTER"
    FAX = "FAX"
    IMPORT = "IMPORT"


class ResponseState(OpenEnum):
    """End of a response."""

    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    SCREENED_OUT = "SCREENED_OUT"
    QUOTA_FULL = "QUOTA_FULL"


COUNTED = (ResponseState.COMPLETED, ResponseState.PARTIAL)
"""States whose answers count in results."""


class QualityFlag(OpenEnum):
    """Sign that answers may say less than they seem to. Nothing is left out because of one."""

    STRAIGHT_LINING = "STRAIGHT_LINING"
    SPEEDING = "SPEEDING"
    LANGUAGE_SWITCHED = "LANGUAGE_SWITCHED"
    SEVERAL_DEVICES = "SEVERAL_DEVICES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Entity):
    """Answers that were handed in. Of an anonymous one nothing tells by whom, and its times are whole hours."""

    ID_PREFIX: ClassVar[str] = "rsp"

    survey_id: str
    version: int
    wave: int
    state: ResponseState
    mode: Mode
    language: str = ""
    customer_id: str = ""
    invitation_id: str = ""
    source_key: str = ""
    """Key at the source, of what was imported or typed in."""
    answers: Mapping[str, Answer] = field(default_factory=dict)
    """Key of an item → answer that counts."""
    unheeded_answers: Mapping[str, Answer] = field(default_factory=dict)
    """Answers to items that the logic took back. Kept, and never counted."""
    labels: Mapping[str, str] = field(default_factory=dict)
    stratum: str = ""
    weight: float = 1.0
    """Design weight: one over the chance to be asked."""
    start_time: datetime | None = None
    complete_time: datetime | None = None
    seconds: int = 0
    devices: int = 1
    flags: tuple[QualityFlag, ...] = ()

    def hand_in(self) -> Change[Response]:
        """Handed in, with the event that tells how it ended."""
        if self.state is ResponseState.COMPLETED:
            return self, [ResponseCompleted(response=self)]
        if self.state is ResponseState.PARTIAL:
            return self, [ResponsePartial(response=self)]
        return self, [ResponseScreenedOut(response=self)]

    def erase(self) -> Change[Response]:
        """Without words and without groups: numbers and choices that counted were counted."""
        erased = replace(self, answers={}, unheeded_answers={}, labels={}, customer_id=self.customer_id)
        return erased, [ResponseErased(response=erased)]


def is_usable(questionnaire: Questionnaire, answers: Mapping[str, Answer]) -> bool:
    """True when a response that was given up counts as a partial one: everything that is scored was answered.

    Without a scored item one answer is enough.
    """
    scored = [item.key for item in questionnaire.items if item.type in SCALES]
    given = {key for key, answer in answers.items() if not answer.is_blank}
    return given.issuperset(scored) if scored else bool(given)


def quality(
    items: Mapping[str, Item], answers: Mapping[str, Answer], *, seconds: float, languages: int, devices: int
) -> tuple[QualityFlag, ...]:
    """Signs of poor answers. Times are those at which the server saved, whatever a client tells."""
    ratings: dict[tuple[int, int], list[int]] = {}
    for key, answer in answers.items():
        ends = items[key].scale
        if ends is not None:
            numbers = [*answer.numbers.values()] if items[key].type is ItemType.MATRIX else []
            numbers += [answer.number] if answer.number is not None else []
            ratings.setdefault(ends, []).extend(numbers)
    signs = {
        QualityFlag.STRAIGHT_LINING: any(
            len(numbers) >= STRAIGHT_LINE_MIN and len(set(numbers)) == 1 for numbers in ratings.values()
        ),
        QualityFlag.SPEEDING: len(answers) >= SPEEDING_ITEMS_MIN and seconds < SECONDS_PER_ITEM_MIN * len(answers),
        QualityFlag.LANGUAGE_SWITCHED: languages > 1,
        QualityFlag.SEVERAL_DEVICES: devices > 1,
    }
    return tuple(flag for flag, holds in signs.items() if holds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseEvent(Event):
    """Something that happened to a response. Carries it as it is afterwards."""

    response: Response


class ResponseCompleted(ResponseEvent):
    """A response was handed in with everything answered."""


class ResponsePartial(ResponseEvent):
    """A response was given up, with enough answers to count."""


class ResponseScreenedOut(ResponseEvent):
    """A response ended because its respondent is not one of those who are asked, or enough of them answered."""


class ResponseErased(ResponseEvent):
    """The customer of a response was erased."""
