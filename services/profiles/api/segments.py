"""The methods of ProfilesService about segments."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

import grpc
from kehu.common.v1.operation_pb2 import Operation
from kehu.profiles.v1 import segment_pb2 as pb

from libs.chassis.codec import at_path, from_proto, to_proto
from libs.chassis.domain import InvalidArgument
from libs.chassis.operations import Operations, to_message
from services.profiles.application.segments import Segments
from services.profiles.domain.segments import Segment


class SegmentsApi:
    """Groups of customers and who belongs to them."""

    _operations: Operations
    _segments: Segments

    def DefineSegment(self, request: pb.DefineSegmentRequest, context: grpc.ServicerContext) -> pb.Segment:
        try:
            draft = from_proto(Segment, request.segment)
        except InvalidArgument as error:
            raise at_path("segment", error) from None
        return _segment(self._segments.define(draft, request.revision, validate_only=request.validate_only))

    def GetSegment(self, request: pb.GetSegmentRequest, context: grpc.ServicerContext) -> pb.Segment:
        return _segment(self._segments.get(request.segment))

    def ListSegments(self, request: pb.ListSegmentsRequest, context: grpc.ServicerContext) -> pb.ListSegmentsResponse:
        page = self._segments.list(show_retired=request.show_retired, request=request)
        return pb.ListSegmentsResponse(
            segments=[_segment(each) for each in page.items], next_page_token=page.next_page_token
        )

    def RetireSegment(self, request: pb.RetireSegmentRequest, context: grpc.ServicerContext) -> pb.Segment:
        return _segment(self._segments.retire(request.segment, request.revision))

    def PreviewSegment(
        self, request: pb.PreviewSegmentRequest, context: grpc.ServicerContext
    ) -> pb.PreviewSegmentResponse:
        preview = self._segments.preview(request.filter, request.customer_ids, request.sample_size)
        response: pb.PreviewSegmentResponse = to_proto(preview, pb.PreviewSegmentResponse)
        return response

    def ListSegmentMembers(
        self, request: pb.ListSegmentMembersRequest, context: grpc.ServicerContext
    ) -> pb.ListSegmentMembersResponse:
        page = self._segments.members(request.segment, request)
        return pb.ListSegmentMembersResponse(
            memberships=[to_proto(each, pb.SegmentMembership) for each in page.items],
            next_page_token=page.next_page_token,
        )

    def ListCustomerSegments(
        self, request: pb.ListCustomerSegmentsRequest, context: grpc.ServicerContext
    ) -> pb.ListCustomerSegmentsResponse:
        page = self._segments.of_customer(request.customer_id, request)
        return pb.ListCustomerSegmentsResponse(
            memberships=[to_proto(each, pb.SegmentMembership) for each in page.items],
            next_page_token=page.next_page_token,
        )

    def EvaluateSegments(self, request: pb.EvaluateSegmentsRequest, context: grpc.ServicerContext) -> Operation:
        return to_message(self._operations.start("evaluate_segments", request))


def _segment(segment: Segment) -> pb.Segment:
    message: pb.Segment = to_proto(segment, pb.Segment)
    return message
