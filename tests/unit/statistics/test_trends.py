"""The robust trend, against scipy and against series whose trend is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import theilslopes

from libs.statistics.trends import theil_sen

SERIES = st.lists(st.integers(-9, 9).map(float), min_size=4, max_size=14)


@given(SERIES)
def test_it_is_that_of_scipy(values: list[float]) -> None:
    ours, theirs = theil_sen(values), theilslopes(values)
    assert ours is not None
    assert (ours.value, ours.lower, ours.upper) == pytest.approx((theirs.slope, theirs.low_slope, theirs.high_slope))


def test_a_straight_line_has_its_slope_and_no_doubt() -> None:
    found = theil_sen([10.0 - 2 * month for month in range(12)])
    assert found is not None
    assert (found.value, found.lower, found.upper, found.sample_size) == (-2, -2, -2, 12)


def test_three_wild_months_of_twelve_do_not_decide() -> None:
    values = [100.0 - 5 * month for month in range(12)]
    values[2], values[7], values[11] = 900.0, 0.0, 700.0
    found = theil_sen(values)
    assert found is not None
    assert found.value == pytest.approx(-5, abs=1)


def test_one_value_has_no_trend() -> None:
    assert theil_sen([1.0]) is None
