"""The methods of ProfilesService about owners and the pool."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import grpc
from kehu.common.v1.operation_pb2 import Operation
from kehu.profiles.v1 import ownership_pb2 as pb

from libs.chassis.codec import from_proto
from libs.chassis.operations import Operations
from services.profiles.customers.api.messages import answer, answers, read
from services.profiles.ownership.application.ownership import Ownerships
from services.profiles.ownership.application.policies import OwnershipPolicies
from services.profiles.ownership.domain.ownership import Hold
from services.profiles.ownership.domain.policies import OwnershipPolicy
from services.profiles.schedules.api import start_and_plan
from services.profiles.schedules.application import Schedules


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """The part of `PlaceOwnershipHoldRequest` that says what holds."""

    key: str
    reason: str
    until_time: datetime | None = None


class OwnershipApi:
    """Who answers for which customer, and for how long."""

    _operations: Operations
    _schedules: Schedules
    _ownerships: Ownerships
    _ownership_policies: OwnershipPolicies

    def GetOwnership(self, request: pb.GetOwnershipRequest, context: grpc.ServicerContext) -> pb.Ownership:
        return answer(self._ownerships.get(request.customer_id), pb.Ownership)

    def ListOwnerIntervals(
        self, request: pb.ListOwnerIntervalsRequest, context: grpc.ServicerContext
    ) -> pb.ListOwnerIntervalsResponse:
        page = self._ownerships.intervals(request.customer_id, request)
        return pb.ListOwnerIntervalsResponse(
            intervals=answers(page.items, pb.OwnerInterval), next_page_token=page.next_page_token
        )

    def AssignOwner(self, request: pb.AssignOwnerRequest, context: grpc.ServicerContext) -> pb.Ownership:
        assigned = self._ownerships.assign(
            request.customer_id,
            request.owner,
            request.note,
            request.revision,
            exceed_capacity=request.exceed_capacity,
        )
        return answer(assigned, pb.Ownership)

    def ReleaseCustomer(self, request: pb.ReleaseCustomerRequest, context: grpc.ServicerContext) -> pb.Ownership:
        released = self._ownerships.release(request.customer_id, request.note, request.revision)
        return answer(released, pb.Ownership)

    def ClaimCustomer(self, request: pb.ClaimCustomerRequest, context: grpc.ServicerContext) -> pb.Ownership:
        return answer(self._ownerships.claim(request.customer_id), pb.Ownership)

    def ListPool(self, request: pb.ListPoolRequest, context: grpc.ServicerContext) -> pb.ListPoolResponse:
        page = self._ownerships.pool(request)
        return pb.ListPoolResponse(entries=answers(page.items, pb.PoolEntry), next_page_token=page.next_page_token)

    def GetOwnerLoad(self, request: pb.GetOwnerLoadRequest, context: grpc.ServicerContext) -> pb.OwnerLoad:
        return answer(self._ownerships.load(request.owner), pb.OwnerLoad)

    def PlaceOwnershipHold(self, request: pb.PlaceOwnershipHoldRequest, context: grpc.ServicerContext) -> pb.Ownership:
        placed = from_proto(_Placed, request)
        hold = Hold(key=placed.key, reason=placed.reason, actor="", until_time=placed.until_time)
        return answer(self._ownerships.hold(request.customer_id, hold), pb.Ownership)

    def LiftOwnershipHold(self, request: pb.LiftOwnershipHoldRequest, context: grpc.ServicerContext) -> pb.Ownership:
        return answer(self._ownerships.lift(request.customer_id, request.key), pb.Ownership)

    def CreateOwnershipPolicy(
        self, request: pb.CreateOwnershipPolicyRequest, context: grpc.ServicerContext
    ) -> pb.OwnershipPolicy:
        draft = read(OwnershipPolicy, request.ownership_policy, "ownership_policy")
        return answer(self._ownership_policies.create(draft), pb.OwnershipPolicy)

    def GetOwnershipPolicy(
        self, request: pb.GetOwnershipPolicyRequest, context: grpc.ServicerContext
    ) -> pb.OwnershipPolicy:
        return answer(self._ownership_policies.get(request.version), pb.OwnershipPolicy)

    def ListOwnershipPolicies(
        self, request: pb.ListOwnershipPoliciesRequest, context: grpc.ServicerContext
    ) -> pb.ListOwnershipPoliciesResponse:
        page = self._ownership_policies.list(request)
        return pb.ListOwnershipPoliciesResponse(
            ownership_policies=answers(page.items, pb.OwnershipPolicy), next_page_token=page.next_page_token
        )

    def ExplainOwnership(
        self, request: pb.ExplainOwnershipRequest, context: grpc.ServicerContext
    ) -> pb.OwnershipDecision:
        return answer(self._ownership_policies.explain(request.customer_id), pb.OwnershipDecision)

    def RunOwnershipPolicy(self, request: pb.RunOwnershipPolicyRequest, context: grpc.ServicerContext) -> Operation:
        self._ownership_policies.get(0)  # Without one there is nothing to run.
        return start_and_plan(self._operations, self._schedules, "run_ownership_policy", request)
