"""What the service reacts to: its own transactions, the contacts that the interactions service records, the answers of
services that erased a customer, and the clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

from kehu.interactions.v1 import events_pb2 as interactions
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.profiles.application.duplicates import Duplicates
from services.profiles.application.erasures import Erasures
from services.profiles.application.habits import Habits
from services.profiles.application.transactions import Transactions
from services.profiles.domain.erasure import ErasureReceipt
from services.profiles.domain.habits import Contact
from services.profiles.domain.transactions import Transaction
from services.profiles.store import ProfilesStore

CUSTOMER_NEWS = (
    profiles.CustomerCreated,
    profiles.CustomerUpdated,
    profiles.CustomerDeleted,
    profiles.CustomerUndeleted,
    profiles.CustomersMerged,
    profiles.CustomersUnmerged,
    profiles.CustomerErasureRequested,
)
COMPARED = frozenset(
    {"display_name", "names", "contact_points", "addresses", "external_ids", "dates", "delete_time", "merged_into"}
)
"""The fields of a customer that tell whom it may be the same as."""


def subscriptions(store: ProfilesStore) -> list[Subscription]:
    """Every subscription of the service."""
    transactions, habits = Transactions(store), Habits(store)
    duplicates, erasures = Duplicates(store), Erasures(store)

    def sum_up(events: Sequence[Received]) -> None:
        told = [cast(profiles.TransactionRecorded, event.message).transaction for event in events]
        transactions.sum_up([from_proto(Transaction, each) for each in told])

    def learn(events: Sequence[Received]) -> None:
        told = [cast(interactions.InteractionRecorded, event.message).interaction for event in events]
        # Contacts with somebody unknown come again once it is known who it was.
        habits.learn([(each.customer_id, from_proto(Contact, each)) for each in told if each.customer_id])

    def look_again(events: Sequence[Received]) -> None:
        changed = (each for each in events if not each.changed_fields or COMPARED & set(each.changed_fields))
        duplicates.look_again([each.entity_id for each in changed])

    def take_answers(events: Sequence[Received]) -> None:
        told = [cast(interactions.ErasureCompleted, event.message) for event in events]
        erasures.take_answers([(each.erasure_id, from_proto(ErasureReceipt, each.receipt)) for each in told])

    # A customer's transactions and contacts are entities of their own, so several partitions would fight over what they
    # add up to.
    return [
        Subscription(name="transaction_summaries", listens=[profiles.TransactionRecorded], handle=sum_up, partitions=1),
        # One after the other: of two who are new at the same time, the second to be looked at meets the first.
        Subscription(name="duplicates", listens=CUSTOMER_NEWS, handle=look_again, partitions=1),
        Subscription(
            name="contact_habits",
            listens=[interactions.InteractionRecorded, interactions.InteractionAttributed],
            handle=learn,
            partitions=1,
        ),
        Subscription(
            name="erasures", listens=[interactions.ErasureCompleted], handle=take_answers, partitions=1, ordered=False
        ),
    ]


def timers(store: ProfilesStore) -> list[Timer]:
    """Everything that the clock sets off."""
    return [Timer(name="erasures", every=timedelta(seconds=1), run=Erasures(store).finish_due)]
