"""`ForecastService`: what open deals will bring, and how closed ones ended."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import date

from kehu.opportunities.v1 import forecast_pb2 as pb
from kehu.opportunities.v1 import forecast_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from services.opportunities.forecast.application import Forecasts
from services.opportunities.forecast.domain.totals import Dimension
from services.opportunities.forecast.store import ForecastStore


class ForecastApi(forecast_pb2_grpc.ForecastServiceServicer):
    """Serves `kehu.opportunities.v1.ForecastService`."""

    def __init__(self, store: ForecastStore) -> None:
        self._forecasts = Forecasts(store)

    def GetForecast(self, request: pb.GetForecastRequest, _: object) -> pb.Forecast:
        start, end = (field_of(request, name, date) for name in ("start_date", "end_date"))
        return to_proto(self._forecasts.get(request.pipeline_id, start, end, owner=request.owner), pb.Forecast)

    def GetSalesReport(self, request: pb.GetSalesReportRequest, _: object) -> pb.SalesReport:
        start, end = (field_of(request, name, date) for name in ("start_date", "end_date"))
        by = field_of(request, "dimension", Dimension, Dimension.ALL)
        report = self._forecasts.report(request.pipeline_id, start, end, by, by_month=request.by_month)
        return to_proto(report, pb.SalesReport)
