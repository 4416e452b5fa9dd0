"""The methods of ContractsService."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from datetime import date

import grpc
from kehu.profiles.v1 import contracts_pb2 as pb
from kehu.profiles.v1.contracts_pb2_grpc import ContractsServiceServicer

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from services.profiles.contracts.application import Contracts
from services.profiles.contracts.domain import Contract


class ContractsServicer(ContractsServiceServicer):
    """Contracts with customers."""

    def __init__(self, contracts: Contracts) -> None:
        self._contracts = contracts

    def AddContract(self, request: pb.AddContractRequest, context: grpc.ServicerContext) -> pb.Contract:
        return to_proto(self._contracts.add(field_of(request, "contract", Contract)), pb.Contract)

    def EndContract(self, request: pb.EndContractRequest, context: grpc.ServicerContext) -> pb.Contract:
        last_day = field_of(request, "end_date", date, None)
        return to_proto(self._contracts.end(request.contract_id, last_day, request.revision), pb.Contract)

    def ListContracts(
        self, request: pb.ListContractsRequest, context: grpc.ServicerContext
    ) -> pb.ListContractsResponse:
        return to_page(self._contracts.list(request.customer_id, PageRequest.of(request)), pb.ListContractsResponse)
