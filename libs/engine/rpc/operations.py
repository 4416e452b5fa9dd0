"""The operations service, which every service with long work serves."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

import grpc
from kehu.common.v1 import operation_pb2 as pb
from kehu.common.v1.operation_pb2_grpc import OperationsServiceServicer

from libs.chassis.operations import Operations, to_message
from libs.chassis.paging import PageRequest


class OperationsServicer(OperationsServiceServicer):
    """Looks at operations of the caller's tenant, and cancels them."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def GetOperation(self, request: pb.GetOperationRequest, context: grpc.ServicerContext) -> pb.Operation:
        """The progress of an operation."""
        return to_message(self._operations.get(request.operation_id))

    def ListOperations(
        self, request: pb.ListOperationsRequest, context: grpc.ServicerContext
    ) -> pb.ListOperationsResponse:
        """A page of operations, the newest first."""
        page = self._operations.list(request.filter, PageRequest.of(request))
        return pb.ListOperationsResponse(operations=map(to_message, page.items), next_page_token=page.next_page_token)

    def CancelOperation(self, request: pb.CancelOperationRequest, context: grpc.ServicerContext) -> pb.Operation:
        """The operation, which ends soon if it has not ended yet."""
        return to_message(self._operations.cancel(request.operation_id))
