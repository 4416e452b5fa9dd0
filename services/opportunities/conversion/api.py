"""`ConversionService`: leads become opportunities of customers."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.common.v1.operation_pb2 import Operation
from kehu.opportunities.v1 import conversion_pb2 as pb
from kehu.opportunities.v1 import conversion_pb2_grpc
from kehu.opportunities.v1.leads_pb2 import Lead

from libs.calls import Calls
from libs.chassis.codec import field_of, to_proto
from libs.chassis.operations import to_message
from services.opportunities.conversion.application import Conversions
from services.opportunities.conversion.store import ConversionStore
from services.opportunities.leads.domain.conversions import Conversion


class ConversionApi(conversion_pb2_grpc.ConversionServiceServicer):
    """Serves `kehu.opportunities.v1.ConversionService`."""

    def __init__(self, store: ConversionStore, calls: Calls) -> None:
        self._conversions = Conversions(store, lambda: calls.to("profiles"))
        self._operations = store.operations

    def PreviewConversion(self, request: pb.PreviewConversionRequest, _: object) -> pb.PreviewConversionResponse:
        found = self._conversions.preview(request.lead_id)
        return pb.PreviewConversionResponse(customers=[to_proto(each, pb.LikeCustomer) for each in found])

    def ConvertLead(self, request: pb.ConvertLeadRequest, _: object) -> Lead:
        wanted = field_of(request, "conversion", Conversion)
        return to_proto(self._conversions.convert(request.lead_id, wanted, revision=request.revision), Lead)

    def UndoConversion(self, request: pb.UndoConversionRequest, _: object) -> Lead:
        return to_proto(self._conversions.undo(request.lead_id, revision=request.revision), Lead)

    def FinishConversions(self, request: pb.FinishConversionsRequest, _: object) -> Operation:
        return to_message(self._operations.start("finish_conversions", request))
