"""Remedies: goodwill inside the authority of whoever gives it at once, outside it approved by somebody who may.

Authority is a matrix of limits by role, tier, action and currency: per case, per day of an agent, and per year of a
customer. Days and years roll: nobody gains by waiting for midnight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import FailedPrecondition, InvalidArgument, OpenEnum, PermissionDenied
from libs.worktime.clock import Clock, ClockEvent, ClockEventKind, Target
from libs.worktime.folding import HoursOf, append, fold

DAY: Final = timedelta(days=1)
YEAR: Final = timedelta(days=365)


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


class GoodwillAboveAuthority(PermissionDenied):
    """{amount} {currency} of {action} is above what {agent_id} may give. It exceeds: {exceeded}."""

    amount: int
    currency: str
    action: str
    agent_id: str
    exceeded: tuple[str, ...]


class NobodyMayApprove(FailedPrecondition):
    """Nobody who is there may approve {goodwill_id}: name a deputy, or wait until one of {approvers} is back."""

    goodwill_id: str
    approvers: tuple[str, ...]


class GoodwillDecided(FailedPrecondition):
    """{goodwill_id} is {state}: it is decided once."""

    goodwill_id: str
    state: str


class OwnGoodwill(PermissionDenied):
    """{agent_id} asked for {goodwill_id}: somebody else decides it."""

    agent_id: str
    goodwill_id: str


class GoodwillIdTaken(InvalidArgument):
    """{goodwill_id} was asked for with another content."""

    wrong_field: ClassVar[str] = "goodwill.id"
    goodwill_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityLimit:
    """Amounts up to which a role may give an action in a currency, in minor units."""

    role: str
    action: RemedyAction
    currency: str
    tier: str = ""
    """Tier of customers that it is meant for, empty for every one."""
    per_case: int
    per_day: int
    per_customer_year: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Somebody who gives or approves goodwill."""

    id: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Time in which an agent is not there, from the calendar."""

    agent_id: str
    start_time: datetime
    end_time: datetime
    deputy_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionGrant:
    """Leave to break the routine for one case: until it expires, up to an amount in place of the limits."""

    id: str
    case_id: str
    action: RemedyAction
    currency: str
    amount: int
    approved_by: str
    reason: str
    """Read when the next version of the limits is made."""
    expire_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodwill:
    """Something given to a customer to make good, posted once."""

    ID_PREFIX: ClassVar[str] = "gdw"

    id: str
    case_id: str
    customer_id: str
    tier: str = ""
    action: RemedyAction
    currency: str
    amount: int
    """Minor units."""
    asked_by: str
    asked_time: datetime
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

    def approval_clock(self, at: datetime, hours_of: HoursOf) -> Clock:
        """The clock of its approval, which runs on whoever is asked."""
        return fold(self.clock, at, hours_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityMatrix:
    """Limits of authority, and the agents who approve what exceeds them, in the order in which they are asked."""

    version: int = 1
    limits: tuple[AuthorityLimit, ...]
    approvers: tuple[Agent, ...] = ()
    target: Target
    """Time within which an approval is decided."""

    def __post_init__(self) -> None:
        keys = [(each.role, each.action, each.currency, each.tier) for each in self.limits]
        if len(set(keys)) != len(keys):
            raise InvalidArgument.field("limits", "two limits of the same role, tier, action and currency")
        if any(min(each.per_case, each.per_day, each.per_customer_year) < 0 for each in self.limits):
            raise InvalidArgument.field("limits", "no limit is below 0")

    def exceeded(self, draft: Goodwill, role: str, posted: Iterable[Goodwill]) -> tuple[str, ...]:
        """The limits that a goodwill exceeds, with what was given before. All of them in want of one."""
        by_key = {(each.role, each.action, each.currency, each.tier): each for each in self.limits}
        key = (role, draft.action, draft.currency)
        limit = by_key.get((*key, draft.tier)) or by_key.get((*key, ""))
        if limit is None:
            return ("no limit for this role, action and currency",)
        per_case = per_day = per_year = draft.amount
        for each in posted:
            given = each.decided_time or each.asked_time
            if (
                each.state is not GoodwillState.POSTED
                or each.id == draft.id
                or (each.action, each.currency) != (draft.action, draft.currency)
            ):
                continue
            per_case += each.amount * (each.case_id == draft.case_id)
            per_day += each.amount * (each.asked_by == draft.asked_by and given > draft.asked_time - DAY)
            per_year += each.amount * (each.customer_id == draft.customer_id and given > draft.asked_time - YEAR)
        sums = {"per case": (per_case, limit.per_case), "per day": (per_day, limit.per_day)}
        sums["per customer and year"] = (per_year, limit.per_customer_year)
        return tuple(f"{name} {limit}" for name, (given, limit) in sums.items() if given > limit)

    def ask(
        self,
        draft: Goodwill,
        agent: Agent,
        posted: Iterable[Goodwill],
        absences: Iterable[Absence] = (),
        grant: ExceptionGrant | None = None,
    ) -> Goodwill:
        """Posted at once inside the authority of the agent, else waiting for somebody who may approve it.

        A repeat of the same request gives the goodwill that is already there, and posts nothing.
        """
        _check(draft)
        posted = tuple(posted)
        asked = replace(draft, asked_by=agent.id)
        for known in posted:
            if known.id == draft.id:
                if _content(known) != _content(asked):
                    raise GoodwillIdTaken(goodwill_id=draft.id)
                return known
        exceeded = self.exceeded(asked, agent.role, posted)
        if not exceeded:
            return _posted(asked, f"limit of {agent.role}, version {self.version}")
        if grant is not None and _covers(grant, asked, posted):
            return _posted(asked, f"grant {grant.id}")
        started = ClockEvent(
            id=f"{draft.id}:asked", kind=ClockEventKind.START, time=draft.asked_time, target=self.target
        )
        waiting = replace(asked, exceeded=exceeded, clock=append((), started, draft.asked_time))
        return self.hand_on(waiting, posted, draft.asked_time, absences)

    def hand_on(
        self, goodwill: Goodwill, posted: Iterable[Goodwill], now: datetime, absences: Iterable[Absence] = ()
    ) -> Goodwill:
        """Asks the first approver who is there and may, or the deputy that the calendar names. The clock runs on."""
        _undecided(goodwill)
        posted = tuple(posted)
        away = {each.agent_id: each for each in absences if each.start_time <= now < each.end_time}
        roles = {agent.id: agent.role for agent in self.approvers}
        for approver in self.approvers:
            who = _present(approver.id, away)
            # A deputy stands in for the authority of the one who is away, though never for the one who asked.
            if who and who != goodwill.asked_by and not self.exceeded(goodwill, roles[approver.id], posted):
                return replace(goodwill, approver_id=who)
        raise NobodyMayApprove(goodwill_id=goodwill.id, approvers=tuple(roles))

    def decide(
        self, goodwill: Goodwill, by: Agent, posted: Iterable[Goodwill], now: datetime, *, approve: bool, reason: str
    ) -> Goodwill:
        """Approved and posted, or declined, by whoever is asked or has the authority. Decided once."""
        _undecided(goodwill)
        if by.id == goodwill.asked_by:
            raise OwnGoodwill(agent_id=by.id, goodwill_id=goodwill.id)
        exceeded = self.exceeded(goodwill, by.role, posted)
        if by.id != goodwill.approver_id and exceeded:
            raise GoodwillAboveAuthority(
                amount=goodwill.amount,
                currency=goodwill.currency,
                action=goodwill.action,
                agent_id=by.id,
                exceeded=exceeded,
            )
        ended = ClockEvent(id=f"{goodwill.id}:decided", kind=ClockEventKind.FULFIL, time=now)
        return replace(
            goodwill,
            state=GoodwillState.POSTED if approve else GoodwillState.DECLINED,
            authority=f"approval of {by.id}" if approve else "",
            decided_by=by.id,
            decided_time=now,
            reason=reason,
            clock=append(goodwill.clock, ended, now),
        )


def _check(draft: Goodwill) -> None:
    if draft.amount <= 0:
        raise InvalidArgument.field("goodwill.amount", f"{draft.amount} is not above 0")
    if len(draft.currency) != 3 or not draft.currency.isupper():
        raise InvalidArgument.field("goodwill.currency", f"{draft.currency!r} is not a code of ISO 4217")


def _undecided(goodwill: Goodwill) -> None:
    if goodwill.state is not GoodwillState.AWAITING_APPROVAL:
        raise GoodwillDecided(goodwill_id=goodwill.id, state=goodwill.state)


def _posted(goodwill: Goodwill, authority: str) -> Goodwill:
    return replace(
        goodwill,
        state=GoodwillState.POSTED,
        authority=authority,
        decided_by=goodwill.asked_by,
        decided_time=goodwill.asked_time,
    )


def _covers(grant: ExceptionGrant, draft: Goodwill, posted: Iterable[Goodwill]) -> bool:
    """True while the grant is for this case and the sum under it stays within its amount."""
    used = sum(each.amount for each in posted if each.authority == f"grant {grant.id}")
    same = (grant.case_id, grant.action, grant.currency) == (draft.case_id, draft.action, draft.currency)
    return (
        same
        and draft.asked_time < grant.expire_time
        and used + draft.amount <= grant.amount
        and grant.approved_by != draft.asked_by
    )


def _content(goodwill: Goodwill) -> tuple[object, ...]:
    return (
        goodwill.case_id,
        goodwill.customer_id,
        goodwill.action,
        goodwill.currency,
        goodwill.amount,
        goodwill.asked_by,
    )


def _present(agent_id: str, away: Mapping[str, Absence]) -> str:
    """The agent, or the first deputy along the line who is there. Empty when nobody is."""
    seen = set[str]()
    while agent_id in away and agent_id not in seen:
        seen.add(agent_id)
        agent_id = away[agent_id].deputy_id
    return "" if agent_id in away else agent_id
