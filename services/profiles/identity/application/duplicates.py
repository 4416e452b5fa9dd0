"""Use-cases of duplicates: who may be the same as whom, kept up to date customer by customer.

One new customer is compared with those who share a blocking key, never with all: a look at each of the few keys, and a
bounded number of customers, however many there are. A key that too many share is not followed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from libs.chassis import context, identity
from libs.chassis.domain import Change, InvalidArgument
from libs.chassis.paging import Page, PageRequest
from services.profiles.customers.domain.customers import Customer
from services.profiles.identity.domain.duplicates import (
    BlockingKeys,
    Decision,
    DuplicateCandidate,
    DuplicateState,
    pair_of,
)
from services.profiles.identity.domain.matching import Band, Match, compare, unlike
from services.profiles.identity.domain.traits import Traits, blocking_keys, traits_of
from services.profiles.identity.store import IdentityStore

LARGEST_BLOCK = 50
"""Customers who may share a key before it tells nothing."""
MOST_COMPARED = 100
"""Customers whom one is compared with. Those who share most keys come first."""
MOST_FOUND = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Possible duplicates of customers."""

    duplicates: Sequence[tuple[Customer, Match]]
    compared_count: int
    crowded_count: int


class _Blocks:
    """The blocks under the keys of one customer or many, read at once. In a batch many customers share keys."""

    def __init__(self, identity: IdentityStore, keys: Iterable[Sequence[str]]) -> None:
        asked = list(dict.fromkeys(key for each in keys for key in each))
        found = identity.blocks(asked, LARGEST_BLOCK + 1)
        self.crowded = {key for key, members in found.items() if len(members) > LARGEST_BLOCK}
        self._members = {key: members for key, members in found.items() if key not in self.crowded}

    def near(self, id: str, keys: Iterable[str]) -> list[str]:
        """Customers whom a customer meets, those under most keys first."""
        met: Counter[str] = Counter()
        for key in keys:
            met.update(each for each in self._members.get(key, ()) if each != id)
        return [each for each, _ in met.most_common(MOST_COMPARED)]


class Duplicates:
    """Finding pairs that may be the same, and deciding about them."""

    def __init__(self, store: IdentityStore) -> None:
        self._store = store

    def find(self, customer_id: str) -> Found:
        """Possible duplicates of a customer. Those who were decided to be somebody else are left out."""
        return self._find(self._store.customers.resolve(customer_id))

    def find_for_draft(self, draft: Customer) -> Found:
        """Possible duplicates of a customer who is not created yet. InvalidArgument names fields of `draft`."""
        try:
            customer, _ = replace(draft, id="").create()
        except InvalidArgument as error:
            wrong = [replace(each, field=each.field.replace("customer", "draft", 1)) for each in error.violations]
            raise InvalidArgument(violations=wrong) from None
        return self._find(customer)

    def matches(self, customer: Customer, others: Sequence[Customer]) -> tuple[Match, ...]:
        """Comparisons of a customer with each of some others, whatever was decided about them."""
        traits = traits_of(customer)
        blocks = _Blocks(self._store, [blocking_keys(traits)])
        return tuple(compare(traits, traits_of(each), blocks.crowded) for each in others)

    def list(self, customer_id: str, filter: str, wanted: PageRequest) -> Page[DuplicateCandidate]:
        """A page of pairs, the most alike first."""
        return self._store.list_candidates(customer_id, filter, wanted)

    def decide(self, candidate_id: str, decision: Decision, reason: str, revision: int) -> DuplicateCandidate:
        """The pair as it was decided."""
        decider, at = context.current().actor, identity.now()
        return self._store.candidates.update(
            candidate_id,
            lambda each: each.decide(decision, decider=decider, reason=reason, at=at),
            revision=revision,
        )

    def look_again(self, customer_ids: Sequence[str]) -> None:
        """Compares customers who are new, changed or gone with those they may be the same as, and notes the pairs."""
        changed = {each.id: each for each in self._store.customers.by_id(set(customer_ids))}
        traits = {id: traits_of(each) for id, each in changed.items() if each.delete_time is None}
        keys = {id: blocking_keys(each) for id, each in traits.items()}
        fresh = (
            BlockingKeys(id=id, source_revision=each.revision, keys=keys.get(id, ())) for id, each in changed.items()
        )
        self._store.blocking_keys.upsert_many(((BlockingKeys(id=each.id), each) for each in fresh), _with_keys)
        blocks = _Blocks(self._store, keys.values())
        pairs = {pair_of(id, other) for id in traits for other in blocks.near(id, keys[id])}
        known = {each.customer_ids for each in self._store.open_candidates(list(changed))}
        others = {id for pair in pairs | known for id in pair} - changed.keys()
        traits |= {each.id: traits_of(each) for each in self._store.customers.live(others)}
        self._note(pairs, known, traits, blocks.crowded)

    def _note(
        self,
        pairs: set[tuple[str, str]],
        known: set[tuple[str, str]],
        traits: dict[str, Traits],
        crowded: set[str],
    ) -> None:
        """Compare the pairs. Note those that are alike, or were."""
        seen: list[tuple[DuplicateCandidate, Match | None]] = []
        for left, right in sorted(pairs | known):
            if left not in traits or right not in traits:
                seen.append((self._store.new_candidate(left, right), None))
                continue
            if (left, right) not in known and unlike(traits[left], traits[right]):
                continue
            match = compare(traits[left], traits[right], crowded)
            if match.band is not Band.UNLIKELY or (left, right) in known:
                seen.append((self._store.new_candidate(left, right), match))
        self._store.candidates.upsert_many(seen, _compared)

    def _find(self, customer: Customer) -> Found:
        traits = traits_of(customer)
        keys = blocking_keys(traits)
        blocks = _Blocks(self._store, [keys])
        near = self._store.customers.live(blocks.near(customer.id, keys))
        rejected = self._rejected(customer.id, [each.id for each in near])
        matches = [(each, compare(traits, traits_of(each), blocks.crowded)) for each in near if each.id not in rejected]
        alike = [(each, match) for each, match in matches if match.band is not Band.UNLIKELY]
        alike.sort(key=lambda found: (-found[1].score, found[0].id))
        return Found(duplicates=alike[:MOST_FOUND], compared_count=len(matches), crowded_count=len(blocks.crowded))

    def _rejected(self, customer_id: str, others: Sequence[str]) -> set[str]:
        """Those who were decided to be somebody else."""
        if not customer_id:
            return set()
        pairs = self._store.candidates_of([(customer_id, other) for other in others])
        return {each.other(customer_id) for each in pairs.values() if each.state is DuplicateState.REJECTED}


def _with_keys(known: BlockingKeys, fresh: BlockingKeys) -> Change[BlockingKeys]:
    """The keys of the later revision of a customer."""
    return (fresh if fresh.source_revision > known.source_revision else known), []


def _compared(candidate: DuplicateCandidate, match: Match | None) -> Change[DuplicateCandidate]:
    """A pair as the two look now. Without a match one of them is gone."""
    return candidate.compare(match) if match is not None else candidate.lapse()
