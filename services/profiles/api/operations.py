"""The methods of ProfilesService about long work."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

import grpc
from kehu.common.v1 import operation_pb2 as pb

from libs.chassis.operations import Operations, to_message


class OperationsApi:
    """Looking at operations and cancelling them."""

    _operations: Operations

    def GetOperation(self, request: pb.GetOperationRequest, context: grpc.ServicerContext) -> pb.Operation:
        return to_message(self._operations.get(request.operation_id))

    def ListOperations(
        self, request: pb.ListOperationsRequest, context: grpc.ServicerContext
    ) -> pb.ListOperationsResponse:
        page = self._operations.list(request)
        return pb.ListOperationsResponse(operations=map(to_message, page.items), next_page_token=page.next_page_token)

    def CancelOperation(self, request: pb.CancelOperationRequest, context: grpc.ServicerContext) -> pb.Operation:
        return to_message(self._operations.cancel(request.operation_id))
