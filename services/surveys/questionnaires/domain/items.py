"""Items of a questionnaire, and which answers each one takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from libs.chassis.domain import InvalidArgument, OpenEnum
from services.surveys.questionnaires.domain.answers import Answer, Rule


class ItemType(OpenEnum):
    """Kind of answer that an item asks for."""

    SCALE = "SCALE"
    """A number between two ends that the item names."""
    NPS_0_10 = "NPS_0_10"
    """Would recommend: 0 to 10."""
    CSAT_1_5 = "CSAT_1_5"
    """Satisfaction: 1 to 5."""
    CES_1_7 = "CES_1_7"
    """Ease: 1 to 7."""
    SINGLE = "SINGLE"
    """One of several options."""
    MULTI = "MULTI"
    """Any of several options."""
    MATRIX = "MATRIX"
    """A number on one scale for each of several rows."""
    RANK = "RANK"
    """All options in an order."""
    NUMBER = "NUMBER"
    DATE = "DATE"
    TEXT = "TEXT"
    WORD_ASSOCIATION = "WORD_ASSOCIATION"
    """First words that come to mind, each in its own line."""
    SCENARIO = "SCENARIO"
    """A situation that is told, and one of several options of what to do in it."""
    PICTURE = "PICTURE"
    """A picture, and one of several options of what it says."""
    CONSENT = "CONSENT"
    """Agreement to something, yes or no. Never required."""
    PAIR_EXPECTATION_PERCEPTION = "PAIR_EXPECTATION_PERCEPTION"
    """One statement rated twice on one scale: as an excellent company would be, and as this one is."""


SCALES: Mapping[ItemType, tuple[int, int]] = {
    ItemType.NPS_0_10: (0, 10),
    ItemType.CSAT_1_5: (1, 5),
    ItemType.CES_1_7: (1, 7),
}
"""Ends of the scales that a type has by itself."""
CHOOSING = (ItemType.SINGLE, ItemType.MULTI, ItemType.RANK, ItemType.SCENARIO, ItemType.PICTURE)
"""Types with options."""
RATING = (ItemType.SCALE, ItemType.MATRIX, ItemType.PAIR_EXPECTATION_PERCEPTION)
"""Types with a scale that the item names."""
EXPECTATION, PERCEPTION = "expectation", "perception"
"""Rows of a pair."""
AGREED, DECLINED = "yes", "no"
"""Choices of a consent."""
TEXT_LENGTH_MAX = 4000
WORDS_MAX = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """Something that can be chosen, or a row that can be rated."""

    key: str
    texts: Mapping[str, str]
    """Language → words."""
    exclusive: bool = False
    """Chosen alone, as "none of these" is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question."""

    key: str
    type: ItemType
    texts: Mapping[str, str]
    """Language → words of the question; `{{key}}` stands for the answer to an earlier item."""
    options: tuple[Option, ...] = ()
    rows: tuple[Option, ...] = ()
    """Rows of a matrix."""
    low: int = 0
    high: int = 0
    """Ends of the scale of a type that names its own."""
    required: bool = False
    na_allowed: bool = False
    """Set when "does not apply" is an answer."""
    randomize: bool = False
    """Set when options are shown in a random order."""
    reverse_scored: bool = False
    """Set when a high number is bad."""
    dimension: str = ""
    """Dimension of service quality, or of the index, that it belongs to."""
    picture_ref: str = ""
    """Address of the picture."""
    asked_when: tuple[Rule, ...] = ()
    """Rules about earlier items that all have to hold, or it is not asked."""

    @property
    def scale(self) -> tuple[int, int] | None:
        """Ends of its scale. None for a type without."""
        return SCALES.get(self.type) or ((self.low, self.high) if self.type in RATING else None)

    def scored(self, number: int) -> int:
        """The number as it counts, turned around where a high one is bad."""
        ends = self.scale
        return sum(ends) - number if self.reverse_scored and ends is not None else number


class AnswerUnfit(InvalidArgument):
    """Item {item} takes {allowed}, not {given}."""

    wrong_field: ClassVar[str] = "answers"
    item: str
    allowed: str
    given: str


def check(item: Item, answer: Answer) -> None:
    """AnswerUnfit unless the item takes the answer. Blank is taken: whether it may stay so, is asked at the end."""
    if answer.is_blank:
        return
    if answer.not_applicable:
        if not item.na_allowed or answer != Answer(not_applicable=True):
            raise AnswerUnfit(item=item.key, allowed=allowed(item), given="does not apply")
        return
    if not _fits(item, answer):
        raise AnswerUnfit(item=item.key, allowed=allowed(item), given=_given(answer))


def allowed(item: Item) -> str:
    """Answers that an item takes, in words."""
    ends = item.scale
    keys = ", ".join(option.key for option in item.options)
    match item.type:
        case ItemType.MULTI:
            words = f"any of {keys}"
        case ItemType.RANK:
            words = f"all of {keys} in an order"
        case ItemType.NUMBER:
            words = f"a whole number from {item.low} to {item.high}" if item.low < item.high else "a whole number"
        case ItemType.DATE:
            words = "a date"
        case ItemType.TEXT:
            words = f"a text of at most {TEXT_LENGTH_MAX} characters"
        case ItemType.WORD_ASSOCIATION:
            words = f"at most {WORDS_MAX} words, a line each"
        case ItemType.CONSENT:
            words = f"{AGREED} or {DECLINED}"
        case _ if ends is not None:
            rows = ", ".join(_rows(item))
            words = f"a whole number from {ends[0]} to {ends[1]}" + (f" for each of {rows}" if rows else "")
        case _:
            words = f"one of {keys}"
    return words + (" or that it does not apply" if item.na_allowed else "")


def _rows(item: Item) -> tuple[str, ...]:
    if item.type is ItemType.PAIR_EXPECTATION_PERCEPTION:
        return EXPECTATION, PERCEPTION
    return tuple(row.key for row in item.rows)


def _fits(item: Item, answer: Answer) -> bool:
    keys = {option.key for option in item.options}
    match item.type:
        case ItemType.SCALE | ItemType.NPS_0_10 | ItemType.CSAT_1_5 | ItemType.CES_1_7:
            return answer == Answer(number=answer.number) and _on_scale(item, answer.number)
        case ItemType.MATRIX | ItemType.PAIR_EXPECTATION_PERCEPTION:
            known = answer.numbers.keys() <= {*_rows(item)}
            return (
                answer == Answer(numbers=answer.numbers)
                and known
                and all(_on_scale(item, number) for number in answer.numbers.values())
            )
        case ItemType.SINGLE | ItemType.SCENARIO | ItemType.PICTURE:
            return answer == Answer(choices=answer.choices) and len(answer.choices) == 1 and {*answer.choices} <= keys
        case ItemType.MULTI:
            alone = any(option.exclusive for option in item.options if option.key in answer.choices)
            return (
                answer == Answer(choices=answer.choices)
                and {*answer.choices} <= keys
                and len({*answer.choices}) == len(answer.choices)
                and not (alone and len(answer.choices) > 1)
            )
        case ItemType.RANK:
            return answer == Answer(choices=answer.choices) and sorted(answer.choices) == sorted(keys)
        case ItemType.CONSENT:
            return answer == Answer(choices=answer.choices) and answer.choices in ((AGREED,), (DECLINED,))
        case ItemType.NUMBER:
            bounded = item.low >= item.high or (answer.number is not None and item.low <= answer.number <= item.high)
            return answer == Answer(number=answer.number) and bounded
        case ItemType.DATE:
            return answer == Answer(date=answer.date)
        case ItemType.WORD_ASSOCIATION:
            lines = answer.text.splitlines()
            return (
                answer == Answer(text=answer.text) and len(lines) <= WORDS_MAX and all(line.strip() for line in lines)
            )
        case _:
            return answer == Answer(text=answer.text) and len(answer.text) <= TEXT_LENGTH_MAX


def _on_scale(item: Item, number: int | None) -> bool:
    ends = item.scale
    return number is not None and ends is not None and ends[0] <= number <= ends[1]


def _given(answer: Answer) -> str:
    """The kind of an answer for a refusal, and its numbers. Never its text, which may be personal."""
    if answer.number is not None:
        return str(answer.number)
    if answer.numbers:
        return ", ".join(f"{row} {number}" for row, number in answer.numbers.items())
    return "a choice" if answer.choices else "a text" if answer.text else "a date"
