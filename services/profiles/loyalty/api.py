"""The methods of LoyaltyService."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

import grpc
from kehu.common.v1.operation_pb2 import Operation
from kehu.profiles.v1 import loyalty_pb2 as pb
from kehu.profiles.v1.loyalty_pb2_grpc import LoyaltyServiceServicer

from libs.chassis.codec import to_proto
from libs.chassis.operations import Operations, to_message
from libs.chassis.paging import PageRequest, to_page
from services.profiles.loyalty.application import Loyalty


class LoyaltyServicer(LoyaltyServiceServicer):
    """Months measured over all customers."""

    def __init__(self, loyalty: Loyalty, operations: Operations) -> None:
        self._loyalty = loyalty
        self._operations = operations

    def ComputeLoyaltyMeasures(
        self, request: pb.ComputeLoyaltyMeasuresRequest, context: grpc.ServicerContext
    ) -> Operation:
        self._loyalty.require_measurable(request.currency_code, request.time_zone, request.segments)
        return to_message(self._operations.start("compute_loyalty_measures", request))

    def GetLoyaltyMeasures(
        self, request: pb.GetLoyaltyMeasuresRequest, context: grpc.ServicerContext
    ) -> pb.LoyaltyMeasures:
        return to_proto(self._loyalty.get(request.currency_code, request.month, request.segment), pb.LoyaltyMeasures)

    def ListLoyaltyMeasures(
        self, request: pb.ListLoyaltyMeasuresRequest, context: grpc.ServicerContext
    ) -> pb.ListLoyaltyMeasuresResponse:
        page = self._loyalty.list(request.currency_code, PageRequest.of(request), request.segment)
        return to_page(page, pb.ListLoyaltyMeasuresResponse)
