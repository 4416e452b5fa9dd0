"""Who is asked what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from services.surveys.questionnaires.domain.answers import Answer, Comparison, Rule
from services.surveys.questionnaires.domain.items import Item, ItemType, Option
from services.surveys.questionnaires.domain.logic import Ending, Jump, check, route


def item(key: str, type: ItemType = ItemType.NPS_0_10, *rules: Rule, options: str = "", required: bool = False) -> Item:
    return Item(
        key=key,
        type=type,
        texts={"en": f"What of {key}?"},
        options=tuple(Option(key=each, texts={"en": each}) for each in options.split()),
        required=required,
        asked_when=rules,
    )


def rule(key: str, comparison: Comparison, *values: str) -> Rule:
    return Rule(item=key, comparison=comparison, values=values)


ITEMS = [
    item("adult", ItemType.SINGLE, options="yes no", required=True),
    item("nps", required=True),
    item("why_bad", ItemType.TEXT, rule("nps", Comparison.AT_MOST, "6")),
    item("bought", ItemType.SINGLE, options="kettle card"),
    item("thanks", ItemType.TEXT),
]
JUMPS = [
    Jump(after="adult", when=(rule("adult", Comparison.ONE_OF, "no"),), screens_out=True),
    Jump(after="bought", when=(rule("bought", Comparison.ONE_OF, "card"),)),
]
YES = Answer(choices=("yes",))


def faults(items: list[Item], jumps: list[Jump] | None = None) -> str:
    with pytest.raises(InvalidArgument) as refused:
        check(items, jumps or [], ["en"])
    return str(refused.value)


def test_answers_lead_the_way() -> None:
    check(ITEMS, JUMPS, ["en"])
    way = route(ITEMS, JUMPS, {"adult": YES, "nps": Answer(number=9)})
    assert (way.shown, way.next, way.ending) == (("adult", "nps", "bought"), "bought", Ending.OPEN)
    bad = route(ITEMS, JUMPS, {"adult": YES, "nps": Answer(number=2)})
    assert bad.next == "why_bad"
    early = route(ITEMS, JUMPS, {"adult": YES, "nps": Answer(number=9), "bought": Answer(choices=("card",))})
    assert (early.ending, early.shown[-1]) == (Ending.COMPLETE, "bought")


def test_who_does_not_belong_is_screened_out() -> None:
    assert route(ITEMS, JUMPS, {"adult": Answer(choices=("no",))}).ending is Ending.SCREENED_OUT


def test_an_answer_behind_logic_that_was_taken_back_is_not_on_the_way() -> None:
    answers = {"adult": YES, "nps": Answer(number=9), "why_bad": Answer(text="slow")}
    assert "why_bad" not in route(ITEMS, JUMPS, answers).shown


def test_a_required_item_stays_next_while_it_is_blank_and_another_one_does_not() -> None:
    assert route(ITEMS, JUMPS, {"adult": YES, "nps": Answer()}).next == "nps"
    passed = {"adult": YES, "nps": Answer(number=3), "why_bad": Answer()}
    assert route(ITEMS, JUMPS, passed).next == "bought"


def test_faults_of_a_graph_are_named() -> None:
    assert "no item after nps: a way back" in faults(ITEMS, jumps=[Jump(after="nps", to="adult")])
    assert "no way leads to why_bad" in faults(ITEMS, jumps=[Jump(after="nps", to="bought")])
    assert "no way leads to thanks" in faults(ITEMS, jumps=[Jump(after="bought")])
    assert "moon is no item" in faults(ITEMS, jumps=[Jump(after="moon")])
    assert "bought is no item before it" in faults([item("nps", ItemType.TEXT, rule("bought", Comparison.ANSWERED))])
    assert "name answers of adult: no, yes" in faults(
        [ITEMS[0], item("a", ItemType.TEXT, rule("adult", Comparison.ONE_OF, "perhaps"))]
    )
    assert "takes one whole number" in faults(
        [ITEMS[0], item("a", ItemType.TEXT, rule("adult", Comparison.AT_LEAST, "1"))]
    )


def test_faults_of_items_are_named() -> None:
    piped = Item(key="pipe", type=ItemType.TEXT, texts={"en": "Why {{nps}} and {{later}}?"})
    told = faults([item("nps"), item("nps"), piped, item("one", ItemType.SINGLE, options="a")])
    for fault in ("nps is there twice", "{{later}} names no item before pipe", "one needs at least 2 options"):
        assert fault in told
    assert "{{nps}} names" not in told
    assert "has no words in en" in faults([Item(key="a", type=ItemType.TEXT, texts={"zh": "为什么"})])
    assert "never required" in faults([item("ok", ItemType.CONSENT, required=True)])
    assert "is not above 5" in faults([Item(key="a", type=ItemType.SCALE, texts={"en": "?"}, low=5, high=5)])
    assert "has 1 to 200" in faults([])


@given(
    st.dictionaries(
        st.sampled_from([each.key for each in ITEMS]),
        st.one_of(
            st.builds(Answer, number=st.integers(0, 10)),
            st.builds(Answer, choices=st.sampled_from([("yes",), ("no",), ("card",), ("kettle",)])),
            st.just(Answer()),
        ),
    )
)
def test_every_way_ends_and_shows_no_item_twice(answers: dict[str, Answer]) -> None:
    way = route(ITEMS, JUMPS, answers)
    assert len({*way.shown}) == len(way.shown)
    assert (way.ending is Ending.OPEN) is bool(way.next)
