"""The opportunities service over the store in memory, with a pipeline to sell by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
from kehu.opportunities.v1 import deals_pb2, pipelines_pb2

from libs.chassis import identity
from libs.chassis.testing import World
from services.opportunities.__main__ import SERVICE
from services.opportunities.store import OpportunitiesStore

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
AREAS = ("pipelines", "deals", "forecast", "rates", "leads", "rivals", "notes")
SCOPES = {f"opportunities.{area}.{right}" for area in AREAS for right in ("read", "write", "configure", "report")}
STAGES: list[Any] = [
    {"key": "prospect", "display_name": "Prospect", "probability_basis_points": 1000},
    {
        "key": "qualified",
        "display_name": "Qualified",
        "probability_basis_points": 3000,
        "category": "FORECAST_CATEGORY_BEST_CASE",
        "entry_criteria": [{"measure": "MEASURE_AMOUNT"}],
        "exit_criteria": [{"measure": "MEASURE_CONTACTS", "at_least": 2}],
        "greatest_age": timedelta(days=30),
    },
    {
        "key": "offer",
        "display_name": "Offer",
        "probability_basis_points": 6000,
        "category": "FORECAST_CATEGORY_COMMIT",
        "entry_criteria": [{"measure": "MEASURE_CLOSE_DATE"}],
    },
    {
        "key": "won",
        "display_name": "Won",
        "kind": "STAGE_KIND_WON",
        "category": "FORECAST_CATEGORY_CLOSED",
        "probability_basis_points": 10000,
    },
    {
        "key": "lost",
        "display_name": "Lost",
        "kind": "STAGE_KIND_LOST",
        "category": "FORECAST_CATEGORY_OMITTED",
    },
]
Sales: TypeAlias = World[OpportunitiesStore]
Open = Callable[..., deals_pb2.Deal]


@pytest.fixture
def world() -> Iterator[Sales]:
    """An empty service on a Monday."""
    with World(SERVICE, at=NOW, scopes=SCOPES).entered() as world:
        yield world


def defined(**fields: Any) -> pipelines_pb2.Pipeline:
    """A pipeline as it is sent."""
    return pipelines_pb2.Pipeline(
        **{"display_name": "Direct", "currency_code": "EUR", "time_zone": "UTC", "stages": STAGES, **fields}
    )


@pytest.fixture
def pipeline(world: Sales) -> pipelines_pb2.Pipeline:
    """The pipeline that deals of the tests go through."""
    return world.call(pipelines_pb2.CreatePipelineRequest(pipeline=defined()), pipelines_pb2.Pipeline)


@pytest.fixture
def opened(world: Sales, pipeline: pipelines_pb2.Pipeline) -> Open:
    """Opens a deal of 1,000 EUR, unless said otherwise."""

    def make(**fields: Any) -> deals_pb2.Deal:
        told = {
            "customer_id": identity.new_id("cus"),
            "display_name": "Hundred chairs",
            "pipeline_id": pipeline.id,
            "amount": {"currency_code": "EUR", "minor_units": 100_000},
            **fields,
        }
        return world.call(deals_pb2.CreateDealRequest(deal=deals_pb2.Deal(**told)), deals_pb2.Deal)

    return make
