"""Merging customers into one, and undoing it exactly.

The others stay as they are, except that they count as deleted, say into whom they were merged, and hand over what only
one customer of a tenant may have. The survivor gets what it lacks. To undo it, a three-way comparison takes from the
survivor what came with the merge and leaves what happened to it since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter
from typing import Any, ClassVar

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, OpenEnum, Sealed
from services.profiles.customers.domain import contact_points, names
from services.profiles.customers.domain.contact_points import ContactPoint
from services.profiles.customers.domain.customers import (
    MOST,
    Customer,
    CustomerKind,
    CustomerUpdated,
)
from services.profiles.customers.domain.dates import TypedDate, TypedDateKind
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.customers.domain.lifecycle import Lifecycle
from services.profiles.customers.domain.refusals import CustomerIsDeleted
from services.profiles.customers.domain.text import clean
from services.profiles.customers.domain.violations import Violations

MOST_MERGED = 200
"""Ids that may lead to one customer: what belongs to them is read together."""
_STAGES = (
    Lifecycle.VISITOR,
    Lifecycle.LEAD,
    Lifecycle.PROSPECT,
    Lifecycle.CHURNED,
    Lifecycle.DORMANT,
    Lifecycle.AT_RISK,
    Lifecycle.ACTIVE,
)
"""From the stage farthest from buying to the nearest."""
_SINGLE = ("display_name", "owner", "preferences")
CHOOSABLE = ("display_name", "names", "owner", "addresses", "dates", "preferences", "labels")


class MergedTooLarge(FailedPrecondition):
    """Together they have {count} {field}: at most {allowed} are allowed."""

    field: str
    count: int
    allowed: int


class MergeUndone(FailedPrecondition):
    """Merge {merge_id} was undone at {unmerge_time}."""

    merge_id: str
    unmerge_time: datetime | None


class MergeState(OpenEnum):
    """State of a merge."""

    COMMITTED = "COMMITTED"
    UNMERGED = "UNMERGED"


class Rule(OpenEnum):
    """Rule that decided about a field."""

    SURVIVOR = "SURVIVOR"
    FILLED = "FILLED"
    UNITED = "UNITED"
    FURTHEST = "FURTHEST"
    CHOSEN = "CHOSEN"
    MOST_RESTRICTIVE = "MOST_RESTRICTIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDecision:
    """Owner of the value that the survivor has in a field, with the reason."""

    field: str
    rule: Rule
    customer_id: str = ""
    """Empty when several gave to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChoice:
    """Somebody's wish about whose value a field shall have."""

    field: str
    customer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """The customer that an id leads to since a merge or an unmerge."""

    customer_id: str
    canonical_id: str
    epoch: int
    contact_points: tuple[ContactPoint, ...] = ()
    external_ids: tuple[ExternalId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeForest(Entity):
    """Counts the merges and unmerges of a tenant. Each of them changes it, so no two happen at the same time, and what
    one saw of the forest still holds when it is committed."""

    ID_PREFIX: ClassVar[str] = "forest"

    source_revision: int = 0
    """Number of merges: the epoch of the last."""

    def count(self, more: int) -> Change[MergeForest]:
        """After so many more."""
        return replace(self, source_revision=self.source_revision + more), []


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRecord(Entity):
    """One merge, with what is needed to undo it."""

    ID_PREFIX: ClassVar[str] = "mrg"

    survivor_id: str
    loser_ids: tuple[str, ...]
    party_ids: tuple[str, ...]
    """All of them, for finding the merges of a customer."""
    field_decisions: tuple[FieldDecision, ...] = ()
    state: MergeState = MergeState.COMMITTED
    epoch: int
    actor: str = ""
    reason: str = ""
    unmerge_epoch: int = 0
    unmerge_time: datetime | None = None
    unmerge_actor: str = ""
    unmerge_reason: str = ""
    before: Sealed[Customer]
    """The survivor before the merge."""
    after: Sealed[Customer]
    losers: Sealed[tuple[Customer, ...]]
    """The others before the merge."""
    receipt_ids: tuple[str, ...] = ()
    """The receipts of refusals that the merge brought the survivor."""

    def undone(self, *, epoch: int, actor: str, reason: str, at: datetime) -> Change[MergeRecord]:
        """The record of a merge that was undone."""
        if self.state is MergeState.UNMERGED:
            raise MergeUndone(merge_id=self.id, unmerge_time=self.unmerge_time)
        return replace(
            self,
            state=MergeState.UNMERGED,
            unmerge_epoch=epoch,
            unmerge_time=at,
            unmerge_actor=actor,
            unmerge_reason=checked_reason(reason),
        ), []

    def split(self, current: Customer, remaining: Sequence[Customer], epoch: int) -> Customer:
        """The survivor without what came with this merge. What happened to it since stays, and so does what one of
        those who remain merged into it has as well."""
        gone = {id for loser in self.losers for id in loser.group}
        taken: dict[str, Any] = {}
        for name in (*_SINGLE, "lifecycle", "lifecycle_move"):
            same = getattr(current, name) == getattr(self.after, name)
            taken[name] = getattr(self.before if same else current, name)
        for name, key in _LISTS.items():
            before, after, now, *theirs = (getattr(e, name) for e in (self.before, self.after, current, *remaining))
            taken[name] = _without_added(before, after, now, theirs, key)
        before, after, now, *theirs = (tuple(e.labels.items()) for e in (self.before, self.after, current, *remaining))
        taken["labels"] = dict(_without_added(before, after, now, theirs, itemgetter(0)))
        merged_ids = tuple(id for id in current.merged_ids if id not in gone)
        return _settled(replace(current, **taken, merged_ids=merged_ids, merge_epoch=epoch))

    def without(self, undone: MergeRecord, earlier: Sequence[Customer]) -> MergeRecord:
        """This merge as if an earlier one into the same survivor had not been. `earlier` were merged in between or
        before, and still are."""
        before = undone.split(self.before, earlier, self.before.merge_epoch)
        after = undone.split(self.after, [*earlier, *self.losers], self.after.merge_epoch)
        return replace(self, before=before, after=after)

    def aliases(self) -> tuple[Alias, ...]:
        """The customers that the ids lead to as long as the merge is in force."""
        has = {point.key for point in self.before.contact_points}
        direct = [
            Alias(
                customer_id=each.id,
                canonical_id=self.survivor_id,
                epoch=self.epoch,
                contact_points=tuple(point for point in each.contact_points if point.key not in has),
                external_ids=each.external_ids,
            )
            for each in self.losers
        ]
        earlier = [
            Alias(customer_id=id, canonical_id=self.survivor_id, epoch=self.epoch)
            for each in self.losers
            for id in each.merged_ids
        ]
        return (*direct, *earlier)

    def aliases_undone(self) -> tuple[Alias, ...]:
        """The customers that the ids lead to since the merge was undone."""
        return tuple(
            Alias(customer_id=id, canonical_id=each.id, epoch=self.unmerge_epoch)
            for each in self.losers
            for id in each.group
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomersMerged(Event):
    """Customers were merged."""

    merge: MergeRecord
    aliases: tuple[Alias, ...]
    customer: Customer


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomersUnmerged(Event):
    """A merge was undone."""

    merge: MergeRecord
    aliases: tuple[Alias, ...]
    customer: Customer


def united(
    survivor: Customer, losers: Sequence[Customer], choices: Sequence[FieldChoice], epoch: int
) -> tuple[Customer, tuple[FieldDecision, ...]]:
    """The survivor with what the others have and it lacks, and whose value each field has in which they differ."""
    _check(survivor, losers, choices)
    chosen = {each.field: each.customer_id for each in choices}
    by_id = {each.id: each for each in (survivor, *losers)}
    decisions: list[FieldDecision] = []
    values: dict[str, Any] = {}
    for name in (*_SINGLE, *_LISTS, "labels", "lifecycle"):
        own, theirs = getattr(survivor, name), [getattr(each, name) for each in losers]
        if name in chosen:
            values[name], rule, giver = getattr(by_id[chosen[name]], name), Rule.CHOSEN, chosen[name]
        elif name == "lifecycle":
            values[name], rule, giver = max(own, *theirs, key=_STAGES.index), Rule.FURTHEST, ""
        elif name in _SINGLE:
            values[name], rule, giver = _filled(name, survivor, losers)
        else:
            values[name], rule, giver = _union(name, survivor, losers), Rule.UNITED, ""
        if name in chosen or any(each not in (own, getattr(_NOBODY, name)) for each in theirs):
            kept = values[name] == own and name not in chosen
            decisions.append(
                FieldDecision(field=name, rule=Rule.SURVIVOR, customer_id=survivor.id)
                if kept
                else FieldDecision(field=name, rule=rule, customer_id=giver)
            )
    if any(each.consent.decisions for each in losers):
        decisions.append(FieldDecision(field="consent", rule=Rule.MOST_RESTRICTIVE))
    stage = values["lifecycle"]
    values["lifecycle_move"] = next(each.lifecycle_move for each in (survivor, *losers) if each.lifecycle is stage)
    merged_ids = (*survivor.merged_ids, *(id for each in losers for id in each.group))
    merged = _settled(replace(survivor, **values, merged_ids=merged_ids, merge_epoch=epoch))
    _refuse_too_much(merged)
    return merged, tuple(decisions)


def absorbed(loser: Customer, survivor_id: str, *, epoch: int, at: datetime) -> Change[Customer]:
    """A customer who was merged: kept as it is, except for what only one may have. Also one who led to such a one."""
    gone = replace(
        loser,
        delete_time=loser.delete_time or at,
        purge_time=None,
        merged_into=survivor_id,
        merge_epoch=epoch,
        external_ids=(),
        search_keys=(),
    )
    return gone, [CustomerUpdated(customer=gone)]


def restored(merged: Customer, snapshot: Customer, *, epoch: int) -> Change[Customer]:
    """A customer without its merge: what the merge took is given back, and all else is as it is by now.

    Consent, holds and whatever else was placed on the customer since are never taken back.
    """
    back = replace(
        merged,
        delete_time=snapshot.delete_time,
        purge_time=snapshot.purge_time,
        external_ids=snapshot.external_ids,
        search_keys=snapshot.search_keys,
        merged_into="",
        merge_epoch=epoch,
    )
    return back, [CustomerUpdated(customer=back)]


def checked_reason(reason: str) -> str:
    """The reason that somebody gives, clean."""
    violations = Violations("")
    cleaned = clean(reason, "reason", 500, violations)
    violations.refuse()
    return cleaned


def _check(survivor: Customer, losers: Sequence[Customer], choices: Sequence[FieldChoice]) -> None:
    violations = Violations("")
    ids = [each.id for each in (survivor, *losers)]
    for i, loser in enumerate(losers):
        if loser.id in ids[: i + 1]:
            violations.add(f"loser_ids[{i}]", f"{loser.id} cannot be merged into itself")
    for i, choice in enumerate(choices):
        if choice.field not in CHOOSABLE:
            violations.add(f"choices[{i}].field", f"{choice.field!r} is not one of {', '.join(CHOOSABLE)}")
        if choice.customer_id not in ids:
            violations.add(f"choices[{i}].customer_id", f"{choice.customer_id} takes no part in the merge")
    violations.refuse()
    for each in (survivor, *losers):
        each.require_unmerged()
        each.require_not_erased()
        if each.delete_time is not None:
            raise CustomerIsDeleted(customer_id=each.id)


def _refuse_too_much(merged: Customer) -> None:
    for name, most in (*MOST.items(), ("merged_ids", MOST_MERGED)):
        if len(getattr(merged, name)) > most:
            count = len(getattr(merged, name))
            raise MergedTooLarge(field=name, count=count, allowed=most)


def _filled(name: str, survivor: Customer, losers: Sequence[Customer]) -> tuple[Any, Rule, str]:
    """A value of which there is one: the survivor's unless it has none."""
    nothing = getattr(_NOBODY, name)
    for each in (survivor, *losers):
        if getattr(each, name) != nothing:
            return getattr(each, name), Rule.FILLED if each is not survivor else Rule.SURVIVOR, each.id
    return nothing, Rule.SURVIVOR, survivor.id


def _union(name: str, survivor: Customer, losers: Sequence[Customer]) -> Any:
    """Values that any of them has, the survivor's first."""
    if name == "labels":
        labels: dict[str, str] = {}
        for each in (survivor, *losers):
            labels = dict(each.labels) | labels
        return labels
    key = _LISTS[name]
    kept = {key(each): each for each in getattr(survivor, name)}
    for loser in losers:
        for each in getattr(loser, name):
            second_birth = _is_birth(each) and any(map(_is_birth, kept.values()))
            if not second_birth:
                kept.setdefault(key(each), _as_further(each, tuple(kept.values())))
        shown = {"", survivor.display_name, *(each.display() for each in loser.names)}
        if name == "aliases" and loser.display_name not in shown:
            kept.setdefault(loser.display_name, loser.display_name)  # So that the old name still finds the customer.
    return tuple(kept.values())


def _is_birth(value: object) -> bool:
    return isinstance(value, TypedDate) and value.kind is TypedDateKind.BIRTH


def _as_further(value: Any, others: Sequence[Any]) -> Any:
    """A value that comes to others: only one contact point of a type is primary."""
    if isinstance(value, ContactPoint) and any(each.type is value.type for each in others):
        return replace(value, primary=False)
    return value


def _without_added(
    before: Sequence[Any],
    after: Sequence[Any],
    current: Sequence[Any],
    remaining: Sequence[Sequence[Any]],
    key: Callable[[Any], Any],
) -> tuple[Any, ...]:
    """`current` without what is in `after` and not in `before`, and with what it was taken from."""
    held = {key(each) for theirs in remaining for each in theirs}
    was, became = {key(each) for each in before}, {key(each) for each in after}
    added = became - was - held
    if tuple(current) == tuple(after) and not (became - was) & held:
        return tuple(before)
    kept = [each for each in current if key(each) not in added]
    return (*kept, *(each for each in before if key(each) not in became))


def _settled(customer: Customer) -> Customer:
    """With what is derived derived anew."""
    live = customer.delete_time is None
    return replace(
        customer,
        contact_points=contact_points.with_primaries(customer.contact_points),
        search_keys=names.search_keys(customer.display_name, customer.aliases, customer.names) if live else (),
    )


def _itself(value: Any) -> Any:
    return value


_LISTS: Mapping[str, Callable[[Any], Any]] = {
    "names": lambda name: (name.family, name.given, name.script),
    "aliases": _itself,
    "contact_points": lambda point: point.key,
    "addresses": _itself,
    "external_ids": _itself,
    "dates": _itself,
}
"""Field → what makes two of its values the same."""
_NOBODY = Customer(id="", kind=CustomerKind.PERSON)
