"""The calls: each reads its request, runs one use-case and writes the answer."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kehu.common.v1 import outcome_pb2
from kehu.interactions.v1 import (
    calendars_pb2,
    context_pb2,
    conversations_pb2,
    interactions_pb2_grpc,
    privacy_pb2,
    promises_pb2,
    timeline_pb2,
    watch_pb2,
)

from libs.chassis.codec import at_path, from_proto, merge, to_proto
from libs.chassis.domain import InvalidArgument
from libs.chassis.rpc import JournalApi, status_of, still_open
from libs.chassis.store import Outcome
from libs.chassis.validation import validate
from services.interactions.calendars.application import Calendars
from services.interactions.calendars.domain import BusinessCalendar
from services.interactions.context.store.feed import Feed, Notice
from services.interactions.conversations.application import Conversations
from services.interactions.conversations.domain import CloseReason, Conversation
from services.interactions.counts.application import Counts
from services.interactions.counts.domain import CountRange
from services.interactions.customers.application import Customers
from services.interactions.privacy.application import Erasures
from services.interactions.promises.application import Promises
from services.interactions.promises.domain import Promise, Term
from services.interactions.store import InteractionsStore
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Interaction, TimelineQuery


class InteractionsServicer(JournalApi, interactions_pb2_grpc.InteractionsServiceServicer):
    """Serves `kehu.interactions.v1.InteractionsService`."""

    def __init__(self, store: InteractionsStore, feed: Feed) -> None:
        self._timeline = Timeline(store)
        self._counts = Counts(store)
        self._customers = Customers(store)
        self._conversations = Conversations(store)
        self._promises = Promises(store)
        self._calendars = Calendars(store)
        self._erasures = Erasures(store)
        self._database = store.database
        self._feed = feed

    # --------------------------------------------------------------------------------------------- interactions

    def IngestInteraction(self, request: timeline_pb2.IngestInteractionRequest, _: object) -> timeline_pb2.Interaction:
        with _inside("interaction"):
            contact = from_proto(Interaction, request.interaction)
            recorded = self._timeline.ingest(
                contact, continuity_token=request.continuity_token, conversation_id=request.conversation_id
            )
        return _interaction(recorded)

    def ImportInteractions(
        self, request: timeline_pb2.ImportInteractionsRequest, _: object
    ) -> timeline_pb2.ImportInteractionsResponse:
        outcomes = self._timeline.load([_row(row) for row in request.interactions])
        return timeline_pb2.ImportInteractionsResponse(outcomes=[_outcome(outcome) for outcome in outcomes])

    def GetInteraction(self, request: timeline_pb2.GetInteractionRequest, _: object) -> timeline_pb2.Interaction:
        return _interaction(self._timeline.get(request.interaction_id))

    def BatchGetInteractions(
        self, request: timeline_pb2.BatchGetInteractionsRequest, _: object
    ) -> timeline_pb2.BatchGetInteractionsResponse:
        found = self._timeline.batch_get(request.ids)
        return timeline_pb2.BatchGetInteractionsResponse(interactions=[_interaction(each) for each in found])

    def ListInteractions(
        self, request: timeline_pb2.ListInteractionsRequest, _: object
    ) -> timeline_pb2.ListInteractionsResponse:
        page = self._timeline.list(request.filter, request)
        return timeline_pb2.ListInteractionsResponse(
            interactions=[_interaction(each) for each in page.items], next_page_token=page.next_page_token
        )

    def UpdateInteraction(self, request: timeline_pb2.UpdateInteractionRequest, _: object) -> timeline_pb2.Interaction:
        def merged(current: Interaction) -> Interaction:
            changed = merge(Interaction, current, request.interaction, request.update_mask)
            with _inside("interaction"):
                validate(_interaction(changed))
            return changed

        return _interaction(self._timeline.complete(request.interaction.id, merged, request.interaction.revision))

    def RedactInteraction(self, request: timeline_pb2.RedactInteractionRequest, _: object) -> timeline_pb2.Interaction:
        return _interaction(self._timeline.redact(request.interaction_id, request.reason))

    def GetChannelCounts(
        self, request: timeline_pb2.GetChannelCountsRequest, _: object
    ) -> timeline_pb2.GetChannelCountsResponse:
        counts = self._counts.by_channel(from_proto(CountRange, request))
        return timeline_pb2.GetChannelCountsResponse(
            counts=[to_proto(each, timeline_pb2.ChannelCount) for each in counts]
        )

    def ListTimeline(self, request: timeline_pb2.ListTimelineRequest, _: object) -> timeline_pb2.ListTimelineResponse:
        customer_id, page = self._timeline.of_customer(from_proto(TimelineQuery, request), request)
        return timeline_pb2.ListTimelineResponse(
            interactions=[_interaction(each) for each in page.items],
            next_page_token=page.next_page_token,
            customer_id=customer_id,
        )

    def WatchTimeline(
        self, request: watch_pb2.WatchTimelineRequest, _: object
    ) -> Iterator[watch_pb2.WatchTimelineResponse]:
        notices = self._timeline.watch(self._feed, request.customer_id, request.cursor, still_open)
        return (_notice(notice) for notice in notices)

    def GetContext(self, request: context_pb2.GetContextRequest, _: object) -> context_pb2.CustomerContext:
        known = self._customers.context(request.customer_id)
        answer: context_pb2.CustomerContext = to_proto(known, context_pb2.CustomerContext)
        return answer

    def ExportSubjectData(
        self, request: privacy_pb2.ExportSubjectDataRequest, _: object
    ) -> Iterator[privacy_pb2.ExportedRecord]:
        for kind, record in self._erasures.everything(request.customer_id):
            yield privacy_pb2.ExportedRecord(**{kind: to_proto(record, _RECORDS[kind])})

    # -------------------------------------------------------------------------------------------- conversations

    def GetConversation(
        self, request: conversations_pb2.GetConversationRequest, _: object
    ) -> conversations_pb2.Conversation:
        return _conversation(self._conversations.get(request.conversation_id))

    def ListConversations(
        self, request: conversations_pb2.ListConversationsRequest, _: object
    ) -> conversations_pb2.ListConversationsResponse:
        page = self._conversations.list(request.filter, request)
        return conversations_pb2.ListConversationsResponse(
            conversations=[_conversation(each) for each in page.items], next_page_token=page.next_page_token
        )

    def ContinueConversation(
        self, request: conversations_pb2.ContinueConversationRequest, _: object
    ) -> conversations_pb2.Conversation:
        if request.customer_id:
            self._customers.require(request.customer_id)
        return _conversation(
            self._conversations.resume(
                continuity_token=request.continuity_token,
                conversation_id=request.conversation_id,
                customer_id=request.customer_id,
            )
        )

    def TransferConversation(
        self, request: conversations_pb2.TransferConversationRequest, _: object
    ) -> conversations_pb2.Conversation:
        return _conversation(
            self._conversations.transfer(
                request.conversation_id,
                agent_id=request.agent_id,
                queue=request.queue,
                note=request.note,
                revision=request.revision,
            )
        )

    def CloseConversation(
        self, request: conversations_pb2.CloseConversationRequest, _: object
    ) -> conversations_pb2.Conversation:
        reason = from_proto(_Closing, request).reason
        return _conversation(self._conversations.close(request.conversation_id, reason, revision=request.revision))

    # ------------------------------------------------------------------------------------------------- promises

    def MakePromise(self, request: promises_pb2.MakePromiseRequest, _: object) -> promises_pb2.Promise:
        with _inside("promise"):
            return _promise(self._promises.make(from_proto(Promise, request.promise)))

    def KeepPromise(self, request: promises_pb2.KeepPromiseRequest, _: object) -> promises_pb2.Promise:
        kept_time = from_proto(_Times, request).kept_time
        return _promise(self._promises.keep(request.promise_id, kept_time, revision=request.revision))

    def BreakPromise(self, request: promises_pb2.BreakPromiseRequest, _: object) -> promises_pb2.Promise:
        return _promise(self._promises.give_up(request.promise_id, request.reason, revision=request.revision))

    def RecoverPromise(self, request: promises_pb2.RecoverPromiseRequest, _: object) -> promises_pb2.Promise:
        return _promise(self._promises.recover(request.promise_id, request.recovery, revision=request.revision))

    def RenegotiatePromise(self, request: promises_pb2.RenegotiatePromiseRequest, _: object) -> promises_pb2.Promise:
        return _promise(
            self._promises.renegotiate(
                request.promise_id,
                from_proto(_Terms, request).term,
                agreement=request.agreement,
                text=request.text,
                revision=request.revision,
            )
        )

    def GetPromise(self, request: promises_pb2.GetPromiseRequest, _: object) -> promises_pb2.Promise:
        return _promise(self._promises.get(request.promise_id))

    def ListPromises(self, request: promises_pb2.ListPromisesRequest, _: object) -> promises_pb2.ListPromisesResponse:
        page = self._promises.list(request.filter, request)
        return promises_pb2.ListPromisesResponse(
            promises=[_promise(each) for each in page.items], next_page_token=page.next_page_token
        )

    # ------------------------------------------------------------------------------------------------ calendars

    def CreateCalendar(self, request: calendars_pb2.CreateCalendarRequest, _: object) -> calendars_pb2.BusinessCalendar:
        with _inside("calendar"):
            return _calendar(self._calendars.create(from_proto(BusinessCalendar, request.calendar)))

    def GetCalendar(self, request: calendars_pb2.GetCalendarRequest, _: object) -> calendars_pb2.BusinessCalendar:
        return _calendar(self._calendars.get(request.calendar_id))

    def ListCalendars(
        self, request: calendars_pb2.ListCalendarsRequest, _: object
    ) -> calendars_pb2.ListCalendarsResponse:
        page = self._calendars.list(request)
        return calendars_pb2.ListCalendarsResponse(
            calendars=[_calendar(each) for each in page.items], next_page_token=page.next_page_token
        )

    def UpdateCalendar(self, request: calendars_pb2.UpdateCalendarRequest, _: object) -> calendars_pb2.BusinessCalendar:
        def merged(current: BusinessCalendar) -> BusinessCalendar:
            changed = merge(BusinessCalendar, current, request.calendar, request.update_mask)
            with _inside("calendar"):
                validate(_calendar(changed))
            return changed

        return _calendar(self._calendars.update(request.calendar.id, merged, request.calendar.revision))

    def ExplainDue(self, request: promises_pb2.ExplainDueRequest, _: object) -> promises_pb2.ExplainDueResponse:
        explained = self._promises.explain(from_proto(_Terms, request).term, from_proto(_Times, request).start_time)
        answer: promises_pb2.ExplainDueResponse = to_proto(explained, promises_pb2.ExplainDueResponse)
        return answer


_RECORDS: dict[str, Any] = {
    "customer": context_pb2.CustomerCopy,
    "interaction": timeline_pb2.Interaction,
    "conversation": conversations_pb2.Conversation,
    "promise": promises_pb2.Promise,
}
"""Kind of a record of an export → its message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Closing:
    """The field of a request that says why a conversation is closed."""

    reason: CloseReason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """The field of a request that says by when."""

    term: Term


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    """The fields of a request that say when; each request has at most one of them."""

    kept_time: datetime | None = None
    start_time: datetime | None = None


