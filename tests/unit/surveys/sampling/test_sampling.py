"""Sample sizes, draws and weights."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from services.surveys.sampling.domain.designs import (
    FrameTooSmall,
    StratumUncovered,
    apportion,
    draw,
    draw_by_size,
    draw_systematic,
    neyman,
    plan,
    proportional,
    weights,
)

FRAME = [f"cus_{n:04}" for n in range(1000)]


@pytest.mark.parametrize(("frame_size", "answers"), [(0, 385), (500, 218), (100, 80)])
def test_a_margin_needs_so_many_answers(frame_size: int, answers: int) -> None:
    assert plan(margin=0.05, frame_size=frame_size).answers == answers


def test_invitations_allow_for_those_who_do_not_answer() -> None:
    assert plan(margin=0.05, response_rate=0.25).invitations == 1540
    for wrong in ({"margin": 0.0}, {"margin": 0.05, "response_rate": 0.0}, {"margin": 0.05, "proportion": 1.0}):
        with pytest.raises(InvalidArgument, match="is not a share above 0"):
            plan(**wrong)


def test_neyman_asks_more_where_answers_differ_more() -> None:
    sizes, deviations = {"gold": 500, "mass": 8000, "silver": 1500}, {"mass": 10.0, "silver": 25.0, "gold": 60.0}
    assert neyman(400, sizes, deviations) == {"mass": 217, "silver": 102, "gold": 81}
    assert proportional(400, sizes) == {"mass": 320, "silver": 60, "gold": 20}


@given(st.integers(0, 10_000), st.dictionaries(st.text(max_size=3), st.floats(0.01, 1e6), min_size=1, max_size=9))
def test_what_is_apportioned_adds_up_and_is_nowhere_off_by_one(total: int, shares: dict[str, float]) -> None:
    given_out = apportion(total, shares)
    assert sum(given_out.values()) == total
    for name, count in given_out.items():
        assert abs(count - total * shares[name] / sum(shares.values())) < 1 + 1e-6


def test_the_seed_reproduces_a_draw_whatever_the_order_of_the_frame() -> None:
    shuffled = random.Random(1).sample(FRAME, len(FRAME))
    first = draw(FRAME, 100, seed=42)
    assert first == draw(shuffled, 100, seed=42)
    assert sum(each.selected for each in first) == 100
    assert {each.probability for each in first} == {0.1}
    assert first != draw(FRAME, 100, seed=43)


def test_everybody_is_drawn_equally_often() -> None:
    hits = dict.fromkeys(FRAME[:50], 0)
    for seed in range(600):
        for each in draw(FRAME[:50], 10, seed=seed):
            hits[each.customer_id] += each.selected
    assert all(120 * 0.6 < count < 120 * 1.4 for count in hits.values())


def test_a_systematic_draw_takes_every_tenth_in_order() -> None:
    chosen = [place for place, each in enumerate(draw_systematic(FRAME, 100, seed=7)) if each.selected]
    assert len(chosen) == 100
    assert {later - earlier for earlier, later in pairwise(chosen)} == {10}
    assert sum(each.selected for each in draw_systematic(FRAME[:7], 3, seed=7)) == 3


@given(st.lists(st.floats(0.5, 100), min_size=3, max_size=30), st.data())
def test_a_draw_by_size_has_its_count_and_its_chances(sizes: list[float], data: st.DataObject) -> None:
    frame = {f"cus_{n}": size for n, size in enumerate(sizes)}
    count = data.draw(st.integers(1, len(frame)))
    drawn = draw_by_size(frame, count, seed=data.draw(st.integers(0, 99)))
    assert sum(each.selected for each in drawn) == count
    assert sum(each.probability for each in drawn) == pytest.approx(count)
    assert all(each.selected for each in drawn if each.probability == 1.0)


def test_a_frame_that_is_too_small_is_refused() -> None:
    for draws in (draw, draw_systematic):
        with pytest.raises(FrameTooSmall, match="The frame has 5 customers and 6 were to be drawn"):
            draws(FRAME[:5], 6, seed=1)
    with pytest.raises(FrameTooSmall):
        draw_by_size({"cus_1": 1.0, "cus_2": 0.0}, 2, seed=1)


def test_weights_bring_answers_back_to_the_proportions_of_the_frame() -> None:
    found = weights({"gold": 100, "mass": 900}, {"gold": 50, "mass": 50})
    assert found == pytest.approx({"gold": 0.2, "mass": 1.8})


def test_a_tiny_stratum_does_not_explode_and_an_empty_one_is_refused() -> None:
    found = weights({"a": 500, "b": 500}, {"a": 999, "b": 1})
    assert found["b"] / found["a"] == pytest.approx(5)
    assert 999 * found["a"] + found["b"] == pytest.approx(1000)
    with pytest.raises(StratumUncovered, match="Nobody of stratum b answered"):
        weights({"a": 500, "b": 500}, {"a": 10})
