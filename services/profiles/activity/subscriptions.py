"""Reactions of activity: sums of transactions, and records of contacts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC
from typing import cast

from kehu.interactions.v1 import events_pb2 as interactions
from kehu.interactions.v1 import remedies_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from services.profiles.activity.application.habits import Habits
from services.profiles.activity.application.transactions import Transactions
from services.profiles.activity.domain.habits import Contact
from services.profiles.activity.domain.transactions import Money, Transaction, TransactionType
from services.profiles.activity.store import ActivityStore

Follow = Callable[[Collection[str]], None]
"""Does what follows from a change of the activity of some customers, in the transaction of that change."""


def subscriptions(store: ActivityStore, *, after_sales: Follow, after_contacts: Follow) -> list[Subscription]:
    """The reactions to transactions and to interactions."""
    transactions, habits = Transactions(store), Habits(store)

    def sum_up(events: Sequence[Received]) -> None:
        told = [cast(profiles.TransactionRecorded, event.message).transaction for event in events]
        transactions.sum_up([from_proto(Transaction, each) for each in told])
        after_sales({each.customer_id for each in told})

    def learn(events: Sequence[Received]) -> None:
        told = [cast(interactions.InteractionRecorded, event.message).interaction for event in events]
        # Interactions with somebody unknown come again once it is known who it was.
        known = [(each.customer_id, from_proto(Contact, each)) for each in told if each.customer_id]
        habits.learn(known)
        after_contacts({customer_id for customer_id, _ in known})

    def take_goodwill(events: Sequence[Received]) -> None:
        told = [cast(interactions.GoodwillPosted, event.message).goodwill for event in events]
        transactions.take_goodwill([_given(each) for each in told if each.customer_id])

    # A customer's transactions and interactions are entities of their own, so several partitions would fight over what
    # they add up to.
    return [
        Subscription(name="transaction_summaries", listens=[profiles.TransactionRecorded], handle=sum_up, partitions=1),
        Subscription(
            name="contact_habits",
            listens=[interactions.InteractionRecorded, interactions.InteractionAttributed],
            handle=learn,
            partitions=1,
        ),
        # Its key makes a repeat record nothing.
        Subscription(name="goodwill", listens=[interactions.GoodwillPosted], handle=take_goodwill, remembers=False),
    ]


def _given(goodwill: remedies_pb2.Goodwill) -> Transaction:
    """The transaction that a goodwill is."""
    return Transaction(
        id="",
        customer_id=goodwill.customer_id,
        occurred_time=goodwill.decided_time.ToDatetime(UTC),
        type=TransactionType.GOODWILL,
        amount=Money(currency_code=goodwill.currency_code, minor_units=goodwill.amount),
        source="interactions",
        source_key=goodwill.id,
    )
