"""Use-cases of the rules about owners and the pool: versions of them, what they say about a customer, and runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from libs.chassis import context, identity
from libs.chassis.domain import Change, FailedPrecondition, NotFound
from libs.chassis.operations import Job
from libs.chassis.paging import Page, PageRequest
from services.profiles.ownership.application.ownership import Move, Ownerships
from services.profiles.ownership.domain.ownership import Ownership, OwnershipReason
from services.profiles.ownership.domain.policies import Outcome, OwnershipDecision, OwnershipPolicy
from services.profiles.ownership.store import OwnershipStore

MOST_DECISIONS: Final = 200
"""Decisions that a run tells one by one."""
_BATCH: Final = 100


class NobodyAnswers(FailedPrecondition):
    """Nobody answers for customer {customer_id}."""

    customer_id: str


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of the policy came to."""

    policy_version: int
    customer_count: int
    counts: dict[str, int]
    decisions: Sequence[OwnershipDecision]


class OwnershipPolicies:
    """The rules in force and before, and what they do."""

    def __init__(self, store: OwnershipStore) -> None:
        self._store = store
        self._ownerships = Ownerships(store)

    def create(self, draft: OwnershipPolicy) -> OwnershipPolicy:
        """The next version of the policy. In force from now on."""
        version, author = self._ownerships.policy_in_force().version + 1, context.current().actor
        return self._store.policies.insert(lambda id: replace(draft, id=id).created(version, author))

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
        """What the policy in force says about a customer."""
        ownership = self._ownerships.get(customer_id)
        if not ownership.owner:
            raise NobodyAnswers(customer_id=customer_id)
        about = self._store.circumstances([self._store.customers.resolve(customer_id)])
        return self._ownerships.policy_in_force().decide(ownership, about[ownership.customer_id], identity.now())

    def run(self, job: Job[Any, Any], *, validate_only: bool) -> Run:
        """Do what the policy in force says about every owned customer, or just find out.

        The state of the job is the last customer looked at and what was decided so far.
        """
        policy = self.get(int(job.state.get("policy_version", 0)))
        state: dict[str, Any] = {"policy_version": policy.version, "last": "", "count": 0, "counts": {}, "told": []}
        state |= job.state
        counts, told = Counter(state["counts"]), [_told(each) for each in state["told"]]
        while True:
            step = partial(self._run, policy, state["last"], validate_only=validate_only)
            decided, last = self._store.database.transact(step)
            if last == state["last"]:
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
            return ownership.warned(decision.recycle_time, now)
        case Outcome.WARNING_WITHDRAWN:
            return ownership.warning_withdrawn()
        case Outcome.RECYCLED if decision.reason is not None:
            return ownership.pooled(decision.reason, now)
        case _:
            return ownership, []


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
