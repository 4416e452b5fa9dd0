"""What the rules about owners and the pool say, case by case."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from services.profiles.ownership.domain.ownership import (
    Hold,
    OwnerInterval,
    Ownership,
    OwnershipReason,
    OwnershipState,
    OwnerTally,
)
from services.profiles.ownership.domain.policies import (
    Capacity,
    Circumstances,
    ClaimBlockReason,
    Outcome,
    OwnershipPolicy,
    PickRule,
    RecycleRule,
)
from tests.unit.profiles.builders import NOW

DAY = timedelta(days=1)
DUE, NEXT_DUE = datetime(2026, 5, 3, 16, tzinfo=UTC), datetime(2026, 5, 11, 16, tzinfo=UTC)


def policy(*rules: RecycleRule, **fields: Any) -> OwnershipPolicy:
    draft = OwnershipPolicy(id="opo_1", recycle_rules=rules or (RecycleRule(contact_days=30, warn_days=7),), **fields)
    return draft.create(1, "ada")[0]


def owned(days: float = 100, **fields: Any) -> Ownership:
    return Ownership(
        **{
            "id": "own_1",
            "customer_id": "cus_1",
            "state": OwnershipState.OWNED,
            "owner": "bob",
            "since_time": NOW - days * DAY,
            **fields,
        }
    )


def pooled(days: float = 10) -> Ownership:
    return Ownership(id="own_1", customer_id="cus_1", state=OwnershipState.POOLED, pool_time=NOW - days * DAY)


def contacted(days: float, **fields: Any) -> Circumstances:
    return Circumstances(last_contact_time=NOW - days * DAY, **fields)


# --------------------------------------------------------------------------------------------------- recycling


@pytest.mark.parametrize(
    ("ownership", "about", "outcome", "due"),
    [
        (owned(), contacted(22.9), Outcome.KEPT, 7.1),
        (owned(), contacted(23), Outcome.WARNED, 7),
        (owned(), contacted(500), Outcome.WARNED, -470 + 400),  # Owned for 100 days only.
        (owned(22.9), Circumstances(), Outcome.KEPT, 7.1),  # A new owner has all the time.
        (owned(23), Circumstances(), Outcome.WARNED, 7),
        (owned(since_time=None), Circumstances(), Outcome.KEPT, None),
    ],
)
def test_silence_counts_from_the_last_contact_or_the_beginning(
    ownership: Ownership, about: Circumstances, outcome: Outcome, due: float | None
) -> None:
    decided = policy().decide(ownership, about, NOW)
    assert decided.outcome is outcome
    assert decided.due_time == (None if due is None else NOW + due * DAY)
    assert decided.reason is OwnershipReason.NO_CONTACT


def warned(recycle_in: float) -> Ownership:
    return owned(state=OwnershipState.RECYCLE_WARNED, warn_time=NOW - DAY, recycle_time=NOW + recycle_in * DAY)


@pytest.mark.parametrize(
    ("ownership", "about", "outcome"),
    [
        (warned(1), contacted(60), Outcome.WAITING),
        (warned(0), contacted(60), Outcome.RECYCLED),
        (warned(-5), contacted(29), Outcome.WAITING),
        (warned(-5), contacted(30), Outcome.RECYCLED),
        (warned(-5), contacted(1), Outcome.WARNING_WITHDRAWN),
    ],
)
def test_who_was_warned_has_the_time_that_was_told(
    ownership: Ownership, about: Circumstances, outcome: Outcome
) -> None:
    assert policy().decide(ownership, about, NOW).outcome is outcome


def test_a_warning_leaves_the_days_it_promises_however_long_it_was_due() -> None:
    decided = policy().decide(owned(), contacted(500), NOW)
    assert decided.recycle_time == NOW + 7 * DAY
    soon = policy().decide(owned(), contacted(25), NOW)
    assert soon.recycle_time == NOW + 7 * DAY
    assert policy(RecycleRule(contact_days=30)).decide(owned(), contacted(31), NOW).outcome is Outcome.RECYCLED


@pytest.mark.parametrize(
    ("about", "outcome", "due"),
    [
        (contacted(500, has_contract=True), Outcome.KEPT, None),  # Runs on, however silent.
        (
            contacted(500, has_contract=True, contract_end_date=date(2026, 5, 1)),
            Outcome.KEPT,
            NEXT_DUE,
        ),
        (
            contacted(0, has_contract=True, contract_end_date=date(2026, 4, 23)),
            Outcome.KEPT,
            DUE,
        ),
        (contacted(40), Outcome.RECYCLED, None),  # Without a contract silence counts.
    ],
)
def test_the_end_of_a_contract_beats_the_last_contact(
    about: Circumstances, outcome: Outcome, due: datetime | None
) -> None:
    """In Shanghai a day begins at 16:00 UTC the day before. Ten days after the last one of the contract."""
    rules = policy(RecycleRule(contact_days=30, contract_days=10), time_zone="Asia/Shanghai")
    decided = rules.decide(owned(), about, datetime(2026, 5, 3, 15, 59, tzinfo=UTC))
    assert decided.outcome is outcome
    if due is not None:
        assert decided.due_time == due
        later = rules.decide(owned(), about, due)
        assert (later.outcome, later.reason) == (Outcome.RECYCLED, OwnershipReason.CONTRACT_ENDED)


def test_the_first_rule_that_fits_decides_alone() -> None:
    rules = policy(
        RecycleRule(segment="gold"), RecycleRule(segment="silver", contact_days=90), RecycleRule(contact_days=30)
    )
    silent = Circumstances(last_contact_time=NOW - 60 * DAY)

    def outcome(*segments: str) -> tuple[Outcome, str]:
        about = Circumstances(last_contact_time=silent.last_contact_time, segments=frozenset(segments))
        decided = rules.decide(owned(), about, NOW)
        return decided.outcome, decided.segment

    assert outcome() == (Outcome.RECYCLED, "")
    assert outcome("bronze") == (Outcome.RECYCLED, "")
    assert outcome("silver") == (Outcome.KEPT, "silver")
    assert outcome("silver", "gold") == (Outcome.KEPT, "gold")
    assert (
        policy(RecycleRule(segment="gold")).decide(owned(), silent, NOW).explanation == "no rule is for this customer"
    )


def test_a_customer_in_negotiation_stays_and_the_hold_is_told() -> None:
    negotiation = Hold(key="negotiation", reason="offer of 3 May", actor="bob", until_time=NOW + DAY)
    decided = policy().decide(owned(holds=(negotiation,)), contacted(60), NOW)
    assert decided.outcome is Outcome.HELD
    assert decided.explanation.endswith("but held by negotiation")
    assert "offer of 3 May" not in decided.explanation, "decisions outlive a customer in the result of an operation"
    assert policy().decide(owned(holds=(negotiation,)), contacted(60), NOW + DAY).outcome is Outcome.WARNED


@given(
    st.integers(0, 60),
    st.integers(0, 20),
    st.floats(0, 120),
    st.floats(-20, 20) | st.none(),
)
def test_a_customer_is_never_recycled_early_or_unwarned(
    contact_days: int, warn_days: int, silent: float, recycle_in: float | None
) -> None:
    rules = policy(RecycleRule(contact_days=contact_days, warn_days=warn_days))
    ownership = owned() if recycle_in is None else warned(recycle_in)
    decided = rules.decide(ownership, contacted(silent), NOW)
    if decided.outcome is Outcome.RECYCLED:
        assert silent >= contact_days > 0
        assert not warn_days or (ownership.recycle_time is not None and ownership.recycle_time <= NOW)
    if decided.outcome is Outcome.WARNED:
        assert recycle_in is None
        assert decided.recycle_time is not None
        assert decided.recycle_time >= NOW + warn_days * DAY


# ---------------------------------------------------------------------------------------------------- claiming


def tally(count: int = 0, picks: int = 0, day: date = date(2026, 5, 4)) -> OwnerTally:
    return OwnerTally(id="oty_1", owner="eve", customer_count=count, pick_date=day, pick_count=picks)


def former(days: float) -> OwnerInterval:
    return OwnerInterval(
        id="oin_1",
        customer_id="cus_1",
        owner="eve",
        start_time=NOW - 100 * DAY,
        end_time=NOW - days * DAY,
        start_reason=OwnershipReason.ASSIGNED,
        end_reason=OwnershipReason.NO_CONTACT,
    )


def test_everything_that_keeps_somebody_from_a_customer_is_told() -> None:
    rules = policy(capacity=5, daily_limit=2, pick_rules=(PickRule(cooldown_days=30, settle_days=3),))
    blocks = rules.claim_blocks(pooled(1), Circumstances(), tally(5, 2), former(10), NOW)
    assert [(each.reason, each.until_time) for each in blocks] == [
        (ClaimBlockReason.CAPACITY, None),
        (ClaimBlockReason.DAILY_LIMIT, datetime(2026, 5, 5, tzinfo=UTC)),
        (ClaimBlockReason.COOLDOWN, NOW + 20 * DAY),
        (ClaimBlockReason.SETTLING, NOW + 2 * DAY),
    ]
    assert rules.claim_blocks(pooled(3), Circumstances(), tally(4, 1), former(30), NOW) == ()
    (block,) = rules.claim_blocks(owned(), Circumstances(), tally(), None, NOW)
    assert (block.reason, block.explanation) == (ClaimBlockReason.NOT_POOLED, "the customer belongs to bob")


def test_pick_rules_differ_by_segment_and_capacities_by_owner() -> None:
    rules = policy(
        capacity=5,
        capacities=(Capacity(owner="eve", customer_count=7), Capacity(owner="zoe")),
        pick_rules=(PickRule(segment="gold", settle_days=30),),
    )
    gold = Circumstances(segments=frozenset({"gold"}))
    assert [each.reason for each in rules.claim_blocks(pooled(), gold, tally(6), None, NOW)] == ["SETTLING"]
    assert rules.claim_blocks(pooled(), Circumstances(), tally(6), former(0), NOW) == ()
    assert [rules.capacity_of(owner) for owner in ("eve", "zoe", "bob")] == [7, 0, 5]
    assert policy().capacity_of("bob") is None


def test_a_day_is_one_where_the_policy_lives() -> None:
    rules = policy(daily_limit=1, time_zone="Asia/Shanghai")
    late = datetime(2026, 5, 4, 15, 59, tzinfo=UTC)
    assert rules.day(late) == date(2026, 5, 4)
    took = tally(1, 1, rules.day(late))
    (block,) = rules.claim_blocks(pooled(), Circumstances(), took, None, late)
    assert block.until_time == late + timedelta(minutes=1)
    assert rules.claim_blocks(pooled(), Circumstances(), took, None, late + timedelta(minutes=1)) == ()


def test_a_policy_without_rules_lets_everything_happen() -> None:
    nothing = OwnershipPolicy(id="")
    assert nothing.claim_blocks(pooled(0), Circumstances(), tally(10**6, 10**6), former(0), NOW) == ()
    assert nothing.decide(owned(), contacted(9999), NOW).outcome is Outcome.KEPT


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"recycle_rules": (RecycleRule(), RecycleRule(segment="gold"))}, "recycle_rules[1].segment"),
        ({"pick_rules": (PickRule(segment="gold"), PickRule(segment="gold"))}, "pick_rules[1].segment"),
        ({"capacities": (Capacity(owner="a"), Capacity(owner="a"))}, "capacities[1].owner"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"time_zone": "Asia"}, "time_zone"),
        ({"note": "x" * 1001}, "note"),
    ],
)
def test_wrong_policies_are_refused_by_path(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        OwnershipPolicy(id="", **wrong).create(1, "ada")
    assert [violation.field for violation in refused.value.violations] == [f"ownership_policy.{field}"]
