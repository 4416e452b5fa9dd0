"""`ForecastService`: what open deals will bring, and how closed ones ended."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import date
from typing import Any

from kehu.common.v1.operation_pb2 import Operation
from kehu.opportunities.v1 import board_pb2, forecast_pb2_grpc, models_pb2, plans_pb2, snapshots_pb2
from kehu.opportunities.v1 import forecast_pb2 as pb

from libs.chassis.codec import field_of, to_proto
from libs.chassis.operations import Operations, to_message
from libs.chassis.paging import PageRequest, to_page
from services.opportunities.deals.domain.terms import Money
from services.opportunities.forecast.application.boards import Boards
from services.opportunities.forecast.application.forecasts import Forecasts
from services.opportunities.forecast.application.models import Models
from services.opportunities.forecast.application.plans import Plans
from services.opportunities.forecast.application.simulations import Simulations
from services.opportunities.forecast.application.snapshots import Snapshots
from services.opportunities.forecast.domain.periods import Span
from services.opportunities.forecast.domain.totals import Dimension
from services.opportunities.forecast.store import ForecastStore


class ForecastApi(forecast_pb2_grpc.ForecastServiceServicer):
    """Serves `kehu.opportunities.v1.ForecastService`."""

    def __init__(self, store: ForecastStore, operations: Operations) -> None:
        self._forecasts, self._plans, self._boards = Forecasts(store), Plans(store), Boards(store)
        self._models, self._simulations, self._snapshots = Models(store), Simulations(store), Snapshots(store)
        self._operations = operations

    def GetBoard(self, request: board_pb2.GetBoardRequest, _: object) -> board_pb2.Board:
        found = self._boards.get(request.pipeline_id, _span(request), owner=request.owner, cards=request.cards)
        return to_proto(found, board_pb2.Board)

    # -------------------------------------------------------------------------------------------------- forecasts

    def GetForecast(self, request: pb.GetForecastRequest, _: object) -> plans_pb2.Forecast:
        asked = {"owner": request.owner, "convert_to": request.convert_to}
        return to_proto(self._forecasts.get(request.pipeline_id, _span(request), **asked), plans_pb2.Forecast)

    def GetSalesReport(self, request: pb.GetSalesReportRequest, _: object) -> pb.SalesReport:
        by = field_of(request, "dimension", Dimension, Dimension.ALL)
        report = self._forecasts.report(request.pipeline_id, _span(request), by, by_month=request.by_month)
        return to_proto(report, pb.SalesReport)

    def GetRevenueMix(self, request: plans_pb2.GetRevenueMixRequest, _: object) -> plans_pb2.RevenueMixReport:
        return to_proto(self._forecasts.mix(request.pipeline_id, _span(request)), plans_pb2.RevenueMixReport)

    def GetDependency(self, request: plans_pb2.GetDependencyRequest, _: object) -> plans_pb2.Dependency:
        spend = field_of(request, "spend", Money)
        found = self._forecasts.depends(request.pipeline_id, _span(request), request.customer_id, spend)
        return to_proto(found, plans_pb2.Dependency)

    def OverrideForecast(self, request: plans_pb2.OverrideForecastRequest, _: object) -> plans_pb2.ForecastOverride:
        told = request.owner, field_of(request, "amount", Money, None), request.reason
        return to_proto(self._plans.override(request.pipeline_id, _span(request), *told), plans_pb2.ForecastOverride)

    def SetQuota(self, request: plans_pb2.SetQuotaRequest, _: object) -> plans_pb2.Quota:
        by = field_of(request, "dimension", Dimension, Dimension.ALL)
        told = by, request.key, field_of(request, "amount", Money, None)
        return to_proto(self._plans.set_quota(request.pipeline_id, _span(request), *told), plans_pb2.Quota)

    def GetCoverage(self, request: plans_pb2.GetCoverageRequest, _: object) -> plans_pb2.CoverageReport:
        return to_proto(self._plans.coverages(request.pipeline_id, _span(request)), plans_pb2.CoverageReport)

    # --------------------------------------------------------------------------------------------------- learning

    def FitPipelineModel(self, request: models_pb2.FitPipelineModelRequest, _: object) -> Operation:
        self._models.check(request.pipeline_id)
        return to_message(self._operations.start("fit_pipeline_model", request))

    def GetPipelineModel(self, request: models_pb2.GetPipelineModelRequest, _: object) -> models_pb2.PipelineModel:
        return to_proto(self._models.get(request.pipeline_id), models_pb2.PipelineModel)

    def SimulateForecast(self, request: models_pb2.SimulateForecastRequest, _: object) -> Operation:
        self._simulations.check(request.pipeline_id, _span(request))
        return to_message(self._operations.start("simulate_forecast", request))

    def GetVelocity(self, request: models_pb2.GetVelocityRequest, _: object) -> models_pb2.Velocity:
        found = self._models.velocity(request.pipeline_id, request.days, request.from_stage)
        return to_proto(found, models_pb2.Velocity)

    def GetPipelineHealth(self, request: models_pb2.GetPipelineHealthRequest, _: object) -> models_pb2.PipelineHealth:
        return to_proto(self._snapshots.health(request.pipeline_id), models_pb2.PipelineHealth)

    def ListSlippedDeals(
        self, request: models_pb2.ListSlippedDealsRequest, _: object
    ) -> models_pb2.ListSlippedDealsResponse:
        found = self._models.slipped(request.pipeline_id, PageRequest.of(request))
        return to_page(found, models_pb2.ListSlippedDealsResponse)

    def ListStalledDeals(
        self, request: models_pb2.ListStalledDealsRequest, _: object
    ) -> models_pb2.ListStalledDealsResponse:
        found = self._models.stalled(request.pipeline_id, request.days, PageRequest.of(request))
        return to_page(found, models_pb2.ListStalledDealsResponse)

    def ListAgingDeals(self, request: models_pb2.ListAgingDealsRequest, _: object) -> models_pb2.ListAgingDealsResponse:
        found = self._models.aging(request.pipeline_id, PageRequest.of(request))
        return to_page(found, models_pb2.ListAgingDealsResponse)

    # -------------------------------------------------------------------------------------------------- snapshots

    def SnapshotForecasts(self, request: snapshots_pb2.SnapshotForecastsRequest, _: object) -> Operation:
        return to_message(self._operations.start("snapshot_forecasts", request))

    def ListForecastSnapshots(
        self, request: snapshots_pb2.ListForecastSnapshotsRequest, _: object
    ) -> snapshots_pb2.ListForecastSnapshotsResponse:
        found = self._snapshots.list(request.pipeline_id, PageRequest.of(request))
        return to_page(found, snapshots_pb2.ListForecastSnapshotsResponse)

    def CompareSnapshots(
        self, request: snapshots_pb2.CompareSnapshotsRequest, _: object
    ) -> snapshots_pb2.ForecastComparison:
        before, after = (field_of(request, name, date) for name in ("before_date", "after_date"))
        found = self._snapshots.compare(request.pipeline_id, request.period, before, after)
        return to_proto(found, snapshots_pb2.ForecastComparison)

    def GetForecastAccuracy(
        self, request: snapshots_pb2.GetForecastAccuracyRequest, _: object
    ) -> snapshots_pb2.AccuracyReport:
        return to_proto(self._snapshots.accuracy(request.pipeline_id, _span(request)), snapshots_pb2.AccuracyReport)


def _span(request: Any) -> Span:
    """The period that a request asks about."""
    start, end = (field_of(request, name, date, None) for name in ("start_date", "end_date"))
    return Span(name=request.period, start_date=start, end_date=end)
