"""Sums that a period may bring, exact and simulated."""

from __future__ import annotations

import random
from itertools import product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from services.opportunities.forecast.domain.learning import Arrivals, CurveStep
from services.opportunities.forecast.domain.simulation import (
    Distribution,
    Experience,
    Method,
    NewDeals,
    OpenDeal,
    distribution,
    opened_in_time,
    outcomes,
    simulated,
)

THREE = [
    OpenDeal(id="deal_a", amount=100_000, probability=0.5),
    OpenDeal(id="deal_b", amount=200_000, probability=0.3),
    OpenDeal(id="deal_c", amount=50_000, probability=0.8),
]
MANY = [OpenDeal(id=f"deal_{n}", amount=1000 + 37 * n, probability=(n % 9 + 1) / 10) for n in range(60)]


def of(deals: list[OpenDeal], rho: float = 0.0, seed: int = 7, experience: Experience | None = None) -> Distribution:
    return distribution(deals, rho=rho, seed=seed, draws=20_000, experience=experience)


def test_independent_deals_are_worked_out_exactly() -> None:
    found = of(THREE)
    assert found.method is Method.CONVOLUTION
    assert found.mean == pytest.approx(150_000)
    assert found.deviation == pytest.approx(106_301.46, abs=5e-3)
    assert (found.p10, found.p50, found.p90) == (50_000, 150_000, 350_000)
    shares = {0: 0.07, 50: 0.28, 100: 0.07, 150: 0.28, 200: 0.03, 250: 0.12, 300: 0.03, 350: 0.12}
    assert outcomes(THREE) == pytest.approx({1000 * sum_: share for sum_, share in shares.items()})


@given(st.lists(st.tuples(st.integers(-50, 500), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])), max_size=9))
@settings(max_examples=50)
def test_quantiles_are_those_of_all_outcomes_one_by_one(drawn: list[tuple[int, float]]) -> None:
    deals = [OpenDeal(id=f"deal_{n}", amount=amount, probability=p) for n, (amount, p) in enumerate(drawn)]
    every = sorted(
        (
            sum(deal.amount for deal, won in zip(deals, wins, strict=True) if won),
            prod(deal.probability if won else 1 - deal.probability for deal, won in zip(deals, wins, strict=True)),
        )
        for wins in product((False, True), repeat=len(deals))
    )
    found = of(deals)
    for quantile, share in ((found.p10, 0.1), (found.p50, 0.5), (found.p90, 0.9)):
        assert sum(p for total, p in every if total <= quantile) >= share - 1e-9
        assert sum(p for total, p in every if total < quantile) < share + 1e-9


def test_simulation_agrees_with_the_exact_distribution() -> None:
    found = simulated(THREE, rho=0, seed=1, draws=200_000, experience=Experience())
    assert found.mean == pytest.approx(150_000, abs=4 * found.error)
    assert (found.p10, found.p50, found.p90) == (50_000, 150_000, 350_000)


def test_a_common_market_widens_the_interval_and_leaves_the_mean() -> None:
    apart, together = of(MANY), of(MANY, rho=0.3)
    assert together.mean == pytest.approx(apart.mean, abs=4 * together.error + 4 * apart.error)
    assert together.deviation > 1.5 * apart.deviation


def test_the_order_of_deals_does_not_matter_and_the_seed_does() -> None:
    shuffled = random.Random(3).sample(MANY, len(MANY))
    experience = Experience(amount_ratios=(0.8, 1.0, 1.1), slips=(0, 5, 40))
    assert of(shuffled, 0.2, experience=experience) == of(MANY, 0.2, experience=experience)
    assert of(MANY, 0.2, seed=8) != of(MANY, 0.2)


