"""Pairs of customers who may be the same: found by the service, decided by people, and remembered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, FailedPrecondition, InvalidArgument, OpenEnum, Sealed
from services.profiles.customers.domain.text import clean
from services.profiles.customers.domain.violations import Violations
from services.profiles.identity.domain.matching import Band, Evidence, Match


class PairMerged(FailedPrecondition):
    """{customer_ids} were merged: undo {merge_id} first."""

    candidate_id: str
    customer_ids: tuple[str, ...]
    merge_id: str


class DuplicateState(OpenEnum):
    """State of the decision about a pair."""

    OPEN = "OPEN"
    MERGED = "MERGED"
    REJECTED = "REJECTED"
    LAPSED = "LAPSED"


class Decision(OpenEnum):
    """Decision of a person about a pair."""

    REJECT = "REJECT"
    REOPEN = "REOPEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockingKeys(Entity):
    """The keys under which one customer meets others. The id is the customer's. None for one who is gone."""

    ID_PREFIX: ClassVar[str] = "cus"

    source_revision: int = 0
    """The revision of the customer that the keys were derived from."""
    keys: Sealed[tuple[str, ...]] = ()


def pair_of(left: str, right: str) -> tuple[str, str]:
    """Two customers as a pair, in the one order that a pair has."""
    return (left, right) if left < right else (right, left)


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateCandidate(Entity):
    """Two customers who may be the same."""

    ID_PREFIX: ClassVar[str] = "dup"

    customer_ids: tuple[str, str]
    score: float = 0.0
    band: Band = Band.UNLIKELY
    evidence: tuple[Evidence, ...] = ()
    state: DuplicateState = DuplicateState.OPEN
    decider: str = ""
    decide_time: datetime | None = None
    reason: str = ""
    merge_id: str = ""

    def compare(self, match: Match) -> Change[DuplicateCandidate]:
        """As the two look now. What was decided stands. A pair that is no longer alike lapses, and comes back when it
        is again."""
        state = self.state
        if state in (DuplicateState.OPEN, DuplicateState.LAPSED):
            state = DuplicateState.LAPSED if match.band is Band.UNLIKELY else DuplicateState.OPEN
        return replace(self, score=match.score, band=match.band, evidence=match.evidence, state=state), []

    def lapse(self) -> Change[DuplicateCandidate]:
        """Nothing to decide any more, because one of the two is gone."""
        return (replace(self, state=DuplicateState.LAPSED) if self.state is DuplicateState.OPEN else self), []

    def decide(self, decision: Decision, *, decider: str, reason: str, at: datetime) -> Change[DuplicateCandidate]:
        """Rejected, or to be decided anew."""
        violations = Violations("")
        reason = clean(reason, "reason", 500, violations)
        violations.refuse()
        if self.state is DuplicateState.MERGED:
            raise PairMerged(candidate_id=self.id, customer_ids=self.customer_ids, merge_id=self.merge_id)
        state = DuplicateState.REJECTED if decision is Decision.REJECT else DuplicateState.OPEN
        return replace(self, state=state, decider=decider, decide_time=at, reason=reason), []

    def merge(self, merge_id: str, *, decider: str, reason: str, at: datetime) -> Change[DuplicateCandidate]:
        """The two are one."""
        merged = DuplicateState.MERGED
        return replace(self, state=merged, decider=decider, decide_time=at, reason=reason, merge_id=merge_id), []

    def unmerge(self, *, decider: str, reason: str, at: datetime) -> Change[DuplicateCandidate]:
        """The two are two after all, and are not proposed again."""
        rejected = DuplicateState.REJECTED
        return replace(self, state=rejected, decider=decider, decide_time=at, reason=reason, merge_id=""), []

    def other(self, customer_id: str) -> str:
        """The other one of the two."""
        left, right = self.customer_ids
        if customer_id not in self.customer_ids:
            raise InvalidArgument.field("customer_id", f"{customer_id} is none of {left}, {right}")
        return right if customer_id == left else left
