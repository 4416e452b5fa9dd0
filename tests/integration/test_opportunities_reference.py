"""Published sales of a company: every published figure is read from our own reports."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kehu.opportunities.v1 import forecast_pb2, pipelines_pb2, plans_pb2

from libs.chassis.testing import World
from services.opportunities.__main__ import SERVICE
from services.opportunities.deals.application import Deals, PastDeal
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.terms import Line, Money
from services.opportunities.store import OpportunitiesStore
from tests.unit.opportunities.conftest import SCOPES, Sales

STAGES: Any = [
    {"key": "prospecting", "display_name": "Prospecting", "probability_basis_points": 1000},
    {"key": "engaging", "display_name": "Engaging", "probability_basis_points": 5000},
    {
        "key": "won",
        "display_name": "Won",
        "kind": "STAGE_KIND_WON",
        "category": "FORECAST_CATEGORY_CLOSED",
        "probability_basis_points": 10000,
    },
    {"key": "lost", "display_name": "Lost", "kind": "STAGE_KIND_LOST", "category": "FORECAST_CATEGORY_OMITTED"},
]
YEAR = {"start_date": {"year": 2017, "month": 1, "day": 1}, "end_date": {"year": 2017, "month": 12, "day": 31}}
CHUNK = 1_600


class History:
    """The service with the deals of the reference data, and the figures that they should come to."""

    def __init__(self, world: Sales, pipeline: str, expected: Mapping[str, Any]) -> None:
        self.world, self.pipeline, self.expected = world, pipeline, expected

    def report(self, dimension: str = "ALL", *, by_month: bool = False) -> dict[str, forecast_pb2.Results]:
        request = forecast_pb2.GetSalesReportRequest(
            pipeline_id=self.pipeline, dimension=f"DIMENSION_{dimension}", by_month=by_month, **YEAR
        )
        found = self.world.call(request, forecast_pb2.SalesReport).results
        return {each.month or each.key: each for each in found}


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "pipeline" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def deals_of(folder: Path, pipeline: str) -> Iterator[PastDeal]:
    """Open and lost deals are worth the list price of their product, which the rows spell in two ways."""
    prices = {each["product"].replace(" ", ""): int(each["sales_price"]) for each in rows(folder, "products.csv")}
    teams = {each["sales_agent"]: each for each in rows(folder, "sales_teams.csv")}
    for each in rows(folder, "opportunities_to_2017-09.csv"):
        won = each["deal_stage"] == "Won"
        dollars = int(float(each["close_value"])) if won else prices[each["product"].replace(" ", "")]
        deal = Deal(
            id="",
            customer_id="",
            pipeline_id=pipeline,
            display_name=each["opportunity_id"],
            stage=each["deal_stage"].lower(),
            owner=each["sales_agent"],
            team=teams[each["sales_agent"]]["manager"],
            territory=teams[each["sales_agent"]]["regional_office"],
            lines=(Line(product=each["product"], amount=Money(currency_code="USD", minor_units=dollars * 100)),),
        )
        times = {"open_time": each["engage_date"], "close_time": each["close_date"]}
        told = {name: datetime.fromisoformat(day).replace(tzinfo=UTC) for name, day in times.items() if day}
        yield PastDeal(source_key=each["opportunity_id"], deal=deal, **told)


@pytest.fixture(scope="module")
def history(reference_data: Path) -> Iterator[History]:
    at = datetime(2017, 10, 1, tzinfo=UTC)
    with World[OpportunitiesStore](SERVICE, at=at, scopes=SCOPES).entered() as world:
        draft = pipelines_pb2.Pipeline(display_name="Hardware", currency_code="USD", time_zone="UTC", stages=STAGES)
        pipeline = world.call(pipelines_pb2.CreatePipelineRequest(pipeline=draft), pipelines_pb2.Pipeline).id
        told = [*deals_of(reference_data, pipeline)]
        deals = Deals(world.store.deals)
        for start in range(0, len(told), CHUNK):
            taken = deals.take(told[start : start + CHUNK])
            assert [each.error for each in taken if not each.created] == []
            world.deliver()
        expected = json.loads((reference_data / "expected.json").read_text())["pipeline"]
        yield History(world, pipeline, expected)


def test_all_deals_together(history: History) -> None:
    found, expected = history.report()[""], history.expected
    assert (found.won, found.lost) == (expected["stages"]["Won"], expected["stages"]["Lost"])
    assert found.win_rate == pytest.approx(expected["win_rate"], abs=5e-7)
    assert found.revenue == expected["revenue_won"] * 100
    assert found.revenue / found.won / 100 == pytest.approx(expected["average_won"], abs=5e-6)
    assert found.won_days_mean == pytest.approx(expected["cycle_days_won_mean"], abs=5e-7)
    assert found.won_days_median == expected["cycle_days_won_median"]
    assert found.lost_days_mean == pytest.approx(expected["cycle_days_lost_mean"], abs=5e-7)


def test_by_manager(history: History) -> None:
    found, expected = history.report("TEAM"), history.expected["by_manager"]
    assert found.keys() == expected.keys()
    for name, figures in expected.items():
        each = found[name]
        assert (each.won + each.lost, each.won, each.revenue) == (
            figures["closed"],
            figures["won"],
            figures["revenue"] * 100,
        )
        assert each.win_rate == pytest.approx(figures["win_rate"], abs=5e-7)


def test_by_region_agent_and_product(history: History) -> None:
    regions = {name: each.revenue / 100 for name, each in history.report("TERRITORY").items()}
    assert regions == history.expected["revenue_by_region"]
    agents = {name: each.revenue / 100 for name, each in history.report("OWNER").items()}
    best = dict(sorted(agents.items(), key=lambda item: -item[1])[:5])
    assert best == history.expected["revenue_by_agent_top5"]
    products = {name: [each.won, each.revenue / 100] for name, each in history.report("PRODUCT").items()}
    assert products == history.expected["won_by_product"]


def test_by_month_of_closing(history: History) -> None:
    months = {
        month: {"won": each.won, "lost": each.lost, "revenue": each.revenue / 100}
        for month, each in history.report(by_month=True).items()
    }
    assert months == history.expected["by_close_month"]


def test_what_is_open(history: History) -> None:
    request = forecast_pb2.GetForecastRequest(pipeline_id=history.pipeline, **YEAR)
    [dollars] = history.world.call(request, plans_pb2.Forecast).currencies
    open_value, counted = defaultdict[str, float](float), dict[str, int]()
    for each in dollars.stages:
        open_value[each.stage.capitalize()] = each.sums.amount / 100
        counted[each.stage.capitalize()] = each.sums.deals
    assert open_value == history.expected["open_list_value"]
    assert counted == {name: history.expected["stages"][name] for name in ("Engaging", "Prospecting")}
    assert dollars.closed.amount == history.expected["revenue_won"] * 100
