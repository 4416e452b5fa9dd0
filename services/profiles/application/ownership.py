"""Use-cases of ownership: who answers for a customer, the pool, and the rules about both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from libs.chassis import context, identity
from libs.chassis.domain import Change, FailedPrecondition, NotFound
from libs.chassis.operations import Job
from libs.chassis.paging import Page
from services.profiles.domain.contracts import last_day
from services.profiles.domain.customers import Customer, CustomerKind, Lifecycle
from services.profiles.domain.ownership import (
    Hold,
    OwnerInterval,
    Ownership,
    OwnershipReason,
    OwnerTally,
    checked_note,
)
from services.profiles.domain.ownership_policy import (
    Circumstances,
    ClaimBlock,
    Outcome,
    OwnerLoad,
    OwnershipDecision,
    OwnershipPolicy,
)
from services.profiles.domain.subjects import last_contact
from services.profiles.store import ListRequest, ProfilesStore

MOST_DECISIONS: Final = 200
"""Decisions that a run tells one by one."""
_BATCH: Final = 100

Step = Callable[[Ownership], Change[Ownership]]


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """A customer in the pool, and what keeps the caller from taking them."""

    ownership: Ownership
    display_name: str
    kind: CustomerKind
    lifecycle: Lifecycle
    blocks: tuple[ClaimBlock, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of the policy came to."""

    policy_version: int
    customer_count: int
    counts: dict[str, int]
    decisions: Sequence[OwnershipDecision]


