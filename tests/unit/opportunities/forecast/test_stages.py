"""Chances by stage, and how good they and earlier forecasts were."""

from __future__ import annotations

import pytest

from services.opportunities.forecast.domain.accuracy import Judged, accuracy, calibration
from services.opportunities.forecast.domain.stages import (
    NothingToLearn,
    StageModel,
    Tally,
    fit,
    marginal_likelihood,
    velocity,
)

TALLIES = {
    "qualify": Tally(won=30, ended=100),
    "propose": Tally(won=45, ended=80),
    "close": Tally(won=3, ended=4),
}


def test_a_stage_with_few_deals_is_drawn_towards_the_others() -> None:
    model = StageModel(alpha=4, beta=6, tallies={"new": Tally(won=3, ended=5)})
    assert model.probability("new") == pytest.approx(0.4667, abs=5e-5)
    assert model.probability("unseen") == pytest.approx(0.4)


def test_no_other_parameters_are_more_likely_than_the_fitted_ones() -> None:
    model = fit(TALLIES)
    best = marginal_likelihood(TALLIES.values(), model.alpha, model.beta)
    for alpha, beta in ((1.1, 1.0), (0.9, 1.0), (1.0, 1.1), (1.0, 0.9), (1.2, 1.2)):
        assert marginal_likelihood(TALLIES.values(), model.alpha * alpha, model.beta * beta) < best
    center = model.alpha / (model.alpha + model.beta)
    assert 0.30 < model.probability("qualify") < center < model.probability("close") < 0.75


def test_too_few_deals_and_one_outcome_only_teach_nothing() -> None:
    with pytest.raises(NothingToLearn, match="5 deals have ended, 2 of them won: at least 30"):
        fit({"a": Tally(won=2, ended=5)})
    with pytest.raises(NothingToLearn, match="both outcomes"):
        fit({"a": Tally(won=50, ended=50)})


def test_the_pace_of_a_pipeline() -> None:
    assert velocity(40, 0.30, 25_000, 60).per_day == pytest.approx(5000)
    for unknown in ((40, 0.30, 25_000, 0), (40, None, 25_000, 60), (40, 0.30, None, 60), (40, 0.30, 25_000, None)):
        assert velocity(*unknown).per_day is None


def test_forecasts_are_judged_by_error_bias_and_coverage() -> None:
    found = accuracy(
        [Judged(forecast=110, actual=100, interval=(90, 120)), Judged(forecast=80, actual=100, interval=(70, 90))]
    )
    assert (found.wape, found.bias, found.covered) == pytest.approx((0.15, -0.05, 0.5))
    assert accuracy([]).wape is None


def test_probabilities_are_judged_by_what_happened() -> None:
    found = calibration([(0.1, False), (0.1, False), (0.9, True), (0.9, False)])
    assert found is not None
    assert found.brier == pytest.approx((0.01 + 0.01 + 0.01 + 0.81) / 4)
    assert [(each.count, each.observed) for each in found.bins] == [(2, 0.0), (2, 0.5)]
    assert found.expected_error == pytest.approx((2 * 0.1 + 2 * 0.4) / 4)
    assert calibration([]) is None
