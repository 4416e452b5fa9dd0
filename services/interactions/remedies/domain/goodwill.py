"""Goodwill: something given to a customer to make good, posted once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event, InvalidArgument, OpenEnum, SourceKeyReused
from libs.money import CURRENCIES
from libs.worktime.clock import Clock, ClockEvent
from libs.worktime.folding import HoursOf, fold

AMOUNT_MAX: Final = 10**15
"""Greatest amount in minor units. More is a mistake of units."""


class RemedyAction(OpenEnum):
    """Kind of goodwill."""

    REFUND = "REFUND"
    CREDIT = "CREDIT"
    REPLACEMENT = "REPLACEMENT"
    GIFT = "GIFT"
    FEE_WAIVER = "FEE_WAIVER"


class GoodwillState(OpenEnum):
    """State of a goodwill."""

    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    DECLINED = "DECLINED"
    POSTED = "POSTED"


def check_money(amount: int, currency_code: str, where: str) -> None:
    """Refuses an amount that is nothing, one that nobody gives, and a currency that there is not."""
    if not 0 < amount <= AMOUNT_MAX:
        raise InvalidArgument.field(f"{where}.amount", f"{amount} is not above 0 and up to {AMOUNT_MAX}")
    if currency_code not in CURRENCIES:
        raise InvalidArgument.field(f"{where}.currency_code", f"{currency_code!r} is not a code of ISO 4217")


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodwill(Entity):
    """Something given to a customer to make good, posted once."""

    ID_PREFIX: ClassVar[str] = "gdw"

    case_id: str
    customer_id: str = ""
    tier: str = ""
    action: RemedyAction
    currency_code: str
    amount: int
    """Minor units."""
    why: str = ""
    """Reason for which it is given."""
    problem_id: str = ""
    """Problem whose remedy it is a part of."""
    asked_by: str = ""
    asked_time: datetime | None = None
    state: GoodwillState = GoodwillState.AWAITING_APPROVAL
    authority: str = ""
    """Rule that allowed it: a limit of the matrix, a grant, or an approval."""
    exceeded: tuple[str, ...] = ()
    """Limits that it exceeded, for whoever approves."""
    approver_id: str = ""
    """Agent who is asked now."""
    decided_by: str = ""
    decided_time: datetime | None = None
    reason: str = ""
    clock: tuple[ClockEvent, ...] = ()
    """Events of the clock of its approval."""
    told_percents: tuple[int, ...] = ()
    """Points of that clock that were told. 100 is the breach."""
    wake_time: datetime | None = None
    """Time at which somebody is reminded or somebody else is asked."""
    erased: bool = False

    def approval_clock(self, at: datetime, hours_of: HoursOf) -> Clock:
        """The clock of its approval, which runs on whoever is asked."""
        return fold(self.clock, at, hours_of)

    def timed(self, now: datetime, hours_of: HoursOf, leaves: Iterable[datetime]) -> Goodwill:
        """With the time at which it is to be looked at: the next point of its clock, or when its approver leaves."""
        if self.state is not GoodwillState.AWAITING_APPROVAL:
            return replace(self, wake_time=None)
        stands = self.approval_clock(now, hours_of)
        points = [stands.wake_time, *(each for each in leaves if each > now)]
        return replace(self, wake_time=min((each for each in points if each is not None), default=None))

    def remind(self, now: datetime, hours_of: HoursOf) -> Change[Goodwill]:
        """Tells each warning and the breach of the clock of its approval once."""
        stands = self.approval_clock(now, hours_of)
        reached = [each.percent for each in stands.warned] + ([100] if stands.breached_time is not None else [])
        untold = [each for each in reached if each not in self.told_percents]
        if self.state is not GoodwillState.AWAITING_APPROVAL or not untold:
            return self, []
        reminded = replace(self, told_percents=(*self.told_percents, *untold))
        return reminded, [GoodwillReminded(goodwill=reminded, percent=max(untold))]

    def post_by_plan(self, planned_by: str, now: datetime) -> Change[Goodwill]:
        """Posted under the remedy of a problem, for which whoever planned it answers."""
        check_money(self.amount, self.currency_code, "goodwill")
        posted = replace(
            self,
            state=GoodwillState.POSTED,
            authority=f"plan of {self.problem_id}",
            asked_by=planned_by,
            asked_time=now,
            decided_by=planned_by,
            decided_time=now,
        )
        return posted, [GoodwillPosted(goodwill=posted)]

    def watch(self) -> Change[Goodwill]:
        """This goodwill, whose approver is watched anew."""
        return self, [GoodwillHandedOn(goodwill=self)]

    def require_same(self, other: Goodwill, key: str) -> None:
        """Refuses with SourceKeyReused what would be something else under the same key."""

        def content(each: Goodwill) -> tuple[object, ...]:
            return each.case_id, each.action, each.currency_code, each.amount, each.problem_id

        if content(self) != content(other):
            raise SourceKeyReused(key=key, id=self.id)

    def erase(self) -> Change[Goodwill]:
        """Without words: amounts and times stay for the books."""
        if self.erased:
            return self, []
        left = replace(self, why="", reason="", erased=True)
        return left, [GoodwillErased(goodwill=left)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodwillTurn(Entity):
    """Turns that were taken to give something to a customer, or by an agent.

    Written in the transaction that gives it: of two at once, which would exceed a limit together, one waits.
    """

    ID_PREFIX: ClassVar[str] = "gdt"

    turns: int = 0

    def take(self, _: object = None) -> Change[GoodwillTurn]:
        """One turn more."""
        return replace(self, turns=self.turns + 1), []


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodwillEvent(Event):
    """Something that happened to a goodwill. Carries it as it is afterwards."""

    goodwill: Goodwill


class GoodwillAsked(GoodwillEvent):
    """A goodwill waits for an approval."""


class GoodwillHandedOn(GoodwillEvent):
    """Somebody else is asked to approve a goodwill."""


class GoodwillPosted(GoodwillEvent):
    """A goodwill was given."""


class GoodwillDeclined(GoodwillEvent):
    """A goodwill was declined."""


class GoodwillErased(GoodwillEvent):
    """The personal words of a goodwill were erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodwillReminded(GoodwillEvent):
    """A point of the clock of an approval was reached."""

    percent: int
