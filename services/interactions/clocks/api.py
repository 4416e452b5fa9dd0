"""`ClocksService`: service policies in versions that never change."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.interactions.v1 import clocks_pb2 as pb
from kehu.interactions.v1 import clocks_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside
from services.interactions.clocks.application import Clocks
from services.interactions.clocks.domain.policies import ServicePolicy, ServicePolicyVersion
from services.interactions.clocks.store import ClocksStore


class ClocksApi(clocks_pb2_grpc.ClocksServiceServicer):
    """Serves `kehu.interactions.v1.ClocksService`."""

    def __init__(self, store: ClocksStore) -> None:
        self._clocks = Clocks(store)

    def CreateServicePolicy(self, request: pb.CreateServicePolicyRequest, _: object) -> pb.ServicePolicy:
        with inside("policy.versions[0]"):
            return to_proto(self._clocks.create(field_of(request, "policy", ServicePolicy)), pb.ServicePolicy)

    def PublishPolicyVersion(self, request: pb.PublishPolicyVersionRequest, _: object) -> pb.ServicePolicy:
        with inside("version"):
            version = field_of(request, "version", ServicePolicyVersion)
            published = self._clocks.publish(request.policy_id, version, revision=request.revision)
            return to_proto(published, pb.ServicePolicy)

    def GetServicePolicy(self, request: pb.GetServicePolicyRequest, _: object) -> pb.ServicePolicy:
        return to_proto(self._clocks.get(request.policy_id), pb.ServicePolicy)

    def ListServicePolicies(self, request: pb.ListServicePoliciesRequest, _: object) -> pb.ListServicePoliciesResponse:
        return to_page(self._clocks.list(PageRequest.of(request)), pb.ListServicePoliciesResponse)
