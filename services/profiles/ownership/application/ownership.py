"""Use-cases of ownership: who answers for a customer, the pool, and the rules about both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final, cast

from libs.chassis import context, identity
from libs.chassis.domain import Change, FailedPrecondition
from libs.chassis.paging import Page, PageRequest
from services.profiles.customers.application.living import shredding, while_living
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.lifecycle import Lifecycle
from services.profiles.customers.domain.refusals import CustomerIsDeleted
from services.profiles.ownership.domain.ownership import (
    Hold,
    OwnerInterval,
    Ownership,
    OwnershipReason,
    OwnerTally,
    checked_note,
)
from services.profiles.ownership.domain.policies import (
    ClaimBlock,
    OwnerLoad,
    OwnershipPolicy,
)
from services.profiles.ownership.store import OwnershipStore

TOLD_BY_CUSTOMER: Final = (OwnershipReason.EDITED, OwnershipReason.DELETED)
"""Reasons of changes that the customer had first."""

Step = Callable[[Ownership], Change[Ownership]]


class ClaimBlocked(FailedPrecondition):
    """Customer {customer_id} cannot be claimed: {explanation}."""

    customer_id: str
    explanation: str
    blocks: str


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """A customer in the pool, and what keeps the caller from taking them."""

    ownership: Ownership
    display_name: str
    kind: CustomerKind
    lifecycle: Lifecycle
    blocks: tuple[ClaimBlock, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """A change of an ownership that is still to be stored."""

    before: Ownership
    change: Change[Ownership]
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Moved:
    """A change of an ownership that was stored."""

    before: Ownership
    after: Ownership
    note: str

    @property
    def key(self) -> str:
        """The key of this change alone."""
        return f"{self.after.id}/{self.after.revision}"

    @property
    def reason(self) -> OwnershipReason:
        """Reason of a change of owner."""
        return cast(OwnershipReason, self.after.reason)  # Whoever has, had or lost an owner has one.

    def interval(self, actor: str, now: datetime) -> OwnerInterval:
        """The time that begins for the new owner."""
        return OwnerInterval(
            id="",
            customer_id=self.after.customer_id,
            owner=self.after.owner,
            start_time=now,
            start_reason=self.reason,
            start_note=self.note,
            start_actor=actor,
        )


class Ownerships:
    """Owners of customers."""

    def __init__(self, store: OwnershipStore) -> None:
        self._store = store

    # ---------------------------------------------------------------------------------------------------- reading

    def get(self, customer_id: str) -> Ownership:
        """The owner of a customer."""
        return self._store.of_customer(self._store.customers.resolve(customer_id).id)

    def intervals(self, customer_id: str, wanted: PageRequest) -> Page[OwnerInterval]:
        """A page of those who answered for a customer, the latest first."""
        return self._store.list_intervals(self._store.customers.resolve(customer_id).group, wanted)

    def load(self, owner: str) -> OwnerLoad:
        """The load and limit of a member of staff. The caller without a name."""
        return self.policy_in_force().load(self._store.tally_of(owner or context.current().actor), identity.now())

    def pool(self, wanted: PageRequest) -> Page[PoolEntry]:
        """A page of the pool, those who came last first."""
        page = self._store.list_pool(wanted)
        ids = [ownership.customer_id for ownership in page.items]
        if not ids:
            return Page([], page.next_page_token)
        caller, now, policy = context.current().actor, identity.now(), self.policy_in_force()
        customers = {customer.id: customer for customer in self._store.customers.by_id(ids)}
        about, former = self._store.circumstances(customers.values()), self._store.former(ids, caller)
        tally = self._store.tally_of(caller)
        entries = [
            PoolEntry(
                ownership=each,
                display_name=customers[each.customer_id].display_name,
                kind=customers[each.customer_id].kind,
                lifecycle=customers[each.customer_id].lifecycle,
                blocks=policy.claim_blocks(each, about[each.customer_id], tally, former.get(each.customer_id), now),
            )
            for each in page.items
        ]
        return Page(entries, page.next_page_token)

    # --------------------------------------------------------------------------------------------------- changing

    def assign(self, customer_id: str, owner: str, note: str, revision: int, *, exceed_capacity: bool) -> Ownership:
        """Somebody answers for a customer from now on."""
        now = identity.now()

        def step(ownership: Ownership) -> Change[Ownership]:
            if not exceed_capacity and owner != ownership.owner:
                _refuse(self.policy_in_force().capacity_blocks(self._store.tally_of(owner)), customer_id)
            return ownership.assign(owner, OwnershipReason.ASSIGNED, now)

        return self._change(customer_id, step, note=checked_note(note), revision=revision)

    def release(self, customer_id: str, note: str, revision: int) -> Ownership:
        """A customer goes to the pool."""
        now = identity.now()

        def step(ownership: Ownership) -> Change[Ownership]:
            return ownership.pool(OwnershipReason.RELEASED, now)

        return self._change(customer_id, step, note=checked_note(note), revision=revision)

    def claim(self, customer_id: str) -> Ownership:
        """The caller takes a customer from the pool, if the policy has nothing against it."""
        caller, now = context.current().actor, identity.now()

        def step(ownership: Ownership) -> Change[Ownership]:
            customer = self._store.customers.customers.get(customer_id)
            about = self._store.circumstances([customer])[customer_id]
            former = self._store.former(customer.group, caller).get(customer_id)
            tally = self._store.tally_of(caller)
            _refuse(self.policy_in_force().claim_blocks(ownership, about, tally, former, now), customer_id)
            return ownership.assign(caller, OwnershipReason.CLAIMED, now)

        return self._change(customer_id, step)

    def hold(self, customer_id: str, hold: Hold) -> Ownership:
        """A customer is not recycled until the hold ends."""
        now = identity.now()
        signed = replace(hold, actor=context.current().actor)
        return while_living(
            self._store.customers,
            [customer_id],
            lambda: self._change(customer_id, lambda each: each.hold(signed, now)),
            shredding(self._store.ownerships),
        )

    def lift(self, customer_id: str, key: str) -> Ownership:
        """A hold is no more."""
        return self._change(customer_id, lambda each: each.lift(key))

    def follow(self, customer_ids: Collection[str]) -> None:
        """Learn of owners that were written into customers, and of customers that were deleted."""
        now = identity.now()
        known = self._store.of_customers(customer_ids)
        moves = []
        for customer in self._store.customers.by_id(customer_ids):
            before = known[customer.id]
            if customer.delete_time is not None:
                moves.append(Move(before, before.disown(OwnershipReason.DELETED, now)))
            elif customer.owner:
                moves.append(Move(before, before.assign(customer.owner, OwnershipReason.EDITED, now)))
            elif before.owner:
                moves.append(Move(before, before.disown(OwnershipReason.EDITED, now)))
        self._store.database.transact(lambda: self.put(moves, now))

    # ---------------------------------------------------------------------------------------------------- helpers

    def policy_in_force(self) -> OwnershipPolicy:
        """The policy in force. Before there is one, one that allows everything."""
        return self._store.policy() or OwnershipPolicy(id="")

    def _change(self, customer_id: str, step: Step, *, note: str = "", revision: int = 0) -> Ownership:
        """Change the ownership of a live customer, with everything that goes with it, in one transaction.

        A step may read the store: it sees the same snapshot however often it runs.
        """
        now = identity.now()

        def work() -> Ownership:
            if self._store.customers.writable(customer_id).delete_time is not None:
                raise CustomerIsDeleted(customer_id=customer_id)
            before = self._store.of_customer(customer_id)
            if not before.revision:
                self.put([Move(before, step(before), note)], now)
                return self._store.of_customer(customer_id)
            after = self._store.ownerships.update(before.id, step, revision=revision)
            if after.revision != before.revision:  # Not a repeat.
                self._keep_up([_Moved(before, after, note)], now)
            return after

        return self._store.database.transact(work)

    def put(self, moves: Sequence[Move], now: datetime) -> None:
        """Store changes of ownerships, with everything that goes with them."""
        moves = [move for move in moves if move.change[1]]
        # The changes were worked out before, from the same snapshot.
        stored = self._store.ownerships.upsert_many([(each.before, each.change) for each in moves], lambda _, to: to)
        self._keep_up(
            [_Moved(move.before, after, move.note) for move, after in zip(moves, stored, strict=True)],
            now,
        )

    def _keep_up(self, moved: Sequence[_Moved], now: datetime) -> None:
        """History, tallies and customers follow changes of owners."""
        moved = [each for each in moved if each.before.owner != each.after.owner]
        if not moved:
            return
        actor = context.current().actor
        left = {each.after.customer_id: each for each in moved if each.before.owner}
        self._store.intervals.update_many(
            [(each.id, left[each.customer_id]) for each in self._store.open_intervals(list(left))],
            lambda interval, to: interval.end(to.reason, to.note, actor, now),
        )
        begun = [each for each in moved if each.after.owner]
        self._store.insert_intervals([(each.key, each.interval(actor, now)) for each in begun])
        picked = any(each.reason is OwnershipReason.CLAIMED for each in begun)
        more = partial(OwnerTally.plus, picked_on=self.policy_in_force().day(now) if picked else None)
        steps: list[tuple[OwnerTally, Callable[[OwnerTally], Change[OwnerTally]]]] = [
            *((self._store.new_tally(each.before.owner), OwnerTally.minus) for each in left.values()),
            *((self._store.new_tally(each.after.owner), more) for each in begun),
        ]
        self._store.tallies.upsert_many(steps, lambda tally, step: step(tally))
        untold = [(each.after.customer_id, each.after.owner) for each in moved if each.reason not in TOLD_BY_CUSTOMER]
        self._store.customers.customers.update_many(untold, Customer.owned_by)


def _refuse(blocks: Sequence[ClaimBlock], customer_id: str) -> None:
    if blocks:
        raise ClaimBlocked(
            customer_id=customer_id,
            explanation="; ".join(block.explanation for block in blocks),
            blocks=",".join(block.reason for block in blocks),
        )
