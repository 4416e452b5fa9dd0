"""Remedies: authority, approval with deputies and a clock that runs, and goodwill that is posted once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from libs.worktime.clock import ClockState, Target
from libs.worktime.hours import AroundTheClock
from services.interactions.remedies.domain.absences import Absence, ExceptionGrant
from services.interactions.remedies.domain.authority import Agent, AuthorityLimit, AuthorityMatrix
from services.interactions.remedies.domain.goodwill import Goodwill, GoodwillState, RemedyAction
from services.interactions.remedies.domain.refusals import (
    GoodwillAboveAuthority,
    GoodwillDecided,
    NobodyMayApprove,
    OwnGoodwill,
)

NOW = datetime(2026, 8, 10, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FRONT, LEAD, HEAD = Agent(id="agt_1", role="front"), Agent(id="agt_2", role="lead"), Agent(id="agt_3", role="head")
REFUND = RemedyAction.REFUND


def limit(role: str, case: int, day: int, year: int, tier: str = "") -> AuthorityLimit:
    return AuthorityLimit(
        role=role,
        action=REFUND,
        currency_code="EUR",
        tier=tier,
        per_case=case,
        per_day=day,
        per_customer_year=year,
    )


MATRIX = AuthorityMatrix(
    id="aut_1",
    version=3,
    limits=(
        limit("front", 5000, 8000, 9000),
        limit("front", 7000, 20000, 20000, "GOLD"),
        limit("lead", 20000, 90000, 90000),
        limit("head", 90000, 900000, 900000),
    ),
    approvers=(LEAD, HEAD),
    target=Target(work=4 * HOUR, warnings=(75,)),
)


def wanted(
    amount: int, id: str = "gdw_1", *, case: str = "cas_1", customer: str = "cus_1", at: datetime = NOW
) -> Goodwill:
    return Goodwill(
        id=id,
        case_id=case,
        customer_id=customer,
        action=REFUND,
        currency_code="EUR",
        amount=amount,
        asked_by="",
        asked_time=at,
    )


def asking(draft: Goodwill, posted: list[Goodwill], **known: Any) -> Goodwill:
    """The goodwill that somebody of the front line asks for, at the time that the draft says."""
    return MATRIX.ask(draft, FRONT, draft.asked_time or NOW, posted, **known)[0]


def at_of(goodwill: Goodwill) -> datetime:
    assert goodwill.asked_time is not None
    return goodwill.asked_time


def given_before(amount: int, *, days: int = 0, **where: Any) -> Goodwill:
    at = NOW - timedelta(days=days)
    before = replace(wanted(amount, "gdw_0", at=at), state=GoodwillState.POSTED, asked_by="agt_1", decided_time=at)
    return replace(before, **where)


def test_goodwill_inside_the_authority_is_posted_at_once() -> None:
    given = asking(wanted(5000), [])
    assert (given.state, given.decided_by, given.authority) == (
        GoodwillState.POSTED,
        "agt_1",
        "limit of front, version 3",
    )
    assert given.clock == ()
    gold = asking(replace(wanted(7000), tier="GOLD"), [])
    assert gold.state is GoodwillState.POSTED


@pytest.mark.parametrize(
    ("before", "exceeded"),
    [
        (given_before(3000), ("per case 5000",)),
        (given_before(3000, case_id="cas_9", customer_id="cus_9"), ()),
        (given_before(7000, case_id="cas_9", customer_id="cus_9"), ("per day 8000",)),
        (given_before(7000, case_id="cas_9", customer_id="cus_9", days=1), ()),
        (given_before(7000, case_id="cas_9", days=300), ("per customer and year 9000",)),
        (given_before(7000, case_id="cas_9", days=365), ()),
        (given_before(7000, currency_code="USD"), ()),
        (given_before(7000, state=GoodwillState.DECLINED), ()),
    ],
)
def test_each_limit_counts_what_was_given_before(before: Goodwill, exceeded: tuple[str, ...]) -> None:
    asked = asking(wanted(3000), [before])
    assert asked.exceeded == exceeded
    assert (asked.state is GoodwillState.POSTED) == (not exceeded)


def test_an_action_without_a_limit_is_always_approved_by_somebody() -> None:
    assert MATRIX.exceeded(replace(wanted(1), currency_code="USD"), "front", []) != ()
    assert MATRIX.exceeded(replace(wanted(1), action=RemedyAction.GIFT), "head", []) != ()


def test_t24_goodwill_above_the_limit_goes_to_the_deputy_while_the_approver_is_away_and_its_clock_shows() -> None:
    leave = Absence(id="abs_1", agent_id="agt_2", start_time=NOW - DAY, end_time=NOW + DAY, deputy_id="agt_7")
    asked = asking(wanted(9000), [], absences=[leave])
    assert (asked.state, asked.approver_id, asked.exceeded) == (
        GoodwillState.AWAITING_APPROVAL,
        "agt_7",
        ("per case 5000", "per day 8000"),
    )
    clock = asked.approval_clock(NOW + HOUR, lambda _: AroundTheClock())
    assert (clock.state, clock.due_time, clock.left) == (ClockState.RUNNING, NOW + 4 * HOUR, 3 * HOUR)
    deputy = Agent(id="agt_7", role="front")
    done = MATRIX.decide(asked, deputy, [], NOW + 2 * HOUR, approve=True, reason="A long-standing customer.")[0]
    assert (done.state, done.decided_by, done.authority) == (GoodwillState.POSTED, "agt_7", "approval of agt_7")
    clock = done.approval_clock(NOW + DAY, lambda _: AroundTheClock())
    assert (clock.state, clock.breached_time) == (ClockState.FULFILLED, None)
    back = MATRIX.hand_on(asked, [], NOW + 2 * DAY, [leave])[0]
    assert (back.approver_id, back.clock) == ("agt_2", asked.clock)


def test_deputies_are_followed_along_the_line_and_a_circle_of_them_ends() -> None:
    away = [
        Absence(id="abs_1", agent_id=one, start_time=NOW, end_time=NOW + DAY, deputy_id=other)
        for one, other in (("agt_2", "agt_5"), ("agt_5", "agt_2"))
    ]
    assert asking(wanted(9000), [], absences=away).approver_id == "agt_3"
    away[1] = replace(away[1], deputy_id="agt_6")
    assert asking(wanted(9000), [], absences=away).approver_id == "agt_6"
    # The deputy of the approver is the one who asks: the next approver is asked.
    away[0] = replace(away[0], deputy_id="agt_1")
    assert asking(wanted(9000), [], absences=away).approver_id == "agt_3"
    gone = Absence(id="abs_1", agent_id="agt_3", start_time=NOW, end_time=NOW + DAY)
    with pytest.raises(NobodyMayApprove, match="agt_2, agt_3"):
        asking(wanted(30000), [], absences=[gone])


def test_an_amount_above_one_approver_goes_to_the_next() -> None:
    assert asking(wanted(20000), []).approver_id == "agt_2"
    assert asking(wanted(20001), []).approver_id == "agt_3"
    with pytest.raises(NobodyMayApprove):
        asking(wanted(90001), [])


def test_an_approval_is_decided_once_and_by_somebody_else_who_may() -> None:
    asked = asking(wanted(9000), [])
    with pytest.raises(OwnGoodwill):
        MATRIX.decide(asked, FRONT, [], NOW, approve=True, reason="mine")
    with pytest.raises(GoodwillAboveAuthority, match="per case 5000"):
        MATRIX.decide(asked, Agent(id="agt_8", role="front"), [], NOW, approve=True, reason="why not")
    declined = MATRIX.decide(asked, HEAD, [], NOW + HOUR, approve=False, reason="Twice already.")[0]
    assert (declined.state, declined.authority) == (GoodwillState.DECLINED, "")
    for attempt in (True, False):
        with pytest.raises(GoodwillDecided, match="DECLINED"):
            MATRIX.decide(declined, HEAD, [], NOW + HOUR, approve=attempt, reason="again")
    with pytest.raises(GoodwillDecided):
        MATRIX.hand_on(declined, [], NOW)


def test_a_grant_breaks_the_routine_for_one_case_until_it_expires() -> None:
    grant = ExceptionGrant(
        id="grt_1",
        case_id="cas_1",
        action=REFUND,
        currency_code="EUR",
        amount=9500,
        approved_by="agt_3",
        reason="Stranded with family.",
        expire_time=NOW + DAY,
    )
    given = asking(wanted(9000), [], grant=grant)
    assert (given.state, given.authority) == (GoodwillState.POSTED, "grant grt_1")
    more = [given]
    for draft, leave in (
        (wanted(6000, "gdw_2"), grant),
        (wanted(9000, "gdw_2", case="cas_2"), grant),
        (wanted(9000, "gdw_2", at=NOW + DAY), grant),
        (wanted(400, "gdw_2"), replace(grant, approved_by="agt_1")),
    ):
        assert asking(draft, more, grant=leave).state is GoodwillState.AWAITING_APPROVAL
    assert asking(wanted(400, "gdw_3"), more, grant=grant).state is GoodwillState.POSTED


def test_nonsense_is_refused() -> None:
    for draft in (
        wanted(0),
        wanted(-1),
        replace(wanted(1), currency_code="eur"),
        replace(wanted(1), currency_code="EURO"),
    ):
        with pytest.raises(InvalidArgument):
            asking(draft, [])
    with pytest.raises(InvalidArgument, match="below 0"):
        MATRIX.set(replace(MATRIX, limits=(limit("front", -1, 1, 1),)))
    with pytest.raises(InvalidArgument, match="same role"):
        MATRIX.set(replace(MATRIX, limits=(limit("front", 1, 1, 1), limit("front", 2, 2, 2))))


@given(st.lists(st.tuples(st.integers(1, 6000), st.integers(0, 3), st.integers(0, 3), st.integers(0, 48)), max_size=20))
def test_no_row_of_gifts_gets_past_a_limit(asked: list[tuple[int, int, int, int]]) -> None:
    posted: list[Goodwill] = []
    now = NOW
    for n, (amount, case, customer, hours) in enumerate(asked):
        now += timedelta(hours=hours)
        draft = wanted(amount, f"gdw_{n}", case=f"cas_{case}", customer=f"cus_{customer}", at=now)
        found = asking(draft, posted)
        if found.state is GoodwillState.POSTED:
            posted.append(found)
    for case_id in {each.case_id for each in posted}:
        assert sum(each.amount for each in posted if each.case_id == case_id) <= 5000
    for each in posted:
        window = [other for other in posted if at_of(each) - DAY < at_of(other) <= at_of(each)]
        assert sum(other.amount for other in window) <= 8000
    for customer_id in {each.customer_id for each in posted}:
        assert sum(each.amount for each in posted if each.customer_id == customer_id) <= 9000
