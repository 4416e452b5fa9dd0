"""The methods of EntitlementsService."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from datetime import date

import grpc
from kehu.profiles.v1 import entitlements_pb2 as pb
from kehu.profiles.v1.entitlements_pb2_grpc import EntitlementsServiceServicer

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from services.profiles.entitlements.application import Entitlements
from services.profiles.entitlements.domain import Entitlement


class EntitlementsServicer(EntitlementsServiceServicer):
    """Entitlements of customers."""

    def __init__(self, entitlements: Entitlements) -> None:
        self._entitlements = entitlements

    def CreateEntitlement(self, request: pb.CreateEntitlementRequest, context: grpc.ServicerContext) -> pb.Entitlement:
        created = self._entitlements.create(field_of(request, "entitlement", Entitlement))
        return to_proto(created, pb.Entitlement)

    def EndEntitlement(self, request: pb.EndEntitlementRequest, context: grpc.ServicerContext) -> pb.Entitlement:
        last_day = field_of(request, "end_date", date, None)
        return to_proto(self._entitlements.end(request.entitlement_id, last_day, request.revision), pb.Entitlement)

    def ListEntitlements(
        self, request: pb.ListEntitlementsRequest, context: grpc.ServicerContext
    ) -> pb.ListEntitlementsResponse:
        return to_page(self._entitlements.list(request.filter, PageRequest.of(request)), pb.ListEntitlementsResponse)

    def GetEntitlements(
        self, request: pb.GetEntitlementsRequest, context: grpc.ServicerContext
    ) -> pb.CustomerEntitlements:
        on = field_of(request, "on_date", date, None)
        return to_proto(self._entitlements.of_customer(request.customer_id, on), pb.CustomerEntitlements)
