"""`CollectionService`: responses as they come in, on every mode."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kehu.common.v1.outcome_pb2 import RowOutcome
from kehu.surveys.v1 import collection_pb2 as pb
from kehu.surveys.v1 import collection_pb2_grpc

from libs.chassis.codec import field_of, from_proto, to_proto
from libs.chassis.domain import DomainError
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.status import status_of
from libs.chassis.store import Outcome
from services.surveys.collection.application.papers import Papers
from services.surveys.collection.application.past import PastResponse, PastResponses
from services.surveys.collection.application.responses import Collection
from services.surveys.collection.domain.papers import PaperEntry
from services.surveys.collection.domain.quotas import Quota
from services.surveys.collection.domain.responses import Response
from services.surveys.collection.domain.sheets import ItemAnswer, Sheet
from services.surveys.collection.store import CollectionStore
from services.surveys.questionnaires.domain.answers import Answer


class CollectionApi(collection_pb2_grpc.CollectionServiceServicer):
    """Serves `kehu.surveys.v1.CollectionService`."""

    def __init__(self, store: CollectionStore) -> None:
        self._store, self._collection = store, Collection(store)
        self._papers, self._past = Papers(store), PastResponses(store)

    def VisitLink(self, request: pb.VisitLinkRequest, _: object) -> pb.Visit:
        return to_proto(self._collection.visit(request.survey_token, request.survey_id), pb.Visit)

    def StartResponse(self, request: pb.StartResponseRequest, _: object) -> pb.Progress:
        told = {"survey_id": request.survey_id, "language": request.language, "device": request.device}
        return to_proto(self._collection.start(request.survey_token, **told), pb.Progress)

    def StartInterview(self, request: pb.StartInterviewRequest, _: object) -> pb.Progress:
        return to_proto(self._collection.interview(field_of(request, "sheet", Sheet)), pb.Progress)

    def GetProgress(self, request: pb.GetProgressRequest, _: object) -> pb.Progress:
        return to_proto(self._collection.progress(request.sheet_id), pb.Progress)

    def SaveAnswers(self, request: pb.SaveAnswersRequest, _: object) -> pb.Progress:
        answers = field_of(request, "answers", tuple[ItemAnswer, ...])
        told = {"language": request.language, "device": request.device}
        return to_proto(self._collection.save(request.sheet_id, answers, **told), pb.Progress)

    def CompleteResponse(self, request: pb.CompleteResponseRequest, _: object) -> pb.Response:
        return to_proto(self._collection.complete(request.sheet_id), pb.Response)

    def SetQuota(self, request: pb.SetQuotaRequest, _: object) -> pb.Quota:
        return to_proto(self._collection.set_quota(field_of(request, "quota", Quota)), pb.Quota)

    def GetQuotas(self, request: pb.GetQuotasRequest, _: object) -> pb.GetQuotasResponse:
        found = self._collection.quotas(request.survey_id)
        return pb.GetQuotasResponse(quotas=[to_proto(each, pb.Quota) for each in found])

    def EnterPaper(self, request: pb.EnterPaperRequest, _: object) -> pb.PaperEntry:
        paper, answers = field_of(request, "paper", PaperEntry), _answers(request.answers)
        return to_proto(self._papers.type_in(paper, answers), pb.PaperEntry)

    def ResolvePaper(self, request: pb.ResolvePaperRequest, _: object) -> pb.PaperEntry:
        return to_proto(self._papers.resolve(request.paper_id, _answers(request.answers)), pb.PaperEntry)

    def ListPapers(self, request: pb.ListPapersRequest, _: object) -> pb.ListPapersResponse:
        return to_page(self._papers.list(request.survey_id, PageRequest.of(request)), pb.ListPapersResponse)

    def ImportResponses(self, request: pb.ImportResponsesRequest, _: object) -> pb.ImportResponsesResponse:
        taken = self._past.take([_row(row) for row in request.rows])
        return pb.ImportResponsesResponse(outcomes=map(_outcome, taken))

    def GetResponse(self, request: pb.GetResponseRequest, _: object) -> pb.Response:
        return to_proto(self._collection.get(request.response_id), pb.Response)

    def ListResponses(self, request: pb.ListResponsesRequest, _: object) -> pb.ListResponsesResponse:
        return to_page(self._collection.list(request.filter, PageRequest.of(request)), pb.ListResponsesResponse)

    def ExportResponses(self, request: pb.ExportResponsesRequest, _: object) -> Iterator[pb.Response]:
        for response in self._store.of_survey(request.survey_id, request.wave):
            yield to_proto(response, pb.Response)


def _answers(told: Mapping[str, Any]) -> Mapping[str, Answer]:
    return {key: from_proto(Answer, answer) for key, answer in told.items()}


def _row(row: pb.PastResponse) -> PastResponse | DomainError:
    """A row, or why it cannot be read: it must not spoil its neighbors."""
    try:
        return from_proto(PastResponse, row)
    except DomainError as error:
        return error


def _outcome(taken: Outcome[Response]) -> RowOutcome:
    return RowOutcome(
        id=taken.entity.id if taken.entity is not None else "",
        created=taken.created,
        error=status_of(taken.error) if taken.error is not None else None,
    )
