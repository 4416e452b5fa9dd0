"""Answers, and rules that look at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from libs.chassis.domain import OpenEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer to one item. What does not belong to its type is empty."""

    number: int | None = None
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Key of a row → number."""
    choices: tuple[str, ...] = ()
    """Keys of options, in order for a ranking; `yes` or `no` for a consent."""
    text: str = ""
    date: date | None = None
    not_applicable: bool = False

    @property
    def is_blank(self) -> bool:
        """True when nothing was answered. Blank is not zero."""
        return self == Answer()


class Comparison(OpenEnum):
    """Comparison of an answer with the values of a rule."""

    ONE_OF = "ONE_OF"
    """At least one of the values was chosen, or the number is one of them."""
    NONE_OF = "NONE_OF"
    """It was answered, and with none of the values."""
    AT_LEAST = "AT_LEAST"
    AT_MOST = "AT_MOST"
    ANSWERED = "ANSWERED"
    UNANSWERED = "UNANSWERED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A test of the answer to one item."""

    item: str
    comparison: Comparison
    values: tuple[str, ...] = ()

    def holds(self, answers: Mapping[str, Answer]) -> bool:
        """True when the answers pass it."""
        answer = answers.get(self.item, Answer())
        if self.comparison is Comparison.UNANSWERED:
            return answer.is_blank
        if answer.is_blank:
            return False
        given = set(answer.choices) | ({str(answer.number)} if answer.number is not None else set())
        match self.comparison:
            case Comparison.ONE_OF:
                return not given.isdisjoint(self.values)
            case Comparison.NONE_OF:
                return given.isdisjoint(self.values)
            case Comparison.AT_LEAST:
                return answer.number is not None and answer.number >= int(self.values[0])
            case Comparison.AT_MOST:
                return answer.number is not None and answer.number <= int(self.values[0])
            case _:
                return True
