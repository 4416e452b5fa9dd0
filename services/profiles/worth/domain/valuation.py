"""A whole fit: purchases, the test on time held out, spend, and the value of everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.profiles.activity.domain.transactions import Money
from services.profiles.worth.domain import bgnbd, clv, gamma_gamma
from services.profiles.worth.domain.clv import Outlook
from services.profiles.worth.domain.contribution import Window
from services.profiles.worth.domain.histories import History
from services.profiles.worth.domain.models import ClvModel, ClvScore

ALIVE = 0.5
COME_BACK_PERCENT = 95
HELD_OUT = 1 / 3
"""The latest part of the window, which the model is tested on before it is fitted to all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Subject of a fit."""

    id: str
    currency_code: str
    window: Window
    time_zone: str
    outlook: Outlook


def value_all(
    ids: Sequence[str], histories: Sequence[History], earlier: Sequence[History], setting: Setting, held_out: float
) -> tuple[ClvModel, list[ClvScore]]:
    """The model of all histories and the score of each customer.

    `earlier` are the histories until the time held out, of those who had bought by then, with what came `later`; it
    lasted `held_out` weeks. Refuses as `bgnbd` and `gamma_gamma` do.
    """
    test = bgnbd.holdout(
        bgnbd.fit(*_columns(earlier)).model,
        *_columns(earlier),
        later=[each.later for each in earlier],
        periods=held_out,
    )
    x, t_x, age = _columns(histories)
    fit = bgnbd.fit(x, t_x, age)
    spend = np.array([each.spend for each in histories])
    known = (x > 0) & (spend > 0)
    money = gamma_gamma.fit(x[known], spend[known])
    expected_spend = money.model.expected(np.where(known, x, 0), spend)
    months = setting.outlook.horizon_months
    values = clv.value(fit.model, x, t_x, age, spend=expected_spend, outlook=setting.outlook)
    purchases = fit.model.expected(months * clv.WEEKS_PER_MONTH, x, t_x, age)
    alive = fit.model.alive(x, t_x, age)
    again = [each.again for each in histories if each.repeats]
    limit = float(np.percentile(again, COME_BACK_PERCENT))

    def money_of(minor_units: float) -> Money:
        return Money(currency_code=setting.currency_code, minor_units=round(minor_units))

    model = ClvModel(
        id=setting.id,
        currency_code=setting.currency_code,
        window=setting.window,
        time_zone=setting.time_zone,
        horizon_months=months,
        margin=setting.outlook.margin,
        discount=setting.outlook.discount,
        r=fit.model.r,
        alpha=fit.model.alpha,
        a=fit.model.a,
        b=fit.model.b,
        log_likelihood=fit.log_likelihood,
        p=money.model.p,
        q=money.model.q,
        gamma=money.model.gamma,
        spend_correlation=money.correlation,
        customer_count=fit.customers,
        repeater_count=fit.repeaters,
        holdout_weeks=test.periods,
        holdout_expected=test.expected,
        holdout_observed=test.observed,
        holdout_error=test.error,
        holdout_naive_error=test.naive_error,
        mean_alive=float(alive.mean()),
        mean_spend=money.model.mean,
        one_time_limit_weeks=limit,
        total_value=money_of(float(values.sum())),
    )
    as_of: datetime = setting.window.end_time
    scores = [
        ClvScore(
            id=id,
            model_id=setting.id,
            repeat_count=each.repeats,
            last_weeks=each.last,
            age_weeks=each.age,
            alive_probability=float(alive[i]),
            considered_alive=bool(alive[i] >= ALIVE and (each.repeats > 0 or each.age <= limit)),
            expected_purchases=float(purchases[i]),
            expected_spend=money_of(float(expected_spend[i])),
            value=money_of(float(values[i])),
            as_of_time=as_of,
        )
        for i, (id, each) in enumerate(zip(ids, histories, strict=True))
    ]
    return model, scores


def _columns(histories: Sequence[History]) -> tuple[bgnbd.Floats, bgnbd.Floats, bgnbd.Floats]:
    rows = np.array([(each.repeats, each.last, each.age) for each in histories], dtype=np.float64).reshape(-1, 3)
    return rows[:, 0], rows[:, 1], rows[:, 2]
