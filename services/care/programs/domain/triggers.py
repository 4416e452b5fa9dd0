"""Triggers: the days on which a plan comes to a customer, and the facts that it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from libs.almanac.festivals import festival
from libs.almanac.lunisolar import SOLAR_TERMS, YEAR_MAX, YEAR_MIN, solar_term
from libs.almanac.recurrence import Rule, days_between
from libs.chassis.domain import InvalidArgument, OpenEnum
from services.care.customers.domain.projection import CustomerProjection, DateKind


class Fact(OpenEnum):
    """Fact of another service that a program may answer."""

    CUSTOMER_CREATED = "CUSTOMER_CREATED"
    TIER_CHANGED = "TIER_CHANGED"
    PURCHASE = "PURCHASE"
    PROMISE_BROKEN = "PROMISE_BROKEN"
    DEAL_WON = "DEAL_WON"
    CONVERSATION_CLOSED = "CONVERSATION_CLOSED"
    LIFECYCLE_CHANGED = "LIFECYCLE_CHANGED"
    SURVEY_INVITATION = "SURVEY_INVITATION"


class Direction(OpenEnum):
    """Way in which a score passes a mark."""

    UP = "UP"
    DOWN = "DOWN"


class Period(OpenEnum):
    """Length of a period of surprises."""

    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"

    @property
    def months(self) -> int:
        """Its length in months. A year for one of a newer release."""
        return {Period.MONTH: 1, Period.QUARTER: 3}.get(self, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """A day on which a plan comes, and the key that makes it happen once."""

    key: str
    day: date
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """Comes by a rule of RFC 5545."""

    rule: str
    start_date: date

    def check(self) -> None:
        Rule.read(self.rule)

    def occasions(self, _customer: CustomerProjection, start: date, end: date, _seed: str) -> Iterator[Occasion]:
        yield from (
            Occasion(key=day.isoformat(), day=day) for day in days_between(self.rule, self.start_date, start, end)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDate:
    """Comes on a date that the customer keeps."""

    kind: DateKind
    label: str = ""

    def check(self) -> None:
        if (self.kind is DateKind.CUSTOM) != bool(self.label):
            raise InvalidArgument.field("label", "is required for a custom date, and for no other")

    def occasions(self, customer: CustomerProjection, start: date, end: date, _seed: str) -> Iterator[Occasion]:
        for kept in customer.dates:
            if kept.kind is self.kind and (not self.label or kept.label == self.label):
                named = kept.label or str(kept.kind)
                yield from (
                    Occasion(key=f"{named}:{day.isoformat()}", day=day, name=named)
                    for day in kept.yearly.between(start, end)
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFestival:
    """Comes on a festival, for those whose language is that of its people."""

    festival: str
    languages: tuple[str, ...] = ()

    def is_of(self, customer: CustomerProjection) -> bool:
        """Tells whether the festival is one of the customer's people."""
        return not self.languages or customer.language in self.languages

    def check(self) -> None:
        festival(self.festival)

    def occasions(self, customer: CustomerProjection, start: date, end: date, _seed: str) -> Iterator[Occasion]:
        if not self.is_of(customer):
            return
        found = festival(self.festival)
        name = found.names.get(customer.language, found.names["en"])
        first, last = max(start, date(YEAR_MIN + 1, 1, 1)), min(end, date(YEAR_MAX, 1, 1))
        if first < last:
            yield from (
                Occasion(key=f"{self.festival}:{day.year}", day=day, name=name) for day in found.between(first, last)
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSolarTerm:
    """Comes on a solar term."""

    term: str

    def check(self) -> None:
        if self.term not in SOLAR_TERMS:
            raise InvalidArgument.field("term", f"{self.term} is none of {', '.join(SOLAR_TERMS)}")

    def occasions(self, _customer: CustomerProjection, start: date, end: date, _seed: str) -> Iterator[Occasion]:
        for year in range(max(start.year, YEAR_MIN), min(end.year, YEAR_MAX) + 1):
            day = solar_term(year, self.term)
            if start <= day < end:
                yield Occasion(key=f"{self.term}:{year}", day=day, name=self.term)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFact:
    """Comes after something happened."""

    fact: Fact
    values: tuple[str, ...] = ()
    delay: timedelta = timedelta()

    def check(self) -> None:
        """Accepts every fact."""

    def occasions(self, _customer: CustomerProjection, _start: date, _end: date, _seed: str) -> Iterator[Occasion]:
        yield from ()

    def answers(self, fact: Fact, value: str) -> bool:
        """Tells whether it answers a fact."""
        return self.fact is fact and (not self.values or value in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnUsage:
    """Comes when a period is used at least so much and another way would cost less."""

    measure: str
    at_least: int = 0

    def check(self) -> None:
        """Accepts every measure."""

    def occasions(self, _customer: CustomerProjection, _start: date, _end: date, _seed: str) -> Iterator[Occasion]:
        yield from ()

    def answers(self, measure: str, value: int, saving: int) -> bool:
        """Tells whether it answers a measurement. Advice that saves the customer nothing is no care."""
        return self.measure == measure and value >= self.at_least and saving > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OnScore:
    """Comes when a score passes a mark."""

    measure: str
    mark: int = 0
    direction: Direction

    def check(self) -> None:
        """Accepts every mark."""

    def occasions(self, _customer: CustomerProjection, _start: date, _end: date, _seed: str) -> Iterator[Occasion]:
        yield from ()

    def answers(self, measure: str, before: int | None, value: int) -> bool:
        """Tells whether the mark lies between two scores. A first score passes nothing."""
        if self.measure != measure or before is None:
            return False
        up, down = before < self.mark <= value, before > self.mark >= value
        return up if self.direction is Direction.UP else down


@dataclass(frozen=True, slots=True, kw_only=True)
class OnSilence:
    """Comes when customer and company did not meet for some days."""

    days: int

    def check(self) -> None:
        """Accepts every length."""

    def occasions(self, customer: CustomerProjection, start: date, end: date, _seed: str) -> Iterator[Occasion]:
        if customer.contact_time is not None:
            last = customer.contact_time.date()
            day = last + timedelta(days=self.days)
            if start <= day < end:
                yield Occasion(key=f"silent:{last.isoformat()}", day=day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surprise:
    """Comes once a period, on a day drawn from a seed and the customer: the same whoever asks, guessed by nobody."""

    period: Period

    def check(self) -> None:
        """Accepts every period."""

    def occasions(self, customer: CustomerProjection, start: date, end: date, seed: str) -> Iterator[Occasion]:
        months = self.period.months
        begin = date(start.year, (start.month - 1) // months * months + 1, 1)
        while begin < end:
            after = _months_after(begin, months)
            digest = hashlib.sha256(f"{seed}:{customer.canonical_id}:{begin.isoformat()}:{months}".encode()).digest()
            day = begin + timedelta(days=int.from_bytes(digest[:8]) % (after - begin).days)
            if start <= day < end:
                yield Occasion(key=f"surprise:{begin.isoformat()}", day=day)
            begin = after


Trigger = Recurrence | OnDate | OnFestival | OnSolarTerm | OnFact | OnUsage | OnScore | OnSilence | Surprise


def _months_after(day: date, months: int) -> date:
    month = day.month - 1 + months
    return date(day.year + month // 12, month % 12 + 1, 1)
