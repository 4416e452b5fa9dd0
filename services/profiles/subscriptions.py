"""What the service reacts to: its own customers and transactions, the contacts that the interactions service records,
the answers of services that erased a customer, and the clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, cast

from kehu.interactions.v1 import events_pb2 as interactions
from kehu.profiles.v1 import events_pb2 as profiles
from kehu.profiles.v1 import lifecycles_pb2, ownership_policies_pb2, segments_pb2

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.profiles.activity.application.habits import Habits
from services.profiles.activity.application.transactions import Transactions
from services.profiles.activity.domain.habits import Contact
from services.profiles.activity.domain.transactions import Transaction
from services.profiles.contracts.domain import Contract
from services.profiles.identity.application.duplicates import Duplicates
from services.profiles.ownership.application.ownership import Ownerships
from services.profiles.privacy.application.erasures import Erasures
from services.profiles.privacy.domain.erasures import ErasureReceipt
from services.profiles.schedules.application import Schedules
from services.profiles.segments.application import Segments
from services.profiles.segments.domain.segments import Segment
from services.profiles.segments.domain.subjects import Source
from services.profiles.store import ProfilesStore
from services.profiles.worth.application.lifecycles import Lifecycles
from services.profiles.worth.application.tiers import Tiers

CUSTOMER_NEWS = (
    profiles.CustomerCreated,
    profiles.CustomerUpdated,
    profiles.CustomerDeleted,
    profiles.CustomerUndeleted,
    profiles.CustomerLifecycleChanged,
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
    transactions, habits, duplicates, segments = Transactions(store), Habits(store), Duplicates(store), Segments(store)
    ownerships, erasures, lifecycles = Ownerships(store), Erasures(store), Lifecycles(store)

    def follow(events: Sequence[Received]) -> None:
        customer_ids = {event.entity_id for event in events}
        ownerships.follow(customer_ids)
        segments.follow(customer_ids, Source.CUSTOMER)

    def follow_tiers(events: Sequence[Received]) -> None:
        told = [cast(profiles.TierChanged, event.message).tier_assignment.customer_id for event in events]
        segments.follow(set(told), Source.WORTH)

    def sum_up(events: Sequence[Received]) -> None:
        told = [cast(profiles.TransactionRecorded, event.message).transaction for event in events]
        transactions.sum_up([from_proto(Transaction, each) for each in told])
        segments.follow({each.customer_id for each in told}, Source.TRANSACTIONS)

    def agree(events: Sequence[Received]) -> None:
        told = [cast(profiles.ContractChanged, event.message).contract for event in events]
        lifecycles.follow([from_proto(Contract, each) for each in told])

    def learn(events: Sequence[Received]) -> None:
        told = [cast(interactions.InteractionRecorded, event.message).interaction for event in events]
        # Contacts with somebody unknown come again once it is known who it was.
        habits.learn([(each.customer_id, from_proto(Contact, each)) for each in told if each.customer_id])
        segments.follow({each.customer_id for each in told if each.customer_id}, Source.CONTACTS)

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
        # They look at customers as they are, so a repeat changes nothing.
        Subscription(
            name="owners_and_segments",
            listens=[*CUSTOMER_NEWS, profiles.ConsentChanged],
            handle=follow,
            remembers=False,
            partitions=1,  # The customers of one owner share a tally.
        ),
        Subscription(
            name="contracts_and_lifecycles", listens=[profiles.ContractChanged], handle=agree, remembers=False
        ),
        Subscription(name="tiers_and_segments", listens=[profiles.TierChanged], handle=follow_tiers, remembers=False),
        Subscription(
            name="erasures", listens=[interactions.ErasureCompleted], handle=take_answers, partitions=1, ordered=False
        ),
    ]


def timers(store: ProfilesStore) -> list[Timer[Any]]:
    """Everything that the clock sets off."""
    segments, schedules = Segments(store), Schedules(store)
    repeated: dict[
        str, type[lifecycles_pb2.EvaluateLifecyclesRequest | ownership_policies_pb2.RunOwnershipPolicyRequest]
    ] = {
        "evaluate_lifecycles": lifecycles_pb2.EvaluateLifecyclesRequest,
        "run_ownership_policy": ownership_policies_pb2.RunOwnershipPolicyRequest,
    }

    def begin(kind: str, request: bytes) -> object:
        return store.operations.start(kind, repeated[kind].FromString(request))

    def evaluate_all(_: Sequence[Segment]) -> None:
        store.operations.start_again("evaluate_segments", segments_pb2.EvaluateSegmentsRequest())

    return [
        Timer(
            name="tier_overrides",
            every=timedelta(minutes=1),
            due=store.worth.expired_overrides(),
            run=Tiers(store).expire_overrides,
        ),
        Timer(
            name="segments",
            every=timedelta(seconds=1),
            due=store.segments.standings_to_evaluate(),
            run=segments.evaluate,
        ),
        Timer(
            name="segment_evaluations",
            every=timedelta(seconds=1),
            due=store.segments.to_evaluate(),
            run=evaluate_all,
        ),
        Timer(
            name="schedules",
            every=timedelta(minutes=1),
            due=store.due_schedules(),
            run=partial(schedules.start, begin=begin),
        ),
        Timer(
            name="erasures",
            every=timedelta(seconds=1),
            due=store.privacy.erasures_to_finish(),
            run=Erasures(store).finish,
        ),
    ]
