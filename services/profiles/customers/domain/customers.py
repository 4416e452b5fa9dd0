"""Customers: who they are and how they may be reached. Every change is checked as a whole and told by an event."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, cast

from libs.chassis.domain import (
    Change,
    Entity,
    Event,
    InvalidArgument,
    NotFound,
    OpenEnum,
    Sealed,
)
from services.profiles.customers.domain import contact_points, external_ids, lifecycle, names
from services.profiles.customers.domain.addresses import Address
from services.profiles.customers.domain.consents import ConsentHead, ConsentReceipt, ConsentState
from services.profiles.customers.domain.contact_points import (
    ContactPoint,
    ContactPointType,
    Spelling,
    UnreadableContactPoint,
)
from services.profiles.customers.domain.dates import TypedDate
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.customers.domain.holds import LegalHold
from services.profiles.customers.domain.lifecycle import Lifecycle, LifecycleMove
from services.profiles.customers.domain.names import PersonName
from services.profiles.customers.domain.preferences import Preferences
from services.profiles.customers.domain.refusals import (
    CustomerIsDeleted,
    CustomerMerged,
    CustomerNotDeleted,
    CustomerUnderErasure,
    LegalHoldForbids,
    RestoreTooLate,
)
from services.profiles.customers.domain.text import clean, clean_name
from services.profiles.customers.domain.violations import Violations

KEPT_AFTER_DELETION = timedelta(days=30)
"""Time within which a deleted customer can be restored."""
_OUTLIVES_ERASURE = ("id", "revision", "create_time", "update_time", "delete_time", "kind", "lifecycle", "owner")
_LEADS_ON = ("erasure_id", "merged_into", "merged_ids", "merge_epoch")
"""Fields that are left of an erased customer."""
_SLUG = re.compile("[a-z][a-z0-9_.-]{0,62}")
MOST = {
    "names": 20,
    "aliases": 20,
    "contact_points": 50,
    "addresses": 20,
    "external_ids": 50,
    "dates": 50,
    "labels": 50,
}


class CustomerKind(OpenEnum):
    """Kind of a customer."""

    PERSON = "PERSON"
    ORGANISATION = "ORGANISATION"
    HOUSEHOLD = "HOUSEHOLD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer(Entity):
    """A person, an organization or a household that the company serves."""

    ID_PREFIX: ClassVar[str] = "cus"

    delete_time: datetime | None = None
    purge_time: datetime | None = None
    kind: CustomerKind
    display_name: str = ""
    names: tuple[PersonName, ...] = ()
    aliases: tuple[str, ...] = ()
    lifecycle: Lifecycle = Lifecycle.VISITOR
    lifecycle_move: LifecycleMove | None = None
    """Cause of the customer's stage. None for who has not bought yet."""
    owner: str = ""
    """The subject of the member of staff who answers for the customer."""
    contact_points: tuple[ContactPoint, ...] = ()
    addresses: tuple[Address, ...] = ()
    external_ids: tuple[ExternalId, ...] = ()
    dates: tuple[TypedDate, ...] = ()
    preferences: Preferences = field(default_factory=Preferences)
    labels: Mapping[str, str] = field(default_factory=dict)
    consent: ConsentHead = field(default_factory=ConsentHead)
    search_keys: Sealed[tuple[str, ...]] = ()
    """Folded beginnings of names under which the customer is found: derived, never sent, none while deleted."""
    merged_into: str = ""
    """The customer who lives on in place of this one. Also then it counts as deleted."""
    merged_ids: tuple[str, ...] = ()
    """All who were merged into this one, directly or by way of others."""
    merge_epoch: int = 0
    """The number of the last merge or unmerge that changed where the id leads. 0 when there was none."""

    @property
    def canonical_id(self) -> str:
        """The id of the customer who lives on."""
        return self.merged_into or self.id

    @property
    def group(self) -> tuple[str, ...]:
        """All ids under which things were recorded that belong to this customer."""
        return (self.id, *self.merged_ids)

    erasure_id: str = ""
    erase_time: datetime | None = None
    legal_hold: LegalHold | None = None

    # ------------------------------------------------------------------------------------ birth, change and death

    def create(self) -> Change[Customer]:
        """The customer that a caller's draft describes. What only we may set starts fresh."""
        draft = replace(
            self,
            delete_time=None,
            purge_time=None,
            lifecycle=Lifecycle.VISITOR,
            lifecycle_move=None,
            consent=ConsentHead(),
            search_keys=(),
            merged_into="",
            merged_ids=(),
            merge_epoch=0,
            erasure_id="",
            erase_time=None,
            legal_hold=None,
        )
        customer = _completed(draft, None)
        return customer, [CustomerCreated(customer=customer)]

    def revise(self, draft: Customer) -> Change[Customer]:
        """This customer with the fields of a draft, checked as a whole."""
        self._require_live()
        if draft.kind is not self.kind:
            raise InvalidArgument.field("customer.kind", f"is {self.kind} for ever")
        if draft.names != self.names:
            follows = draft.display_name == self.display_name == _name_of(self.names)
            draft = replace(
                draft,
                names=names.without_stale_pinyin(draft.names, self.names),
                display_name="" if follows else draft.display_name,
            )
        return self._changed(_completed(draft, self))

    def delete(self, at: datetime) -> Change[Customer]:
        """Deleted, to be purged after `KEPT_AFTER_DELETION`."""
        self.require_unmerged()
        if self.delete_time is not None:
            raise NotFound(Customer, self.id)
        gone = replace(self, delete_time=at, purge_time=at + KEPT_AFTER_DELETION, search_keys=())
        return gone, [CustomerDeleted(customer=gone)]

    def undelete(self, at: datetime) -> Change[Customer]:
        """Live again."""
        self.require_unmerged()
        if self.delete_time is None:
            raise CustomerNotDeleted(customer_id=self.id)
        self.require_not_erased()
        if self.purge_time is not None and at >= self.purge_time:
            raise RestoreTooLate(customer_id=self.id, purge_time=self.purge_time)
        back = _completed(replace(self, delete_time=None, purge_time=None), self)
        return back, [CustomerUndeleted(customer=back)]

    def buy(self, at: datetime, now: datetime) -> Change[Customer]:
        """Active from the first purchase on, and again by one after silence, risk or loss."""
        return self.move(lifecycle.bought(self.lifecycle, at, now))

    def move(self, move: LifecycleMove | None) -> Change[Customer]:
        """On another stage. As they were without a move, or when they are on another stage by now."""
        if move is None or move.from_lifecycle is not self.lifecycle:
            return self, []
        customer = replace(self, lifecycle=move.to_lifecycle, lifecycle_move=move)
        return customer, [CustomerLifecycleChanged(customer=customer)]

    def owned_by(self, owner: str) -> Change[Customer]:
        """Somebody else, or nobody, answers for the customer."""
        self._require_live()
        return self._changed(replace(self, owner=owner))

    # -------------------------------------------------------------------------------------------------- erasure

    def require_erasable(self) -> None:
        """Refuse what a legal hold forbids."""
        if self.legal_hold is not None:
            raise LegalHoldForbids(customer_id=self.id)

    def require_not_erased(self) -> None:
        """Refuse to learn anything more of a customer who is, or is about to be, erased."""
        if self.erasure_id:
            raise CustomerUnderErasure(customer_id=self.id, erasure_id=self.erasure_id)

    def to_be_erased(self, erasure_id: str, at: datetime) -> Customer:
        """Deleted for good."""
        self.require_erasable()
        self.require_not_erased()
        return replace(self, delete_time=self.delete_time or at, purge_time=None, search_keys=(), erasure_id=erasure_id)

    def erased(self, at: datetime) -> Customer:
        """The skeleton that is left: ids, stages, times, and the end of the chain of consents."""
        left: dict[str, Any] = {name: getattr(self, name) for name in (*_OUTLIVES_ERASURE, *_LEADS_ON)}
        return Customer(**left, consent=replace(self.consent, decisions=()), erase_time=at)

    def hold(self, hold: LegalHold) -> Change[Customer]:
        """Under a legal hold."""
        self.require_not_erased()
        if self.legal_hold is not None and self.legal_hold.reason == hold.reason:
            return self, []
        return self._changed(replace(self, legal_hold=hold))

    def release(self) -> Change[Customer]:
        """Without a legal hold."""
        return self._changed(replace(self, legal_hold=None))

    # ------------------------------------------------------------------------------------------- contact points

    def with_contact_point(self, point: ContactPoint) -> Change[Customer]:
        """One more contact point. A primary one takes the place of the primary one of its type."""
        self._require_live()
        others = self.contact_points
        if point.primary:
            others = tuple(replace(p, primary=p.primary and p.type is not point.type) for p in others)
        try:
            return self._changed(_completed(replace(self, contact_points=(*others, point)), self))
        except InvalidArgument as error:
            raise _seen_alone(error, f"customer.contact_points[{len(others)}]", "contact_point") from None

    def with_changed_contact_point(self, old: ContactPoint, new: ContactPoint) -> Change[Customer]:
        """A contact point verified, or reported by a sender."""
        self._require_live()
        points = tuple(new if point is old else point for point in self.contact_points)
        return self._changed(replace(self, contact_points=points))

    def without_contact_point(self, gone: ContactPoint) -> Change[Customer]:
        """One contact point less. The first other one of its type becomes primary when it was."""
        self._require_live()
        kept = contact_points.with_primaries([point for point in self.contact_points if point is not gone])
        return self._changed(replace(self, contact_points=kept))

    def contact_point(self, spelling: Spelling) -> ContactPoint:
        """The contact point that somebody means. NotFound when the customer has none such."""
        found = self.find_contact_point(spelling.value, spelling.type, spelling.region_code)
        if found is None:
            raise NotFound(ContactPoint, spelling.value)
        return found

    def find_contact_point(
        self, value: str, type: ContactPointType | None = None, region_code: str = ""
    ) -> ContactPoint | None:
        """The contact point that a value in any spelling means, or None.

        A telephone number without country code is read in the given region or, without one, in that of each number of
        the customer.
        """
        for point in self.contact_points:
            if type in (None, point.type):
                try:
                    same = (
                        contact_points.canonical(point.type, value, region_code or point.region_code) == point.canonical
                    )
                except UnreadableContactPoint:
                    continue
                if same:
                    return point
        return None

    # --------------------------------------------------------------------------------------------------- consent

    def with_consent(self, proposal: ConsentReceipt, now: datetime, within: str) -> tuple[Customer, ConsentReceipt]:
        """The customer after one more decision, and the receipt of it, whose id and recorder `proposal` carries.

        Wrong fields are reported within a field of the request. A decision about one contact point needs one that the
        customer has, or one that was decided about before.
        """
        if proposal.state is ConsentState.GRANTED:
            self._require_live()
        decided = {decision.contact_point for decision in self.consent.decisions} - {""}
        point = self.find_contact_point(proposal.contact_point) if proposal.contact_point else None
        if proposal.contact_point and point is None and proposal.contact_point not in decided:
            violations = Violations(within)
            violations.add("contact_point", f"{proposal.contact_point!r} is none of the customer's; add it first")
            violations.refuse()
        about = point.canonical if point else proposal.contact_point
        head, receipt = self.consent.accept(replace(proposal, customer_id=self.id, contact_point=about), now, within)
        return replace(self, consent=head), receipt

    def letters_beyond(self, beginning: str) -> int:
        """Number of letters to be typed after a folded beginning until a name of the customer is complete."""
        return min((len(key) - len(beginning) for key in self.search_keys if key.startswith(beginning)), default=0)

    # --------------------------------------------------------------------------------------------------- helpers

    def _changed(self, customer: Customer) -> Change[Customer]:
        return (self, []) if customer == self else (customer, [CustomerUpdated(customer=customer)])

    def require_unmerged(self) -> None:
        """Refuse a write to a customer who was merged, and name who lives on."""
        if self.merged_into:
            raise CustomerMerged(customer_id=self.id, survivor_id=self.merged_into)

    def _require_live(self) -> None:
        self.require_unmerged()
        if self.delete_time is not None:
            raise CustomerIsDeleted(customer_id=self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerCreated(Event):
    """A customer was created."""

    customer: Customer


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerUpdated(Event):
    """A customer was changed."""

    customer: Customer


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDeleted(Event):
    """A customer was deleted."""

    customer: Customer


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerUndeleted(Event):
    """A deleted customer was restored."""

    customer: Customer


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerLifecycleChanged(Event):
    """A customer moved to another stage."""

    customer: Customer


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentChanged(Event):
    """A customer decided about being contacted."""

    customer_id: str
    receipt: ConsentReceipt
    customer: Customer


def _completed(draft: Customer, current: Customer | None) -> Customer:
    """The draft in its canonical form, with everything derived derived. InvalidArgument with all that is wrong.

    What is as it was in the current customer is in that form, and is not judged again.
    """
    violations = Violations("customer")

    def stays(part: str) -> bool:
        return current is not None and getattr(draft, part) == getattr(current, part)

    for path, most in MOST.items():
        if len(getattr(draft, path)) > most:
            violations.add(path, f"has {len(getattr(draft, path))} entries; at most {most} are allowed")
    violations.refuse()  # Before anything is done for each of too many.
    if draft.names and draft.kind is not CustomerKind.PERSON:
        violations.add("names", f"are for persons; {draft.kind} has a display name and aliases")
    person_names = draft.names
    if not stays("names"):
        person_names = tuple(name.completed(f"names[{i}]", violations) for i, name in enumerate(draft.names))
    shown = draft.display_name or _name_of(person_names)
    if not (draft.display_name and stays("display_name")):
        # Names of firms may play with scripts, and a person may still be nameless.
        person = draft.kind is CustomerKind.PERSON
        check, required = (clean_name, False) if person else (clean, True)
        shown = check(shown, "display_name", 200, violations, required=required)
    derived: dict[str, object] = {"names": person_names, "display_name": shown}
    for part, complete in _PARTS.items():
        if not stays(part):
            derived[part] = complete(draft, current, violations)
    violations.refuse()
    customer = replace(draft, **cast(Any, derived))
    named = customer.display_name, customer.aliases, customer.names
    if current is None or not current.search_keys or named != (current.display_name, current.aliases, current.names):
        customer = replace(customer, search_keys=names.search_keys(*named))
    return replace(customer, lifecycle=_lifecycle_of(customer))


def _name_of(person_names: Sequence[PersonName]) -> str:
    return person_names[0].display() if person_names else ""


def _lifecycle_of(customer: Customer) -> Lifecycle:
    """A visitor is a lead as soon as we know a name or a way to reach them. Later stages are not ours to touch."""
    known = customer.display_name or any(p.type is not ContactPointType.DEVICE for p in customer.contact_points)
    return Lifecycle.LEAD if known and customer.lifecycle is Lifecycle.VISITOR else customer.lifecycle


def _labels(labels: Mapping[str, str], violations: Violations) -> dict[str, str]:
    for key in labels:
        if not _SLUG.fullmatch(key):
            violations.add(f"labels[{key}]", "is no short lower-case name such as loyalty_card")
    return {key: clean(value, f"labels[{key}]", 200, violations) for key, value in labels.items()}


_PARTS: Final[Mapping[str, Callable[[Customer, Customer | None, Violations], object]]] = {
    "aliases": lambda draft, _, wrong: tuple(
        clean(alias, f"aliases[{i}]", 200, wrong, required=True) for i, alias in enumerate(draft.aliases)
    ),
    "owner": lambda draft, _, wrong: clean(draft.owner, "owner", 200, wrong),
    "contact_points": lambda draft, current, wrong: contact_points.settled(
        draft.contact_points, current.contact_points if current else (), "contact_points", wrong
    ),
    "addresses": lambda draft, _, wrong: tuple(
        each.completed(f"addresses[{i}]", wrong) for i, each in enumerate(draft.addresses)
    ),
    "external_ids": lambda draft, _, wrong: external_ids.completed(draft.external_ids, wrong),
    "dates": lambda draft, _, wrong: tuple(each.completed(f"dates[{i}]", wrong) for i, each in enumerate(draft.dates)),
    "preferences": lambda draft, _, wrong: draft.preferences.completed("preferences", wrong),
    "labels": lambda draft, _, wrong: _labels(draft.labels, wrong),
}
"""Part of a customer → what brings it into its canonical form."""


def _seen_alone(error: InvalidArgument, path: str, name: str) -> InvalidArgument:
    """The complaint about the last contact point of a list, for a caller who sent that one alone."""
    violations = [replace(v, field=v.field.replace(path, name, 1)) for v in error.violations]
    return InvalidArgument(violations=violations)
