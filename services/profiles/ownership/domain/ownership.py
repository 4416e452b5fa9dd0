"""Ownership of a customer: owned, warned, in the public pool, picked again. And its history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, NotFound, Open, OpenEnum
from services.profiles.customers.domain.text import clean
from services.profiles.customers.domain.violations import Violations

MOST_HOLDS = 20


class TooManyHolds(FailedPrecondition):
    """Customer {customer_id} has {allowed} holds: lift one first."""

    customer_id: str
    allowed: int


class OwnershipState(OpenEnum):
    """State of an ownership."""

    OWNED = "OWNED"
    RECYCLE_WARNED = "RECYCLE_WARNED"
    POOLED = "POOLED"
    UNOWNED = "UNOWNED"


class OwnershipReason(OpenEnum):
    """Reason why an ownership began or ended."""

    ASSIGNED = "ASSIGNED"
    EDITED = "EDITED"
    CLAIMED = "CLAIMED"
    RELEASED = "RELEASED"
    NO_CONTACT = "NO_CONTACT"
    CONTRACT_ENDED = "CONTRACT_ENDED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Keeps a customer from being recycled."""

    key: str
    reason: str
    actor: str = ""
    until_time: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """True when it still does."""
        return self.until_time is None or now < self.until_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership(Entity):
    """The owner of one customer. Its id follows from the customer's."""

    ID_PREFIX: ClassVar[str] = "own"

    customer_id: str
    state: OwnershipState = OwnershipState.UNOWNED
    owner: str = ""
    reason: OwnershipReason | None = None
    since_time: datetime | None = None
    warn_time: datetime | None = None
    recycle_time: datetime | None = None
    pool_time: datetime | None = None
    previous_owner: str = ""
    holds: tuple[Hold, ...] = ()

    def assign(self, owner: str, reason: OwnershipReason, at: datetime) -> Change[Ownership]:
        """Somebody answers for the customer from now on. The same one again changes nothing."""
        owner = _checked(owner, "owner", 200, required=True)
        if owner == self.owner:
            return self, []
        return self._moved(OwnershipState.OWNED, owner, reason, at)

    def pool(self, reason: OwnershipReason, at: datetime) -> Change[Ownership]:
        """Nobody does, and anybody may. In the pool already changes nothing."""
        if self.state is OwnershipState.POOLED:
            return self, []
        return self._moved(OwnershipState.POOLED, "", reason, at, pool_time=at)

    def disown(self, reason: OwnershipReason, at: datetime) -> Change[Ownership]:
        """Nobody does, and nobody is asked to."""
        if self.state is OwnershipState.UNOWNED:
            return self, []
        return self._moved(OwnershipState.UNOWNED, "", reason, at)

    def warn(self, recycle_time: datetime, at: datetime) -> Change[Ownership]:
        """The owner is told when the customer goes to the pool."""
        return _told(replace(self, state=OwnershipState.RECYCLE_WARNED, warn_time=at, recycle_time=recycle_time))

    def warning_withdrawn(self) -> Change[Ownership]:
        """The customer stays."""
        return _told(replace(self, state=OwnershipState.OWNED, warn_time=None, recycle_time=None))

    def hold(self, hold: Hold, now: datetime) -> Change[Ownership]:
        """One more hold, or another one with the same key. Those that ended go."""
        violations = Violations("")
        hold = replace(hold, reason=clean(hold.reason, "reason", 500, violations, required=True))
        if not hold.holds(now):
            violations.add("until_time", "is in the past")
        violations.refuse()
        others = tuple(each for each in self.holds if each.key != hold.key and each.holds(now))
        if len(others) >= MOST_HOLDS:
            raise TooManyHolds(customer_id=self.customer_id, allowed=MOST_HOLDS)
        return _told(replace(self, holds=(*others, hold)))

    def lift(self, key: str) -> Change[Ownership]:
        """One hold less."""
        kept = tuple(each for each in self.holds if each.key != key)
        if len(kept) == len(self.holds):
            raise NotFound(Hold, key)
        return _told(replace(self, holds=kept))

    def _moved(
        self,
        state: OwnershipState,
        owner: str,
        reason: OwnershipReason,
        at: datetime,
        pool_time: datetime | None = None,
    ) -> Change[Ownership]:
        return _told(
            replace(
                self,
                state=state,
                owner=owner,
                reason=reason,
                since_time=at,
                warn_time=None,
                recycle_time=None,
                pool_time=pool_time,
                previous_owner=self.owner or self.previous_owner,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerInterval(Entity):
    """A time in which somebody answered for a customer."""

    ID_PREFIX: ClassVar[str] = "oin"

    customer_id: str
    owner: str
    start_time: datetime
    end_time: datetime | None = None
    start_reason: OwnershipReason
    end_reason: OwnershipReason | None = None
    start_note: str = ""
    end_note: str = ""
    start_actor: str = ""
    end_actor: str = ""

    def end(self, reason: OwnershipReason, note: str, actor: str, at: datetime) -> Change[OwnerInterval]:
        """Over."""
        return replace(self, end_time=at, end_reason=reason, end_note=note, end_actor=actor), []


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerTally(Entity):
    """Customers that one member of staff has and took, kept with every change. The id follows from the owner.

    All changes of one owner's customers write it, so capacity and daily limit hold whoever acts at once.
    """

    ID_PREFIX: ClassVar[str] = "oty"

    owner: Open[str]
    """The subject of a token."""
    customer_count: int = 0
    pick_date: Open[date | None] = None
    """The day of the last pick, where the policy has its days. Tells of the owner's work alone."""
    pick_count: int = 0
    """On that day."""

    def picks_on(self, day: date) -> int:
        """Number of customers taken from the pool on a day, if none was on a later one."""
        return self.pick_count if self.pick_date == day else 0

    def plus(self, picked_on: date | None) -> Change[OwnerTally]:
        """One customer more, perhaps picked."""
        more = replace(self, customer_count=self.customer_count + 1)
        if picked_on is not None:
            more = replace(more, pick_date=picked_on, pick_count=self.picks_on(picked_on) + 1)
        return more, []

    def minus(self) -> Change[OwnerTally]:
        """One customer less."""
        return replace(self, customer_count=self.customer_count - 1), []


def checked_note(note: str) -> str:
    """The remark about a change, fit to be read. InvalidArgument otherwise."""
    return _checked(note, "note", 500)


def _checked(text: str, field: str, limit: int, *, required: bool = False) -> str:
    violations = Violations("")
    text = clean(text, field, limit, violations, required=required)
    violations.refuse()
    return text


def _told(ownership: Ownership) -> Change[Ownership]:
    return ownership, [OwnershipChanged(ownership=ownership)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnershipChanged(Event):
    """The owner of a customer changed, or whether somebody else may take over."""

    ownership: Ownership
