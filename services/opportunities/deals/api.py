"""`DealsService`: what customers may buy, where each deal stands, and every change on the way."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import datetime

from kehu.common.v1.outcome_pb2 import RowOutcome
from kehu.opportunities.v1 import deals_pb2 as pb
from kehu.opportunities.v1 import deals_pb2_grpc

from libs.chassis.codec import field_of, merge, to_proto
from libs.chassis.domain import DomainError
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.status import status_of
from libs.chassis.store import Outcome
from libs.chassis.validation import inside, validate
from services.opportunities.deals.application import Deals, PastDeal
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.terms import LostReason
from services.opportunities.deals.store import DealsStore


class DealsApi(deals_pb2_grpc.DealsServiceServicer):
    """Serves `kehu.opportunities.v1.DealsService`."""

    def __init__(self, store: DealsStore) -> None:
        self._deals = Deals(store)

    def CreateDeal(self, request: pb.CreateDealRequest, _: object) -> pb.Deal:
        with inside("deal"):
            return deal(self._deals.create(field_of(request, "deal", Deal)))

    def ImportDeals(self, request: pb.ImportDealsRequest, _: object) -> pb.ImportDealsResponse:
        taken = self._deals.take([_row(row) for row in request.rows])
        return pb.ImportDealsResponse(outcomes=map(_outcome, taken))

    def GetDeal(self, request: pb.GetDealRequest, _: object) -> pb.Deal:
        return deal(self._deals.get(request.deal_id))

    def ListDeals(self, request: pb.ListDealsRequest, _: object) -> pb.ListDealsResponse:
        return to_page(self._deals.list(request.filter, PageRequest.of(request)), pb.ListDealsResponse)

    def UpdateDeal(self, request: pb.UpdateDealRequest, _: object) -> pb.Deal:
        def merged(current: Deal) -> Deal:
            return _checked(merge(Deal, current, request.deal, request.update_mask))

        with inside("deal"):
            return deal(self._deals.update(request.deal.id, merged, revision=request.deal.revision))

    def PreviewMove(self, request: pb.PreviewMoveRequest, _: object) -> pb.Move:
        return to_proto(self._deals.preview(request.deal_id, request.stage), pb.Move)

    def MoveStage(self, request: pb.MoveStageRequest, _: object) -> pb.Deal:
        at = field_of(request, "effective_time", datetime, None)
        return deal(
            self._deals.move(request.deal_id, request.stage, at, waive=request.waive, revision=request.revision)
        )

    def WinDeal(self, request: pb.WinDealRequest, _: object) -> pb.Deal:
        at = field_of(request, "close_time", datetime, None)
        return deal(self._deals.win(request.deal_id, at, waive=request.waive, revision=request.revision))

    def LoseDeal(self, request: pb.LoseDealRequest, _: object) -> pb.Deal:
        reason, at = field_of(request, "lost_reason", LostReason), field_of(request, "close_time", datetime, None)
        told = {"to": request.lost_to, "note": request.lost_note}
        return deal(self._deals.lose(request.deal_id, reason, at, **told, revision=request.revision))

    def ReopenDeal(self, request: pb.ReopenDealRequest, _: object) -> pb.Deal:
        return deal(self._deals.reopen(request.deal_id, request.stage, revision=request.revision))

    def SetProbability(self, request: pb.SetProbabilityRequest, _: object) -> pb.Deal:
        points, expire_time = request.probability_basis_points, field_of(request, "expire_time", datetime)
        return deal(
            self._deals.believe(request.deal_id, points, request.reason, expire_time, revision=request.revision)
        )

    def ListDealChanges(self, request: pb.ListDealChangesRequest, _: object) -> pb.ListDealChangesResponse:
        return to_page(self._deals.changes(request.deal_id, PageRequest.of(request)), pb.ListDealChangesResponse)

    def GetDealFacts(self, request: pb.GetDealFactsRequest, _: object) -> pb.DealFacts:
        effective, known = (field_of(request, name, datetime, None) for name in ("effective_time", "known_time"))
        return to_proto(self._deals.facts(request.deal_id, effective, known), pb.DealFacts)


def deal(entity: Deal) -> pb.Deal:
    """The message of a deal."""
    return to_proto(entity, pb.Deal)


def _checked(changed: Deal) -> Deal:
    validate(deal(changed))
    return changed


def _row(row: pb.ImportDealsRequest.Row) -> PastDeal | DomainError:
    """A row, or why it cannot be read: it must not spoil its neighbors."""
    try:
        return PastDeal(
            source_key=row.source_key,
            deal=field_of(row, "deal", Deal),
            open_time=field_of(row, "open_time", datetime, None),
            close_time=field_of(row, "close_time", datetime, None),
            lost_reason=field_of(row, "lost_reason", LostReason, None),
        )
    except DomainError as error:
        return error


def _outcome(taken: Outcome[Deal]) -> RowOutcome:
    return RowOutcome(
        id=taken.entity.id if taken.entity is not None else "",
        created=taken.created,
        error=status_of(taken.error) if taken.error is not None else None,
    )
