"""The methods of ProfilesService about contracts and entitlements."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import grpc
from kehu.profiles.v1 import entitlement_pb2 as pb

from libs.chassis.codec import from_proto
from services.profiles.contracts.application import Contracts
from services.profiles.contracts.domain import Contract
from services.profiles.customers.api.messages import answer, answers, read
from services.profiles.entitlements.application import Entitlements
from services.profiles.entitlements.domain import Entitlement


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """The part of a request that says when something ends."""

    end_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """The part of `GetEntitlementsRequest` that says for which day."""

    on_date: date | None = None


class EntitlementsApi:
    """What was agreed upon with customers, and what they are entitled to."""

    _contracts: Contracts
    _entitlements: Entitlements

    def AddContract(self, request: pb.AddContractRequest, context: grpc.ServicerContext) -> pb.Contract:
        return answer(self._contracts.add(read(Contract, request.contract, "contract")), pb.Contract)

    def EndContract(self, request: pb.EndContractRequest, context: grpc.ServicerContext) -> pb.Contract:
        last_day = from_proto(_Ending, request).end_date
        return answer(self._contracts.end(request.contract_id, last_day, request.revision), pb.Contract)

    def ListContracts(
        self, request: pb.ListContractsRequest, context: grpc.ServicerContext
    ) -> pb.ListContractsResponse:
        page = self._contracts.list(request.customer_id, request)
        return pb.ListContractsResponse(
            contracts=answers(page.items, pb.Contract), next_page_token=page.next_page_token
        )

    def CreateEntitlement(self, request: pb.CreateEntitlementRequest, context: grpc.ServicerContext) -> pb.Entitlement:
        draft = read(Entitlement, request.entitlement, "entitlement")
        return answer(self._entitlements.create(draft), pb.Entitlement)

    def EndEntitlement(self, request: pb.EndEntitlementRequest, context: grpc.ServicerContext) -> pb.Entitlement:
        last_day = from_proto(_Ending, request).end_date
        return answer(self._entitlements.end(request.entitlement_id, last_day, request.revision), pb.Entitlement)

    def ListEntitlements(
        self, request: pb.ListEntitlementsRequest, context: grpc.ServicerContext
    ) -> pb.ListEntitlementsResponse:
        page = self._entitlements.list(request.filter, request)
        return pb.ListEntitlementsResponse(
            entitlements=answers(page.items, pb.Entitlement), next_page_token=page.next_page_token
        )

    def GetEntitlements(
        self, request: pb.GetEntitlementsRequest, context: grpc.ServicerContext
    ) -> pb.CustomerEntitlements:
        on = from_proto(_Question, request).on_date
        return answer(self._entitlements.of_customer(request.customer_id, on), pb.CustomerEntitlements)
