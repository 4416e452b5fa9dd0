"""The methods of SegmentsService."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

import grpc
from kehu.common.v1.operation_pb2 import Operation
from kehu.profiles.v1 import segments_pb2 as pb
from kehu.profiles.v1.segments_pb2_grpc import SegmentsServiceServicer

from libs.chassis.codec import field_of, to_proto
from libs.chassis.operations import Operations, to_message
from libs.chassis.paging import PageRequest, to_page
from services.profiles.segments.application import Segments
from services.profiles.segments.domain.segments import Segment


class SegmentsServicer(SegmentsServiceServicer):
    """Groups of customers and who belongs to them."""

    def __init__(self, segments: Segments, operations: Operations) -> None:
        self._segments = segments
        self._operations = operations

    def DefineSegment(self, request: pb.DefineSegmentRequest, context: grpc.ServicerContext) -> pb.Segment:
        draft = field_of(request, "segment", Segment)
        defined = self._segments.define(draft, request.revision, validate_only=request.validate_only)
        return to_proto(defined, pb.Segment)

    def GetSegment(self, request: pb.GetSegmentRequest, context: grpc.ServicerContext) -> pb.Segment:
        return to_proto(self._segments.get(request.segment), pb.Segment)

    def ListSegments(self, request: pb.ListSegmentsRequest, context: grpc.ServicerContext) -> pb.ListSegmentsResponse:
        page = self._segments.list(PageRequest.of(request), show_retired=request.show_retired)
        return to_page(page, pb.ListSegmentsResponse)

    def RetireSegment(self, request: pb.RetireSegmentRequest, context: grpc.ServicerContext) -> pb.Segment:
        return to_proto(self._segments.retire(request.segment, request.revision), pb.Segment)

    def PreviewSegment(
        self, request: pb.PreviewSegmentRequest, context: grpc.ServicerContext
    ) -> pb.PreviewSegmentResponse:
        preview = self._segments.preview(request.filter, request.customer_ids, request.sample_size)
        return to_proto(preview, pb.PreviewSegmentResponse)

    def ListSegmentMembers(
        self, request: pb.ListSegmentMembersRequest, context: grpc.ServicerContext
    ) -> pb.ListSegmentMembersResponse:
        page = self._segments.members(request.segment, PageRequest.of(request))
        return to_page(page, pb.ListSegmentMembersResponse)

    def ListCustomerSegments(
        self, request: pb.ListCustomerSegmentsRequest, context: grpc.ServicerContext
    ) -> pb.ListCustomerSegmentsResponse:
        page = self._segments.of_customer(request.customer_id, PageRequest.of(request))
        return to_page(page, pb.ListCustomerSegmentsResponse)

    def EvaluateSegments(self, request: pb.EvaluateSegmentsRequest, context: grpc.ServicerContext) -> Operation:
        return to_message(self._operations.start("evaluate_segments", request))
