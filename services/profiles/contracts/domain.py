"""Contracts: what a customer and the company agreed upon for some time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event
from services.profiles.customers.domain.text import check_interval, clean
from services.profiles.customers.domain.violations import Violations

_PLAN = re.compile("[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract(Entity):
    """One contract."""

    ID_PREFIX: ClassVar[str] = "ctr"

    customer_id: str
    number: str
    plan: str
    valid_from_date: date
    valid_to_date: date | None = None
    """The last day. None while none is agreed upon."""

    def add(self) -> Change[Contract]:
        """The contract that a draft describes."""
        violations = Violations("contract")
        contract = replace(self, number=clean(self.number, "number", 100, violations, required=True))
        if not _PLAN.fullmatch(self.plan):
            violations.add("plan", f"{self.plan!r} is no short lower-case name such as gold-service")
        check_interval(self.valid_from_date, self.valid_to_date, "valid_to_date", violations)
        violations.refuse()
        return contract, [ContractChanged(contract=contract)]

    def end(self, last_day: date) -> Change[Contract]:
        """With another last day."""
        violations = Violations("")
        check_interval(self.valid_from_date, last_day, "end_date", violations)
        violations.refuse()
        if last_day == self.valid_to_date:
            return self, []
        ended = replace(self, valid_to_date=last_day)
        return ended, [ContractChanged(contract=ended)]

    def runs_on(self, day: date) -> bool:
        """True when the contract is in force on a day."""
        return self.valid_from_date <= day and (self.valid_to_date is None or day <= self.valid_to_date)


def last_day(contracts: Iterable[Contract]) -> date | None:
    """The day on which the last of some contracts ends. None when one has no end."""
    ends = [contract.valid_to_date for contract in contracts]
    return None if None in ends else max((end for end in ends if end is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractChanged(Event):
    """A contract was added or got another end."""

    contract: Contract
