"""The wait that somebody in a queue is told."""

from __future__ import annotations

import pytest

from services.interactions.routing.domain.waits import coverage, estimated_wait


def test_a_caller_is_told_a_wait_that_nine_of_ten_do_not_exceed() -> None:
    found = estimated_wait(4, 10, 180)
    assert found is not None
    assert found.mean == pytest.approx(90)
    assert found.p50 < found.mean < found.p90
    one = estimated_wait(0, 1, 100)
    assert one is not None
    assert one.p50 == pytest.approx(69.3147, abs=1e-4)  # the median of an exponential time
    assert coverage([(60, 50), (60, 61), (90, 90)]) == (2, 3)


def test_nobody_knows_how_long_a_queue_without_agents_takes() -> None:
    assert estimated_wait(0, 0, 180) is None
