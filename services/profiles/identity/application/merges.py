"""Use-cases of merging customers into one and of undoing it.

Each happens in one transaction that counts the epoch of the tenant first, so no two overlap, and that takes the
customers only at the revisions it saw: what somebody else changed meanwhile is refused with ABORTED. Nobody who was
merged can be a survivor or be merged again, so the forest has no cycle, and every id names who lives on in one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations

from libs.chassis import context, identity
from libs.chassis.domain import Change, Conflict, Event, FailedPrecondition
from libs.chassis.paging import Page, PageRequest
from services.profiles.customers.domain.consents import Scope
from services.profiles.customers.domain.customers import ConsentChanged, Customer
from services.profiles.identity.application.duplicates import Duplicates
from services.profiles.identity.domain.duplicates import DuplicateCandidate, DuplicateState, pair_of
from services.profiles.identity.domain.matching import Match, Veto, compare
from services.profiles.identity.domain.merged_consent import (
    grants_of_nobody,
    refusal,
    refusals_of_merge,
    refusals_of_unmerge,
)
from services.profiles.identity.domain.merges import (
    CustomersMerged,
    CustomersUnmerged,
    FieldChoice,
    FieldDecision,
    MergeRecord,
    MergeState,
    absorbed,
    checked_reason,
    restored,
    united,
)
from services.profiles.identity.domain.traits import traits_of
from services.profiles.identity.store import IdentityStore


class CustomersChanged(Conflict):
    """Customer {customer_id} changed meanwhile (revision {current}, not {revision}): look again, then decide."""

    customer_id: str
    current: int
    revision: int


class MergeVetoed(FailedPrecondition):
    """{left} and {right} must not be merged: {veto}."""

    left: str
    right: str
    veto: Veto


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The wish to merge customers into a survivor."""

    survivor_id: str
    loser_ids: tuple[str, ...]
    choices: tuple[FieldChoice, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """All of them."""
        return (self.survivor_id, *self.loser_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The preview of a merge."""

    customer: Customer
    field_decisions: tuple[FieldDecision, ...]
    vetoes: tuple[Veto, ...]
    matches: tuple[Match, ...]
    revisions: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalId:
    """The customer that an id leads to."""

    customer_id: str
    canonical_id: str
    epoch: int


class Merges:
    """The merge forest: who lives on in place of whom."""

    def __init__(self, store: IdentityStore) -> None:
        self._store = store
        self._customers = store.customers.customers
        self._duplicates = Duplicates(store)

    def preview(self, wish: Wish) -> Preview:
        """The preview of a merge, and the reasons that forbid it."""
        survivor, *losers = self._customers.batch_get(wish.ids)
        for each in (survivor, *losers):
            each.require_not_erased()
        merged, decisions = united(survivor, losers, wish.choices, survivor.merge_epoch)
        for scope in refusals_of_merge(survivor, losers):
            asked = refusal(scope, id="", customer_id="", proof_ref="", recorder="", at=identity.now())
            merged, _ = merged.with_consent(asked, identity.now(), "")
        return Preview(
            customer=merged,
            field_decisions=decisions,
            vetoes=tuple(dict.fromkeys(veto for _, _, veto in self._vetoes((survivor, *losers)))),
            matches=self._duplicates.matches(survivor, losers),
            revisions={each.id: each.revision for each in (survivor, *losers)},
        )

    def merge(self, wish: Wish, reason: str, revisions: Mapping[str, int]) -> tuple[MergeRecord, Customer]:
        """The merge and the survivor. Whoever changed since the given revisions, or else since now, is refused."""
        seen = {each.id: each.revision for each in self._customers.batch_get(wish.ids)} | dict(revisions)
        record = self._store.database.transact(
            lambda: self._merge(wish, checked_reason(reason), seen), again=self._store.merges.made
        )
        return record, self._store.customers.resolve(record.survivor_id)

    def unmerge(self, merge_id: str, reason: str) -> tuple[MergeRecord, Sequence[Customer]]:
        """The merge, undone, and those who are several again, the survivor first."""
        record = self._store.database.transact(
            lambda: self._unmerge(merge_id, reason), again=lambda: self._store.merges.get(merge_id)
        )
        return record, self._customers.batch_get(record.party_ids)

    def list(self, customer_id: str, wanted: PageRequest) -> Page[MergeRecord]:
        """A page of the merges in which a customer took part, the last first."""
        self._customers.get(customer_id)
        return self._store.list_merges(customer_id, wanted)

    def resolve(self, customer_ids: Sequence[str]) -> Sequence[CanonicalId]:
        """The customer that each id leads to, in order. Ids of nobody are left out."""
        known = self._store.customers.known(set(customer_ids))
        return [
            CanonicalId(customer_id=id, canonical_id=known[id].canonical_id, epoch=known[id].merge_epoch)
            for id in customer_ids
            if id in known
        ]

    # --------------------------------------------------------------------------------------- within a transaction

    def _merge(self, wish: Wish, reason: str, seen: Mapping[str, int]) -> MergeRecord:
        merges, actor, at = self._store.merges, context.current().actor, identity.now()
        merge_id = merges.next_id()
        epoch = self._store.next_epoch()
        survivor, *losers = self._customers.batch_get(wish.ids)
        _refuse_stale((survivor, *losers), seen)
        merged, decisions = united(survivor, losers, wish.choices, epoch)
        for left, right, veto in self._vetoes((survivor, *losers)):
            raise MergeVetoed(left=left, right=right, veto=veto)
        merged, receipts = self._refuse(merged, refusals_of_merge(survivor, losers), merge_id, at)
        record = merges.insert(
            (
                MergeRecord(
                    id=merge_id,
                    survivor_id=survivor.id,
                    loser_ids=wish.loser_ids,
                    party_ids=wish.ids,
                    field_decisions=decisions,
                    epoch=epoch,
                    actor=actor,
                    reason=reason,
                    before=survivor,
                    after=merged,
                    losers=tuple(losers),
                    receipt_ids=tuple(each.receipt.id for each in receipts),
                ),
                [],
            )
        )
        earlier = self._customers.batch_get([id for each in losers for id in each.merged_ids])
        # The survivor last: an external id belongs to nobody before it gets it.
        for each in sorted((*losers, *earlier), key=_by_id):
            self._set(each, absorbed(each, survivor.id, epoch=epoch, at=at))
        told = CustomersMerged(merge=record, aliases=record.aliases(), customer=merged)
        self._set(survivor, (merged, [told, *_with_customer(receipts, merged)]))
        self._settle_pairs(record)
        return record

    def _unmerge(self, merge_id: str, reason: str) -> MergeRecord:
        merges, actor, at = self._store.merges, context.current().actor, identity.now()
        epoch = self._store.next_epoch()
        record = merges.update(merge_id, lambda each: each.undone(epoch=epoch, actor=actor, reason=reason, at=at))
        survivor = self._customers.get(record.survivor_id)
        survivor.require_unmerged()
        survivor.require_not_erased()  # Nor are those who were merged into it, which an erasure ends together.
        parties = {each.id: each for each in self._customers.batch_get(survivor.merged_ids)}
        leaving = {id for loser in record.losers for id in loser.group}
        remaining = [each for id, each in parties.items() if id not in leaving]
        split = record.split(survivor, remaining, epoch)
        self._forget(record)
        split, receipts = self._refuse(split, grants_of_nobody(record.before, survivor), record.id, at)
        told = CustomersUnmerged(merge=record, aliases=record.aliases_undone(), customer=split)
        # The survivor first: an external id belongs to nobody before it goes back.
        self._set(survivor, (split, [told, *_with_customer(receipts, split)]))
        scopes = refusals_of_unmerge(record.before, survivor, record.receipt_ids)
        for loser in record.losers:
            back, events = restored(parties[loser.id], loser, epoch=epoch)
            back, receipts = self._refuse(back, scopes, record.id, at)
            self._set(parties[loser.id], (back, [*events, *_with_customer(receipts, back)]))
            for id in loser.merged_ids:
                self._set(parties[id], absorbed(parties[id], loser.id, epoch=epoch, at=at))
        self._settle_pairs(record)
        return record

    def _forget(self, undone: MergeRecord) -> None:
        """Later merges into the same survivor remember it as if the undone one had never been, so that they can be
        undone as exactly."""
        others = self._store.merges_in_force(undone.survivor_id)
        for later in others:
            if later.epoch > undone.epoch:
                earlier = [each for other in others if other.epoch < later.epoch for each in other.losers]
                rewritten = later.without(undone, earlier)
                self._store.merges.update(later.id, lambda _, rewritten=rewritten: (rewritten, []))  # type: ignore[misc]

    def _set(self, seen: Customer, change: Change[Customer]) -> None:
        """Change a customer from what was seen to what was worked out, unless somebody else was faster."""
        self._customers.update(seen.id, lambda _: change, revision=seen.revision)

    def _refuse(
        self, customer: Customer, scopes: Iterable[Scope], merge_id: str, at: datetime
    ) -> tuple[Customer, Sequence[ConsentChanged]]:
        """The customer after refusing, and what tells of it."""
        told: list[ConsentChanged] = []
        for scope in scopes:
            key = f"{merge_id}|{customer.id}|{customer.consent.count}"
            asked = refusal(
                scope,
                id=self._store.consent.receipts.id_of(key),
                customer_id=customer.id,
                proof_ref=merge_id,
                recorder=context.current().actor,
                at=at,
            )
            head, receipt = customer.consent.accept(asked, at, "")
            customer = replace(customer, consent=head)
            stored = self._store.consent.receipts.insert((receipt, []), key=key)
            told.append(ConsentChanged(customer_id=customer.id, receipt=stored, customer=customer))
        return customer, told

    def _vetoes(self, parties: Sequence[Customer]) -> Iterable[tuple[str, str, Veto]]:
        """Reasons that forbid that two of the customers are one."""
        pairs = list(combinations(parties, 2))
        noted = self._store.candidates_of([pair_of(left.id, right.id) for left, right in pairs])
        for left, right in pairs:
            for veto in compare(traits_of(left), traits_of(right)).vetoes:
                yield left.id, right.id, veto
            candidate = noted.get(pair_of(left.id, right.id))
            if candidate is not None and candidate.state is DuplicateState.REJECTED:
                yield left.id, right.id, Veto.REJECTED

    def _settle_pairs(self, record: MergeRecord) -> None:
        """The pairs of a merge are decided: merged, or rejected by its undoing."""
        at = identity.now()

        def settle(candidate: DuplicateCandidate, record: MergeRecord) -> Change[DuplicateCandidate]:
            if record.state is MergeState.COMMITTED:
                return candidate.merge(record.id, decider=record.actor, reason=record.reason, at=at)
            return candidate.unmerge(decider=record.unmerge_actor, reason=record.unmerge_reason, at=at)

        pairs = [self._store.new_candidate(*pair) for pair in combinations(record.party_ids, 2)]
        self._store.candidates.upsert_many([(each, record) for each in pairs], settle)


def _refuse_stale(parties: Sequence[Customer], seen: Mapping[str, int]) -> None:
    for each in parties:
        if each.revision != seen[each.id]:
            raise CustomersChanged(customer_id=each.id, current=each.revision, revision=seen[each.id])


def _with_customer(told: Sequence[ConsentChanged], customer: Customer) -> list[Event]:
    """The events with the customer as it is in the end."""
    return [replace(each, customer=customer) for each in told]


def _by_id(customer: Customer) -> str:
    return customer.id
