"""Scores with their intervals, against golden values and a real survey."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.surveys.results.domain.scores import (
    Metric,
    Tally,
    net_promoters,
    net_promoters_difference,
    score,
)


def plain(*answers: tuple[int, int]) -> Tally:
    return Tally.of([(answer, 1.0) for answer, count in answers for _ in range(count)])


@pytest.mark.parametrize(
    ("promoters", "passives", "detractors", "value", "interval"),
    [(50, 30, 20, 30.0, (14.05, 44.20)), (5, 3, 2, 30.0, (-19.05, 65.20)), (10, 0, 0, 100.0, (None, 100.0))],
)
def test_nps_has_the_interval_of_rocks(
    promoters: int, passives: int, detractors: int, value: float, interval: tuple[float | None, float]
) -> None:
    tally = plain((10, promoters), (8, passives), (3, detractors))
    found = score(Metric.NPS, tally, base_min=1).estimate
    assert found is not None
    assert found.value == pytest.approx(value)
    assert found.upper == pytest.approx(interval[1], abs=5e-3)
    if interval[0] is not None:
        assert found.lower == pytest.approx(interval[0], abs=5e-3)


def test_csat_has_the_interval_of_wilson() -> None:
    found = score(Metric.CSAT, plain((5, 60), (4, 32), (2, 8))).estimate
    assert found is not None
    assert (found.value, found.lower, found.upper) == pytest.approx((0.92, 0.8500, 0.9589), abs=5e-5)


def test_ces_is_a_mean_beside_the_share_that_found_it_easy() -> None:
    found = score(Metric.CES, plain((1, 10), (5, 10), (7, 20)))
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(5.0)
    assert found.top_share is not None
    assert found.top_share.value == pytest.approx(0.75)


def test_a_real_survey_has_its_published_scores(reference_data: Path) -> None:
    expected = json.loads((reference_data / "expected.json").read_text())["sfo_nps"]
    with (reference_data / "surveys" / "sfo_2017_survey_resp_0001_1000.csv").open() as file:
        rows = [*csv.DictReader(file)]
    answers = [(int(row["NETPRO"]), float(row["WEIGHT"])) for row in rows if row["NETPRO"] not in ("", "11")]
    unweighted = score(Metric.NPS, Tally.of([(answer, 1.0) for answer, _ in answers])).estimate
    weighted = score(Metric.NPS, Tally.of(answers))
    assert unweighted is not None
    assert weighted.estimate is not None
    assert unweighted.value == pytest.approx(expected["nps"], abs=1e-6)
    assert weighted.estimate.value == pytest.approx(expected["nps_weighted"], abs=1e-6)
    assert weighted.effective_base < weighted.base == len(answers)
    for question, figures in expected["csat"].items():
        tally = plain(*((answer, sum(row[question] == str(answer) for row in rows)) for answer in range(1, 6)))
        found = score(Metric.CSAT, tally).estimate
        assert found is not None
        assert (tally.base, found.value) == (figures["n"], pytest.approx(figures["top2"], abs=1e-6))


def test_a_small_base_is_suppressed_with_what_is_needed() -> None:
    found = score(Metric.NPS, plain((10, 29)))
    assert (found.estimate, found.base, found.suppressed_below) == (None, 29, 30)
    assert score(Metric.NPS, Tally.of([]), base_min=0).estimate is None


@given(st.lists(st.tuples(st.integers(0, 10), st.floats(0.1, 5)), min_size=1, max_size=40), st.integers(0, 40))
def test_segments_are_pooled_by_their_answers(answers: list[tuple[int, float]], cut: int) -> None:
    whole, parts = Tally.of(answers), Tally.of(answers[:cut]).plus(Tally.of(answers[cut:]))
    one, two = (score(Metric.NPS, each, base_min=1).estimate for each in (whole, parts))
    assert one is not None
    assert two is not None
    assert one.value == pytest.approx(two.value)
    assert parts.effective_base == pytest.approx(whole.effective_base)


def test_a_score_over_segments_is_no_mean_of_scores() -> None:
    small, large = plain((10, 30)), plain((0, 300))
    pooled = score(Metric.NPS, small.plus(large)).estimate
    assert pooled is not None
    assert pooled.value == pytest.approx(100 * (30 - 300) / 330)


def test_effective_base_of_uneven_weights() -> None:
    tally = Tally.of([(10, 1.0)] * 90 + [(0, 4.0)] * 10)
    assert tally.effective_base == pytest.approx(67.6, abs=0.05)
    assert tally.base / tally.effective_base == pytest.approx(1.4793, abs=5e-4)


def test_a_difference_of_scores_has_an_interval() -> None:
    first, second = plain((10, 500), (8, 300), (3, 200)), plain((10, 450), (8, 300), (3, 250))
    found = net_promoters_difference(first, second)
    assert found.value == pytest.approx(10)
    assert found.lower < 10 < found.upper
    alone = net_promoters(0.5, 0.2, 1000)
    assert found.upper - found.lower > alone.upper - alone.lower
