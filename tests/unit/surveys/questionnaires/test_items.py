"""Which answers an item takes."""

from __future__ import annotations

from datetime import date

import pytest

from services.surveys.questionnaires.domain.answers import Answer
from services.surveys.questionnaires.domain.items import (
    EXPECTATION,
    PERCEPTION,
    AnswerUnfit,
    Item,
    ItemType,
    Option,
    check,
)

OPTIONS = tuple(
    Option(key=key, texts={"en": key, "zh": key}, exclusive=key == "none") for key in ("tea", "coffee", "none")
)


def item(type: ItemType, *, na_allowed: bool = False) -> Item:
    chooses = type in (ItemType.SINGLE, ItemType.MULTI, ItemType.RANK, ItemType.SCENARIO, ItemType.PICTURE)
    return Item(
        key="q",
        type=type,
        texts={"en": "?"},
        options=OPTIONS if chooses else (),
        rows=OPTIONS[:2] if type is ItemType.MATRIX else (),
        low=1,
        high=7,
        na_allowed=na_allowed,
    )


@pytest.mark.parametrize(
    ("type", "answer"),
    [
        (ItemType.SCALE, Answer(number=7)),
        (ItemType.NPS_0_10, Answer(number=0)),
        (ItemType.NPS_0_10, Answer(number=10)),
        (ItemType.CSAT_1_5, Answer(number=5)),
        (ItemType.CES_1_7, Answer(number=7)),
        (ItemType.SINGLE, Answer(choices=("tea",))),
        (ItemType.MULTI, Answer(choices=("coffee", "tea"))),
        (ItemType.MULTI, Answer(choices=("none",))),
        (ItemType.MATRIX, Answer(numbers={"tea": 1, "coffee": 7})),
        (ItemType.RANK, Answer(choices=("none", "tea", "coffee"))),
        (ItemType.NUMBER, Answer(number=3)),
        (ItemType.DATE, Answer(date=date(2026, 1, 1))),
        (ItemType.TEXT, Answer(text="不错")),
        (ItemType.WORD_ASSOCIATION, Answer(text="warm\nfast")),
        (ItemType.SCENARIO, Answer(choices=("coffee",))),
        (ItemType.PICTURE, Answer(choices=("coffee",))),
        (ItemType.CONSENT, Answer(choices=("no",))),
        (ItemType.PAIR_EXPECTATION_PERCEPTION, Answer(numbers={EXPECTATION: 7, PERCEPTION: 4})),
        (ItemType.NPS_0_10, Answer()),
    ],
)
def test_every_type_takes_its_answers(type: ItemType, answer: Answer) -> None:
    check(item(type), answer)


@pytest.mark.parametrize(
    ("type", "answer", "told"),
    [
        (ItemType.NPS_0_10, Answer(number=11), "a whole number from 0 to 10, not 11"),
        (ItemType.NPS_0_10, Answer(number=-1), "a whole number from 0 to 10, not -1"),
        (ItemType.CSAT_1_5, Answer(number=0), "from 1 to 5"),
        (ItemType.SCALE, Answer(number=8), "from 1 to 7"),
        (ItemType.SINGLE, Answer(choices=("tea", "coffee")), "one of tea, coffee, none"),
        (ItemType.SINGLE, Answer(choices=("milk",)), "one of"),
        (ItemType.MULTI, Answer(choices=("none", "tea")), "any of"),
        (ItemType.MULTI, Answer(choices=("tea", "tea")), "any of"),
        (ItemType.RANK, Answer(choices=("tea", "coffee")), "all of tea, coffee, none in an order"),
        (ItemType.MATRIX, Answer(numbers={"milk": 3}), "for each of tea, coffee"),
        (ItemType.MATRIX, Answer(number=3), "for each of tea, coffee"),
        (ItemType.PAIR_EXPECTATION_PERCEPTION, Answer(numbers={PERCEPTION: 8}), "expectation, perception"),
        (ItemType.NUMBER, Answer(number=8), "a whole number from 1 to 7"),
        (ItemType.DATE, Answer(text="yesterday"), "a date, not a text"),
        (ItemType.TEXT, Answer(text="x" * 4001), "at most 4000 characters"),
        (ItemType.WORD_ASSOCIATION, Answer(text="\n".join("abcdefghijk")), "at most 10 words"),
        (ItemType.CONSENT, Answer(choices=("maybe",)), "yes or no"),
        (ItemType.NPS_0_10, Answer(number=3, text="and more"), "not 3"),
        (ItemType.NPS_0_10, Answer(not_applicable=True), "not does not apply"),
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(type: ItemType, answer: Answer, told: str) -> None:
    with pytest.raises(AnswerUnfit, match=told):
        check(item(type), answer)


def test_a_text_is_never_told_in_a_refusal() -> None:
    with pytest.raises(AnswerUnfit) as refused:
        check(item(ItemType.NPS_0_10), Answer(text="my mother is ill"))
    assert "mother" not in str(refused.value)


def test_does_not_apply_is_an_answer_where_the_item_says_so() -> None:
    check(item(ItemType.CSAT_1_5, na_allowed=True), Answer(not_applicable=True))
    with pytest.raises(AnswerUnfit):
        check(item(ItemType.CSAT_1_5, na_allowed=True), Answer(not_applicable=True, number=3))


def test_a_high_number_that_is_bad_is_turned_around() -> None:
    waiting = Item(key="w", type=ItemType.SCALE, texts={}, low=1, high=7, reverse_scored=True)
    assert [waiting.scored(number) for number in (1, 4, 7)] == [7, 4, 1]
    assert item(ItemType.CSAT_1_5).scored(2) == 2