class Ownerships:
    """Who answers for which customer."""

    def __init__(self, store: ProfilesStore) -> None:
        self._store = store
        self._owners = store.ownership

    # ---------------------------------------------------------------------------------------------------- reading

    def get(self, customer_id: str) -> Ownership:
        """Who answers for a customer."""
        return self._owners.of_customer(self._store.customer(customer_id).id)

    def intervals(self, customer_id: str, request: ListRequest) -> Page[OwnerInterval]:
        """A page of those who answered for a customer, the latest first."""
        return self._owners.list_intervals(self._store.customer(customer_id).group, request)

    def load(self, owner: str) -> OwnerLoad:
        """How many customers somebody has and may have; the caller without a name."""
        return self._policy().load(self._owners.tally_of(owner or context.current().actor), identity.now())

    def pool(self, request: ListRequest) -> Page[PoolEntry]:
        """A page of the pool, those who came last first."""
        page = self._owners.list_pool(request)
        ids = [ownership.customer_id for ownership in page.items]
        if not ids:
            return Page([], page.next_page_token)
        caller, now, policy = context.current().actor, identity.now(), self._policy()
        customers = {customer.id: customer for customer in self._store.customers_by_id(ids)}
        about, former = self._circumstances(customers.values()), self._owners.former(ids, caller)
        tally = self._owners.tally_of(caller)
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
                _refuse(self._policy().capacity_blocks(self._owners.tally_of(owner)), customer_id)
            return ownership.owned(owner, OwnershipReason.ASSIGNED, now)

        return self._change(customer_id, step, note=checked_note(note), revision=revision)

    def release(self, customer_id: str, note: str, revision: int) -> Ownership:
        """A customer goes to the pool."""
        now = identity.now()

        def step(ownership: Ownership) -> Change[Ownership]:
            return ownership.pooled(OwnershipReason.RELEASED, now)

        return self._change(customer_id, step, note=checked_note(note), revision=revision)

    def claim(self, customer_id: str) -> Ownership:
        """The caller takes a customer from the pool, if the policy has nothing against it."""
        caller, now = context.current().actor, identity.now()

        def step(ownership: Ownership) -> Change[Ownership]:
            customer = self._store.customers.get(customer_id)
            about = self._circumstances([customer])[customer_id]
            former = self._owners.former(customer.group, caller).get(customer_id)
            tally = self._owners.tally_of(caller)
            _refuse(self._policy().claim_blocks(ownership, about, tally, former, now), customer_id)
            return ownership.owned(caller, OwnershipReason.CLAIMED, now)

        return self._change(customer_id, step)

    def hold(self, customer_id: str, hold: Hold) -> Ownership:
        """A customer is not recycled until the hold ends."""
        now = identity.now()
        signed = replace(hold, actor=context.current().actor)
        return self._change(customer_id, lambda each: each.held(signed, now))

    def lift(self, customer_id: str, key: str) -> Ownership:
        """A hold is no more."""
        return self._change(customer_id, lambda each: each.lifted(key))

    def follow(self, customer_ids: Collection[str]) -> None:
        """Learn of owners that were written into customers, and of customers that were deleted."""
        now = identity.now()
        for customer in self._store.customers_by_id(customer_ids):
            before = self._owners.of_customer(customer.id)
            if customer.delete_time is not None:
                after = before.unowned(OwnershipReason.DELETED, now)
            elif customer.owner:
                after = before.owned(customer.owner, OwnershipReason.EDITED, now)
            elif before.owner:
                after = before.unowned(OwnershipReason.EDITED, now)
            else:
                continue
            self._put(before, after, "", now)

    # --------------------------------------------------------------------------------------------------- policies

    def create_policy(self, draft: OwnershipPolicy) -> OwnershipPolicy:
        """The next version of the policy; in force from now on."""
        policies = self._owners.policies
        draft = replace(draft, id=policies.next_id())
        return policies.insert(draft.created(self._policy().version + 1, context.current().actor))

    def policy(self, version: int) -> OwnershipPolicy:
        """One version of the policy, or the one in force."""
        found = self._owners.policy(version)
        if found is None:
            raise NotFound("OwnershipPolicy", str(version or "in force"))
        return found

    def policies(self, request: ListRequest) -> Page[OwnershipPolicy]:
        """A page of versions, the latest first."""
        return self._owners.list_policies(request)

    def explain(self, customer_id: str) -> OwnershipDecision:
        """What the policy in force says about a customer."""
        ownership = self.get(customer_id)
        if not ownership.owner:
            raise FailedPrecondition(f"nobody answers for customer {customer_id}", id=customer_id)
        about = self._circumstances([self._store.customer(customer_id)])
        return self._policy().decide(ownership, about[ownership.customer_id], identity.now())

    def run(self, job: Job, *, validate_only: bool) -> Run:
        """Do what the policy in force says about every owned customer, or just find out.

        The state of the job is the last customer looked at and what was decided so far.
        """
        policy = self.policy(int(job.state.get("policy_version", 0)))
        state: dict[str, Any] = {"policy_version": policy.version, "last": "", "count": 0, "counts": {}, "told": []}
        state |= job.state
        counts, told = Counter(state["counts"]), [_told(each) for each in state["told"]]
        while True:
            step = partial(self._run, policy, state["last"], validate_only=validate_only)
            decided, last = self._store.database.transact(step)
            if not decided:
                return Run(policy.version, state["count"], dict(counts), told)
            counts.update(str(each.outcome) for each in decided)
            told += [each for each in decided if each.outcome is not Outcome.KEPT][: MOST_DECISIONS - len(told)]
            state |= {
                "last": last,
                "count": state["count"] + len(decided),
                "counts": dict(counts),
                "told": [_kept(each) for each in told],
            }
            job.progress(state["count"], 0, **state)

    # ---------------------------------------------------------------------------------------------------- helpers

    def _policy(self) -> OwnershipPolicy:
        """The policy in force; before there is one, one that allows everything."""
        return self._owners.policy() or OwnershipPolicy(id="")

    def _run(self, policy: OwnershipPolicy, last: str, *, validate_only: bool) -> tuple[list[OwnershipDecision], str]:
        """One batch in one transaction: what was decided, and the last customer looked at."""
        batch = self._owners.owned_after(last, _BATCH)
        if not batch:
            return [], last
        now = identity.now()
        about = self._circumstances(self._store.customers_by_id([each.customer_id for each in batch]))
        decided = [policy.decide(each, about[each.customer_id], now) for each in batch]
        if not validate_only:
            for ownership, decision in zip(batch, decided, strict=True):
                self._put(ownership, _carry_out(ownership, decision, now), decision.explanation, now)
        return decided, batch[-1].customer_id

    def _circumstances(self, customers: Collection[Customer]) -> dict[str, Circumstances]:
        """Customer → what a policy has to know, under any of their ids."""
        ids = [id for customer in customers for id in customer.group]
        records = {each.id: each for each in self._store.contact_records(ids)}
        contracts = self._owners.contracts_of(ids)
        segments = self._store.segments.keys_of([customer.id for customer in customers])
        about = {}
        for customer in customers:
            theirs = [contract for id in customer.group for contract in contracts.get(id, ())]
            contacts = [last_contact(records[id]) for id in customer.group if id in records]
            about[customer.id] = Circumstances(
                segments=segments.get(customer.id, frozenset()),
                last_contact_time=max((at for at in contacts if at is not None), default=None),
                has_contract=bool(theirs),
                contract_end_date=last_day(theirs) if theirs else None,
            )
        return about

    def _change(self, customer_id: str, step: Step, *, note: str = "", revision: int = 0) -> Ownership:
        """Change the ownership of a live customer, with everything that goes with it, in one transaction.

        A step may read the store: it sees the same snapshot however often it runs.
        """
        now = identity.now()

        def work() -> Ownership:
            if self._store.writable_customer(customer_id).delete_time is not None:
                raise FailedPrecondition(f"customer {customer_id} is deleted; undelete it first", id=customer_id)
            before = self._owners.of_customer(customer_id)
            if not before.revision:
                return self._put(before, step(before), note, now)
            after = self._owners.ownerships.update(before.id, step, revision=revision)
            if after.revision != before.revision:  # Not a repeat.
                self._keep_up(before, after, note, now)
            return after

        return self._store.database.transact(work)

    def _put(self, before: Ownership, change: Change[Ownership], note: str, now: datetime) -> Ownership:
        after, events = change
        if not events:
            return after
        (stored,) = self._owners.ownerships.fold([(before.id, lambda _: (after, events))])
        self._keep_up(before, stored, note, now)
        return stored

    def _keep_up(self, before: Ownership, after: Ownership, note: str, now: datetime) -> None:
        """History, tallies and the customer follow a change of the owner."""
        old, new, reason = before.owner, after.owner, after.reason
        if old == new or reason is None:
            return
        actor = context.current().actor
        tallies: list[tuple[str, Callable[[OwnerTally], Change[OwnerTally]]]] = []
        if old:
            self._end_interval(after.customer_id, reason, note, now)
            tallies.append((old, lambda tally: tally.minus()))
        if new:
            interval = OwnerInterval(
                id=self._owners.intervals.next_id(),
                customer_id=after.customer_id,
                owner=new,
                start_time=now,
                start_reason=reason,
                start_note=note,
                start_actor=actor,
            )
            self._owners.intervals.insert((interval, []))
            picked_on = self._policy().day(now) if reason is OwnershipReason.CLAIMED else None
            tallies.append((new, lambda tally: tally.plus(picked_on)))
        self._owners.tallies.fold([self._tallying(owner, change) for owner, change in tallies])
        if reason not in (OwnershipReason.EDITED, OwnershipReason.DELETED):  # The customer told these.
            self._store.customers.update(after.customer_id, lambda customer: customer.owned_by(new))

    def _end_interval(self, customer_id: str, reason: OwnershipReason, note: str, now: datetime) -> None:
        interval = self._owners.open_interval(customer_id)
        if interval is not None:
            ended = interval.ended(reason, note, context.current().actor, now)
            self._owners.intervals.fold([(interval.id, lambda _: ended)])

    def _tallying(
        self, owner: str, change: Callable[[OwnerTally], Change[OwnerTally]]
    ) -> tuple[str, Callable[[OwnerTally | None], Change[OwnerTally]]]:
        id = self._owners.tallies.next_id(owner)
        return id, lambda tally: change(tally or OwnerTally(id=id, owner=owner))


