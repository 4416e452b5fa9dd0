"""How likely a lead is to buy, and why."""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.opportunities.forecast.domain.accuracy import calibration
from services.opportunities.leads.domain.scoring import (
    Activity,
    Attribute,
    ClosedLead,
    Kind,
    KnownAfterwards,
    Step,
    TooFewLeads,
    engagement,
    fit,
    isotonic,
    learn,
    probability,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def closed(count: int, rate: dict[str, float], seed: int = 1) -> list[ClosedLead]:
    noise = random.Random(seed)
    sources = [noise.choice(list(rate)) for _ in range(count)]
    return [
        ClosedLead(id=f"lead_{n}", attributes={"source": each, "staff": n % 50}, converted=noise.random() < rate[each])
        for n, each in enumerate(sources)
    ]


FORM = [Attribute(key="source"), Attribute(key="staff", kind=Kind.NUMBER)]


def test_the_factor_that_decides_is_named_first() -> None:
    model = learn(FORM, closed(2000, {"fair": 0.4, "list": 0.05}))
    good, bad = (fit(model, {"source": source, "staff": 10}) for source in ("fair", "list"))
    assert (good.probability, bad.probability) == pytest.approx((0.4, 0.05), abs=0.05)
    assert good.factors[0].attribute == bad.factors[0].attribute == "source"
    assert good.factors[0].weight > 0 > bad.factors[0].weight
    assert good.score == pytest.approx(model.prior + sum(factor.weight for factor in good.factors))


def test_a_value_that_was_never_seen_says_nothing() -> None:
    model = learn(FORM, closed(500, {"fair": 0.4, "list": 0.05}))
    assert fit(model, {"source": "moon"}).factors[0].weight == 0
    assert fit(model, {}).score == model.prior


def test_real_leads_are_foretold_better_than_by_their_rate(reference_data: Path) -> None:
    with (reference_data / "pipeline" / "bank_campaign_leads_sample.csv").open() as file:
        rows = [*csv.DictReader(file)]
    numbers = {"age", "balance", "campaign", "previous"}
    form = [
        Attribute(key=key, kind=Kind.NUMBER if key in numbers else Kind.CATEGORY)
        for key in rows[0]
        if key not in ("y", "duration", "pdays", "day")
    ]
    leads = [
        ClosedLead(
            id=f"lead_{n}",
            attributes={key: float(row[key]) if key in numbers else row[key] for key in row},
            converted=row["y"] == "yes",
        )
        for n, row in enumerate(rows)
    ]
    learned, held_back = [lead for n, lead in enumerate(leads) if n % 3], leads[::3]
    model = learn(form, learned)
    judged = calibration([(fit(model, lead.attributes).probability, lead.converted) for lead in held_back])
    rate = sum(lead.converted for lead in held_back) / len(held_back)
    assert judged is not None
    assert judged.brier < 0.95 * rate * (1 - rate)
    assert judged.expected_error < 0.03


def test_what_is_known_only_afterwards_is_no_input() -> None:
    late = Attribute(key="duration", kind=Kind.NUMBER, known_afterwards=True)
    with pytest.raises(KnownAfterwards, match="duration is known only after the outcome"):
        learn([*FORM, late], closed(500, {"fair": 0.4}))


@pytest.mark.parametrize("rates", [{"fair": 0.0}, {"fair": 1.0}])
def test_one_outcome_or_few_leads_teach_nothing(rates: dict[str, float]) -> None:
    with pytest.raises(TooFewLeads, match="at least 100 closed leads"):
        learn(FORM, closed(500, rates))
    with pytest.raises(TooFewLeads):
        learn(FORM, closed(99, {"fair": 0.5}))


@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=1, max_size=80))
def test_a_higher_score_is_never_less_likely(judged: list[tuple[float, bool]]) -> None:
    steps = isotonic(judged)
    assert all(first.score < second.score for first, second in pairwise(steps))
    assert all(first.probability <= second.probability for first, second in pairwise(steps))
    assert all(0 < step.probability < 1 for step in steps)


def test_a_score_between_two_steps_has_the_probability_of_the_lower() -> None:
    steps = (Step(score=-1, probability=0.1), Step(score=1, probability=0.6))
    assert [probability(steps, score) for score in (-9, -1, 0.9, 1, 9)] == [0.1, 0.1, 0.1, 0.6, 0.6]


def test_activities_count_half_after_a_month() -> None:
    assert engagement([Activity(points=100, time=NOW - timedelta(days=45))], NOW) == pytest.approx(35.3553, abs=5e-5)
    assert engagement([Activity(points=100, time=NOW + timedelta(days=9))], NOW) == 100
    assert engagement([], NOW) == 0
