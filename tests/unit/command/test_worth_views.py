"""What a person sees of worth."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from kehu.profiles.v1 import clv_pb2, loyalty_pb2, measures_pb2, retention_pb2, worth_pb2
from kehu.profiles.v1 import tiers_pb2 as pb
from kehu.profiles.v1.customer_pb2 import Customer
from rich.console import Console

from libs.client.values import fill
from libs.command.views import card, worth
from libs.command.views.worth import Sheet

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def printed(renderable: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=140, color_system=None).print(renderable)
    return out.getvalue()


def euro(minor_units: int) -> dict[str, Any]:
    return {"currency_code": "EUR", "minor_units": minor_units}


def make_sheet(**parts: Any) -> Sheet:
    fields = dict.fromkeys(("contribution", "tier", "rfm", "clv", "alive", "dormancy", "warning"))
    return Sheet(**{**fields, **parts})


def standing(**fields: Any) -> pb.TierStanding:
    assignment = {"tier": "A", "reason": "AUTO", "start_time": NOW, "evidence": {"contribution": euro(40000)}}
    return fill(pb.TierStanding(), {"tier_assignment": {**assignment, **fields.pop("assignment", {})}, **fields})


def test_a_sheet_tells_figures_with_what_they_depend_on() -> None:
    money = {"contribution": euro(61500), "sales": euro(100000), "direct_cost": euro(38500)}
    clv = {"value": euro(12345), "horizon_months": 12, "margin": 0.3, "discount": 0.1, "expected_spend": euro(2000)}
    signal = {"name": "overdue", "points": 35, "explanation": "95 days since the last purchase"}
    shown = printed(
        worth.sheet(
            make_sheet(
                contribution=fill(worth_pb2.Contribution(), {"currencies": [money]}),
                tier=standing(reason="AUTO"),
                clv=fill(clv_pb2.Clv(), clv),
                warning=fill(worth_pb2.EarlyWarning(), {"score": 35, "signals": [signal]}),
            )
        )
    )
    for part in (
        "A since 2026-06-01",
        "615.00 EUR",
        "sales 1,000.00 - direct cost 385.00",
        "123.45 EUR in 12 months at a margin of 30% and a discount of 10.0%",
        "35 of 100 ███████",
        "+35  95 days since the last purchase",
    ):
        assert part in shown


def test_a_tier_tells_patience_gifts_and_restatement() -> None:
    graced = printed(worth.sheet(make_sheet(tier=standing(reason="GRACE", watch={"evaluation_count": 1}))))
    assert "below it in 1 evaluations" in graced
    override = {"actor": "eve [x]", "expire_time": NOW, "note": "chairs the board"}
    given = printed(worth.sheet(make_sheet(tier=standing(reason="OVERRIDE", assignment={"override": override}))))
    assert "given by eve [x] until 2026-06-01" in given
    restated = printed(worth.sheet(make_sheet(tier=standing(reason="AUTO", restated_contribution=euro(100)))))
    assert "restated from 400.00 EUR to 1.00 EUR" in restated


def test_a_sheet_of_nothing_says_so() -> None:
    empty = make_sheet(warning=worth_pb2.EarlyWarning(), contribution=worth_pb2.Contribution())
    assert not empty
    assert "nothing is known" in printed(worth.sheet(empty))


def test_a_report_shows_how_few_make_how_much() -> None:
    measured = {
        "customer_count": 10,
        "most_count": 4,
        "most_share": 0.4,
        "top_fifth_share": 0.65,
        "gini": 0.5984,
        "classes": [
            {"tier": "A", "customer_count": 4, "contribution": 85000},
            {"tier": "LOSS", "customer_count": 1, "contribution": -8500},
        ],
    }
    evaluation = {
        "concentration": measured,
        "currency_code": "EUR",
        "other_currency_counts": {"JPY": 2},
        "uncosted_sale_count": 3,
        "window": {"start_time": NOW, "end_time": NOW},
    }
    shown = printed(worth.concentration(fill(pb.ConcentrationReport(), {"evaluation": evaluation})))
    for part in ("40.0% of the customers (4 of 10) make 80 %", "65.0%", "850.00", "█" * 40, "JPY 2", "3 sales count"):
        assert part in shown


def test_months_are_rows_and_the_base_is_a_line() -> None:
    half = {"value": 0.5, "lower": 0.25, "upper": 0.75, "sample_size": 20}
    months = [
        fill(loyalty_pb2.LoyaltyMeasures(), {"month": month, "currency_code": "EUR", "base": base, "churn": half})
        for month, base in (("2026-05", 8), ("2026-04", 1))
    ]
    shown = printed(worth.loyalty(months))
    assert shown.index("2026-04") < shown.index("2026-05")
    assert "50% (25%-75%)" in shown
    assert "base  ▁█" in shown


def test_contracts_are_counted_and_projected() -> None:
    row = {"tenure": 1, "at_risk": 40, "lost": 9, "share": 0.775, "lower": 0.65, "upper": 0.9}
    model = {
        "plan": "gold",
        "customer_count": 40,
        "lost_count": 9,
        "survival": [row],
        "projected_survival": [0.75, 0.5],
    }
    shown = printed(worth.contract_model(fill(retention_pb2.ContractModel(), model)))
    for part in ("gold: 40 customers, 9 left", "78% (65%-90%)", "75%", "█" * 20):
        assert part in shown


def test_policies_models_and_measures_are_told() -> None:
    policy = {"name": "standard", "version": 2, "a_per_mille": 800, "b_per_mille": 950}
    due = fill(pb.TierPolicy(), {**policy, "review_date": {"year": 2026, "month": 5, "day": 1}})
    assert "overdue" in printed(worth.policies([due], NOW))
    assert "80 % / 95 %" in printed(worth.policies([due], NOW))
    model = fill(clv_pb2.ClvModel(), {"customer_count": 2357, "repeater_count": 946, "total_value": euro(1)})
    assert "2,357, of whom 946 bought again" in printed(worth.model(model))
    assert "share of those" in printed(
        worth.measure(measures_pb2.Measure(title="Churn", version=1, formula="share of those"))
    )


def test_a_card_tells_worth_only_where_there_is_something_to_tell() -> None:
    def shown(known: Sheet) -> str:
        return printed(
            card.render(
                card.Card(customer=Customer(), summary=None, transactions=(), context=None, missing=(), worth=known),
                NOW,
            )
        )

    assert "A since 2026-06-01" in shown(make_sheet(tier=standing(reason="AUTO")))
    assert "Worth" not in shown(make_sheet())
