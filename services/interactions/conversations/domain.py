"""Conversations: interactions that belong together, across channels and pauses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, OpenEnum, Sealed
from services.interactions.customers.domain import Channel, customer_key

IDLE_WINDOW = timedelta(hours=24)
"""Silence after which the next interaction of a customer who was not waiting begins a new conversation."""


class ConversationNotOpen(FailedPrecondition):
    """Conversation {conversation_id} is closed: continue it first."""

    conversation_id: str


class ConversationWithAnother(FailedPrecondition):
    """Conversation {conversation_id} is with {customer_id}, not with {other_id}."""

    conversation_id: str
    customer_id: str
    other_id: str


class ConversationState(OpenEnum):
    """State of a conversation."""

    OPEN = "OPEN"
    WAITING = "WAITING"
    CLOSED = "CLOSED"


OPEN_STATES = (ConversationState.OPEN, ConversationState.WAITING)


class CloseReason(OpenEnum):
    """Reason for which a conversation was closed."""

    RESOLVED = "RESOLVED"
    IDLE = "IDLE"
    ABANDONED = "ABANDONED"
    MISTAKE = "MISTAKE"
    ERASED = "ERASED"


class ParticipantKind(OpenEnum):
    """Kind of a participant of the company."""

    AGENT = "AGENT"
    BOT = "BOT"


class Utterance(Protocol):
    """An interaction as its conversation takes it in."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def conversation_id(self) -> str:
        """The conversation that it belongs to."""

    @property
    def customer_id(self) -> str:
        """The customer it was with. Empty while nobody knows."""

    @property
    def party(self) -> str:
        """The key of whom it was with: the customer, else the identifier."""

    @property
    def channel(self) -> Channel:
        """Its channel."""

    @property
    def agent_id(self) -> str:
        """The member of staff who took part."""

    @property
    def bot_id(self) -> str:
        """The robot that took part."""

    @property
    def occurred_time(self) -> datetime:
        """Time at which it occurred."""

    @property
    def create_time(self) -> datetime | None:
        """Time of its recording."""

    @property
    def keeps_waiting(self) -> bool:
        """True when the customer spoke, and wants an answer that it has not brought."""

    @property
    def answers(self) -> bool:
        """True when the company spoke to the customer, or nothing is left to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """Somebody who took part for the company."""

    kind: ParticipantKind
    id: str
    join_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation(Entity):
    """Interactions that belong together. Each is taken in moments after it was recorded.

    `waiting_since_time` is set exactly in WAITING: when the last that was said came from the customer. Interactions may
    arrive out of order; what counts is when they happened.
    """

    ID_PREFIX: ClassVar[str] = "conv"

    continuity_token: str
    last_interaction_time: datetime
    customer_id: str = ""
    state: ConversationState = ConversationState.OPEN
    episode: int = 1
    participants: tuple[Participant, ...] = ()
    agent_id: str = ""
    queue: str = ""
    transfer_count: int = 0
    channels: tuple[Channel, ...] = ()
    interaction_count: int = 0
    last_answer_time: datetime | None = None
    waiting_since_time: datetime | None = None
    close_reason: CloseReason | None = None
    close_time: datetime | None = None
    last_question_time: datetime | None = None
    """Time of the last thing that the customer said in this episode and that wants an answer."""
    current_for: Sealed[str] = ""
    """Party whose interactions find it while it is open. Empty when only a continuity token or the id leads to it."""

    @classmethod
    def open(cls, first: Utterance, *, continuity_token: str, at: datetime) -> Change[Conversation]:
        """An empty conversation, for this interaction to be the first in."""
        opened = cls(
            id="",
            continuity_token=continuity_token,
            last_interaction_time=at,
            customer_id=first.customer_id,
            current_for=first.party,
        )
        return opened, [ConversationOpened(conversation=opened)]

    @property
    def is_open(self) -> bool:
        """True while it goes on."""
        return self.state is not ConversationState.CLOSED

    @property
    def party(self) -> str:
        """The key of whom it is with: the customer, or while nobody knows, whom it is current for."""
        return customer_key(self.customer_id) if self.customer_id else self.current_for

    def party_after(self, said: Sequence[Utterance]) -> str:
        """The key of whom it is with once these interactions (at least one) are taken in."""
        customer_id = self.customer_id or next((each.customer_id for each in said if each.customer_id), "")
        return customer_key(customer_id) if customer_id else self.current_for or said[0].party

    def went_idle_before(self, at: datetime, window: timedelta) -> bool:
        """True when an interaction at this time is too late to belong to it. A customer who waits is never too late."""
        return self.waiting_since_time is None and at - self.last_interaction_time > window

    def close_when_idle(self, at: datetime, window: timedelta, now: datetime) -> Change[Conversation]:
        """At its end, if it is too late for an interaction at this time. Nothing changes otherwise."""
        return self.close(CloseReason.IDLE, now) if self.is_open and self.went_idle_before(at, window) else (self, [])

    def receive(self, interaction: Utterance, current_for: str) -> Change[Conversation]:
        """With one more interaction. What was recorded after its end reopens it, what was on its way then does not."""
        recorded = interaction.create_time or interaction.occurred_time
        before_the_end = self.close_time is not None and recorded <= self.close_time
        resumed, happened = self._resumed(interaction.customer_id, current_for, reopens=not before_the_end)
        heard = _with(resumed, interaction)
        if not resumed.is_open:
            heard = replace(heard, state=self.state, waiting_since_time=None, last_question_time=None, current_for="")
        if ConversationReopened not in happened:
            happened.insert(0, ConversationContinued)
        return heard, [kind(conversation=heard) for kind in happened]

    def resume(self, customer_id: str, current_for: str) -> Change[Conversation]:
        """Open, in its next episode if it was closed, and with the customer it turned out to be with, if given.

        Nothing changes when it is open and its customer known. FailedPrecondition when it is with somebody else.
        """
        if customer_id and self.customer_id not in ("", customer_id):
            raise ConversationWithAnother(conversation_id=self.id, customer_id=self.customer_id, other_id=customer_id)
        resumed, happened = self._resumed(customer_id, current_for, reopens=True)
        return (resumed, [kind(conversation=resumed) for kind in happened]) if happened else (self, [])

    def _resumed(
        self, customer_id: str, current_for: str, *, reopens: bool
    ) -> tuple[Conversation, list[type[ConversationEvent]]]:
        resumed, happened = replace(self, current_for=current_for), list[type[ConversationEvent]]()
        if not self.is_open and reopens:
            resumed = replace(
                resumed, state=ConversationState.OPEN, episode=self.episode + 1, close_reason=None, close_time=None
            )
            happened.append(ConversationReopened)
        if customer_id and not self.customer_id:
            resumed = replace(resumed, customer_id=customer_id)
            happened.append(ConversationAttributed)
        return resumed, happened

    def identify(self, customer_id: str, current_for: str) -> Change[Conversation]:
        """With the customer it turned out to be with, open or not. Nothing changes when that was known."""
        if self.customer_id:
            return self, []
        identified = replace(self, customer_id=customer_id, current_for=current_for if self.is_open else "")
        return identified, [ConversationAttributed(conversation=identified)]

    def transfer(self, *, agent_id: str, queue: str, note: str, now: datetime) -> Change[Conversation]:
        """In the hands of a member of staff or a queue."""
        self._require_open()
        moved = replace(self, agent_id=agent_id, queue=queue, transfer_count=self.transfer_count + 1)
        if agent_id:
            moved = _joined(moved, ParticipantKind.AGENT, agent_id, now)
        return moved, [ConversationTransferred(conversation=moved, note=note)]

    def close(self, reason: CloseReason, now: datetime) -> Change[Conversation]:
        """At its end. Nobody's interactions find it any more, but its continuity token does."""
        self._require_open()
        closed = replace(
            self,
            state=ConversationState.CLOSED,
            waiting_since_time=None,
            last_question_time=None,
            close_reason=reason,
            close_time=now,
            current_for="",
        )
        return closed, [ConversationClosed(conversation=closed)]

    def erase(self, now: datetime) -> Change[Conversation]:
        """At its end, if it went on. What is kept of one that ended names nobody."""
        return self.close(CloseReason.ERASED, now) if self.is_open else (self, [])

    def _require_open(self) -> None:
        if not self.is_open:
            raise ConversationNotOpen(conversation_id=self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationEvent(Event):
    """Something that happened to a conversation. Carries it as it is afterwards."""

    conversation: Conversation


class ConversationOpened(ConversationEvent):
    """A conversation began."""


class ConversationContinued(ConversationEvent):
    """Another interaction joined a conversation."""


class ConversationAttributed(ConversationEvent):
    """It became known which customer a conversation is with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationTransferred(ConversationEvent):
    """A conversation changed hands."""

    note: str


class ConversationClosed(ConversationEvent):
    """A conversation was closed."""


class ConversationReopened(ConversationEvent):
    """The next episode of a closed conversation began."""


def _with(conversation: Conversation, interaction: Utterance) -> Conversation:
    at = interaction.occurred_time
    asks, answers = interaction.keeps_waiting, interaction.answers
    answered = max(filter(None, (conversation.last_answer_time, at if answers else None)), default=None)
    asked = max(filter(None, (conversation.last_question_time, at if asks else None)), default=None)
    questions = (conversation.waiting_since_time, at if asks else None, asked)
    waiting = min((time for time in questions if time and (not answered or time > answered)), default=None)
    heard = replace(
        conversation,
        state=ConversationState.OPEN if waiting is None else ConversationState.WAITING,
        channels=tuple(dict.fromkeys((*conversation.channels, interaction.channel))),
        interaction_count=conversation.interaction_count + 1,
        last_interaction_time=max(conversation.last_interaction_time, at),
        last_answer_time=answered,
        last_question_time=asked,
        waiting_since_time=waiting,
    )
    if interaction.bot_id:
        heard = _joined(heard, ParticipantKind.BOT, interaction.bot_id, at)
    if interaction.agent_id:
        heard = _joined(heard, ParticipantKind.AGENT, interaction.agent_id, at)
        heard = replace(heard, agent_id=heard.agent_id or interaction.agent_id)
    return heard


def _joined(conversation: Conversation, kind: ParticipantKind, id: str, at: datetime) -> Conversation:
    if any(participant.kind is kind and participant.id == id for participant in conversation.participants):
        return conversation
    return replace(conversation, participants=(*conversation.participants, Participant(kind=kind, id=id, join_time=at)))
