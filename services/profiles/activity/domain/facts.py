"""Personal facts that staff learned about customers, kept apart so that they travel with nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, NotFound, OpenEnum, PermissionDenied
from services.profiles.customers.domain.consents import Purpose
from services.profiles.customers.domain.text import check_past, clean
from services.profiles.customers.domain.violations import Violations

READ_SENSITIVE = "profiles.facts.read_sensitive"
"""The scope that shows sensitive facts."""


class FactSensitive(PermissionDenied):
    """The fact is sensitive: {scope} is needed."""

    scope: str


class Topic(OpenEnum):
    """Subject of a fact."""

    HOME_TOWN = "HOME_TOWN"
    FAMILY = "FAMILY"
    INTEREST = "INTEREST"
    STYLE = "STYLE"
    MEANS = "MEANS"
    INCOME_OUTLOOK = "INCOME_OUTLOOK"
    RISK_APPETITE = "RISK_APPETITE"
    OTHER = "OTHER"


class Visibility(OpenEnum):
    """Readers of a fact."""

    STAFF = "STAFF"
    AUTHOR = "AUTHOR"


class Sensitivity(OpenEnum):
    """Harm that a fact could do."""

    ORDINARY = "ORDINARY"
    SENSITIVE = "SENSITIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalFact(Entity):
    """Something personal about a customer."""

    ID_PREFIX: ClassVar[str] = "fact"

    delete_time: datetime | None = None
    customer_id: str
    topic: Topic
    text: str
    author: str = ""
    visibility: Visibility = Visibility.STAFF
    sensitivity: Sensitivity = Sensitivity.ORDINARY
    purpose: Purpose | None = None
    """Allowed purposes, given consent to them. None: for talking with the customer."""
    source: str = ""
    observed_time: datetime | None = None
    confidence_percent: int | None = None

    def record(self, author: str, now: datetime) -> Change[PersonalFact]:
        """The fact that a caller's draft describes."""
        violations = Violations("fact")
        check_past(self.observed_time, now, "observed_time", violations)
        if self.confidence_percent is not None and not 0 <= self.confidence_percent <= 100:
            violations.add("confidence_percent", f"{self.confidence_percent} is not between 0 and 100")
        fact = replace(
            self,
            author=author,
            delete_time=None,
            text=clean(self.text, "text", 1000, violations, required=True),
            source=clean(self.source, "source", 100, violations),
            observed_time=self.observed_time or now,
        )
        violations.refuse()
        return fact, [FactRecorded(fact_id=fact.id, customer_id=fact.customer_id, topic=fact.topic)]

    def remove(self, reader: str, scopes: Collection[str], at: datetime) -> Change[PersonalFact]:
        """The rest: that there was a fact, and no longer its content."""
        if self.delete_time is not None or not self._is_known_to(reader):
            raise NotFound(PersonalFact, self.id)
        if not self.is_readable_by(reader, scopes):
            raise FactSensitive(scope=READ_SENSITIVE)
        gone = replace(self, text="", source="", delete_time=at)
        return gone, [FactRemoved(fact_id=self.id, customer_id=self.customer_id, topic=self.topic)]

    def erase(self, at: datetime) -> Change[PersonalFact]:
        """The rest of a fact about somebody who was erased. Nothing changes when it was removed before."""
        if self.delete_time is not None:
            return self, []
        gone = replace(self, text="", source="", delete_time=at)
        return gone, [FactRemoved(fact_id=self.id, customer_id=self.customer_id, topic=self.topic)]

    def is_readable_by(self, reader: str, scopes: Collection[str]) -> bool:
        """True when a caller may see its content. Its author always may."""
        if self.sensitivity is Sensitivity.SENSITIVE and not {READ_SENSITIVE, "*"} & set(scopes):
            return reader == self.author
        return self._is_known_to(reader)

    def _is_known_to(self, reader: str) -> bool:
        return self.visibility is Visibility.STAFF or reader == self.author


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRecorded(Event):
    """A personal fact was recorded. What it says is not told."""

    fact_id: str
    customer_id: str
    topic: Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRemoved(Event):
    """A personal fact was removed."""

    fact_id: str
    customer_id: str
    topic: Topic
