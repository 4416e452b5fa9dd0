"""Pressure on customers: what reached a customer, weighed by channel, and caps on it by purpose and tier.

    sum of weights of burdens within the window + weight of the next one ≤ cap

Notices of a contract are counted and never held back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, InvalidArgument
from services.care.customers.domain.permission import Finding, Reason
from services.care.customers.domain.projection import Channel, ConsentPurpose

DAYS_MAX: Final = 366
"""Days that a window may have, and for which burdens are kept."""
BURDENS_MAX: Final = 400
"""Burdens that are kept of a customer: more than one a day."""
WEIGHTS: Final = {
    Channel.EMAIL: 1,
    Channel.LETTER: 1,
    Channel.MESSENGER: 2,
    Channel.SMS: 2,
    Channel.VOICE: 4,
    Channel.VISIT: 4,
}
"""Channel → weight, unless a tenant says otherwise. Every other channel weighs 1."""


class CapRepeated(InvalidArgument):
    """There are two caps for purpose {purpose} and tier {tier} within {days} days: keep one."""

    wrong_field: ClassVar[str] = "caps"
    purpose: str
    tier: str
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """Weight of a burden through a channel."""

    channel: Channel
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """Most weight within some days."""

    purpose: ConsentPurpose | None = None
    """None for all purposes together."""
    tier: str = ""
    """Empty for everybody."""
    days: int
    weight: int

    def covers(self, purpose: ConsentPurpose, tier: str) -> bool:
        """Tells whether it holds for a burden with a customer of a tier."""
        return self.purpose in (None, purpose) and self.tier in ("", tier)


CAPS: Final = (
    Cap(days=7, weight=12),
    Cap(purpose=ConsentPurpose.CARE, days=30, weight=16),
    Cap(purpose=ConsentPurpose.MARKETING, days=30, weight=8),
    Cap(purpose=ConsentPurpose.SURVEY, days=30, weight=4),
)
"""Caps, unless a tenant says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burden:
    """Something that reached a customer."""

    key: str
    time: datetime
    channel: Channel
    purpose: ConsentPurpose
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureRule(Entity):
    """Weights and caps of a tenant."""

    ID_PREFIX: ClassVar[str] = "rul"

    weights: tuple[Weight, ...] = ()
    caps: tuple[Cap, ...] = CAPS

    def set(self, other: PressureRule) -> Change[PressureRule]:
        """With other weights and caps."""
        seen = set[tuple[str, str, int]]()
        for each in other.caps:
            key = (str(each.purpose or "any"), each.tier or "any", each.days)
            if key in seen:
                raise CapRepeated(purpose=key[0], tier=key[1], days=key[2])
            seen.add(key)
        return replace(self, weights=other.weights, caps=other.caps), []

    def weight_of(self, channel: Channel) -> int:
        """Weight of a burden through a channel."""
        told = {each.channel: each.weight for each in self.weights}
        return told.get(channel, WEIGHTS.get(channel, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Book(Entity):
    """Burdens of one customer under one id, the earliest first."""

    ID_PREFIX: ClassVar[str] = "prs"

    customer_id: str
    burdens: tuple[Burden, ...] = ()
    erased: bool = False

    def note(self, burdens: Sequence[Burden]) -> Change[Book]:
        """With more burdens. One that is known changes nothing, the oldest are forgotten."""
        if self.erased:
            return self, []
        known = {each.key for each in self.burdens}
        fresh = [each for each in burdens if each.key not in known]
        kept = sorted((*self.burdens, *fresh), key=lambda each: (each.time, each.key))
        latest = kept[-1].time if kept else None
        kept = [each for each in kept if latest is None or each.time > latest - timedelta(days=DAYS_MAX)]
        return replace(self, burdens=tuple(kept[-BURDENS_MAX:])), []

    def strike(self, keys: Sequence[str]) -> Change[Book]:
        """Without burdens that never came."""
        return replace(self, burdens=tuple(each for each in self.burdens if each.key not in keys)), []

    def erase(self) -> Change[Book]:
        """Without burdens, for good."""
        return replace(self, burdens=(), erased=True), []


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Weight under one cap."""

    cap: Cap
    used: int
    free_time: datetime | None = None
    """Time from which the next burden fits. None when it fits now, or never."""
    exceeded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Pressure on a customer, and whether one more burden fits."""

    permitted: bool
    exempt: bool = False
    loads: tuple[Load, ...] = ()
    burdens: tuple[Burden, ...] = ()


def standing(rule: PressureRule, burdens: Iterable[Burden], burden: Burden, tier: str) -> Standing:
    """The pressure on a customer at the time of one more burden, which does not stand in its own way."""
    past = tuple(each for each in burdens if each.key != burden.key)
    exempt = burden.purpose is ConsentPurpose.SERVICE
    loads = tuple(_loads(rule, past, burden, tier))
    return Standing(
        permitted=exempt or not any(each.exceeded for each in loads), exempt=exempt, loads=loads, burdens=past
    )


def finding(rule: PressureRule, burdens: Iterable[Burden], burden: Burden, tier: str) -> Finding | None:
    """The reason against one more burden, with the time from which it fits. None when it fits."""
    here = standing(rule, burdens, burden, tier)
    if here.permitted:
        return None
    over = [each for each in here.loads if each.exceeded]
    words = "; ".join(
        f"{each.used} + {burden.weight} of {each.cap.weight} within {each.cap.days} days"
        f"{f' for {each.cap.purpose}' if each.cap.purpose is not None else ''}"
        for each in over
    )
    ends = [each.free_time for each in over]
    known = [each for each in ends if each is not None]
    return Finding(reason=Reason.PRESSURE, explanation=words, end_time=max(known) if len(known) == len(ends) else None)


def _loads(rule: PressureRule, past: Sequence[Burden], burden: Burden, tier: str) -> Iterator[Load]:
    for cap in rule.caps:
        if not cap.covers(burden.purpose, tier):
            continue
        counted = [each for each in past if _counts(each, cap, burden.time)]
        used = sum(each.weight for each in counted)
        over = used + burden.weight - cap.weight
        yield Load(cap=cap, used=used, exceeded=over > 0, free_time=_free(counted, cap, over))


def _counts(burden: Burden, cap: Cap, at: datetime) -> bool:
    """Tells whether an earlier burden stands under a cap. Notices of a contract stand under none."""
    if burden.purpose is ConsentPurpose.SERVICE or cap.purpose not in (None, burden.purpose):
        return False
    return at - timedelta(days=cap.days) < burden.time <= at


def _free(counted: Sequence[Burden], cap: Cap, over: int) -> datetime | None:
    """The time at which enough weight has left the window. None when it fits already, or nothing is enough."""
    if over <= 0:
        return None
    for each in sorted(counted, key=lambda each: each.time):
        over -= each.weight
        if over <= 0:
            return each.time + timedelta(days=cap.days)
    return None