@contextmanager
def _inside(path: str) -> Iterator[None]:
    """Puts the field of the request that was read in front of the fields found wrong in it."""
    try:
        yield
    except InvalidArgument as error:
        if error.reason_code != InvalidArgument.reason:
            raise  # about the request as a whole, such as REQUEST_ID_REUSED
        raise at_path(path, error) from None


def _row(message: timeline_pb2.Interaction) -> Interaction | InvalidArgument:
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


def _notice(notice: Notice) -> watch_pb2.WatchTimelineResponse:
    match notice.entity:
        case Interaction() as interaction:
            return watch_pb2.WatchTimelineResponse(cursor=notice.cursor, interaction=_interaction(interaction))
        case Promise() as promise:
            return watch_pb2.WatchTimelineResponse(cursor=notice.cursor, promise=_promise(promise))
        case None:
            return watch_pb2.WatchTimelineResponse(cursor=notice.cursor)


def _interaction(interaction: Interaction) -> timeline_pb2.Interaction:
    message: timeline_pb2.Interaction = to_proto(interaction, timeline_pb2.Interaction)
    return message


def _conversation(conversation: Conversation) -> conversations_pb2.Conversation:
    message: conversations_pb2.Conversation = to_proto(conversation, conversations_pb2.Conversation)
    return message


def _promise(promise: Promise) -> promises_pb2.Promise:
    message: promises_pb2.Promise = to_proto(promise, promises_pb2.Promise)
    return message


def _calendar(calendar: BusinessCalendar) -> calendars_pb2.BusinessCalendar:
    message: calendars_pb2.BusinessCalendar = to_proto(calendar, calendars_pb2.BusinessCalendar)
    return message
