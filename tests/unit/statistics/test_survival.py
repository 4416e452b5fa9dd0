"""Time to an event, with cases that are still open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.statistics.survival import aalen_johansen, kaplan_meier, time_to

TEN = [(1, "won"), (2, "won"), (4, "won"), (2, "lost"), (5, "lost"), (3, None), *[(6, None)] * 4]


def test_wins_among_cases_that_are_still_open() -> None:
    last = aalen_johansen(TEN)[-1]
    assert last.shares == pytest.approx({"won": 0.316667, "lost": 0.216667}, abs=5e-7)
    assert last.open == pytest.approx(0.466667, abs=5e-7)


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["won", "lost", None])), max_size=60))
def test_all_shares_and_what_is_open_are_one(cases: list[tuple[int, str | None]]) -> None:
    for step in aalen_johansen(cases):
        assert sum(step.shares.values()) + step.open == pytest.approx(1)


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=60))
def test_with_one_cause_both_estimates_agree(cases: list[tuple[int, bool]]) -> None:
    one_cause = aalen_johansen([(time, "ended" if event else None) for time, event in cases])
    assert {step.time: step.open for step in one_cause} == pytest.approx(
        {step.time: step.share for step in kaplan_meier(cases)}
    )


def test_a_median_waits_until_half_have_had_the_event() -> None:
    steps = kaplan_meier([(1, True), (2, True), (3, False), (4, True), (9, False)])
    assert [(step.time, round(step.share, 6)) for step in steps] == [(1, 0.8), (2, 0.6), (4, 0.3)]
    assert time_to(0.5, steps) == 4
    assert time_to(0.9, steps) is None
