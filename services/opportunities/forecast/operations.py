"""The long work of forecasts: learning, simulating, and keeping them at night."""

from __future__ import annotations

from typing import Any

from kehu.opportunities.v1 import models_pb2, snapshots_pb2

from libs.chassis.operations import OperationKind
from services.opportunities.forecast.application.models import FitAsked, Models
from services.opportunities.forecast.application.simulations import SimulationAsked, Simulations
from services.opportunities.forecast.application.snapshots import Snapshots, SnapshotState
from services.opportunities.forecast.store import ForecastStore


def operations(store: ForecastStore) -> list[OperationKind[Any, Any]]:
    """The computations over many deals."""
    return [
        OperationKind(
            name="fit_pipeline_model",
            request=models_pb2.FitPipelineModelRequest,
            asks=FitAsked,
            run=Models(store).run,
            result=models_pb2.PipelineModel,
        ),
        OperationKind(
            name="simulate_forecast",
            request=models_pb2.SimulateForecastRequest,
            asks=SimulationAsked,
            run=Simulations(store).run,
            result=models_pb2.SimulatedForecast,
        ),
        OperationKind(
            name="snapshot_forecasts",
            request=snapshots_pb2.SnapshotForecastsRequest,
            run=Snapshots(store).run,
            result=snapshots_pb2.SnapshotForecastsResult,
            state=SnapshotState,
        ),
    ]
