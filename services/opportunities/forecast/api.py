"""`ForecastService`: what open deals will bring, and how closed ones ended."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import date
from typing import Any

from kehu.opportunities.v1 import forecast_pb2 as pb
from kehu.opportunities.v1 import forecast_pb2_grpc, plans_pb2

from libs.chassis.codec import field_of, to_proto
from services.opportunities.deals.domain.terms import Money
from services.opportunities.forecast.application.forecasts import Forecasts
from services.opportunities.forecast.application.plans import Plans
from services.opportunities.forecast.domain.periods import Span
from services.opportunities.forecast.domain.totals import Dimension
from services.opportunities.forecast.store import ForecastStore


class ForecastApi(forecast_pb2_grpc.ForecastServiceServicer):
    """Serves `kehu.opportunities.v1.ForecastService`."""

    def __init__(self, store: ForecastStore) -> None:
        self._forecasts = Forecasts(store)
        self._plans = Plans(store)

    def GetForecast(self, request: pb.GetForecastRequest, _: object) -> pb.Forecast:
        asked = {"owner": request.owner, "convert_to": request.convert_to}
        return to_proto(self._forecasts.get(request.pipeline_id, _span(request), **asked), pb.Forecast)

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


def _span(request: Any) -> Span:
    """The period that a request asks about."""
    start, end = (field_of(request, name, date, None) for name in ("start_date", "end_date"))
    return Span(name=request.period, start_date=start, end_date=end)
