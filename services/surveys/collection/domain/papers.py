"""Papers: what came by letter, fax or on paper, typed in by two people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from libs.chassis.domain import Change, Entity, FailedPrecondition, InvalidArgument
from services.surveys.collection.domain.responses import Mode
from services.surveys.questionnaires.domain.answers import Answer


class SecondTypistNeeded(FailedPrecondition):
    """Paper {source_key} was typed in by {actor} before: another person types it in the second time."""

    source_key: str
    actor: str


class PaperSettled(FailedPrecondition):
    """Paper {source_key} is settled, as response {response_id}."""

    source_key: str
    response_id: str


class DifferencesUnresolved(InvalidArgument):
    """The two typings of paper {source_key} differ in {items}: say what each of these is."""

    wrong_field = "answers"
    source_key: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing:
    """A paper as one person read it."""

    actor: str
    answers: Mapping[str, Answer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperEntry(Entity):
    """A paper, read twice."""

    ID_PREFIX: ClassVar[str] = "pap"

    survey_id: str
    source_key: str
    mode: Mode = Mode.PAPER
    customer_id: str = ""
    first: Typing | None = None
    second: Typing | None = None
    differences: tuple[str, ...] = ()
    """Keys of the items that the two read differently."""
    response_id: str = ""

    def type_in(self, given: PaperEntry, answers: Mapping[str, Answer], actor: str) -> Change[PaperEntry]:
        """Read once more."""
        self.require_unsettled()
        if self.first is None:
            return replace(given, id=self.id, first=Typing(actor=actor, answers=answers)), []
        if self.first.actor == actor:
            raise SecondTypistNeeded(source_key=self.source_key, actor=actor)
        return replace(
            self,
            second=Typing(actor=actor, answers=answers),
            differences=differences(self.first.answers, answers),
        ), []

    def resolve(self, chosen: Mapping[str, Answer]) -> Mapping[str, Answer]:
        """The answers that both read alike, and those chosen where they did not."""
        self.require_unsettled()
        if self.first is None or self.second is None:
            raise SecondTypistNeeded(source_key=self.source_key, actor=self.first.actor if self.first else "nobody")
        if missing := tuple(key for key in self.differences if key not in chosen):
            raise DifferencesUnresolved(source_key=self.source_key, items=missing)
        return {**self.first.answers, **{key: chosen[key] for key in self.differences}}

    def settle(self, response_id: str) -> Change[PaperEntry]:
        """Settled by a response, which alone keeps what was read."""
        return replace(self, response_id=response_id, first=None, second=None), []

    def erase(self) -> Change[PaperEntry]:
        """Without what was read."""
        return replace(self, first=None, second=None), []

    def require_unsettled(self) -> None:
        """PaperSettled for one that became a response."""
        if self.response_id:
            raise PaperSettled(source_key=self.source_key, response_id=self.response_id)


def differences(first: Mapping[str, Answer], second: Mapping[str, Answer]) -> tuple[str, ...]:
    """Keys of the items with two different answers. Left out is the same as blank."""
    keys = dict.fromkeys((*first, *second))
    return tuple(key for key in keys if first.get(key, Answer()) != second.get(key, Answer()))
