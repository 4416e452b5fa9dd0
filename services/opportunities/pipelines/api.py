"""`PipelinesService`: the stages that deals go through."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.opportunities.v1 import pipelines_pb2 as pb
from kehu.opportunities.v1 import pipelines_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside
from services.opportunities.pipelines.application import Pipelines
from services.opportunities.pipelines.domain import Pipeline
from services.opportunities.pipelines.store import PipelinesStore


class PipelinesApi(pipelines_pb2_grpc.PipelinesServiceServicer):
    """Serves `kehu.opportunities.v1.PipelinesService`."""

    def __init__(self, store: PipelinesStore) -> None:
        self._pipelines = Pipelines(store)

    def CreatePipeline(self, request: pb.CreatePipelineRequest, _: object) -> pb.Pipeline:
        with inside("pipeline"):
            return to_proto(self._pipelines.create(field_of(request, "pipeline", Pipeline)), pb.Pipeline)

    def RedefinePipeline(self, request: pb.RedefinePipelineRequest, _: object) -> pb.Pipeline:
        draft = field_of(request, "pipeline", Pipeline)
        with inside("pipeline"):
            return to_proto(self._pipelines.redefine(draft, revision=request.revision), pb.Pipeline)

    def GetPipeline(self, request: pb.GetPipelineRequest, _: object) -> pb.Pipeline:
        return to_proto(self._pipelines.get(request.pipeline_id, request.version), pb.Pipeline)

    def ListPipelines(self, request: pb.ListPipelinesRequest, _: object) -> pb.ListPipelinesResponse:
        return to_page(self._pipelines.list(PageRequest.of(request)), pb.ListPipelinesResponse)

    def ValidatePipeline(self, request: pb.ValidatePipelineRequest, _: object) -> pb.ValidatePipelineResponse:
        found = self._pipelines.violations(field_of(request, "pipeline", Pipeline))
        violation = pb.ValidatePipelineResponse.Violation
        return pb.ValidatePipelineResponse(
            violations=[violation(field=each.field, description=each.description) for each in found]
        )
