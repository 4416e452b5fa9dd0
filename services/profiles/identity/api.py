"""The methods of ProfilesService about who is who: duplicates and merges."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import grpc
from kehu.profiles.v1 import customer_pb2
from kehu.profiles.v1 import identity_pb2 as pb

from libs.chassis.codec import from_proto
from services.profiles.customers.api.changes import History, trace_fields
from services.profiles.customers.api.messages import answer, answers, read
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.domain.customers import Customer
from services.profiles.identity.application.duplicates import Duplicates
from services.profiles.identity.application.merges import Merges, Wish
from services.profiles.identity.domain.duplicates import Decision, DuplicateCandidate
from services.profiles.identity.domain.matching import Match
from services.profiles.privacy.application.access import shown, shown_evidence

M = TypeVar("M", Match, DuplicateCandidate)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """The part of `DecideDuplicateCandidateRequest` that says what."""

    decision: Decision


class IdentityApi:
    """Finding duplicates, merging and unmerging."""

    _customers: Customers
    _duplicates: Duplicates
    _history: History
    _merges: Merges

    def FindDuplicates(
        self, request: pb.FindDuplicatesRequest, context: grpc.ServicerContext
    ) -> pb.FindDuplicatesResponse:
        if request.WhichOneof("subject") == "draft":
            found = self._duplicates.find_for_draft(read(Customer, request.draft, "draft"))
        else:
            found = self._duplicates.find(request.customer_id)
        return pb.FindDuplicatesResponse(
            duplicates=[
                pb.FindDuplicatesResponse.Duplicate(
                    customer=answer(customer, customer_pb2.Customer), match=answer(_shown(match), pb.Match)
                )
                for customer, match in found.duplicates
            ],
            compared_count=found.compared_count,
            crowded_count=found.crowded_count,
        )

    def ListDuplicateCandidates(
        self, request: pb.ListDuplicateCandidatesRequest, context: grpc.ServicerContext
    ) -> pb.ListDuplicateCandidatesResponse:
        page = self._duplicates.list(request.customer_id, filter=request.filter, request=request)
        return pb.ListDuplicateCandidatesResponse(
            duplicate_candidates=answers(map(_shown, page.items), pb.DuplicateCandidate),
            next_page_token=page.next_page_token,
        )

    def DecideDuplicateCandidate(
        self, request: pb.DecideDuplicateCandidateRequest, context: grpc.ServicerContext
    ) -> pb.DuplicateCandidate:
        decision = from_proto(_Verdict, request).decision
        decided = self._duplicates.decide(request.candidate_id, decision, request.reason, request.revision)
        return answer(_shown(decided), pb.DuplicateCandidate)

    def PreviewMerge(self, request: pb.PreviewMergeRequest, context: grpc.ServicerContext) -> pb.PreviewMergeResponse:
        found = self._merges.preview(from_proto(Wish, request))
        visible = replace(found, customer=shown(found.customer), matches=tuple(map(_shown, found.matches)))
        return answer(visible, pb.PreviewMergeResponse)

    def MergeCustomers(
        self, request: pb.MergeCustomersRequest, context: grpc.ServicerContext
    ) -> pb.MergeCustomersResponse:
        merge, survivor = self._merges.merge(from_proto(Wish, request), request.reason, dict(request.revisions))
        return pb.MergeCustomersResponse(
            merge=answer(merge, pb.MergeRecord), customer=answer(survivor, customer_pb2.Customer)
        )

    def UnmergeCustomers(
        self, request: pb.UnmergeCustomersRequest, context: grpc.ServicerContext
    ) -> pb.UnmergeCustomersResponse:
        merge, customers = self._merges.unmerge(request.merge_id, request.reason)
        return pb.UnmergeCustomersResponse(
            merge=answer(merge, pb.MergeRecord), customers=answers(customers, customer_pb2.Customer)
        )

    def ListMerges(self, request: pb.ListMergesRequest, context: grpc.ServicerContext) -> pb.ListMergesResponse:
        page = self._merges.list(request.customer_id, request)
        return pb.ListMergesResponse(merges=answers(page.items, pb.MergeRecord), next_page_token=page.next_page_token)

    def TraceFields(self, request: pb.TraceFieldsRequest, context: grpc.ServicerContext) -> pb.TraceFieldsResponse:
        customer = answer(self._customers.get(request.customer_id), customer_pb2.Customer)
        return pb.TraceFieldsResponse(origins=trace_fields(self._history, customer))

    def ResolveCanonicalIds(
        self, request: pb.ResolveCanonicalIdsRequest, context: grpc.ServicerContext
    ) -> pb.ResolveCanonicalIdsResponse:
        resolved = self._merges.resolve(request.customer_ids)
        return pb.ResolveCanonicalIdsResponse(
            canonical_ids=answers(resolved, pb.ResolveCanonicalIdsResponse.CanonicalId)
        )


def _shown(match: M) -> M:
    """The evidence as the caller may see it."""
    evidence = tuple(
        replace(each, left=shown_evidence(each.feature, each.left), right=shown_evidence(each.feature, each.right))
        for each in match.evidence
    )
    return replace(match, evidence=evidence)
