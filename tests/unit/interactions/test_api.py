"""The calls as a client sees them: messages in, messages out, and every wrong field by its name."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from kehu.common.v1 import types_pb2
from kehu.interactions.v1 import (
    calendars_pb2,
    context_pb2,
    conversations_pb2,
    counts_pb2,
    customers_pb2,
    promises_pb2,
    timeline_pb2,
)

from libs.chassis.domain import Conflict, InvalidArgument
from libs.chassis.validation import validate
from libs.worktime.refusals import CountingTooLong
from services.interactions.__main__ import servicers

HOUR = timedelta(hours=1)
INT, CONV, CUS, PRO, CAL = (f"{prefix}_{'0' * 26}" for prefix in ("int", "conv", "cus", "pro", "cal"))


class Api:
    """Every method of every area."""

    def __init__(self, world: Any) -> None:
        self._servicers = [servicer for _, servicer in servicers(world.store)]

    def __getattr__(self, name: str) -> Any:
        return next(getattr(each, name) for each in self._servicers if hasattr(each, name))


@pytest.fixture
def api(world: Any) -> Api:
    return Api(world)


def stamp(at: Any) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(at)
    return made


def call(world: Any, **fields: Any) -> timeline_pb2.Interaction:
    told = {"channel": "CHANNEL_VOICE", "direction": "DIRECTION_INBOUND", "occurred_time": stamp(world.clock.at)}
    return timeline_pb2.Interaction(**(told | fields))


def fields_of(refused: pytest.ExceptionInfo[InvalidArgument]) -> list[str]:
    return [violation.field for violation in refused.value.violations]


def test_an_interaction_travels_whole(world: Any, api: Api, customer: Any) -> None:
    told = call(
        world,
        customer_id=customer(),
        purpose="PURPOSE_COMPLAINT",
        journey_phase="JOURNEY_PHASE_AFTER_SALE",
        service_level="SERVICE_LEVEL_VOICE",
        agent_id="agent-1",
        external_key="4711",
        summary="投诉:发票",
        body_ref="s3://calls/1",
        sentiment=0.0,
        topic="invoices",
        intent="complain",
        outcome="OUTCOME_PENDING",
        links=[timeline_pb2.Link(kind="opportunity", id="opp_1"), timeline_pb2.Link(kind="account", id="acc_1")],
    )
    told.duration.FromTimedelta(timedelta(minutes=7))
    recorded = api.IngestInteraction(timeline_pb2.IngestInteractionRequest(interaction=told), None)
    found = api.GetInteraction(timeline_pb2.GetInteractionRequest(interaction_id=recorded.id), None)
    assert found == recorded
    assert found.HasField("sentiment")
    for name, value in told.ListFields():
        assert getattr(found, name.name) == value
    assert found.conversation_id.startswith("conv_")
    assert found.create_time == stamp(world.clock.at)


def test_a_row_of_an_import_that_makes_no_sense_is_told_alone(world: Any, api: Api) -> None:
    rows = [
        call(world, external_key="1"),
        call(world, external_key="2", sentiment=3),
        call(world),
        call(world, external_key="1"),
    ]
    answer = api.ImportInteractions(timeline_pb2.ImportInteractionsRequest(interactions=rows), None)
    first, range_, keyless, repeat = answer.outcomes
    assert (first.created, repeat.created, repeat.id) == (True, False, first.id)
    assert not first.HasField("error")
    assert (range_.error.code, keyless.error.code) == (3, 3)
    assert "external_key" in keyless.error.message


def test_an_update_takes_what_the_mask_names_and_checks_the_whole(world: Any, api: Api) -> None:
    recorded = api.IngestInteraction(timeline_pb2.IngestInteractionRequest(interaction=call(world, topic="old")), None)
    changed = timeline_pb2.Interaction(id=recorded.id, summary="new", topic="ignored")
    request = timeline_pb2.UpdateInteractionRequest(interaction=changed)
    request.update_mask.paths.append("summary")
    updated = api.UpdateInteraction(request, None)
    assert (updated.summary, updated.topic, updated.revision) == ("new", "old", 2)
    request.interaction.summary = "x" * 4001
    with pytest.raises(InvalidArgument) as refused:
        api.UpdateInteraction(request, None)
    assert fields_of(refused) == ["interaction.summary"]
    request.update_mask.paths[:] = ["channel"]
    request.interaction.channel = types_pb2.CHANNEL_FAX
    with pytest.raises(InvalidArgument, match="channel cannot be changed") as refused:
        api.UpdateInteraction(request, None)
    assert fields_of(refused) == ["update_mask"]
    request.interaction.revision = 1
    with pytest.raises(Conflict):
        api.UpdateInteraction(request, None)


def test_wrong_fields_are_named_from_the_request_on(world: Any, api: Api, customer: Any) -> None:
    told = call(world)
    told.identifier.kind, told.identifier.value = customers_pb2.Identifier.KIND_PHONE, "138"
    with pytest.raises(InvalidArgument) as refused:
        api.IngestInteraction(timeline_pb2.IngestInteractionRequest(interaction=told), None)
    assert fields_of(refused) == ["interaction.identifier.value"]
    promise = promises_pb2.Promise(customer_id=customer(), text="x")
    promise.term.civil_time.date.year, promise.term.civil_time.date.month, promise.term.civil_time.date.day = (
        2026,
        2,
        30,
    )
    with pytest.raises(InvalidArgument) as refused:
        api.MakePromise(promises_pb2.MakePromiseRequest(promise=promise), None)
    assert fields_of(refused) == ["promise.term.civil_time.date"]
    promise.term.civil_time.date.day = 28
    promise.term.civil_time.time_zone = "Mars/Olympus"
    with pytest.raises(InvalidArgument) as refused:
        api.MakePromise(promises_pb2.MakePromiseRequest(promise=promise), None)
    assert fields_of(refused) == ["promise.term.civil_time.time_zone"]
    calendar = calendars_pb2.BusinessCalendar(display_name="x", time_zone="Mars/Olympus")
    with pytest.raises(InvalidArgument) as refused:
        api.CreateCalendar(calendars_pb2.CreateCalendarRequest(calendar=calendar), None)
    assert fields_of(refused) == ["calendar.time_zone"]


def test_a_promise_goes_through_its_life(world: Any, api: Api, customer: Any) -> None:
    calendar = calendars_pb2.BusinessCalendar(display_name="Office", time_zone="UTC")
    hours = calendar.schedules.add().intervals
    hours.add(weekday="WEEKDAY_MONDAY", start_minute=540, end_minute=1020)
    made = api.CreateCalendar(calendars_pb2.CreateCalendarRequest(calendar=calendar), None)
    calendar.display_name = "Always"
    update = calendars_pb2.UpdateCalendarRequest(
        calendar=calendars_pb2.BusinessCalendar(id=made.id, display_name="Office hours", revision=1)
    )
    assert api.UpdateCalendar(update, None).display_name == "Office hours"
    assert [each.id for each in api.ListCalendars(calendars_pb2.ListCalendarsRequest(), None).calendars] == [made.id]
    assert api.GetCalendar(calendars_pb2.GetCalendarRequest(calendar_id=made.id), None).revision == 2

    draft = promises_pb2.Promise(customer_id=customer(), text="We call back", state="STATE_KEPT")
    draft.term.calendar_id = made.id
    draft.term.working_time.FromTimedelta(4 * HOUR)
    explained = api.ExplainDue(calendars_pb2.ExplainDueRequest(term=draft.term), None)
    promise = api.MakePromise(promises_pb2.MakePromiseRequest(promise=draft), None)
    assert promise.state == promises_pb2.Promise.STATE_MADE  # output only: what was sent is ignored
    assert promise.due_time == explained.due_time == stamp(world.clock.at + 4 * HOUR)
    assert explained.working_time.ToTimedelta() == 4 * HOUR
    assert [segment.rule for segment in explained.segments] == [calendars_pb2.Segment.RULE_WEEKLY]
    term = calendars_pb2.Term(calendar_id=made.id, working_days=1)
    moved = api.RenegotiatePromise(
        promises_pb2.RenegotiatePromiseRequest(promise_id=promise.id, term=term, agreement="On the phone: fine"), None
    )
    assert (moved.supersedes, moved.renegotiations) == (promise.id, 1)
    kept = api.KeepPromise(promises_pb2.KeepPromiseRequest(promise_id=moved.id, kept_time=stamp(world.clock.at)), None)
    assert kept.state == promises_pb2.Promise.STATE_KEPT
    assert kept.margin.ToTimedelta() == 16 * HOUR
    other = api.MakePromise(promises_pb2.MakePromiseRequest(promise=draft), None)
    broken = api.BreakPromise(promises_pb2.BreakPromiseRequest(promise_id=other.id, reason="no part"), None)
    recovered = api.RecoverPromise(promises_pb2.RecoverPromiseRequest(promise_id=other.id, recovery="new one"), None)
    assert (broken.broken_reason, recovered.recovery) == ("no part", "new one")
    listed = api.ListPromises(promises_pb2.ListPromisesRequest(filter="state = RECOVERED"), None)
    assert [each.id for each in listed.promises] == [other.id]
    assert api.GetPromise(promises_pb2.GetPromiseRequest(promise_id=promise.id), None).superseded_by == moved.id


def test_a_conversation_goes_through_its_life(world: Any, api: Api, customer: Any) -> None:
    told = api.IngestInteraction(timeline_pb2.IngestInteractionRequest(interaction=call(world)), None)
    world.deliver()
    opened = api.GetConversation(conversations_pb2.GetConversationRequest(conversation_id=told.conversation_id), None)
    assert opened.state == conversations_pb2.Conversation.STATE_WAITING
    customer_id = customer()
    continued = api.ContinueConversation(
        conversations_pb2.ContinueConversationRequest(
            continuity_token=opened.continuity_token, customer_id=customer_id
        ),
        None,
    )
    world.deliver()
    api.TransferConversation(conversations_pb2.TransferConversationRequest(conversation_id=opened.id, queue="q"), None)
    closed = api.CloseConversation(
        conversations_pb2.CloseConversationRequest(conversation_id=opened.id, reason="CLOSE_REASON_MISTAKE"), None
    )
    assert (continued.customer_id, closed.queue, closed.transfer_count) == (customer_id, "q", 1)
    assert closed.close_reason == conversations_pb2.Conversation.CLOSE_REASON_MISTAKE
    listed = api.ListConversations(conversations_pb2.ListConversationsRequest(filter="state = CLOSED"), None)
    assert [each.id for each in listed.conversations] == [opened.id]
    known = api.GetContext(context_pb2.GetContextRequest(customer_id=customer_id), None)
    assert known.customer.display_name == "Li Wei"
    assert [each.id for each in known.interactions] == [told.id]
    timeline = timeline_pb2.ListTimelineRequest(
        customer_id=customer_id, channels=["CHANNEL_VOICE"], direction="DIRECTION_INBOUND"
    )
    assert [each.id for each in api.ListTimeline(timeline, None).interactions] == [told.id]
    counts = counts_pb2.GetChannelCountsRequest(
        start_time=stamp(world.clock.at - HOUR), end_time=stamp(world.clock.at + HOUR)
    )
    [count] = api.GetChannelCounts(counts, None).counts
    assert (count.channel, count.count) == (types_pb2.CHANNEL_VOICE, 1)
    redacted = api.RedactInteraction(timeline_pb2.RedactInteractionRequest(interaction_id=told.id, reason="x"), None)
    assert redacted.redaction.actor == "ann"
    batch = timeline_pb2.BatchGetInteractionsRequest(ids=[told.id])
    assert list(api.BatchGetInteractions(batch, None).interactions) == [redacted]
    every = api.ListInteractions(timeline_pb2.ListInteractionsRequest(filter="channel = VOICE"), None)
    assert list(every.interactions) == [redacted]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (timeline_pb2.IngestInteractionRequest(), "interaction"),
        (
            timeline_pb2.IngestInteractionRequest(interaction=timeline_pb2.Interaction(customer_id="x")),
            "interaction.customer_id",
        ),
        (
            timeline_pb2.IngestInteractionRequest(interaction={"occurred_time": datetime(1, 1, 1, tzinfo=UTC)}),
            "interaction.occurred_time",
        ),
        (timeline_pb2.ListTimelineRequest(customer_id=CUS, end_time=datetime(9999, 12, 31, tzinfo=UTC)), "end_time"),
        (promises_pb2.KeepPromiseRequest(promise_id=PRO, kept_time=datetime(1899, 12, 31, tzinfo=UTC)), "kept_time"),
        (timeline_pb2.GetInteractionRequest(interaction_id=CUS), "interaction_id"),
        (timeline_pb2.ListTimelineRequest(customer_id=CUS, channels=[0]), "channels[0]"),
        (timeline_pb2.ListTimelineRequest(customer_id=CUS, page_size=-1), "page_size"),
        (timeline_pb2.RedactInteractionRequest(interaction_id=INT), "reason"),
        (timeline_pb2.ImportInteractionsRequest(), "interactions"),
        (timeline_pb2.BatchGetInteractionsRequest(ids=["x"]), "ids[0]"),
        (conversations_pb2.ContinueConversationRequest(), ""),
        (conversations_pb2.TransferConversationRequest(conversation_id=CONV, agent_id="a", queue="q"), ""),
        (conversations_pb2.CloseConversationRequest(conversation_id=CONV), "reason"),
        (
            promises_pb2.MakePromiseRequest(
                promise=promises_pb2.Promise(customer_id=CUS, text="x", term=calendars_pb2.Term())
            ),
            "promise.term",
        ),
        (promises_pb2.RenegotiatePromiseRequest(promise_id=PRO, agreement="x"), "term"),
        (calendars_pb2.ExplainDueRequest(term=calendars_pb2.Term(working_days=2)), "term"),
        (promises_pb2.KeepPromiseRequest(promise_id=PRO, request_id="not a uuid"), "request_id"),
        (calendars_pb2.CreateCalendarRequest(calendar=calendars_pb2.BusinessCalendar()), "calendar.display_name"),
    ],
)
def test_the_contract_refuses_what_makes_no_sense(request_: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        validate(request_)
    assert field in fields_of(refused)


def test_what_would_hold_the_server_up_is_refused_at_once(world: Any, api: Api, customer: Any) -> None:
    """Two centuries of a calendar with a hundred intervals took 18 seconds of processor."""
    full = calendars_pb2.BusinessCalendar(display_name="Full", time_zone="America/New_York")
    intervals = full.schedules.add().intervals
    for n in range(100):
        intervals.add(weekday=n % 7 + 1, start_minute=n * 13 % 1400, end_minute=n * 13 % 1400 + 20)
    calendar = api.CreateCalendar(calendars_pb2.CreateCalendarRequest(calendar=full), None)
    term = calendars_pb2.Term(
        calendar_id=calendar.id, civil_time={"date": {"year": 2199, "month": 12, "day": 30}, "time_zone": "UTC"}
    )
    since = world.clock.at.replace(year=1970)
    began = time.process_time()
    with pytest.raises(CountingTooLong):
        api.ExplainDue(calendars_pb2.ExplainDueRequest(term=term, start_time=stamp(since)), None)
    promise = promises_pb2.Promise(customer_id=customer(), text="x", term=term, made_time=stamp(since))
    with pytest.raises(CountingTooLong):
        api.MakePromise(promises_pb2.MakePromiseRequest(promise=promise), None)
    assert time.process_time() - began < 1
