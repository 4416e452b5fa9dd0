"""The methods of OwnershipService."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

import grpc
from kehu.common.v1.operation_pb2 import Operation
from kehu.profiles.v1 import ownership_pb2 as pb
from kehu.profiles.v1 import ownership_policies_pb2 as policies_pb
from kehu.profiles.v1.owners_pb2 import Ownership
from kehu.profiles.v1.ownership_pb2_grpc import OwnershipServiceServicer

from libs.chassis.codec import field_of, from_proto, to_proto
from libs.chassis.paging import PageRequest, to_page
from services.profiles.ownership.application.ownership import Ownerships
from services.profiles.ownership.application.policies import OwnershipPolicies
from services.profiles.ownership.domain.ownership import Hold
from services.profiles.ownership.domain.policies import OwnershipPolicy
from services.profiles.schedules.api import Repeats


class OwnershipServicer(OwnershipServiceServicer):
    """The member of staff who answers for a customer, and the pool."""

    def __init__(self, ownerships: Ownerships, policies: OwnershipPolicies, repeats: Repeats) -> None:
        self._ownerships = ownerships
        self._policies = policies
        self._repeats = repeats

    def GetOwnership(self, request: pb.GetOwnershipRequest, context: grpc.ServicerContext) -> Ownership:
        return to_proto(self._ownerships.get(request.customer_id), Ownership)

    def ListOwnerIntervals(
        self, request: pb.ListOwnerIntervalsRequest, context: grpc.ServicerContext
    ) -> pb.ListOwnerIntervalsResponse:
        page = self._ownerships.intervals(request.customer_id, PageRequest.of(request))
        return to_page(page, pb.ListOwnerIntervalsResponse)

    def AssignOwner(self, request: pb.AssignOwnerRequest, context: grpc.ServicerContext) -> Ownership:
        id, owner, note, revision = request.customer_id, request.owner, request.note, request.revision
        assigned = self._ownerships.assign(id, owner, note, revision, exceed_capacity=request.exceed_capacity)
        return to_proto(assigned, Ownership)

    def ReleaseCustomer(self, request: pb.ReleaseCustomerRequest, context: grpc.ServicerContext) -> Ownership:
        released = self._ownerships.release(request.customer_id, request.note, request.revision)
        return to_proto(released, Ownership)

    def ClaimCustomer(self, request: pb.ClaimCustomerRequest, context: grpc.ServicerContext) -> Ownership:
        return to_proto(self._ownerships.claim(request.customer_id), Ownership)

    def ListPool(self, request: pb.ListPoolRequest, context: grpc.ServicerContext) -> pb.ListPoolResponse:
        return to_page(self._ownerships.pool(PageRequest.of(request)), pb.ListPoolResponse)

    def GetOwnerLoad(self, request: pb.GetOwnerLoadRequest, context: grpc.ServicerContext) -> pb.OwnerLoad:
        return to_proto(self._ownerships.load(request.owner), pb.OwnerLoad)

    def PlaceOwnershipHold(self, request: pb.PlaceOwnershipHoldRequest, context: grpc.ServicerContext) -> Ownership:
        return to_proto(self._ownerships.hold(request.customer_id, from_proto(Hold, request)), Ownership)

    def LiftOwnershipHold(self, request: pb.LiftOwnershipHoldRequest, context: grpc.ServicerContext) -> Ownership:
        return to_proto(self._ownerships.lift(request.customer_id, request.key), Ownership)

    # ------------------------------------------------------------------------------------------------- policies

    def CreateOwnershipPolicy(
        self, request: policies_pb.CreateOwnershipPolicyRequest, context: grpc.ServicerContext
    ) -> policies_pb.OwnershipPolicy:
        created = self._policies.create(field_of(request, "ownership_policy", OwnershipPolicy))
        return to_proto(created, policies_pb.OwnershipPolicy)

    def GetOwnershipPolicy(
        self, request: policies_pb.GetOwnershipPolicyRequest, context: grpc.ServicerContext
    ) -> policies_pb.OwnershipPolicy:
        return to_proto(self._policies.get(request.version), policies_pb.OwnershipPolicy)

    def ListOwnershipPolicies(
        self, request: policies_pb.ListOwnershipPoliciesRequest, context: grpc.ServicerContext
    ) -> policies_pb.ListOwnershipPoliciesResponse:
        return to_page(self._policies.list(PageRequest.of(request)), policies_pb.ListOwnershipPoliciesResponse)

    def ExplainOwnership(
        self, request: policies_pb.ExplainOwnershipRequest, context: grpc.ServicerContext
    ) -> policies_pb.OwnershipDecision:
        return to_proto(self._policies.explain(request.customer_id), policies_pb.OwnershipDecision)

    def RunOwnershipPolicy(
        self, request: policies_pb.RunOwnershipPolicyRequest, context: grpc.ServicerContext
    ) -> Operation:
        self._policies.get(0)  # Without one there is nothing to run.
        return self._repeats.start("run_ownership_policy", request)
