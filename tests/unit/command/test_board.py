"""Views of deals: the board, the forecast, histories and what is in the way."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

from kehu.opportunities.v1 import board_pb2, deals_pb2, forecast_pb2, models_pb2, plans_pb2, snapshots_pb2
from rich.console import Console

from libs.client.values import fill
from libs.command.commands.forecast import span
from libs.command.views import board
from libs.command.views import forecast as views

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
SUMS = {"deals": 2, "amount": 100_000, "weighted": 30_000}


def printed(renderable: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=140, color_system=None).print(renderable)
    return out.getvalue()


def forecast(**fields: Any) -> plans_pb2.Forecast:
    euro = {
        "currency_code": "EUR",
        "closed": {"deals": 1, "amount": 50_000},
        "categories": [{"category": "COMMIT", "sums": SUMS}],
        "slipped": {"deals": 3, "amount": 70_000},
        "undated": {},
        "stages": [{"stage": "offer", "sums": SUMS}],
        "expected": 80_000,
    }
    return fill(plans_pb2.Forecast(), {"as_of_time": NOW, "currencies": [{**euro, **fields}]})


def test_stages_are_columns_and_late_deals_say_so() -> None:
    stages = [
        {"key": "look", "display_name": "First look", "probability_basis_points": 1000},
        {"key": "offer", "display_name": "Offer", "probability_basis_points": 5000, "greatest_age": timedelta(days=5)},
        {"key": "old", "display_name": "Gone", "retired": True},
        {"key": "won", "display_name": "Won", "kind": "WON"},
    ]
    pipeline = {"display_name": "Direct", "stages": stages}
    card = {
        "display_name": "Hundred [chairs]",
        "owner": "ada",
        "amount": {"currency_code": "EUR", "minor_units": 123_450},
        "stage_time": NOW - timedelta(days=9),
        "close_date": date(2026, 6, 1),
        "next_step": {"text": "call back"},
    }
    columns = [{"stage": "look"}, {"stage": "offer", "cards": [card], "more": True}]
    found = fill(board_pb2.Board(), {"pipeline": pipeline, "stages": columns})
    found.forecast.CopyFrom(forecast())
    shown = printed(board.board(found, NOW))
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
        "and more",
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


def test_a_forecast_shows_what_people_expect_and_what_has_no_rate() -> None:
    found = forecast()
    override = {
        "actor": "ada",
        "owner": "bob",
        "reason": "signed",
        "amount": {"currency_code": "EUR", "minor_units": 9_000},
    }
    fill(found.overrides.add(), override)
    converted = {
        "forecast": {"currency_code": "EUR", "expected": 123_400},
        "oldest_rate_date": date(2026, 5, 29),
        "unconverted_deals": 2,
        "unconverted": [{"currency_code": "CHF"}],
    }
    fill(found.converted, converted)
    shown = printed(board.forecast(found))
    for part in (
        "ada expects of bob 90.00 EUR  signed",
        "all in EUR: expected 1,234.00 EUR",
        "rates since 2026-05-29",
        "2 deals left out, no rate for CHF",
    ):
        assert part in shown


def test_a_deal_is_shown_as_it_was() -> None:
    told = {"state": "OPEN", "stage": "offer", "amount": {"currency_code": "EUR", "minor_units": 100}, "owner": "ann"}
    told |= {"close_date": date(2026, 7, 1), "probability_basis_points": 2_550}
    shown = printed(board.facts(fill(deals_pb2.DealFacts(), told), NOW))
    assert "2026-06-10 12:00  open in offer  1.00 EUR  25.5 %  ann  closes 2026-07-01" in shown


def simulated(**fields: Any) -> dict[str, Any]:
    distribution = {
        "mean": 60_000,
        "error": 120,
        "p10": 40_000,
        "p50": 60_000,
        "p90": 80_000,
        "draws": 10_000,
        "seed": 7,
    }
    return {"currency_code": "EUR", "closed": 20_000, "distribution": distribution, "open_deals": 5, **fields}


def test_an_interval_is_drawn_on_a_scale() -> None:
    line = views.band(20_000, 40_000, 60_000, 80_000, 80_000).plain
    assert (line.index("█"), line.index("─"), line.index("●"), len(line)) == (0, 24, 36, views.WIDTH + 1)
    assert line.count("█") == 12
    assert views.band(0, 0, 0, 0, 0).plain == "● "
    shown = printed(views.simulation(fill(models_pb2.SimulatedForecast(), simulated(undated_deals=3, new_deals=2.5))))
    for part in (
        "P10 400.00 EUR",
        "P90 800.00 EUR",
        "10,000 draws, seed 7",
        "2.5 wins of new deals",
        "3 without a date",
    ):
        assert part in shown


def test_nights_are_drawn_below_each_other() -> None:
    nights = [
        fill(snapshots_pb2.ForecastSnapshot(), {"snapshot_date": date(2026, 7, day), "simulations": [simulated()]})
        for day in (1, 2)
    ]
    shown = printed(views.chart(nights))
    assert shown.index("2026-07-01") < shown.index("2026-07-02")
    assert shown.count("●") == 2


def test_quotas_movements_accuracy_and_late_deals() -> None:
    quota = {"key": "ann", "amount": {"currency_code": "EUR", "minor_units": 100_000}}
    met = {"quota": {"amount": quota["amount"]}, "attainment": 1.2, "unconverted_deals": 4}
    rows = [{"quota": quota, "attainment": 0.6, "coverage": 2.0, "open": SUMS}, met]
    shown = printed(views.coverage(fill(plans_pb2.CoverageReport(), {"coverages": rows})))
    for part in ("ann", "60%", "2.0 x", "everybody", "met", "4 without a rate"):
        assert part in shown
    moved = {"currency_code": "EUR", "closed": SUMS, "slipped": {"deals": -1, "amount": -500}, "expected": 1_000}
    shown = printed(views.comparison(fill(snapshots_pb2.ForecastComparison(), {"currencies": [moved]})))
    for part in ("+2", "+1,000.00 EUR", "-5.00 EUR", "expected +10.00 EUR"):
        assert part in shown
    row = {
        "basis": "SIMULATION",
        "days_from": 8,
        "days_to": 30,
        "accuracy": {"wape": 0.25, "bias": -0.1, "forecasts": 3},
    }
    shown = printed(views.accuracy(fill(snapshots_pb2.AccuracyReport(), {"rows": [row]})))
    for part in ("simulation", "8-30", "25%", "-10%", "3"):
        assert part in shown
    late = fill(deals_pb2.Deal(), {"display_name": "Chairs", "close_date": date(2026, 6, 1), "id": "deal_1"})
    assert "9 d" in printed(views.late([late], NOW.date()))


def test_without_a_period_it_is_this_quarter() -> None:
    assert span("2026-P05") == {"period": "2026-P05"}
    days = span("")
    assert days["start_date"] <= datetime.now(UTC).date() <= days["end_date"]
    assert 90 <= (days["end_date"] - days["start_date"]).days + 1 <= 92


def test_deals_are_listed_with_what_they_are_worth() -> None:
    told = {
        "display_name": "Chairs [new]",
        "stage": "offer",
        "state": "OPEN",
        "owner": "ada",
        "probability_basis_points": 5000,
        "amount": {"currency_code": "JPY", "minor_units": 1_200},
    }
    shown = printed(board.deals([fill(deals_pb2.Deal(), told), deals_pb2.Deal(stage="won")]))
    assert all(part in shown for part in ("Chairs [new]", "open", "offer", "1,200", "50 %", "ada", "(erased)"))
