"""`RatesService`: exchange rates by day."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.opportunities.v1 import rates_pb2 as pb
from kehu.opportunities.v1 import rates_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside
from services.opportunities.rates.application import ExchangeRates
from services.opportunities.rates.domain import RateTable
from services.opportunities.rates.store import RatesStore


class RatesApi(rates_pb2_grpc.RatesServiceServicer):
    """Serves `kehu.opportunities.v1.RatesService`."""

    def __init__(self, store: RatesStore) -> None:
        self._rates = ExchangeRates(store)

    def RecordRates(self, request: pb.RecordRatesRequest, _: object) -> pb.RateTable:
        with inside("table"):
            return to_proto(self._rates.record(field_of(request, "table", RateTable)), pb.RateTable)

    def ListRates(self, request: pb.ListRatesRequest, _: object) -> pb.ListRatesResponse:
        return to_page(self._rates.list(PageRequest.of(request)), pb.ListRatesResponse)