def _carry_out(ownership: Ownership, decision: OwnershipDecision, now: datetime) -> Change[Ownership]:
    match decision.outcome:
        case Outcome.WARNED if decision.recycle_time is not None:
            return ownership.warned(decision.recycle_time, now)
        case Outcome.WARNING_WITHDRAWN:
            return ownership.warning_withdrawn()
        case Outcome.RECYCLED if decision.reason is not None:
            return ownership.pooled(decision.reason, now)
        case _:
            return ownership, []


def _refuse(blocks: Sequence[ClaimBlock], customer_id: str) -> None:
    if blocks:
        raise FailedPrecondition(
            "; ".join(block.explanation for block in blocks),
            id=customer_id,
            blocks=",".join(block.reason for block in blocks),
        )


def _kept(decision: OwnershipDecision) -> dict[str, Any]:
    """A decision as it stands in the checkpoint of a job."""
    return {
        "customer_id": decision.customer_id,
        "owner": decision.owner,
        "outcome": decision.outcome,
        "segment": decision.segment,
        "reason": decision.reason,
        "due_time": decision.due_time.isoformat() if decision.due_time else None,
        "explanation": decision.explanation,
    }


def _told(kept: dict[str, Any]) -> OwnershipDecision:
    return OwnershipDecision(
        customer_id=kept["customer_id"],
        owner=kept["owner"],
        outcome=Outcome(kept["outcome"]),
        segment=kept["segment"],
        reason=OwnershipReason(kept["reason"]) if kept["reason"] else None,
        due_time=datetime.fromisoformat(kept["due_time"]) if kept["due_time"] else None,
        explanation=kept["explanation"],
    )
