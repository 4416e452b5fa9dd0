"""`CasesService`: what customers need done, from opening to satisfied."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import datetime

from kehu.common.v1.outcome_pb2 import RowOutcome
from kehu.interactions.v1 import cases_pb2 as pb
from kehu.interactions.v1 import cases_pb2_grpc

from libs.chassis.codec import field_of, merge, to_proto
from libs.chassis.domain import DomainError
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.status import status_of
from libs.chassis.store import Outcome
from libs.chassis.validation import inside, validate
from services.interactions.cases.application import Cases, CaseTransition
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import CancelReason, CaseState, ChecklistItem
from services.interactions.cases.domain.past import PastCase, PastCaseStep
from services.interactions.cases.domain.terms import CaseTerms
from services.interactions.cases.store import CasesStore
from services.interactions.clocks.domain.clocks import MessageKind
from services.interactions.timeline.domain import Link


class CasesApi(cases_pb2_grpc.CasesServiceServicer):
    """Serves `kehu.interactions.v1.CasesService`."""

    def __init__(self, store: CasesStore) -> None:
        self._cases = Cases(store)

    def CreateCase(self, request: pb.CreateCaseRequest, _: object) -> pb.Case:
        named = {"owner": request.owner, "team": request.team, "policy_id": request.policy_id, "tier": request.tier}
        with inside("case"):
            return case(self._cases.create(field_of(request, "case", Case), **named))

    def ImportCases(self, request: pb.ImportCasesRequest, _: object) -> pb.ImportCasesResponse:
        taken = self._cases.take([_past(row) for row in request.rows], request.policy_id)
        return pb.ImportCasesResponse(outcomes=map(_outcome, taken))

    def GetCase(self, request: pb.GetCaseRequest, _: object) -> pb.Case:
        return case(self._cases.get(request.case_id))

    def ListCases(self, request: pb.ListCasesRequest, _: object) -> pb.ListCasesResponse:
        return to_page(self._cases.list(request.filter, PageRequest.of(request)), pb.ListCasesResponse)

    def UpdateCase(self, request: pb.UpdateCaseRequest, _: object) -> pb.Case:
        def merged(current: Case) -> Case:
            return _checked(merge(Case, current, request.case, request.update_mask))

        with inside("case"):
            return case(self._cases.update(request.case.id, merged, revision=request.case.revision))

    def StartCase(self, request: pb.StartCaseRequest, _: object) -> pb.Case:
        return case(self._cases.start(request.case_id, revision=request.revision))

    def WaitCase(self, request: pb.WaitCaseRequest, _: object) -> pb.Case:
        state, until = field_of(request, "state", CaseState), field_of(request, "next_time", datetime)
        return case(self._cases.wait(request.case_id, state, request.next_step, until, revision=request.revision))

    def ResolveCase(self, request: pb.ResolveCaseRequest, _: object) -> pb.Case:
        told = (request.cause, request.explanation)
        return case(self._cases.resolve(request.case_id, *told, revision=request.revision))

    def ConfirmCase(self, request: pb.ConfirmCaseRequest, _: object) -> pb.Case:
        return case(self._cases.confirm(request.case_id, revision=request.revision))

    def ReopenCase(self, request: pb.ReopenCaseRequest, _: object) -> pb.Case:
        return case(self._cases.reopen(request.case_id, request.reason, revision=request.revision))

    def CancelCase(self, request: pb.CancelCaseRequest, _: object) -> pb.Case:
        reason = field_of(request, "reason", CancelReason)
        return case(self._cases.cancel(request.case_id, reason, revision=request.revision))

    def AssignCase(self, request: pb.AssignCaseRequest, _: object) -> pb.Case:
        told = {"team": request.team, "reason": request.reason}
        return case(self._cases.assign(request.case_id, request.owner, **told, revision=request.revision))

    def LendCase(self, request: pb.LendCaseRequest, _: object) -> pb.Case:
        return case(self._cases.lend(request.case_id, request.agent_id, request.note, revision=request.revision))

    def ReturnCase(self, request: pb.ReturnCaseRequest, _: object) -> pb.Case:
        return case(self._cases.take_back(request.case_id, revision=request.revision))

    def ChangeSwarm(self, request: pb.ChangeSwarmRequest, _: object) -> pb.Case:
        joins, leaves = [*request.joins], [*request.leaves]
        return case(self._cases.swarm(request.case_id, joins, leaves, revision=request.revision))

    def AddChecklistItem(self, request: pb.AddChecklistItemRequest, _: object) -> pb.Case:
        item = field_of(request, "item", ChecklistItem)
        return case(self._cases.require(request.case_id, item, revision=request.revision))

    def TickChecklistItem(self, request: pb.TickChecklistItemRequest, _: object) -> pb.Case:
        return case(self._cases.tick(request.case_id, request.item_id, revision=request.revision))

    def WaiveChecklistItem(self, request: pb.WaiveChecklistItemRequest, _: object) -> pb.Case:
        why = request.reason
        return case(self._cases.tick(request.case_id, request.item_id, waive_reason=why, revision=request.revision))

    def LinkCase(self, request: pb.LinkCaseRequest, _: object) -> pb.Case:
        adds, removes = (field_of(request, name, tuple[Link, ...], ()) for name in ("adds", "removes"))
        return case(self._cases.link(request.case_id, adds, removes, revision=request.revision))

    def AddWish(self, request: pb.AddWishRequest, _: object) -> pb.Case:
        return case(self._cases.wish(request.case_id, request.text, revision=request.revision))

    def RecordCaseMessage(self, request: pb.RecordCaseMessageRequest, _: object) -> pb.Case:
        kind, at = field_of(request, "kind", MessageKind), field_of(request, "time", datetime, None)
        return case(self._cases.hear(request.case_id, request.message_id, kind, at, revision=request.revision))

    def MergeCase(self, request: pb.MergeCaseRequest, _: object) -> pb.Case:
        return case(self._cases.merge(request.case_id, request.survivor_id, revision=request.revision))

    def SplitCase(self, request: pb.SplitCaseRequest, _: object) -> pb.Case:
        links = field_of(request, "links", tuple[Link, ...], ())
        return case(self._cases.split(request.case_id, request.subject, links, revision=request.revision))

    def TransitionCases(self, request: pb.TransitionCasesRequest, _: object) -> pb.TransitionCasesResponse:
        moved = self._cases.transition([_transition(row) for row in request.rows])
        return pb.TransitionCasesResponse(outcomes=map(_outcome, moved))

    def GetPublicStatus(self, request: pb.GetPublicStatusRequest, _: object) -> pb.PublicStatus:
        return to_proto(self._cases.public_status(request.case_id), pb.PublicStatus)

    def GetCaseTerms(self, _: pb.GetCaseTermsRequest, __: object) -> pb.CaseTerms:
        return to_proto(self._cases.terms(), pb.CaseTerms)

    def SetCaseTerms(self, request: pb.SetCaseTermsRequest, _: object) -> pb.CaseTerms:
        return to_proto(self._cases.set_terms(field_of(request, "terms", CaseTerms)), pb.CaseTerms)


def case(entity: Case) -> pb.Case:
    """The message of a case."""
    return to_proto(entity, pb.Case)


def _checked(changed: Case) -> Case:
    validate(case(changed))
    return changed


def _past(row: pb.ImportCasesRequest.Row) -> PastCase | DomainError:
    """A row, or why it cannot be read: it must not spoil its neighbors."""
    try:
        return PastCase(
            source_key=row.source_key,
            case=field_of(row, "case", Case),
            open_time=field_of(row, "open_time", datetime),
            steps=field_of(row, "steps", tuple[PastCaseStep, ...], ()),
        )
    except DomainError as error:
        return error


def _transition(row: pb.TransitionCasesRequest.Row) -> CaseTransition | DomainError:
    try:
        return CaseTransition(
            case_id=row.case_id,
            state=field_of(row, "state", CaseState),
            cause=row.cause,
            explanation=row.explanation,
            cancel_reason=field_of(row, "cancel_reason", CancelReason, CancelReason.DUPLICATE),
        )
    except DomainError as error:
        return error


def _outcome(taken: Outcome[Case]) -> RowOutcome:
    return RowOutcome(
        id=taken.entity.id if taken.entity is not None else "",
        created=taken.created,
        error=status_of(taken.error) if taken.error is not None else None,
    )
