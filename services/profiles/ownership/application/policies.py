"""Use-cases of the rules about owners and the pool: versions of them, what they say about a customer, and runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final

from libs.chassis import context, identity
from libs.chassis.domain import Change, FailedPrecondition, NotFound
from libs.chassis.operations import Job
from libs.chassis.paging import Page, PageRequest
from services.profiles.ownership.application.ownership import Move, Ownerships
from services.profiles.ownership.domain.negotiations import Negotiation
from services.profiles.ownership.domain.ownership import Ownership
from services.profiles.ownership.domain.policies import Outcome, OwnershipDecision, OwnershipPolicy
from services.profiles.ownership.store import OwnershipStore

MOST_DECISIONS: Final = 200
"""Decisions that a run tells one by one."""
_BATCH: Final = 100


class NobodyAnswers(FailedPrecondition):
    """Nobody answers for customer {customer_id}."""

    customer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A run of the policy in force, or only a look at what it would do."""

    validate_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """Checkpoint of a run."""

    policy_version: int = 0
    last: str = ""
    """Id of the ownership looked at last."""
    count: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """Outcome → customers."""
    told: tuple[OwnershipDecision, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCount:
    """Number of customers with one outcome."""

    outcome: Outcome
    customer_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Counts and first decisions of a run of the policy."""

    policy_version: int
    validate_only: bool
    customer_count: int
    counts: tuple[OutcomeCount, ...]
    decisions: tuple[OwnershipDecision, ...]


class OwnershipPolicies:
    """The rules in force and before, and what they do."""

    def __init__(self, store: OwnershipStore) -> None:
        self._store = store
        self._ownerships = Ownerships(store)

    def create(self, draft: OwnershipPolicy) -> OwnershipPolicy:
        """The next version of the policy. In force from now on."""
        version, author = self._ownerships.policy_in_force().version + 1, context.current().actor
        return self._store.policies.insert(lambda id: replace(draft, id=id).create(version, author))

    def get(self, version: int) -> OwnershipPolicy:
        """One version of the policy, or the one in force."""
        found = self._store.policy(version)
        if found is None:
            raise NotFound(OwnershipPolicy, str(version or "in force"))
        return found

    def list(self, wanted: PageRequest) -> Page[OwnershipPolicy]:
        """A page of versions, the latest first."""
        return self._store.list_policies(wanted)

    def explain(self, customer_id: str) -> OwnershipDecision:
        """The verdict of the policy in force about a customer."""
        ownership = self._ownerships.get(customer_id)
        if not ownership.owner:
            raise NobodyAnswers(customer_id=customer_id)
        about = self._store.circumstances([self._store.customers.resolve(customer_id)])
        return self._ownerships.policy_in_force().decide(ownership, about[ownership.customer_id], identity.now())

    def run(self, job: Job[RunRequest, RunProgress]) -> Run:
        """Do what the policy in force says about every owned customer, or just find out."""
        policy, validate_only = self.get(job.state.policy_version), job.request.validate_only
        state = replace(job.state, policy_version=policy.version)
        while True:
            step = partial(self._run, policy, state.last, validate_only=validate_only)
            decided, last = self._store.database.transact(step)
            if last == state.last:
                break
            told = [each for each in decided if each.outcome is not Outcome.KEPT]
            state = replace(
                state,
                last=last,
                count=state.count + len(decided),
                counts=dict(Counter(state.counts) + Counter(str(each.outcome) for each in decided)),
                told=(*state.told, *told)[:MOST_DECISIONS],
            )
            job.progress(state.count, 0, state)
        return Run(
            policy_version=policy.version,
            validate_only=validate_only,
            customer_count=state.count,
            counts=tuple(
                OutcomeCount(outcome=Outcome(name), customer_count=count)
                for name, count in sorted(state.counts.items())
            ),
            decisions=state.told,
        )

    def hear_of_deals(self, told: Sequence[Negotiation]) -> None:
        """Takes in where deals stand. Those in a late stage keep their customer from the pool."""
        blanks = [(Negotiation(id=each.id, customer_id=each.customer_id), each) for each in told]
        self._store.negotiations.upsert_many(blanks, Negotiation.take)

    def _run(
        self, policy: OwnershipPolicy, last: str, *, validate_only: bool
    ) -> tuple[Sequence[OwnershipDecision], str]:
        """One batch in one transaction: what was decided, and the last customer looked at."""
        batch = self._store.owned_after(last, _BATCH)
        if not batch:
            return [], last
        now = identity.now()
        # Who was deleted leaves the owner by a reaction.
        about = self._store.circumstances(self._store.customers.live([each.customer_id for each in batch]))
        live = [ownership for ownership in batch if ownership.customer_id in about]
        decided = [policy.decide(each, about[each.customer_id], now) for each in live]
        if not validate_only:
            both = zip(live, decided, strict=True)
            self._ownerships.put([Move(each, _carry_out(each, it, now), it.explanation) for each, it in both], now)
        return decided, batch[-1].customer_id


def _carry_out(ownership: Ownership, decision: OwnershipDecision, now: datetime) -> Change[Ownership]:
    match decision.outcome:
        case Outcome.WARNED if decision.recycle_time is not None:
            return ownership.warn(decision.recycle_time, now)
        case Outcome.WARNING_WITHDRAWN:
            return ownership.warning_withdrawn()
        case Outcome.RECYCLED if decision.reason is not None:
            return ownership.pool(decision.reason, now)
        case _:
            return ownership, []
