"""Entitlements: given to everybody, to segments, with plans of contracts, or to one customer."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, OpenEnum
from services.profiles.customers.domain.text import check_interval, clean
from services.profiles.customers.domain.violations import Violations

_SLUG = re.compile("[a-z][a-z0-9-]{0,62}")


class Basis(OpenEnum):
    """To whom something is given, the weakest first."""

    EVERYBODY = "EVERYBODY"
    SEGMENT = "SEGMENT"
    PLAN = "PLAN"
    CUSTOMER = "CUSTOMER"


_STRENGTH = {basis: strength for strength, basis in enumerate(Basis)}


class Period(OpenEnum):
    """Period after which an allowance begins anew."""

    ONCE = "ONCE"
    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"

    def around(self, day: date) -> tuple[date, date] | None:
        """The first and the last day of the period that a day lies in. None for ONCE, which has none."""
        first = {Period.MONTH: day.month, Period.QUARTER: (day.month - 1) // 3 * 3 + 1, Period.YEAR: 1}.get(self)
        if first is None:
            return None
        last = first + 12 // self.times_a_year - 1
        return date(day.year, first, 1), date(day.year, last, calendar.monthrange(day.year, last)[1])

    @property
    def times_a_year(self) -> int:
        """Number of its beginnings in a year."""
        return {Period.ONCE: 1, Period.MONTH: 12, Period.QUARTER: 4, Period.YEAR: 1}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement(Entity):
    """One benefit for some customers."""

    ID_PREFIX: ClassVar[str] = "ent"

    benefit: str
    display_name: str = ""
    basis: Basis
    subject: str = ""
    """The key of the segment, the plan, or the id of the customer. Empty for everybody."""
    allowance: int | None = None
    """Number of times in each period. None for no limit."""
    period: Period
    valid_from_date: date
    valid_to_date: date | None = None
    note: str = ""
    author: str = ""

    def create(self, author: str) -> Change[Entitlement]:
        """The entitlement that a draft describes. What is given to one customer alone needs a reason and an end."""
        violations = Violations("entitlement")
        single = self.basis is Basis.CUSTOMER
        if not _SLUG.fullmatch(self.benefit):
            violations.add("benefit", f"{self.benefit!r} is no short lower-case name such as yearly-visit")
        if (self.basis is Basis.EVERYBODY) == bool(self.subject):
            needed = "must be empty for everybody" if self.subject else f"is required for {self.basis}"
            violations.add("subject", needed)
        elif self.subject and not single and not _SLUG.fullmatch(self.subject):
            violations.add("subject", f"{self.subject!r} is no key of a segment and no plan")
        if self.allowance is not None and self.allowance < 0:
            violations.add("allowance", f"{self.allowance} is negative; 0 takes the benefit away")
        check_interval(self.valid_from_date, self.valid_to_date, "valid_to_date", violations)
        if single and self.valid_to_date is None:
            violations.add("valid_to_date", "is required for one customer alone")
        entitlement = replace(
            self,
            display_name=clean(self.display_name, "display_name", 200, violations),
            note=clean(self.note, "note", 500, violations, required=single),
            author=author,
        )
        violations.refuse()
        return entitlement, [EntitlementChanged(entitlement=entitlement)]

    def end(self, last_day: date) -> Change[Entitlement]:
        """With another last day."""
        violations = Violations("")
        check_interval(self.valid_from_date, last_day, "end_date", violations)
        violations.refuse()
        if last_day == self.valid_to_date:
            return self, []
        ended = replace(self, valid_to_date=last_day)
        return ended, [EntitlementChanged(entitlement=ended)]

    def is_valid_on(self, day: date) -> bool:
        """True when it gives anything on a day."""
        return self.valid_from_date <= day and (self.valid_to_date is None or day <= self.valid_to_date)

    @property
    def rank(self) -> tuple[int, float, date, str]:
        """Rank among several: the closest to the customer wins, then the most in a year, then the latest."""
        yearly = float("inf") if self.allowance is None else self.allowance * self.period.times_a_year
        return _STRENGTH[self.basis], yearly, self.valid_from_date, self.id

    def in_words(self) -> str:
        """`12 a month to those in the segment gold`."""
        given = "without limit" if self.allowance is None else str(self.allowance)
        often = "once" if self.period is Period.ONCE else f"a {self.period.lower()}"
        whom = {
            Basis.EVERYBODY: "everybody",
            Basis.SEGMENT: f"those in the segment {self.subject}",
            Basis.PLAN: f"those with a contract of the plan {self.subject}",
            Basis.CUSTOMER: "this customer",
        }[self.basis]
        return f"{given} {often} to {whom}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """Facts that decide about the entitlements of a customer."""

    customer_ids: tuple[str, ...]
    """The customer's own, and those that were merged into it."""
    segments: Set[str]
    plans: Mapping[str, str]
    """Plan → number of the running contract."""

    @property
    def subjects(self) -> list[str]:
        """The subjects of all entitlements that may be theirs."""
        return ["", *self.customer_ids, *sorted({*self.segments, *self.plans})]

    def why(self, entitlement: Entitlement) -> str | None:
        """Reason why an entitlement is theirs. None when it is not."""
        match entitlement.basis:
            case Basis.EVERYBODY:
                return "given to everybody"
            case Basis.SEGMENT if entitlement.subject in self.segments:
                return f"in the segment {entitlement.subject}"
            case Basis.PLAN if entitlement.subject in self.plans:
                return f"contract {self.plans[entitlement.subject]} of the plan {entitlement.subject}"
            case Basis.CUSTOMER if entitlement.subject in self.customer_ids:
                return f"given to this customer by {entitlement.author}: {entitlement.note}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overruled:
    """An entitlement that gives nothing, because another one does."""

    entitlement_id: str
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Benefit:
    """One benefit that a customer has."""

    benefit: str
    display_name: str
    allowance: int | None
    period: Period
    period_from_date: date
    period_to_date: date | None
    entitlement_id: str
    basis: Basis
    explanation: str
    overruled: tuple[Overruled, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerEntitlements:
    """Entitlements of a customer on a day."""

    customer_id: str
    on_date: date
    benefits: tuple[Benefit, ...]


def resolve(claimant: Claimant, entitlements: Iterable[Entitlement], day: date) -> CustomerEntitlements:
    """Benefits of a customer from some entitlements: of each what the highest rank gives, and nothing twice."""
    theirs = [each for each in entitlements if each.is_valid_on(day) and claimant.why(each) is not None]
    ranked = sorted(theirs, key=lambda each: each.rank, reverse=True)
    by_benefit = groupby(sorted(ranked, key=lambda each: each.benefit), key=lambda each: each.benefit)
    return CustomerEntitlements(
        customer_id=claimant.customer_ids[0],
        on_date=day,
        benefits=tuple(_benefit(claimant, list(group), day) for _, group in by_benefit),
    )


def _benefit(claimant: Claimant, ranked: list[Entitlement], day: date) -> Benefit:
    first, *others = ranked
    period = first.period.around(day) or (first.valid_from_date, first.valid_to_date)
    return Benefit(
        benefit=first.benefit,
        display_name=first.display_name or next((each.display_name for each in others if each.display_name), ""),
        allowance=first.allowance,
        period=first.period,
        period_from_date=period[0],
        period_to_date=period[1],
        entitlement_id=first.id,
        basis=first.basis,
        explanation=claimant.why(first) or "",
        overruled=tuple(
            Overruled(entitlement_id=each.id, explanation=f"{each.in_words()}: {_why_not(each, first)}")
            for each in others
        ),
    )


def _why_not(loser: Entitlement, winner: Entitlement) -> str:
    if loser.basis is not winner.basis:
        return f"{winner.basis} overrules {loser.basis}"
    return "another one gives more" if loser.rank[1] != winner.rank[1] else "a later one gives the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementChanged(Event):
    """An entitlement was made or got another end."""

    entitlement: Entitlement
