"""`TimelineService`: interactions, recorded as they happen, loaded from the past, found again."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.common.v1 import outcome_pb2
from kehu.interactions.v1 import timeline_pb2 as pb
from kehu.interactions.v1 import timeline_pb2_grpc

from libs.chassis.codec import from_proto, merge, to_proto
from libs.chassis.domain import InvalidArgument
from libs.chassis.paging import PageRequest
from libs.chassis.status import status_of
from libs.chassis.store import Outcome
from libs.chassis.validation import inside, validate
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Interaction, TimelineQuery
from services.interactions.timeline.store import TimelineStore


class TimelineApi(timeline_pb2_grpc.TimelineServiceServicer):
    """Serves `kehu.interactions.v1.TimelineService`."""

    def __init__(self, store: TimelineStore) -> None:
        self._timeline = Timeline(store)

    def IngestInteraction(self, request: pb.IngestInteractionRequest, _: object) -> pb.Interaction:
        named = {"continuity_token": request.continuity_token, "conversation_id": request.conversation_id}
        with inside("interaction"):
            return interaction(self._timeline.ingest(from_proto(Interaction, request.interaction), **named))

    def ImportInteractions(self, request: pb.ImportInteractionsRequest, _: object) -> pb.ImportInteractionsResponse:
        outcomes = self._timeline.load([_row(row) for row in request.interactions])
        return pb.ImportInteractionsResponse(outcomes=[_outcome(outcome) for outcome in outcomes])

    def GetInteraction(self, request: pb.GetInteractionRequest, _: object) -> pb.Interaction:
        return interaction(self._timeline.get(request.interaction_id))

    def BatchGetInteractions(
        self, request: pb.BatchGetInteractionsRequest, _: object
    ) -> pb.BatchGetInteractionsResponse:
        found = self._timeline.batch_get(request.ids)
        return pb.BatchGetInteractionsResponse(interactions=map(interaction, found))

    def ListInteractions(self, request: pb.ListInteractionsRequest, _: object) -> pb.ListInteractionsResponse:
        page = self._timeline.list(request.filter, PageRequest.of(request))
        return pb.ListInteractionsResponse(
            interactions=map(interaction, page.items), next_page_token=page.next_page_token
        )

    def UpdateInteraction(self, request: pb.UpdateInteractionRequest, _: object) -> pb.Interaction:
        def merged(current: Interaction) -> Interaction:
            return _checked(merge(Interaction, current, request.interaction, request.update_mask))

        return interaction(self._timeline.complete(request.interaction.id, merged, request.interaction.revision))

    def RedactInteraction(self, request: pb.RedactInteractionRequest, _: object) -> pb.Interaction:
        return interaction(self._timeline.redact(request.interaction_id, request.reason))

    def ListTimeline(self, request: pb.ListTimelineRequest, _: object) -> pb.ListTimelineResponse:
        customer_id, page = self._timeline.of_customer(from_proto(TimelineQuery, request), PageRequest.of(request))
        found = map(interaction, page.items)
        return pb.ListTimelineResponse(
            interactions=found, next_page_token=page.next_page_token, customer_id=customer_id
        )


def interaction(entity: Interaction) -> pb.Interaction:
    """The message of an interaction."""
    return to_proto(entity, pb.Interaction)


def _checked(changed: Interaction) -> Interaction:
    with inside("interaction"):
        validate(interaction(changed))
    return changed


def _row(message: pb.Interaction) -> Interaction | InvalidArgument:
    """A row of an import, or what is wrong with it."""
    try:
        validate(message)
        return from_proto(Interaction, message)
    except InvalidArgument as error:
        return error


def _outcome(outcome: Outcome[Interaction]) -> outcome_pb2.RowOutcome:
    return outcome_pb2.RowOutcome(
        id=outcome.entity.id if outcome.entity is not None else "",
        created=outcome.created,
        error=status_of(outcome.error) if outcome.error is not None else None,
    )
