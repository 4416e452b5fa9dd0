"""`EntitlementsService`: what customers may have, and the ledger of what they had."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.care.v1 import entitlements_pb2 as pb
from kehu.care.v1 import entitlements_pb2_grpc
from kehu.common.v1.operation_pb2 import Operation

from libs.chassis.codec import to_proto
from libs.chassis.operations import Operations, to_message
from libs.chassis.paging import PageRequest, to_page
from services.care.entitlements.application import Entitlements
from services.care.entitlements.store import EntitlementsStore


class EntitlementsApi(entitlements_pb2_grpc.EntitlementsServiceServicer):
    """Serves `kehu.care.v1.EntitlementsService`."""

    def __init__(self, store: EntitlementsStore, operations: Operations) -> None:
        self._entitlements, self._operations = Entitlements(store), operations

    def GetBenefits(self, request: pb.GetBenefitsRequest, _: object) -> pb.CustomerBenefits:
        return to_proto(self._entitlements.benefits(request.customer_id), pb.CustomerBenefits)

    def ReserveBenefit(self, request: pb.ReserveBenefitRequest, _: object) -> pb.BenefitUse:
        reserved = self._entitlements.reserve(request.customer_id, request.benefit, request.cause)
        return to_proto(reserved, pb.BenefitUse)

    def UseBenefit(self, request: pb.UseBenefitRequest, _: object) -> pb.BenefitUse:
        return to_proto(self._entitlements.use(request.benefit_use_id), pb.BenefitUse)

    def ReleaseBenefit(self, request: pb.ReleaseBenefitRequest, _: object) -> pb.BenefitUse:
        return to_proto(self._entitlements.release(request.benefit_use_id), pb.BenefitUse)

    def GetBenefitUse(self, request: pb.GetBenefitUseRequest, _: object) -> pb.BenefitUse:
        return to_proto(self._entitlements.get(request.benefit_use_id), pb.BenefitUse)

    def ListBenefitUses(self, request: pb.ListBenefitUsesRequest, _: object) -> pb.ListBenefitUsesResponse:
        return to_page(self._entitlements.list(request.filter, PageRequest.of(request)), pb.ListBenefitUsesResponse)

    def CheckEquity(self, request: pb.CheckEquityRequest, _: object) -> Operation:
        return to_message(self._operations.start("check_equity", request))
