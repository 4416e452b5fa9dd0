"""Authority: limits by role, tier, action and currency, per case, per day of an agent, and per year of a customer.

Days and years roll: nobody gains by waiting for midnight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event, FieldViolation, InvalidArgument
from libs.money import CURRENCIES
from libs.worktime.clock import ClockEvent, ClockEventKind, Target
from libs.worktime.folding import append
from services.interactions.remedies.domain.absences import Absence, ExceptionGrant
from services.interactions.remedies.domain.goodwill import (
    Goodwill,
    GoodwillAsked,
    GoodwillDeclined,
    GoodwillHandedOn,
    GoodwillPosted,
    GoodwillState,
    RemedyAction,
    check_money,
)
from services.interactions.remedies.domain.refusals import (
    GoodwillAboveAuthority,
    GoodwillDecided,
    NobodyMayApprove,
    OwnGoodwill,
)

DAY: Final = timedelta(days=1)
YEAR: Final = timedelta(days=365)


DAY_TARGET: Final = Target(work=DAY)
"""Time within which an approval is decided while nobody says more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityLimit:
    """Amounts up to which a role may give an action in a currency, in minor units."""

    role: str
    action: RemedyAction
    currency_code: str
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
class AuthorityMatrix(Entity):
    """Limits of authority, and the agents who approve what exceeds them, in the order in which they are asked."""

    ID_PREFIX: ClassVar[str] = "aut"

    version: int = 0
    limits: tuple[AuthorityLimit, ...] = ()
    agents: tuple[Agent, ...] = ()
    """Agents with a role. Whoever is not among them has no authority."""
    approvers: tuple[Agent, ...] = ()
    target: Target = DAY_TARGET
    """Time within which an approval is decided."""

    def set(self, wanted: AuthorityMatrix) -> Change[AuthorityMatrix]:
        """The next version. InvalidArgument names everything that is wrong with it."""
        wrong = [*wanted.violations()]
        if wrong:
            raise InvalidArgument(violations=wrong)
        became = replace(
            self,
            version=self.version + 1,
            limits=wanted.limits,
            agents=wanted.agents,
            approvers=wanted.approvers,
            target=wanted.target,
        )
        return became, [AuthoritySet(authority=became)]

    def violations(self) -> Iterable[FieldViolation]:
        """Everything that is wrong with it."""
        keys = [(each.role, each.action, each.currency_code, each.tier) for each in self.limits]
        for n, each in enumerate(self.limits):
            if keys[n] in keys[:n]:
                yield FieldViolation(f"limits[{n}]", "another limit has the same role, tier, action and currency")
            if min(each.per_case, each.per_day, each.per_customer_year) < 0:
                yield FieldViolation(f"limits[{n}]", "no limit is below 0")
            if each.currency_code not in CURRENCIES:
                yield FieldViolation(f"limits[{n}].currency_code", f"{each.currency_code!r} is no code of ISO 4217")
        if len({each.id for each in self.agents}) < len(self.agents):
            yield FieldViolation("agents", "an agent has one role")
        if not timedelta(0) < self.target.work <= YEAR:
            yield FieldViolation("target.work", f"{self.target.work} is not above 0 and up to {YEAR}")
        if any(not 0 < percent < 100 for percent in self.target.warnings):
            yield FieldViolation("target.warnings", "a warning comes at 1 to 99 percent")

    def agent(self, id: str) -> Agent:
        """An agent with its role, which is empty for a stranger."""
        return next((each for each in (*self.agents, *self.approvers) if each.id == id), Agent(id=id, role=""))

    def exceeded(self, draft: Goodwill, role: str, posted: Iterable[Goodwill]) -> tuple[str, ...]:
        """The limits that a goodwill exceeds, with what was given before. All of them in want of one."""
        by_key = {(each.role, each.action, each.currency_code, each.tier): each for each in self.limits}
        key = (role, draft.action, draft.currency_code)
        limit = by_key.get((*key, draft.tier)) or by_key.get((*key, ""))
        if limit is None:
            return ("no limit for this role, action and currency",)
        per_case = per_day = per_year = draft.amount
        for each in posted:
            given, asked = each.decided_time, draft.asked_time
            if (
                given is None
                or asked is None
                or each.state is not GoodwillState.POSTED
                or each.id == draft.id
                or (each.action, each.currency_code) != (draft.action, draft.currency_code)
            ):
                continue
            per_case += each.amount * (each.case_id == draft.case_id)
            per_day += each.amount * (each.asked_by == draft.asked_by and given > asked - DAY)
            per_year += each.amount * (_same_customer(each, draft) and given > asked - YEAR)
        sums = {"per case": (per_case, limit.per_case), "per day": (per_day, limit.per_day)}
        sums["per customer and year"] = (per_year, limit.per_customer_year)
        return tuple(f"{name} {limit}" for name, (given, limit) in sums.items() if given > limit)

    def ask(
        self,
        draft: Goodwill,
        agent: Agent,
        now: datetime,
        posted: Iterable[Goodwill],
        *,
        absences: Iterable[Absence] = (),
        grant: ExceptionGrant | None = None,
    ) -> Change[Goodwill]:
        """Posted at once inside the authority of the agent, else waiting for somebody who may approve it."""
        check_money(draft.amount, draft.currency_code, "goodwill")
        posted = tuple(posted)
        asked = replace(draft, asked_by=agent.id, asked_time=now)
        exceeded = self.exceeded(asked, agent.role, posted)
        if not exceeded:
            return _posted(asked, f"limit of {agent.role}, version {self.version}")
        if grant is not None and _covers(grant, asked, posted):
            return _posted(asked, f"grant {grant.id}")
        started = ClockEvent(id="asked", kind=ClockEventKind.START, time=now, target=self.target)
        waiting = replace(asked, exceeded=exceeded, clock=append((), started, now))
        waiting, _ = self.hand_on(waiting, posted, now, absences)
        return waiting, [GoodwillAsked(goodwill=waiting)]

    def hand_on(
        self, goodwill: Goodwill, posted: Iterable[Goodwill], now: datetime, absences: Iterable[Absence] = ()
    ) -> Change[Goodwill]:
        """Asks the first approver who is there and may, or the deputy that the calendar names. The clock runs on."""
        _undecided(goodwill)
        posted = tuple(posted)
        away = {each.agent_id: each for each in absences if each.start_time <= now < each.end_time}
        roles = {agent.id: agent.role for agent in self.approvers}
        for approver in self.approvers:
            who = _present(approver.id, away)
            # A deputy stands in for the authority of the one who is away, though never for the one who asked.
            if who and who != goodwill.asked_by and not self.exceeded(goodwill, roles[approver.id], posted):
                if who == goodwill.approver_id:
                    return goodwill, []
                handed = replace(goodwill, approver_id=who)
                return handed, [GoodwillHandedOn(goodwill=handed)]
        raise NobodyMayApprove(goodwill_id=goodwill.id, approvers=tuple(roles))

    def decide(
        self, goodwill: Goodwill, by: Agent, posted: Iterable[Goodwill], now: datetime, *, approve: bool, reason: str
    ) -> Change[Goodwill]:
        """Approved and posted, or declined, by whoever is asked or has the authority. Decided once."""
        _undecided(goodwill)
        if by.id == goodwill.asked_by:
            raise OwnGoodwill(agent_id=by.id, goodwill_id=goodwill.id)
        exceeded = self.exceeded(goodwill, by.role, posted)
        if by.id != goodwill.approver_id and exceeded:
            raise GoodwillAboveAuthority(
                amount=goodwill.amount,
                currency_code=goodwill.currency_code,
                action=goodwill.action,
                agent_id=by.id,
                exceeded=exceeded,
            )
        ended = ClockEvent(id="decided", kind=ClockEventKind.FULFIL, time=now)
        decided = replace(
            goodwill,
            state=GoodwillState.POSTED if approve else GoodwillState.DECLINED,
            authority=f"approval of {by.id}" if approve else "",
            decided_by=by.id,
            decided_time=now,
            reason=reason,
            clock=append(goodwill.clock, ended, now),
            wake_time=None,
        )
        return decided, [GoodwillPosted(goodwill=decided) if approve else GoodwillDeclined(goodwill=decided)]


