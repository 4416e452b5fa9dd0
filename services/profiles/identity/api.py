"""The methods of IdentityService."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

import grpc
from kehu.profiles.v1 import customer_pb2, duplicates_pb2, merges_pb2
from kehu.profiles.v1 import identity_pb2 as pb
from kehu.profiles.v1.identity_pb2_grpc import IdentityServiceServicer

from libs.chassis.codec import field_of, from_proto, to_proto
from libs.chassis.paging import PageRequest, to_page
from services.profiles.customers.api.changes import History, trace_fields
from services.profiles.customers.api.messages import answers
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.domain.customers import Customer
from services.profiles.identity.application.duplicates import Duplicates, Found
from services.profiles.identity.application.merges import Merges, Wish
from services.profiles.identity.domain.duplicates import Decision


class IdentityServicer(IdentityServiceServicer):
    """Duplicates and merges."""

    def __init__(self, customers: Customers, duplicates: Duplicates, merges: Merges, history: History) -> None:
        self._customers = customers
        self._duplicates = duplicates
        self._merges = merges
        self._history = history

    def FindDuplicates(
        self, request: duplicates_pb2.FindDuplicatesRequest, context: grpc.ServicerContext
    ) -> duplicates_pb2.FindDuplicatesResponse:
        draft = field_of(request, "draft", Customer, None)
        if draft is not None:
            return _found(self._duplicates.find_for_draft(draft))
        return _found(self._duplicates.find(request.customer_id))

    def ListDuplicateCandidates(
        self, request: duplicates_pb2.ListDuplicateCandidatesRequest, context: grpc.ServicerContext
    ) -> duplicates_pb2.ListDuplicateCandidatesResponse:
        page = self._duplicates.list(request.customer_id, request.filter, PageRequest.of(request))
        return to_page(page, duplicates_pb2.ListDuplicateCandidatesResponse)

    def DecideDuplicateCandidate(
        self, request: duplicates_pb2.DecideDuplicateCandidateRequest, context: grpc.ServicerContext
    ) -> duplicates_pb2.DuplicateCandidate:
        decision = field_of(request, "decision", Decision)
        decided = self._duplicates.decide(request.candidate_id, decision, request.reason, request.revision)
        return to_proto(decided, duplicates_pb2.DuplicateCandidate)

    def PreviewMerge(
        self, request: merges_pb2.PreviewMergeRequest, context: grpc.ServicerContext
    ) -> merges_pb2.PreviewMergeResponse:
        return to_proto(self._merges.preview(from_proto(Wish, request)), merges_pb2.PreviewMergeResponse)

    def MergeCustomers(
        self, request: merges_pb2.MergeCustomersRequest, context: grpc.ServicerContext
    ) -> merges_pb2.MergeCustomersResponse:
        merge, survivor = self._merges.merge(from_proto(Wish, request), request.reason, dict(request.revisions))
        record, customer = to_proto(merge, merges_pb2.MergeRecord), to_proto(survivor, customer_pb2.Customer)
        return merges_pb2.MergeCustomersResponse(merge=record, customer=customer)

    def UnmergeCustomers(
        self, request: merges_pb2.UnmergeCustomersRequest, context: grpc.ServicerContext
    ) -> merges_pb2.UnmergeCustomersResponse:
        merge, customers = self._merges.unmerge(request.merge_id, request.reason)
        record, several = to_proto(merge, merges_pb2.MergeRecord), answers(customers, customer_pb2.Customer)
        return merges_pb2.UnmergeCustomersResponse(merge=record, customers=several)

    def ListMerges(
        self, request: merges_pb2.ListMergesRequest, context: grpc.ServicerContext
    ) -> merges_pb2.ListMergesResponse:
        return to_page(self._merges.list(request.customer_id, PageRequest.of(request)), merges_pb2.ListMergesResponse)

    def TraceFields(self, request: pb.TraceFieldsRequest, context: grpc.ServicerContext) -> pb.TraceFieldsResponse:
        customer = to_proto(self._customers.get(request.customer_id), customer_pb2.Customer)
        return pb.TraceFieldsResponse(origins=trace_fields(self._history, customer))

    def ResolveCanonicalIds(
        self, request: pb.ResolveCanonicalIdsRequest, context: grpc.ServicerContext
    ) -> pb.ResolveCanonicalIdsResponse:
        resolved = self._merges.resolve(request.customer_ids)
        return pb.ResolveCanonicalIdsResponse(
            canonical_ids=answers(resolved, pb.ResolveCanonicalIdsResponse.CanonicalId)
        )


def _found(found: Found) -> duplicates_pb2.FindDuplicatesResponse:
    return duplicates_pb2.FindDuplicatesResponse(
        duplicates=[
            duplicates_pb2.FindDuplicatesResponse.Duplicate(
                customer=to_proto(customer, customer_pb2.Customer), match=to_proto(match, duplicates_pb2.Match)
            )
            for customer, match in found.duplicates
        ],
        compared_count=found.compared_count,
        crowded_count=found.crowded_count,
    )
