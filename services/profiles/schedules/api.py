"""The methods of ProfilesService about schedules."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from copy import deepcopy

import grpc
from kehu.common.v1 import operation_pb2 as pb
from kehu.profiles.v1 import lifecycle_pb2
from kehu.profiles.v1.lifecycle_pb2 import EvaluateLifecyclesRequest
from kehu.profiles.v1.ownership_pb2 import RunOwnershipPolicyRequest

from libs.chassis.operations import Operations, to_message
from services.profiles.customers.api.messages import answers
from services.profiles.schedules.application import Schedules

Repeatable = EvaluateLifecyclesRequest | RunOwnershipPolicyRequest


class SchedulesApi:
    """Work that starts again and again."""

    _schedules: Schedules

    def GetSchedules(
        self, request: lifecycle_pb2.GetSchedulesRequest, context: grpc.ServicerContext
    ) -> lifecycle_pb2.GetSchedulesResponse:
        return lifecycle_pb2.GetSchedulesResponse(schedules=answers(self._schedules.list(), lifecycle_pb2.Schedule))


def start_and_plan(operations: Operations, schedules: Schedules, kind: str, request: Repeatable) -> pb.Operation:
    """Starts long work and, when the request says every how many days, plans to start it again."""
    started = operations.start(kind, request)
    if request.HasField("every_days"):
        again = deepcopy(request)
        again.ClearField("every_days")
        again.ClearField("request_id")
        schedules.plan(kind, again.SerializeToString(deterministic=True), request.every_days)
    return to_message(started)
