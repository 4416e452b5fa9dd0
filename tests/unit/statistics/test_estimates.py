"""Intervals against published and golden values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.statistics.estimates import Estimate, mean, rate, share, share_difference


def interval(estimate: Estimate | None) -> list[float]:
    assert estimate is not None
    return [estimate.lower, estimate.upper]


@pytest.mark.parametrize(("hits", "cases", "expected"), [(92, 100, [0.8500, 0.9589]), (10, 10, [0.7225, 1.0])])
def test_a_share_has_the_interval_of_wilson(hits: int, cases: int, expected: list[float]) -> None:
    assert interval(share(hits, cases)) == pytest.approx(expected, abs=5e-5)


def test_a_lift_has_the_interval_of_newcombe() -> None:
    treated, holdout = share(120, 2000), share(80, 2000)
    assert treated is not None
    assert holdout is not None
    lift = share_difference(treated, holdout)
    assert lift.value == pytest.approx(0.02)
    assert interval(lift) == pytest.approx([0.0065, 0.0337], abs=5e-5)


def test_defects_per_million_have_the_exact_interval_of_poisson() -> None:
    found = rate(3, 20_000 * 5 / 1e6)
    assert found is not None
    assert found.value == pytest.approx(30.0)
    assert interval(found) == pytest.approx([6.19, 87.67], abs=5e-3)


def test_no_events_have_no_lower_bound_but_an_upper_one() -> None:
    found = rate(0, 10)
    assert interval(found) == pytest.approx([0.0, 0.3689], abs=5e-5)


def test_a_mean_has_the_interval_of_student() -> None:
    # The quantile of Student's t with 4 degrees of freedom is 2.7764451, and the standard error is the root of 0.5.
    assert interval(mean([1, 2, 3, 4, 5])) == pytest.approx([1.0367568, 4.9632432], abs=1e-6)
    assert interval(mean([7])) == [7, 7]


def test_nothing_is_known_of_no_cases() -> None:
    assert share(0, 0) is None
    assert mean([]) is None
    assert rate(3, 0) is None


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_inside_of_its_interval_and_that_inside_of_0_and_1(counts: tuple[int, int]) -> None:
    found = share(*counts)
    assert found is not None
    assert 0 <= found.lower <= found.value <= found.upper <= 1