def _same_customer(one: Goodwill, other: Goodwill) -> bool:
    """Callers pass goodwill of a customer under any of its ids, told by the same one."""
    return bool(one.customer_id) and one.customer_id == other.customer_id


def _undecided(goodwill: Goodwill) -> None:
    if goodwill.state is not GoodwillState.AWAITING_APPROVAL:
        raise GoodwillDecided(goodwill_id=goodwill.id, state=goodwill.state)


def _posted(goodwill: Goodwill, authority: str) -> Change[Goodwill]:
    posted = replace(
        goodwill,
        state=GoodwillState.POSTED,
        authority=authority,
        decided_by=goodwill.asked_by,
        decided_time=goodwill.asked_time,
    )
    return posted, [GoodwillPosted(goodwill=posted)]


def _covers(grant: ExceptionGrant, draft: Goodwill, posted: Iterable[Goodwill]) -> bool:
    """True while the grant is for this case and the sum under it stays within its amount."""
    used = sum(each.amount for each in posted if each.authority == f"grant {grant.id}")
    same = (grant.case_id, grant.action, grant.currency_code) == (draft.case_id, draft.action, draft.currency_code)
    return (
        same
        and draft.asked_time is not None
        and draft.asked_time < grant.expire_time
        and used + draft.amount <= grant.amount
        and grant.approved_by != draft.asked_by
    )


def _present(agent_id: str, away: Mapping[str, Absence]) -> str:
    """The agent, or the first deputy along the line who is there. Empty when nobody is."""
    seen = set[str]()
    while agent_id in away and agent_id not in seen:
        seen.add(agent_id)
        agent_id = away[agent_id].deputy_id
    return "" if agent_id in away else agent_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthoritySet(Event):
    """The limits of authority have another version."""

    authority: AuthorityMatrix
