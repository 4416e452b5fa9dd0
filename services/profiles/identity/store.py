"""Blocking keys, pairs of customers who may be the same, and merges."""

from __future__ import annotations

from collections.abc import Collection as Group
from collections.abc import Sequence

from libs.chassis.filtering import FilterSpec, all_of, field, parse
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.profiles.consent.store import ConsentStore
from services.profiles.customers.store import CustomersStore
from services.profiles.identity.domain.duplicates import BlockingKeys, DuplicateCandidate, DuplicateState, pair_of
from services.profiles.identity.domain.merges import MOST_MERGED, MergeForest, MergeRecord, MergeState

BLOCKING_KEYS = (Index(("_blind.keys",)),)
CANDIDATES = (
    Index(("-score",)),
    Index(("state", "-score")),
    Index(("customer_ids", "-score")),
    Index(("customer_ids", "state", "-score")),
)
MERGES = (Index(("party_ids", "-epoch")),)
CANDIDATE_FILTER = FilterSpec({"state": DuplicateState})
_MOST_OPEN = 1000
"""Open pairs of the customers of one batch that are compared again."""


class IdentityStore:
    """Duplicates and merges, and the customers and receipts that they change."""

    def __init__(self, database: Database, customers: CustomersStore, consent: ConsentStore) -> None:
        self.database, self.customers, self.consent = database, customers, consent
        self.blocking_keys = database.collection(
            BlockingKeys,
            "blocking_keys",
            indexes=BLOCKING_KEYS,
            publishes=False,
            blind={"keys": lambda blocking: blocking.keys},
        )
        self.candidates = database.collection(
            DuplicateCandidate,
            "duplicate_candidates",
            indexes=CANDIDATES,
            publishes=False,
        )
        self.merges = database.collection(MergeRecord, "merges", indexes=MERGES, publishes=False)
        self.forest = database.collection(MergeForest, "merge_forest", publishes=False)

    # ------------------------------------------------------------------------------------------------ duplicates

    def blocks(self, keys: Sequence[str], limit: int) -> dict[str, list[str]]:
        """Key → customers who meet under it, at most so many and in any order, read with one question."""
        tokens = {key: self.blocking_keys.blind_index("keys", key) for key in keys}
        found = self.blocking_keys.ids_by("_blind.keys", list(tokens.values()), limit=limit) if tokens else {}
        return {key: found[token] for key, token in tokens.items()}

    def new_candidate(self, left: str, right: str) -> DuplicateCandidate:
        """A pair to which nothing has happened yet."""
        pair = pair_of(left, right)
        return DuplicateCandidate(id=self.candidates.id_of("|".join(pair)), customer_ids=pair)

    def candidates_of(self, pairs: Group[tuple[str, str]]) -> dict[tuple[str, str], DuplicateCandidate]:
        """Those of the pairs that were found alike at some time, by `pair_of`."""
        ids = [self.new_candidate(*pair).id for pair in pairs]
        found = self.candidates.find(field("_id").one_of(ids), limit=len(ids)) if ids else []
        return {each.customer_ids: each for each in found}

    def open_candidates(self, customer_ids: Sequence[str]) -> list[DuplicateCandidate]:
        """Pairs with one of the customers that wait for a decision."""
        waiting = all_of(field("customer_ids").one_of(customer_ids), field("state") == DuplicateState.OPEN)
        return self.candidates.find(waiting, order=None, limit=_MOST_OPEN)

    def list_candidates(self, customer_id: str, filter: str, wanted: PageRequest) -> Page[DuplicateCandidate]:
        """Pairs, perhaps of one customer, the most alike first."""
        where = all_of(field("customer_ids") == customer_id if customer_id else None, parse(filter, CANDIDATE_FILTER))
        return self.candidates.page(where, wanted, order="-score")

    # ---------------------------------------------------------------------------------------------------- merges

    def list_merges(self, customer_id: str, wanted: PageRequest) -> Page[MergeRecord]:
        """The merges in which a customer took part, the last first."""
        return self.merges.page(field("party_ids") == customer_id, wanted, order="-epoch")

    def merges_in_force(self, survivor_id: str) -> list[MergeRecord]:
        """The merges into a survivor that were not undone, the first first."""
        in_force = all_of(
            field("party_ids") == survivor_id,
            field("survivor_id") == survivor_id,
            field("state") == MergeState.COMMITTED,
        )
        return self.merges.find(in_force, order="epoch", limit=MOST_MERGED)

    def next_epoch(self) -> int:
        """The number of a merge or unmerge, within its transaction. No other one is committed at the same time."""
        forest = MergeForest(id=self.forest.id_of("tenant"))
        [counted] = self.forest.upsert_many([(forest, 1)], MergeForest.count)
        return counted.source_revision
