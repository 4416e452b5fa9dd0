"""Gaps of service quality, drivers of satisfaction, and people who say nothing."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest

from libs.statistics.agreement import cronbach_alpha
from services.surveys.results.domain.drivers import Quadrant, TooFewRespondents, drivers
from services.surveys.results.domain.gaps import Fulfilment, Pair, servqual, shortfall
from services.surveys.results.domain.silence import Outcome, Told, silence

DIMENSIONS = (
    "usefulness",
    "fun",
    "control",
    "economy",
    "personalisation",
    "convenience",
    "security",
    "tangibles",
)


def test_gaps_of_a_real_survey(reference_data: Path) -> None:
    expected = json.loads((reference_data / "expected.json").read_text())["kiosk_servqual"]
    with (reference_data / "surveys" / "kiosk_servqual.csv").open() as file:
        rows = [*csv.DictReader(file)]
    respondents = [
        {
            name: [
                Pair(expectation=float(row[f"E{item}"]), perception=float(row[f"P{item}"]))
                for item in range(3 * place + 1, 3 * place + 4)
            ]
            for place, name in enumerate(DIMENSIONS)
        }
        for row in rows
    ]
    found = servqual(respondents)
    assert found.overall == pytest.approx(expected["overall_gap"], abs=1e-6)
    for each in found.dimensions:
        figures = expected["dimensions"][each.dimension]
        assert each.expectation is not None
        assert each.perception is not None
        assert each.gap is not None
        ours = [each.expectation.value, each.perception.value, each.gap.value]
        assert ours == pytest.approx([figures[name] for name in ("expectation", "perception", "gap")], abs=1e-6)
        assert each.gap.lower < each.gap.value < each.gap.upper
        alpha = cronbach_alpha([[pair.perception for pair in person[each.dimension]] for person in respondents])
        assert alpha == pytest.approx(figures["alpha_perception"], abs=1e-6)
    whole = [[pair.perception for pairs in person.values() for pair in pairs] for person in respondents]
    assert cronbach_alpha(whole) == pytest.approx(expected["alpha_24_perceptions"], abs=1e-6)


def test_points_weigh_the_dimensions() -> None:
    person = {"speed": [Pair(expectation=7, perception=5)], "looks": [Pair(expectation=5, perception=5)]}
    assert servqual([person]).overall == pytest.approx(-1)
    assert servqual([person], {"speed": 90, "looks": 10}).overall == pytest.approx(-1.8)


def test_a_pair_with_a_gap_of_its_own_counts_on_one_side_only() -> None:
    found = servqual([{"speed": [Pair(expectation=7, perception=None)]}]).dimensions[0]
    assert found.expectation is not None
    assert (found.perception, found.gap) == (None, None)
    assert servqual([]).overall is None


def test_gaps_inside_the_company_come_from_what_was_kept() -> None:
    measures = [Fulfilment(source="promise.kept", met=90, cases=100), Fulfilment(source="eta.kept", met=0, cases=20)]
    assert shortfall(measures) == pytest.approx(-0.25)
    assert shortfall([]) is None


def test_a_driver_that_moves_satisfaction_is_important() -> None:
    noise = random.Random(5)
    speed, looks = ([noise.gauss(5, 1) for _ in range(400)] for _ in range(2))
    satisfied = [0.8 * a + 0.2 * b + noise.gauss(0, 0.3) for a, b in zip(speed, looks, strict=True)]
    found = drivers(satisfied, {"speed": [a - 2 for a in speed], "looks": looks})
    first, second = found.drivers
    assert first.share > 5 * second.share
    assert first.share + second.share == pytest.approx(found.explained)
    assert (first.quadrant, second.quadrant) == (Quadrant.CONCENTRATE, Quadrant.OVERKILL)
    assert found.collinear == ()


def test_drivers_that_tell_the_same_are_named() -> None:
    noise = random.Random(6)
    speed = [noise.gauss(5, 1) for _ in range(200)]
    found = drivers(speed, {"speed": speed, "haste": [a + noise.gauss(0, 0.05) for a in speed], "flat": [3.0] * 200})
    assert found.collinear == ("speed", "haste")
    assert found.drivers[0].share == pytest.approx(found.drivers[1].share, rel=0.05)
    assert found.drivers[2].share == 0


def test_many_drivers_share_what_they_explain_too() -> None:
    noise = random.Random(7)
    ratings = {f"d{n:02}": [noise.gauss(0, 1) for _ in range(300)] for n in range(12)}
    satisfied = [sum(each) for each in zip(*ratings.values(), strict=True)]
    found = drivers(satisfied, ratings)
    assert sum(each.share for each in found.drivers) == pytest.approx(found.explained)


def test_too_few_respondents_are_refused() -> None:
    with pytest.raises(TooFewRespondents, match="3 respondents rated everything: at least 10"):
        drivers([1, 2, 3], {"speed": [1, 2, 3]})


def test_silent_people_are_counted_and_what_they_may_cost() -> None:
    told = [
        *[Told(outcome=Outcome.NO_PROBLEM, buys_again=True)] * 880,
        *[Told(outcome=Outcome.SATISFIED, buys_again=True)] * 60,
        *[Told(outcome=Outcome.DISSATISFIED, buys_again=False)] * 30,
        *[Told(outcome=Outcome.SILENT, buys_again=False)] * 15,
        *[Told(outcome=Outcome.SILENT, buys_again=True)] * 15,
    ]
    found = silence(told, base=10_000, value=100.0, seed=1)
    assert found is not None
    assert found.silent_rate is not None
    assert (found.problem_rate.value, found.silent_rate.value) == pytest.approx((0.12, 0.25))
    assert found.people.value == pytest.approx(300)
    assert found.people.lower < 300 < found.people.upper
    assert found.revenue_at_risk.value == pytest.approx((0.03 * 1.0 + 0.03 * 0.5) * 1_000_000)
    assert found == silence(told, base=10_000, value=100.0, seed=1)
    assert silence([], base=10_000, value=100.0, seed=1) is None
