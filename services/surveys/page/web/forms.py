"""Between an answer and the fields of a form, in both directions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from werkzeug.datastructures import MultiDict

from services.surveys.questionnaires.domain.answers import Answer
from services.surveys.questionnaires.domain.items import (
    AGREED,
    DECLINED,
    EXPECTATION,
    PERCEPTION,
    TEXT_LENGTH_MAX,
    AnswerUnfit,
    Item,
    ItemType,
    Option,
    check,
)
from services.surveys.questionnaires.domain.surveys import Questionnaire

ANSWER, NOT_APPLICABLE = "answer", "(n/a)"
"""Name of the field of an answer, and its value when the question does not apply, which is the key of no option."""
PAIRED = (ItemType.MATRIX, ItemType.PAIR_EXPECTATION_PERCEPTION)
WRITTEN = (ItemType.TEXT, ItemType.WORD_ASSOCIATION)
_PIPE = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")

Form = MultiDict[str, str]


class Wrong(Exception):
    """The form holds no answer to the item."""

    def __init__(self, word: str, **values: object) -> None:
        super().__init__(word)
        self.word, self.values = word, values
        """Key of the page's word for it, and what stands in its braces."""


def read(item: Item, form: Form) -> Answer:
    """The answer of a form, blank when it is skipped. Wrong when the item takes no such answer, or needs one."""
    answer = Answer() if "skip" in form else _given(item, form)
    if answer.is_blank and item.required:
        raise Wrong("error_blank")
    return answer


def _given(item: Item, form: Form) -> Answer:
    if item.na_allowed and NOT_APPLICABLE in form.getlist(ANSWER):
        if any(value not in ("", NOT_APPLICABLE) for name, value in form.items(multi=True) if _is_answer(name)):
            raise Wrong("error_na")
        return Answer(not_applicable=True)
    answer = _read(item, form)
    if item.type in PAIRED and not answer.is_blank and len(answer.numbers) < len(rows(item)):
        raise _wrong(item)
    try:
        check(item, answer)
    except AnswerUnfit as unfit:
        raise _wrong(item) from unfit
    return answer


def _is_answer(name: str) -> bool:
    return name == ANSWER or name.startswith(f"{ANSWER}.")


def _read(item: Item, form: Form) -> Answer:
    text = form.get(ANSWER, "").strip()
    match item.type:
        case _ if item.type in PAIRED:
            given = {key: form.get(f"{ANSWER}.{key}", "") for key in rows(item)}
            return Answer(numbers={key: _number(item, value) for key, value in given.items() if value})
        case ItemType.MULTI:
            return Answer(choices=tuple(dict.fromkeys(form.getlist(ANSWER))))
        case ItemType.RANK:
            return _ranked(item, form)
        case ItemType.TEXT:
            return Answer(text=text.replace("\r\n", "\n"))
        case ItemType.WORD_ASSOCIATION:
            return Answer(text="\n".join(filter(None, map(str.strip, text.splitlines()))))
        case ItemType.DATE:
            return Answer(date=_date(item, text)) if text else Answer()
        case ItemType.NUMBER | ItemType.SCALE | ItemType.NPS_0_10 | ItemType.CSAT_1_5 | ItemType.CES_1_7:
            return Answer(number=_number(item, text)) if text else Answer()
        case _:
            return Answer(choices=(text,)) if text else Answer()


def _ranked(item: Item, form: Form) -> Answer:
    places = {option.key: form.get(f"{ANSWER}.{option.key}", "") for option in item.options}
    if not any(places.values()):
        return Answer()
    if sorted(places.values()) != sorted(str(place) for place in range(1, len(places) + 1)):
        raise _wrong(item)
    return Answer(choices=tuple(sorted(places, key=lambda key: int(places[key]))))


def _number(item: Item, text: str) -> int:
    if not re.fullmatch(r"[-+]?[0-9]{1,10}", text):
        raise _wrong(item)
    return int(text)


def _date(item: Item, text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise _wrong(item) from error
    if not 1900 <= found.year < 2200:
        raise _wrong(item)
    return found


def _wrong(item: Item) -> Wrong:
    """What the page says of a form that does not fit."""
    ends = item.scale or (item.low, item.high)
    match item.type:
        case _ if item.type in PAIRED:
            return Wrong("error_rows")
        case ItemType.MULTI:
            return Wrong("error_multi")
        case ItemType.RANK:
            return Wrong("error_rank")
        case ItemType.DATE:
            return Wrong("error_date")
        case ItemType.TEXT:
            return Wrong("error_text", most=TEXT_LENGTH_MAX)
        case ItemType.WORD_ASSOCIATION:
            return Wrong("error_words")
        case ItemType.NUMBER if item.low >= item.high:
            return Wrong("error_any_number")
        case ItemType.NUMBER:
            return Wrong("error_number", low=ends[0], high=ends[1])
        case _ if item.scale is not None:
            return Wrong("error_scale", low=ends[0], high=ends[1])
        case _:
            return Wrong("error_choice")


def rows(item: Item) -> Sequence[str]:
    """Keys of the lines of an item that has a number in each."""
    if item.type is ItemType.PAIR_EXPECTATION_PERCEPTION:
        return EXPECTATION, PERCEPTION
    return [row.key for row in item.rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Something that can be chosen in a form."""

    value: str
    label: str
    chosen: bool = False


class Reader(Protocol):
    """The respondent that a form is shown to."""

    survey_token: str
    words: Mapping[str, str]

    def text(self, texts: Mapping[str, str]) -> str:
        """Words of the survey in the language of the page."""


def choices(item: Item, answer: Answer, at: Reader) -> list[Choice]:
    """Options of an item. A random order is the same on every device of a respondent, with what is exclusive last."""
    if item.type is ItemType.CONSENT:
        return [Choice(value=key, label=at.words[key], chosen=key in answer.choices) for key in (AGREED, DECLINED)]
    options: Sequence[Option] = item.options
    if item.randomize:
        options = sorted(options, key=lambda each: (each.exclusive, _place(at.survey_token, each.key)))
    return [Choice(value=each.key, label=at.text(each.texts), chosen=each.key in answer.choices) for each in options]


def _place(seed: str, key: str) -> bytes:
    return hashlib.sha256(f"{seed} {key}".encode()).digest()


def piped(text: str, questionnaire: Questionnaire, given: Mapping[str, Answer], language: str) -> str:
    """A text with `{{key}}` replaced by the answer to that item, in words."""

    def said(found: re.Match[str]) -> str:
        item, answer = questionnaire.by_key.get(found[1]), given.get(found[1], Answer())
        if item is None or answer.is_blank:
            return "…"
        if answer.number is not None:
            return str(answer.number)
        labels = {option.key: questionnaire.text(option.texts, language) for option in item.options}
        chosen = ", ".join(labels.get(key, key) for key in answer.choices)
        return chosen or answer.text or (answer.date.isoformat() if answer.date is not None else "…")

    return _PIPE.sub(said, text)
