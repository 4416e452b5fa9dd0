"""Which conversation a contact belongs to, and what happens to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import Conflict, FailedPrecondition, NotFound
from libs.chassis.paging import PageRequest
from services.interactions.conversations.application import Conversations
from services.interactions.conversations.domain import (
    CloseReason,
    Conversation,
    ConversationState,
    Participant,
    ParticipantKind,
)
from services.interactions.customers.domain import Channel
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import ContactOutcome, Direction, Interaction

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NUMBER = "+8613800138000"
OPEN, WAITING, CLOSED = ConversationState.OPEN, ConversationState.WAITING, ConversationState.CLOSED
Make = Callable[..., Interaction]


@pytest.fixture
def timeline(world: Any) -> Timeline:
    return Timeline(world.store.timeline)


@pytest.fixture
def conversations(world: Any) -> Conversations:
    return Conversations(world.store.conversations)


def test_contacts_of_a_customer_share_a_conversation_until_it_goes_idle(
    world: Any, timeline: Timeline, conversations: Conversations, contact: Make, customer: Any
) -> None:
    customer_id = customer()

    def call(**fields: Any) -> Conversation:
        told = contact(customer_id=customer_id, agent_id="agent-1", occurred_time=world.clock.at, **fields)
        return world.conversation(timeline.ingest(told))

    first = call()
    world.clock.advance(24 * HOUR)
    second = call(channel=Channel.VISIT)
    assert (second.id, second.interaction_count, second.channels) == (first.id, 2, (Channel.VOICE, Channel.VISIT))
    world.clock.advance(24 * HOUR + MINUTE)
    third = call()
    assert third.id != first.id
    ended = conversations.get(first.id)
    assert (ended.state, ended.close_reason, ended.close_time) == (CLOSED, CloseReason.IDLE, world.clock.at)
    assert sorted(world.events()) == [
        "conversation.closed",
        *["conversation.continued"] * 3,
        *["conversation.opened"] * 2,
        *["interaction.recorded"] * 3,
    ]


def test_a_customer_who_waits_is_never_too_late(
    world: Any, timeline: Timeline, conversations: Conversations, contact: Make, customer: Any
) -> None:
    customer_id = customer()
    asked = timeline.ingest(contact(customer_id=customer_id, channel=Channel.EMAIL))
    world.deliver()
    world.clock.advance(30 * 24 * HOUR)
    again = timeline.ingest(contact(customer_id=customer_id, channel=Channel.EMAIL))
    assert again.conversation_id == asked.conversation_id
    assert world.conversation(again).waiting_since_time == asked.occurred_time


def test_a_token_carries_a_conversation_to_another_channel_and_names_its_customer(
    world: Any, timeline: Timeline, contact: Make, phone: Any, customer: Any
) -> None:
    """An unknown visitor chats, then calls. The call tells who it is, and the chat belongs to the customer too."""
    conversations = Conversations(world.store.conversations)
    chat = timeline.ingest(contact(channel=Channel.WEB_CHAT))
    token = conversations.get(chat.conversation_id).continuity_token
    customer_id = customer(NUMBER)
    call = timeline.ingest(contact(identifier=phone(NUMBER), agent_id="agent-1"), continuity_token=token)
    assert call.conversation_id == chat.conversation_id
    joined = world.conversation(chat)
    assert (joined.customer_id, joined.channels) == (customer_id, (Channel.WEB_CHAT, Channel.VOICE))
    attributed = timeline.get(chat.id)
    assert (attributed.customer_id, attributed.revision) == (customer_id, 2)
    assert "interaction.attributed" in world.events()
    # And without a token the customer's next contact finds it.
    assert timeline.ingest(contact(customer_id=customer_id)).conversation_id == chat.conversation_id


def test_a_contact_by_token_is_with_the_customer_of_the_conversation(
    timeline: Timeline, conversations: Conversations, contact: Make, customer: Any
) -> None:
    customer_id = customer()
    call = timeline.ingest(contact(customer_id=customer_id))
    token = conversations.get(call.conversation_id).continuity_token
    assert timeline.ingest(contact(channel=Channel.WEB_CHAT), continuity_token=token).customer_id == customer_id


def test_identity_join_keeps_both_conversations_of_a_customer(
    world: Any, timeline: Timeline, conversations: Conversations, contact: Make, customer: Any
) -> None:
    customer_id = customer()
    call = timeline.ingest(contact(customer_id=customer_id))
    chat = timeline.ingest(contact(channel=Channel.WEB_CHAT))
    world.deliver()
    joined = conversations.resume(conversation_id=chat.conversation_id, customer_id=customer_id)
    assert joined.customer_id == customer_id
    assert joined.state is WAITING
    # Two are open now; contacts that name none keep going to the first.
    assert timeline.ingest(contact(customer_id=customer_id)).conversation_id == call.conversation_id


def test_nobody_takes_the_conversation_of_another_customer(
    world: Any, timeline: Timeline, conversations: Conversations, contact: Make, customer: Any
) -> None:
    ann, bob = customer(name="Ann"), customer(name="Bob")
    call = timeline.ingest(contact(customer_id=ann))
    with pytest.raises(FailedPrecondition, match=f"is with {ann}, not with {bob}"):
        conversations.resume(conversation_id=call.conversation_id, customer_id=bob)
    # A contact of somebody else may join, and stays theirs.
    joined = timeline.ingest(contact(customer_id=bob), conversation_id=call.conversation_id)
    assert joined.customer_id == bob
    assert world.conversation(call).customer_id == ann


def test_unknown_callers_are_told_apart_by_their_number(timeline: Timeline, contact: Make, phone: Any) -> None:
    first = timeline.ingest(contact(identifier=phone(NUMBER)))
    assert timeline.ingest(contact(identifier=phone(NUMBER))).conversation_id == first.conversation_id
    assert timeline.ingest(contact(identifier=phone("+861380000"))).conversation_id != first.conversation_id
    assert timeline.ingest(contact()).conversation_id != timeline.ingest(contact()).conversation_id


def test_tokens_and_ids_that_lead_nowhere(timeline: Timeline, conversations: Conversations, contact: Make) -> None:
    with pytest.raises(NotFound):
        timeline.ingest(contact(), continuity_token="ct_guess")
    with pytest.raises(NotFound):
        timeline.ingest(contact(), conversation_id="conv_guess")
    with pytest.raises(NotFound):
        conversations.resume(continuity_token="ct_guess")


def test_closing_and_continuing_count_episodes(
    world: Any, timeline: Timeline, conversations: Conversations, contact: Make, customer: Any
) -> None:
    customer_id = customer()
    call = timeline.ingest(contact(customer_id=customer_id))
    assert world.conversation(call).state is WAITING
    world.clock.advance(MINUTE)
    closed = conversations.close(call.conversation_id, CloseReason.RESOLVED)
    assert (closed.state, closed.waiting_since_time, closed.close_reason) == (CLOSED, None, CloseReason.RESOLVED)
    with pytest.raises(FailedPrecondition, match="closed"):
        conversations.close(call.conversation_id, CloseReason.RESOLVED)
    with pytest.raises(FailedPrecondition, match="closed"):
        conversations.transfer(call.conversation_id, queue="returns")
    world.clock.advance(MINUTE)
    # A contact without a token begins a new one; the token leads back to the old one and reopens it.
    assert timeline.ingest(contact(customer_id=customer_id)).conversation_id != call.conversation_id
    again = timeline.ingest(
        contact(customer_id=customer_id, channel=Channel.EMAIL), continuity_token=closed.continuity_token
    )
    reopened = world.conversation(call)
    assert again.conversation_id == call.conversation_id
    assert (reopened.state, reopened.episode, reopened.close_reason, reopened.close_time) == (WAITING, 2, None, None)
    conversations.close(call.conversation_id, CloseReason.RESOLVED)
    resumed = conversations.resume(continuity_token=closed.continuity_token)
    assert (resumed.state, resumed.episode) == (OPEN, 3)
    assert conversations.resume(continuity_token=closed.continuity_token) == resumed
    assert world.events().count("conversation.reopened") == 2


def test_handing_over(world: Any, timeline: Timeline, conversations: Conversations, contact: Make) -> None:
    chat = timeline.ingest(contact(channel=Channel.WEB_CHAT, bot_id="bot-1"))
    opened = world.conversation(chat)
    assert opened.participants == (Participant(kind=ParticipantKind.BOT, id="bot-1", join_time=chat.occurred_time),)
    queued = conversations.transfer(opened.id, queue="returns", note="Wants her money back")
    taken = conversations.transfer(opened.id, agent_id="agent-1", revision=queued.revision)
    assert (queued.queue, queued.agent_id, taken.queue, taken.agent_id) == ("returns", "", "", "agent-1")
    assert (taken.transfer_count, [each.id for each in taken.participants]) == (2, ["bot-1", "agent-1"])
    with pytest.raises(Conflict):
        conversations.transfer(opened.id, agent_id="agent-2", revision=queued.revision)
    notes = [each for each in world.database.events() if each.type.endswith("transferred.v1")]
    assert b"Wants her money back" in notes[0].data


def test_waiting_conversations_are_listed(
    world: Any, timeline: Timeline, conversations: Conversations, contact: Make, customer: Any
) -> None:
    customer_id = customer()
    timeline.ingest(contact(customer_id=customer_id, agent_id="agent-1"))
    waiting = timeline.ingest(contact(channel=Channel.FAX)).conversation_id
    world.deliver()
    request = PageRequest()
    assert [each.id for each in conversations.list("state = WAITING", request).items] == [waiting]
    assert [each.customer_id for each in conversations.list('agent_id = "agent-1"', request).items] == [customer_id]


def test_what_was_recorded_before_the_end_does_not_reopen(
    world: Any, timeline: Timeline, conversations: Conversations, contact: Make
) -> None:
    """An answer, and the end right after it: the answer is taken in later, and the conversation stays closed."""
    asked = timeline.ingest(contact(channel=Channel.EMAIL))
    world.deliver()
    answer = contact(channel=Channel.EMAIL, direction=Direction.OUTBOUND, occurred_time=world.clock.at)
    timeline.ingest(answer, conversation_id=asked.conversation_id)
    closed = conversations.close(asked.conversation_id, CloseReason.RESOLVED)
    ended = world.conversation(asked)
    assert (ended.state, ended.episode, ended.close_time) == (CLOSED, 1, closed.close_time)
    assert (ended.interaction_count, ended.last_answer_time) == (2, world.clock.at)
    world.clock.advance(MINUTE)
    again = contact(channel=Channel.EMAIL, occurred_time=world.clock.at)
    timeline.ingest(again, conversation_id=asked.conversation_id)
    assert (world.conversation(asked).state, world.conversation(asked).episode) == (WAITING, 2)


# ----------------------------------------------------------------------------------------------- who is waiting


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"channel": Channel.EMAIL}, WAITING),
        ({"channel": Channel.EMAIL, "direction": Direction.OUTBOUND}, OPEN),
        ({"channel": Channel.EMAIL, "outcome": ContactOutcome.RESOLVED}, OPEN),  # "thank you"
        ({"channel": Channel.VOICE, "agent_id": "a"}, OPEN),
        ({"channel": Channel.VOICE, "bot_id": "b"}, OPEN),
        ({"channel": Channel.VOICE}, WAITING),
        ({"channel": Channel.VOICE, "agent_id": "a", "outcome": ContactOutcome.ABANDONED}, WAITING),
        ({"channel": Channel.VISIT, "agent_id": "a"}, OPEN),
        ({"channel": Channel.WEB_SESSION}, OPEN),
        ({"channel": Channel.WEB_CHAT, "agent_id": "a"}, WAITING),
    ],
)
def test_who_waits_after_a_first_contact(
    world: Any, timeline: Timeline, contact: Make, fields: dict[str, Any], state: ConversationState
) -> None:
    opened = world.conversation(timeline.ingest(contact(**fields)))
    assert opened.state is state
    assert (opened.waiting_since_time is not None) == (state is WAITING)


def letter(at: datetime, direction: Direction) -> Interaction:
    return Interaction(id="", channel=Channel.EMAIL, direction=direction, occurred_time=at)


def heard(*said: Interaction) -> Conversation:
    """A conversation in which these contacts were taken in, in this order."""
    conversation, _ = Conversation.open(said[0], continuity_token="ct_1", at=said[0].occurred_time)
    for each in said:
        conversation, _ = conversation.receive(each, "")
    return conversation


def test_an_unanswered_call_of_ours_answers_nothing(world: Any) -> None:
    asked = letter(world.clock.at, Direction.INBOUND)
    missed = Interaction(
        id="",
        channel=Channel.VOICE,
        direction=Direction.OUTBOUND,
        occurred_time=world.clock.at + HOUR,
        outcome=ContactOutcome.UNANSWERED,
    )
    assert heard(asked, missed).waiting_since_time == world.clock.at


def test_the_order_of_arrival_does_not_decide_who_waits(world: Any) -> None:
    """Asked at 1, answered at 2, asked at 3: whatever comes in first, the customer has been waiting since 3."""
    start = world.clock.at
    letters = [
        letter(start + HOUR, Direction.INBOUND),
        letter(start + 2 * HOUR, Direction.OUTBOUND),
        letter(start + 3 * HOUR, Direction.INBOUND),
    ]
    for said in permutations(letters):
        conversation = heard(*said)
        assert conversation.waiting_since_time == start + 3 * HOUR
        assert conversation.last_interaction_time == start + 3 * HOUR
        assert conversation.last_answer_time == start + 2 * HOUR


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from(Direction)), min_size=1, max_size=12))
def test_waiting_is_exactly_when_the_last_word_is_the_customers(said: list[tuple[int, Direction]]) -> None:
    start = datetime.fromisoformat("2026-08-10T09:00:00+00:00")
    letters = [letter(start + minute * MINUTE, direction) for minute, direction in said]
    conversation = heard(*letters)
    asked = [each.occurred_time for each in letters if each.direction is Direction.INBOUND]
    answered = max(
        (each.occurred_time for each in letters if each.direction is Direction.OUTBOUND), default=start - HOUR
    )
    unanswered = [at for at in asked if at > answered]
    assert (conversation.state is WAITING) == bool(unanswered)
    if conversation.waiting_since_time is not None:
        assert min(unanswered) <= conversation.waiting_since_time <= max(unanswered)
    if said == sorted(said, key=lambda each: each[0]):
        assert conversation.waiting_since_time == min(unanswered, default=None)
