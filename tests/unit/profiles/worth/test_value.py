"""BG/NBD, Gamma-Gamma and value to come: golden values, the CDNOW customers, traps and refusals."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import FailedPrecondition, InvalidArgument
from services.profiles.worth.domain import bgnbd, clv, gamma_gamma
from services.profiles.worth.domain.bgnbd import BgNbd
from services.profiles.worth.domain.clv import Outlook
from services.profiles.worth.domain.gamma_gamma import GammaGamma
from services.profiles.worth.domain.histories import History, history
from tests.unit.profiles.worth.reference import CALIBRATION_END, cdnow, expected

CDNOW = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)


def arrays(histories: list[History]) -> tuple[Any, Any, Any]:
    return tuple(np.array([getattr(h, name) for h in histories], dtype=float) for name in ("repeats", "last", "age"))


def test_golden_values_of_the_model() -> None:
    assert CDNOW.log_likelihood(2, 30.43, 38.86) == pytest.approx(-9.4586063, abs=1e-7)
    assert CDNOW.alive(2, 30.43, 38.86) == pytest.approx(0.7265786, abs=1e-7)
    assert CDNOW.expected(39, 2, 30.43, 38.86) == pytest.approx(1.2260282, abs=1e-7)
    assert CDNOW.log_likelihood(0, 0, 38.86) == pytest.approx(-0.5547133, abs=1e-7)
    assert CDNOW.expected(39, 0, 0, 38.86) == pytest.approx(0.1950981, abs=1e-7)
    assert CDNOW.alive(0, 0, 38.86) == 1
    assert CDNOW.expected(52, 26, 30.86, 31) == pytest.approx(25.7581959, abs=1e-6)
    assert CDNOW.expected_of_new(52) == pytest.approx(1.4460506, abs=1e-7)


def test_golden_values_of_spend() -> None:
    model = GammaGamma(p=6.25, q=3.74, gamma=15.44)
    assert model.mean == pytest.approx(35.2189781, abs=1e-7)
    assert model.expected([1, 10], [50, 50]) == pytest.approx([45.4949944, 49.3792154], abs=1e-6)
    assert model.expected(0, 0) == pytest.approx(model.mean)


def test_the_cdnow_customers(reference_data: Path) -> None:
    told = expected(reference_data, "cdnow_sample")
    customers = cdnow(reference_data)
    by_id = {id: known for id, days in customers.items() if (known := history(days, CALIBRATION_END))}
    histories = list(by_id.values())
    x, t_x, age = arrays(histories)
    assert len(histories) == told["customers"]
    assert (x.sum(), (x == 0).sum()) == (told["repeat_transactions"], told["zero_repeat"])
    assert sum(h.later for h in histories) == told["holdout_transactions"]

    fit = bgnbd.fit(x, t_x, age)
    model = fit.model
    for name in ("r", "alpha", "a", "b"):
        assert getattr(model, name) == pytest.approx(told["bgnbd"][name], rel=0.002)
    assert fit.log_likelihood == pytest.approx(told["log_likelihood"], abs=0.1)
    assert model.alive(x, t_x, age).mean() == pytest.approx(told["mean_p_alive"], rel=0.002)
    assert model.expected(39, x, t_x, age).sum() == pytest.approx(told["expected_holdout"], rel=0.002)
    assert model.expected_of_new(52) == pytest.approx(told["expected_52w_new_customer"], abs=0.0005)
    assert model.expected(52, 26, 30.857, 31) == pytest.approx(25.757, abs=0.02)
    assert model.alive(26, 30.857, 31) == pytest.approx(0.96885, abs=0.001)

    check = bgnbd.holdout(model, x, t_x, age, later=[h.later for h in histories], periods=39)
    assert check.observed == told["holdout_transactions"]
    assert check.error < check.naive_error

    spend = np.array([h.spend for h in histories]) / 100
    again = x > 0
    money = gamma_gamma.fit(x[again], spend[again])
    assert (fit.repeaters, money.customers) == (told["repeaters"], told["repeaters"])
    assert money.model.p == pytest.approx(told["gamma_gamma"]["p"], rel=0.002)
    assert money.model.q == pytest.approx(told["gamma_gamma"]["q"], rel=0.002)
    assert money.model.gamma == pytest.approx(told["gamma_gamma"]["v"], rel=0.002)
    assert money.log_likelihood == pytest.approx(told["gg_log_likelihood"], abs=0.1)
    assert money.model.mean == pytest.approx(told["population_mean_spend"], rel=0.002)
    first_ten = [24.6586, 18.9115, 35.1710, 35.1710, 35.1710, 71.4628, 18.9115, 35.1710, 27.2824, 35.1710]
    assert money.model.expected(x[:10], spend[:10]) == pytest.approx(first_ten, abs=0.01)

    outlook = Outlook(horizon_months=12, margin=1.0, discount=1.01**12 - 1)
    values = clv.value(model, x, t_x, age, spend=money.model.expected(x, spend), outlook=outlook)
    assert values.sum() == pytest.approx(told["clv_12m_1pct_weekly_sum"], rel=0.002)
    by_value = dict(sorted(zip(by_id, values, strict=True), key=lambda pair: -pair[1])[:5])
    assert by_value == pytest.approx(told["clv_top5"], rel=0.002)
    assert values[[0, 1, 2, 5]] == pytest.approx([36.28, 4.64, 8.34, 283.52], rel=0.005)


@pytest.mark.parametrize("x", [0, 1, 26, 5000])
def test_a_near_one_is_no_singularity(x: int) -> None:
    """T-45."""
    t_x, age = (0.0, 38.86) if not x else (38.0, 38.86)
    near = [BgNbd(r=0.243, alpha=4.414, a=a, b=2.426) for a in (1 - 1e-6, 1 - 1e-10, 1.0, 1 + 1e-10, 1 + 1e-6)]
    below, *close, above = [float(model.expected(39, x, t_x, age)) for model in near]
    assert close == pytest.approx([close[0]] * 3, rel=1e-7)
    assert min(below, above) <= close[1] <= max(below, above)


MODELS = st.builds(
    BgNbd,
    r=st.floats(0.05, 5),
    alpha=st.floats(0.1, 50),
    a=st.one_of(st.floats(0.05, 5), st.floats(1 - 1e-8, 1 + 1e-8)),
    b=st.floats(0.1, 5),
)


@given(MODELS, st.integers(0, 5000), st.floats(1e-3, 200))
def test_always_finite_and_more_recent_is_more_alive(model: BgNbd, x: int, age: float) -> None:
    """T-45: whatever the parameters, with thousands of purchases and with a tiny age."""
    recency = np.linspace(0.1, 1, 5) * age if x else np.zeros(5)
    alive, to_come = model.alive(x, recency, age), model.expected(52, x, recency, age)
    assert np.isfinite(to_come).all()
    assert ((alive >= 0) & (alive <= 1)).all()
    assert (np.diff(alive) >= 0).all()
    assert (np.diff(to_come) >= -1e-12 * np.abs(to_come[1:])).all()
    assert isfinite(float(model.log_likelihood(x, recency[-1], age)))


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ((-1, 0, 5), "negative"),
        ((1.5, 1, 5), "no whole number"),
        ((1, 6, 5), "after the end"),
        ((0, 1, 5), "yet has a repeat"),
        ((1, 0, 5), "all of them at the start"),
        ((0, 0, 0), "no age"),
        ((float("nan"), 0, 5), "no finite number"),
    ],
)
def test_impossible_customers_are_refused_by_place(row: tuple[float, float, float], complaint: str) -> None:
    rows = np.array([(1, 2, 5), row], dtype=float)
    with pytest.raises(InvalidArgument, match=complaint) as refused:
        bgnbd.fit(*rows.T)
    assert refused.value.violations[0].field == "customers[1]"


def test_too_few_repeaters_are_refused_with_the_numbers() -> None:
    with pytest.raises(FailedPrecondition, match="99 of 120 customers bought again, 100 are needed") as refused:
        bgnbd.fit([1] * 99 + [0] * 21, [1.0] * 99 + [0.0] * 21, [9.0] * 120)
    assert refused.value.reason_code == "FIT_REFUSED"
    assert refused.value.metadata == {"repeaters": "99", "customers": "120", "needed": "100"}


def test_customers_who_do_not_differ_are_refused() -> None:
    with pytest.raises(FailedPrecondition, match="do not differ"):
        bgnbd.fit([10.0] * 200, [10.0] * 200, [10.0] * 200)


def test_a_model_worse_than_the_average_is_refused() -> None:
    x, t_x, age = np.array([5.0, 0]), np.array([9.0, 0]), np.array([10.0, 10])
    with pytest.raises(FailedPrecondition, match="the plain average by"):
        bgnbd.holdout(CDNOW, x, t_x, age, later=[0, 9], periods=10)


def test_spend_that_goes_with_frequency_is_refused() -> None:
    x = np.arange(1, 151)
    with pytest.raises(FailedPrecondition, match=r"correlation 1\.000"):
        gamma_gamma.fit(x, x * 10.0)
    with pytest.raises(FailedPrecondition, match="5 customers bought again"):
        gamma_gamma.fit([1, 2, 3, 4, 5], [9, 8, 9, 8, 9])
    with pytest.raises(InvalidArgument, match="positive mean spend"):
        gamma_gamma.fit([1, 2], [9.0, -1.0])


def test_an_outlook_says_what_is_possible() -> None:
    for fields in ({"horizon_months": 0}, {"margin": 1.5}, {"discount": -0.1}):
        with pytest.raises(InvalidArgument):
            Outlook(**{"horizon_months": 12, "margin": 0.3, "discount": 0.1, **fields})


def test_a_longer_horizon_is_worth_more_and_a_discount_less() -> None:
    def worth(months: int, discount: float) -> float:
        outlook = Outlook(horizon_months=months, margin=0.5, discount=discount)
        return float(clv.value(CDNOW, 2, 30.43, 38.86, spend=100.0, outlook=outlook))

    assert 0 < worth(6, 0.1) < worth(12, 0.1) < worth(12, 0.0)
    assert worth(12, 0.0) == pytest.approx(50 * float(CDNOW.expected(12 * 365 / 84, 2, 30.43, 38.86)))