def test_deals_that_slip_out_of_the_period_do_not_count() -> None:
    deals = [OpenDeal(id="deal_a", amount=100, probability=1.0, days_left=(0, 30))]
    found = of(deals, experience=Experience(slips=(0, 10, 31, 90)))
    assert found.method is Method.MONTE_CARLO
    assert found.mean == pytest.approx(50, abs=2)
    late = OpenDeal(id="deal_b", amount=100, probability=1.0, days_left=(-60, -1))
    assert of([*deals, late]).p90 == 100


def test_a_slip_that_is_over_is_not_drawn_again() -> None:
    late = OpenDeal(id="deal_a", amount=100, probability=1.0, days_left=(20, 40), waited=20)
    assert of([late], experience=Experience(slips=(0, 10, 30, 90))).mean == pytest.approx(50, abs=2)
    assert of([late], experience=Experience(slips=(0, 10))).mean == 100  # never seen: as if it closed today
    assert of([late]).method is Method.CONVOLUTION


NEW = NewDeals(name="EUR", expected=30.0, probability=0.4, amounts=(100, 200, 600))


def test_deals_still_to_come_bring_what_they_bring_on_average() -> None:
    found = distribution([], rho=0.0, seed=1, draws=50_000, new_deals=[NEW])
    assert found.mean == pytest.approx(12 * 300, abs=4 * found.error)
    spread = 12 * (100**2 + 200**2 + 600**2) / 3  # of a compound Poisson sum
    assert found.deviation == pytest.approx(spread**0.5, rel=0.02)
    together = distribution([], rho=0.3, seed=1, draws=50_000, new_deals=[NEW])
    assert together.mean == pytest.approx(12 * 300, abs=4 * together.error)
    assert together.deviation > 1.2 * found.deviation


def test_the_market_moves_new_and_open_deals_together() -> None:
    apart = distribution(MANY, rho=0.3, seed=1, draws=50_000).deviation
    new = distribution([], rho=0.3, seed=1, draws=50_000, new_deals=[NEW]).deviation
    both = distribution(MANY, rho=0.3, seed=1, draws=50_000, new_deals=[NEW]).deviation
    assert both > 0.98 * (apart + new)


def test_new_deals_have_the_time_that_is_left() -> None:
    curve = [CurveStep(days=10, won=0.5, lost=0.5, open=0.0, at_risk=1)]
    coming = Arrivals(currency_code="EUR", per_day=2.0, amounts=(1,))
    found = opened_in_time(coming, curve, 0.0, 20.0, (1,))
    assert (found.expected, found.probability) == (40.0, pytest.approx(0.25))  # half of them come too late
    assert opened_in_time(coming, curve, 0.0, 5.0, (1,)).probability == 0
    next_month = opened_in_time(coming, curve, 20.0, 40.0, (1,))
    assert next_month.expected * next_month.probability == pytest.approx(20.0)  # twenty days of two, half of them won


def test_what_is_won_already_moves_all_of_it() -> None:
    found = of(THREE).plus(1_000)
    assert (found.mean, found.p10, found.p50, found.p90) == (pytest.approx(151_000), 51_000, 151_000, 351_000)
    assert found.deviation == of(THREE).deviation


def test_forty_deals_of_any_amounts_are_still_exact() -> None:
    deals = [OpenDeal(id=f"deal_{n}", amount=10_007 * n + n * n + 1, probability=0.5) for n in range(30)]
    found = of(deals)
    assert found.method is Method.CONVOLUTION
    assert found.p50 == pytest.approx(sum(deal.amount for deal in deals) / 2, rel=0.02)


def test_nothing_to_win_brings_nothing() -> None:
    assert of([]) == Distribution(mean=0, deviation=0, p10=0, p50=0, p90=0, method=Method.CONVOLUTION)


@pytest.mark.parametrize(("rho", "draws", "field"), [(-0.1, 10, "rho"), (1, 10, "rho"), (0.2, 0, "draws")])
def test_nonsense_is_refused(rho: float, draws: int, field: str) -> None:
    with pytest.raises(InvalidArgument, match=field):
        distribution(THREE, rho=rho, seed=1, draws=draws)
