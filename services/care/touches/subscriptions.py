"""Reactions that plan touches, and the timers that plan and send them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, timedelta
from typing import Any, cast

from kehu.care.v1 import events_pb2 as own
from kehu.common.v1 import types_pb2
from kehu.interactions.v1 import events_pb2 as interactions
from kehu.opportunities.v1 import events_pb2 as opportunities
from kehu.profiles.v1 import customer_pb2, tiers_pb2, transactions_pb2
from kehu.profiles.v1 import events_pb2 as profiles
from kehu.surveys.v1 import events_pb2 as surveys

from libs.chassis.enums import enum_word
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import NotYet, Timer
from services.care.customers.domain.projection import Channel
from services.care.programs.domain.triggers import Fact
from services.care.touches.application.firing import Firing, Waits
from services.care.touches.application.planning import Planning
from services.care.touches.application.requests import Requests
from services.care.touches.domain.requests import Request
from services.care.touches.domain.touches import Touch
from services.care.touches.store import TouchesStore

_MOVES_TOUCHES = frozenset({"preferences", "addresses", "contact_points", "dates", "merged_into", "delete_time"})
"""Fields of a customer that touches depend on."""
Told = tuple[Fact, str, str]
"""(fact, its value, the customer)."""


def subscriptions(store: TouchesStore) -> list[Subscription]:
    """Everything that plans touches."""
    planning = Planning(store)

    def sweep(events: Sequence[Received]) -> None:
        planning.begin_sweep(cast(Any, event.message).program.id for event in events)

    def answer(events: Sequence[Received]) -> None:
        for event in events:
            for fact, value, customer_id in _facts(event):
                if customer_id:
                    with event.cause():
                        planning.answer(fact, value, customer_id, event.time, event.id)

    def take(events: Sequence[Received]) -> None:
        for event in events:
            with event.cause():
                Requests(store).take([_request(event)])

    return [
        Subscription(name="requests", listens=(surveys.InvitationRequested, surveys.InvitationReminded), handle=take),
        Subscription(name="sweeps", listens=(own.ProgramMoved, own.ProgramRevised), handle=sweep),
        Subscription(
            name="facts",
            listens=(
                profiles.CustomerCreated,
                profiles.CustomerUpdated,
                profiles.TierChanged,
                profiles.TransactionRecorded,
                interactions.PromiseBroken,
                interactions.ConversationClosed,
                opportunities.DealWon,
            ),
            handle=answer,
        ),
    ]


def after_customers(store: TouchesStore) -> Callable[[Sequence[Received]], None]:
    """Follows what was heard of customers."""

    def follow(events: Sequence[Received]) -> None:
        ids = set[str]()
        for event in events:
            message = cast(Any, event.message)
            if not event.changed_fields or _MOVES_TOUCHES & {*event.changed_fields} or hasattr(message, "aliases"):
                ids |= {message.customer.id, *(each.customer_id for each in getattr(message, "aliases", ()))}
        if ids:
            Planning(store).follow(ids)

    return follow


def timers(store: TouchesStore) -> list[Timer[Any]]:
    """The clocks of planning and sending. Each channel has its own, so that none waits for another."""
    planning = Planning(store)

    def fire(due: Sequence[Touch]) -> None:
        try:
            Firing(store).fire(due)
        except Waits as waits:
            raise NotYet(waits.until, str(waits)) from None

    senders = {
        "touches_email": (Channel.EMAIL,),
        "touches_sms": (Channel.SMS,),
        "touches_messenger": (Channel.MESSENGER,),
        "tasks": tuple(each for each in Channel if each not in (Channel.EMAIL, Channel.SMS, Channel.MESSENGER)),
    }
    return [
        Timer(name="sweeps", every=timedelta(seconds=5), due=store.to_sweep(), run=planning.sweep),
        Timer(name="planning", every=timedelta(seconds=10), due=store.to_plan(), run=planning.plan),
        *(
            Timer(name=name, every=timedelta(seconds=2), due=store.due(*channels), run=fire)
            for name, channels in senders.items()
        ),
    ]


def _request(event: Received) -> Request:
    """The wish of a survey that a customer is invited or reminded."""
    told = cast(Any, event.message)
    invitation = told.invitation
    reminds = isinstance(event.message, surveys.InvitationReminded)
    return Request(
        key=f"invitation:{invitation.id}" + (f":reminder:{invitation.reminders}" if reminds else ""),
        ref=invitation.id,
        value="REMINDER" if reminds else "INVITATION",
        customer_id=invitation.customer_id,
        expire_time=invitation.expire_time.ToDatetime(UTC) if invitation.HasField("expire_time") else None,
        survey_token=told.survey_token,
    )


def _facts(event: Received) -> Iterator[Told]:
    """The facts that an event tells of."""
    message = cast(Any, event.message)
    match type(event.message):
        case profiles.CustomerCreated:
            yield Fact.CUSTOMER_CREATED, "", message.customer.id
        case profiles.CustomerUpdated if "lifecycle" in event.changed_fields:
            word = enum_word(customer_pb2.Customer.Lifecycle.DESCRIPTOR, message.customer.lifecycle)
            yield Fact.LIFECYCLE_CHANGED, word, message.customer.id
        case profiles.TierChanged:
            word = enum_word(tiers_pb2.Tier.DESCRIPTOR, message.tier_assignment.tier)
            yield Fact.TIER_CHANGED, word, message.tier_assignment.customer_id
        case profiles.TransactionRecorded:
            if message.transaction.type == transactions_pb2.Transaction.TYPE_SALE:
                yield Fact.PURCHASE, "", message.transaction.customer_id
        case interactions.PromiseBroken:
            yield Fact.PROMISE_BROKEN, "", message.promise.customer_id
        case interactions.ConversationClosed:
            for number in message.conversation.channels[-1:]:
                word = enum_word(types_pb2.Channel.DESCRIPTOR, number)
                yield Fact.CONVERSATION_CLOSED, word, message.conversation.customer_id
        case opportunities.DealWon:
            yield Fact.DEAL_WON, "", message.deal.customer_id
