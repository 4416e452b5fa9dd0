"""Views of deals: the board, the forecast, histories and what is in the way."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from kehu.opportunities.v1 import deals_pb2, forecast_pb2, pipelines_pb2
from rich.console import Console

from libs.client.values import fill
from libs.command.commands.forecast import days
from libs.command.output import Misuse
from libs.command.views import board

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
SUMS = {"deals": 2, "amount": 100_000, "weighted": 30_000}


def printed(renderable: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=140, color_system=None).print(renderable)
    return out.getvalue()


def forecast(**fields: Any) -> forecast_pb2.Forecast:
    euro = {
        "currency_code": "EUR",
        "closed": {"deals": 1, "amount": 50_000},
        "categories": [{"category": "COMMIT", "sums": SUMS}],
        "slipped": {"deals": 3, "amount": 70_000},
        "undated": {},
        "stages": [{"stage": "offer", "sums": SUMS}],
        "expected": 80_000,
    }
    return fill(forecast_pb2.Forecast(), {"as_of_time": NOW, "currencies": [{**euro, **fields}]})


def test_stages_are_columns_and_late_deals_say_so() -> None:
    stages = [
        {"key": "look", "display_name": "First look", "probability_basis_points": 1000},
        {"key": "offer", "display_name": "Offer", "probability_basis_points": 5000, "greatest_age": timedelta(days=5)},
        {"key": "old", "display_name": "Gone", "retired": True},
        {"key": "won", "display_name": "Won", "kind": "WON"},
    ]
    pipeline = fill(pipelines_pb2.Pipeline(), {"display_name": "Direct", "stages": stages})
    deal = {
        "display_name": "Hundred [chairs]",
        "owner": "ada",
        "amount": {"currency_code": "EUR", "minor_units": 123_450},
        "stage_time": NOW - timedelta(days=9),
        "close_date": date(2026, 6, 1),
        "next_step": {"text": "call back"},
    }
    shown = printed(board.board(pipeline, {"offer": [fill(deals_pb2.Deal(), deal)]}, forecast(), NOW))
    for part in (
        "First look",
        "Offer 50 %",
        "2 · 1,000.00 EUR",
        "Hundred [chairs]",
        "1,234.50 EUR",
        "9 d",
        "slipped by 9 d",
        "→ call back",
        "expected 800.00 EUR",
        "slipped 700.00 EUR in 3 deals",
    ):
        assert part in shown
    assert "Gone" not in shown
    assert "Won" not in shown


def test_a_forecast_shows_slipped_deals_always() -> None:
    shown = printed(board.forecast(forecast()))
    for part in ("commit", "1,000.00 EUR", "300.00 EUR", "█" * board.BAR, "as of 2026-06-10"):
        assert part in shown
    none = printed(board.forecast(forecast(slipped={}, categories=[])))
    assert "slipped" in none


def test_a_report_tells_rates_with_their_interval() -> None:
    row = {"month": "2026-05", "key": "ada", "currency_code": "EUR", "won": 3, "lost": 1, "revenue": 123_400}
    row |= {"won_days_mean": 40.25, "won_days_median": 39}
    rates = {"win_rate": 0.75, "win_rate_low": 0.3, "win_rate_high": 0.95}
    shown = printed(board.report(fill(forecast_pb2.SalesReport(), {"results": [{**row, **rates}]})))
    for part in ("2026-05  ada", "75.0% (30%-95%)", "1,234.00 EUR", "40.2, half within 39"):
        assert part in shown


def test_a_history_and_a_preview_are_read_at_a_glance() -> None:
    change = {
        "number": 2,
        "kind": "MOVED",
        "effective_time": NOW,
        "record_time": NOW,
        "actor": "ada",
        "waived": True,
        "facts": {"stage": "offer", "probability_basis_points": 5000},
    }
    assert "moved (waived)" in printed(board.history([fill(deals_pb2.DealChange(), change)]))
    unmet = {"stage": "offer", "side": "ENTRY", "criterion": {"measure": "CONTACTS", "at_least": 2}, "measured": 1}
    move = {"from_stage": "look", "to_stage": "offer", "unmet": [unmet]}
    assert "contacts: 1 of 2  (to enter offer)" in printed(board.lacking(fill(deals_pb2.Move(), move)))
    assert "nothing is in the way" in printed(board.lacking(deals_pb2.Move(from_stage="look", to_stage="offer")))


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("2026", date(2026, 1, 1), date(2026, 12, 31)),
        ("2026-Q2", date(2026, 4, 1), date(2026, 6, 30)),
        ("2028-02", date(2028, 2, 1), date(2028, 2, 29)),
        ("2026-12", date(2026, 12, 1), date(2026, 12, 31)),
        ("9999", date(9999, 1, 1), date.max),
    ],
)
def test_a_period_is_its_first_and_last_day(period: str, first: date, last: date) -> None:
    assert days(period) == (first, last)


@pytest.mark.parametrize("period", ["2026-Q5", "0000", "2026-13", "soon"])
def test_what_is_no_period_is_refused(period: str) -> None:
    with pytest.raises(Misuse, match="2026-Q2"):
        days(period)
