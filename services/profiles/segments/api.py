"""The methods of ProfilesService about segments."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

import grpc
from kehu.common.v1.operation_pb2 import Operation
from kehu.profiles.v1 import segment_pb2 as pb

from libs.chassis.operations import Operations, to_message
from services.profiles.customers.api.messages import answer, answers, read
from services.profiles.segments.application import Segments
from services.profiles.segments.domain.segments import Segment


class SegmentsApi:
    """Groups of customers and who belongs to them."""

    _operations: Operations
    _segments: Segments

    def DefineSegment(self, request: pb.DefineSegmentRequest, context: grpc.ServicerContext) -> pb.Segment:
        draft = read(Segment, request.segment, "segment")
        return answer(self._segments.define(draft, request.revision, validate_only=request.validate_only), pb.Segment)

    def GetSegment(self, request: pb.GetSegmentRequest, context: grpc.ServicerContext) -> pb.Segment:
        return answer(self._segments.get(request.segment), pb.Segment)

    def ListSegments(self, request: pb.ListSegmentsRequest, context: grpc.ServicerContext) -> pb.ListSegmentsResponse:
        page = self._segments.list(show_retired=request.show_retired, request=request)
        return pb.ListSegmentsResponse(segments=answers(page.items, pb.Segment), next_page_token=page.next_page_token)

    def RetireSegment(self, request: pb.RetireSegmentRequest, context: grpc.ServicerContext) -> pb.Segment:
        return answer(self._segments.retire(request.segment, request.revision), pb.Segment)

    def PreviewSegment(
        self, request: pb.PreviewSegmentRequest, context: grpc.ServicerContext
    ) -> pb.PreviewSegmentResponse:
        preview = self._segments.preview(request.filter, request.customer_ids, request.sample_size)
        return answer(preview, pb.PreviewSegmentResponse)

    def ListSegmentMembers(
        self, request: pb.ListSegmentMembersRequest, context: grpc.ServicerContext
    ) -> pb.ListSegmentMembersResponse:
        page = self._segments.members(request.segment, request)
        return pb.ListSegmentMembersResponse(
            memberships=answers(page.items, pb.SegmentMembership),
            next_page_token=page.next_page_token,
        )

    def ListCustomerSegments(
        self, request: pb.ListCustomerSegmentsRequest, context: grpc.ServicerContext
    ) -> pb.ListCustomerSegmentsResponse:
        page = self._segments.of_customer(request.customer_id, request)
        return pb.ListCustomerSegmentsResponse(
            memberships=answers(page.items, pb.SegmentMembership),
            next_page_token=page.next_page_token,
        )

    def EvaluateSegments(self, request: pb.EvaluateSegmentsRequest, context: grpc.ServicerContext) -> Operation:
        return to_message(self._operations.start("evaluate_segments", request))
