"""`RemediesService`: goodwill inside the authority of whoever gives it, or approved."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.interactions.v1 import remedies_pb2 as pb
from kehu.interactions.v1 import remedies_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside
from services.interactions.remedies.application import Remedies
from services.interactions.remedies.domain.absences import Absence, ExceptionGrant
from services.interactions.remedies.domain.authority import AuthorityMatrix
from services.interactions.remedies.domain.goodwill import Goodwill
from services.interactions.remedies.store import RemediesStore


class RemediesApi(remedies_pb2_grpc.RemediesServiceServicer):
    """Serves `kehu.interactions.v1.RemediesService`."""

    def __init__(self, store: RemediesStore) -> None:
        self._remedies = Remedies(store)

    def SetAuthority(self, request: pb.SetAuthorityRequest, _: object) -> pb.AuthorityMatrix:
        with inside("authority"):
            wanted = field_of(request, "authority", AuthorityMatrix)
            return to_proto(self._remedies.set_authority(wanted), pb.AuthorityMatrix)

    def GetAuthority(self, _: pb.GetAuthorityRequest, __: object) -> pb.AuthorityMatrix:
        return to_proto(self._remedies.authority(), pb.AuthorityMatrix)

    def RecordAbsence(self, request: pb.RecordAbsenceRequest, _: object) -> pb.Absence:
        return to_proto(self._remedies.record_absence(field_of(request, "absence", Absence)), pb.Absence)

    def ListAbsences(self, request: pb.ListAbsencesRequest, _: object) -> pb.ListAbsencesResponse:
        return to_page(self._remedies.list_absences(PageRequest.of(request)), pb.ListAbsencesResponse)

    def GrantException(self, request: pb.GrantExceptionRequest, _: object) -> pb.ExceptionGrant:
        return to_proto(self._remedies.grant(field_of(request, "grant", ExceptionGrant)), pb.ExceptionGrant)

    def ListExceptionGrants(self, request: pb.ListExceptionGrantsRequest, _: object) -> pb.ListExceptionGrantsResponse:
        return to_page(self._remedies.list_grants(PageRequest.of(request)), pb.ListExceptionGrantsResponse)

    def AskGoodwill(self, request: pb.AskGoodwillRequest, _: object) -> pb.Goodwill:
        return to_proto(self._remedies.ask(field_of(request, "goodwill", Goodwill), request.key), pb.Goodwill)

    def DecideGoodwill(self, request: pb.DecideGoodwillRequest, _: object) -> pb.Goodwill:
        decided = self._remedies.decide(
            request.goodwill_id, approve=request.approve, reason=request.reason, revision=request.revision
        )
        return to_proto(decided, pb.Goodwill)

    def GetGoodwill(self, request: pb.GetGoodwillRequest, _: object) -> pb.Goodwill:
        return to_proto(self._remedies.get(request.goodwill_id), pb.Goodwill)

    def ListGoodwill(self, request: pb.ListGoodwillRequest, _: object) -> pb.ListGoodwillResponse:
        return to_page(self._remedies.list(request.filter, PageRequest.of(request)), pb.ListGoodwillResponse)
