"""Policies, evaluations, patience, overrides, and what late transactions do."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, cast

import pytest

from libs.chassis.domain import FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.identity import FixedClock
from libs.chassis.paging import PageRequest
from libs.chassis.testing import MemoryJob, run_killed_everywhere
from libs.engine.store.memory import MemoryDatabase
from services.profiles.identity.application.merges import Merges, Wish
from services.profiles.store import ProfilesStore
from services.profiles.subscriptions import timers
from services.profiles.worth.application.rfm import RfmScores
from services.profiles.worth.application.tiers import Evaluated, TierEvaluations, Tiers, TiersProgress, TiersRequest
from services.profiles.worth.domain.concentration import Tier
from services.profiles.worth.domain.tiers import TierOverride, TierPolicy, TierReason, assignment_id
from tests.support.timers import tick
from tests.unit.profiles.builders import NOW
from tests.unit.profiles.conftest import As
from tests.unit.profiles.worth.conftest import Buys

GOLDEN = [400, 250, 120, 80, 60, 40, 25, 15, 7, 3]


def draft(**fields: Any) -> TierPolicy:
    return TierPolicy(
        **{"id": "", "name": "standard", "currency_code": "EUR", "review_date": date(2027, 1, 1), **fields}
    )


@pytest.fixture
def policy(store: ProfilesStore) -> TierPolicy:
    return Tiers(store.worth).create_policy(draft())


def evaluate(store: ProfilesStore, policy: TierPolicy) -> Evaluated:
    return TierEvaluations(store.worth).run(MemoryJob(TiersRequest(tier_policy_id=policy.id), TiersProgress()))


def tiers(store: ProfilesStore, ids: list[str]) -> str:
    return "".join(store.worth.assignments.get(assignment_id(id)).tier[0] for id in ids)


def told(store: ProfilesStore) -> int:
    events = cast(MemoryDatabase, store.database).events()
    return [event.type for event in events].count("kehu.profiles.tier.changed.v1")


# ------------------------------------------------------------------------------------------------- policies


def test_a_revised_policy_is_another_version(store: ProfilesStore) -> None:
    first = Tiers(store.worth).create_policy(draft())
    second = Tiers(store.worth).create_policy(draft(a_per_mille=700))
    other = Tiers(store.worth).create_policy(draft(name="premium"))
    assert (first.version, second.version, other.version) == (1, 2, 1)
    assert Tiers(store.worth).get_policy(first.id).a_per_mille == 800
    listed = Tiers(store.worth).list_policies(PageRequest()).items
    assert {each.id for each in listed} == {first.id, second.id, other.id}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"currency_code": "XXX"}, "currency_code"),
        ({"a_per_mille": 950, "b_per_mille": 900}, "b_per_mille"),
        ({"window_days": 0}, "window_days"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"hysteresis_per_mille": 1000}, "hysteresis_per_mille"),
        ({"review_date": NOW.date()}, "review_date"),
        ({"name": " "}, "name"),
    ],
)
def test_wrong_policies_are_refused_by_path(store: ProfilesStore, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Tiers(store.worth).create_policy(draft(**fields))
    assert [v.field for v in refused.value.violations] == [f"tier_policy.{field}"]


# ----------------------------------------------------------------------------------------------- evaluation


def test_everybody_gets_a_tier_with_its_evidence(
    store: ProfilesStore, ids: list[str], buys: Buys, policy: TierPolicy
) -> None:
    for id, units in zip(ids, GOLDEN, strict=True):
        buys(id, units)
    buys(ids[0], 999, currency="JPY")
    buys(ids[1], 5000, days_ago=400)
    found = evaluate(store, policy)
    assert tiers(store, ids) == "AAAABBCCCC"
    assert (found.changed_count, found.watched_count, found.review_overdue) == (10, 0, False)
    assert found.evaluation.other_currency_counts == {"JPY": 1}
    assert found.evaluation.uncosted_sale_count == 10
    assert RfmScores(store.worth).get(ids[0]).table.id == found.evaluation.rfm_table_id
    assert RfmScores(store.worth).get(ids[0]).monetary_score == 5
    report = Tiers(store.worth).report("")
    assert (report.evaluation.concentration.top_fifth_share, report.basis.sample_size) == (0.65, 10)
    standing = Tiers(store.worth).standing(ids[0])
    assert standing.tier_assignment.evidence.contribution.minor_units == 400
    assert (standing.reason, standing.watch, standing.restated_contribution) == (TierReason.AUTO, None, None)
    assert told(store) == 10


def test_costs_and_refunds_count_and_a_loss_stands_apart(
    store: ProfilesStore, ids: list[str], buys: Buys, policy: TierPolicy
) -> None:
    buys(ids[0], 1000, cost=400)
    buys(ids[1], 100, cost=80)
    buys(ids[1], 30, type="COST_TO_SERVE")
    buys(ids[2], 100)
    buys(ids[2], 150, type="REFUND")
    buys(ids[3], 50, type="FEE")
    buys(ids[3], 50, type="GOODWILL")
    evaluate(store, policy)
    assert tiers(store, ids[:4]) == "ALLC"
    assert [store.worth.assignments.get(assignment_id(id)).evidence.contribution.minor_units for id in ids[:4]] == [
        600,
        -10,
        -50,
        0,
    ]


def test_a_second_evaluation_of_the_same_tells_nothing(
    store: ProfilesStore, ids: list[str], buys: Buys, policy: TierPolicy
) -> None:
    for id, units in zip(ids, GOLDEN, strict=True):
        buys(id, units)
    evaluate(store, policy)
    assert evaluate(store, policy).changed_count == 0
    assert told(store) == 10


def test_an_evaluation_that_is_killed_everywhere_comes_out_the_same(
    store: ProfilesStore,
    ids: list[str],
    buys: Buys,
    policy: TierPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.profiles.worth.application.tiers.BATCH", 1)
    for id, units in zip(ids, GOLDEN, strict=True):
        buys(id, units)
    request = TiersRequest(tier_policy_id=policy.id)
    found, kills = run_killed_everywhere(TierEvaluations(store.worth).run, request, TiersProgress())
    assert kills > 3
    assert tiers(store, ids) == "AAAABBCCCC"
    assert found.evaluation.concentration.customer_count == 10
    assert told(store) == 10
    assert len(store.worth.evaluations.find(None, order="-create_time", limit=9)) == 1


def test_a_rise_holds_at_once_and_a_fall_waits_for_evaluations_and_grace(
    store: ProfilesStore, ids: list[str], buys: Buys, policy: TierPolicy, clock: FixedClock
) -> None:
    for id, units in zip(ids, GOLDEN, strict=True):
        buys(id, units)
    evaluate(store, policy)
    buys(ids[9], 500)
    buys(ids[0], 395, type="REFUND")
    evaluate(store, policy)
    assert store.worth.assignments.get(assignment_id(ids[9])).tier is Tier.A
    for _ in range(2):
        standing = Tiers(store.worth).standing(ids[0])
        assert (standing.tier_assignment.tier, standing.reason) == (Tier.A, TierReason.GRACE)
        clock.advance(timedelta(days=20))
        evaluate(store, policy)
    fallen = store.worth.assignments.get(assignment_id(ids[0]))
    assert (fallen.tier, fallen.reason) == (Tier.C, TierReason.AUTO)
    assert [(each.tier, each.start_time) for each in fallen.past] == [(Tier.A, NOW)]
    assert Tiers(store.worth).standing(ids[0]).watch is None


def test_a_little_below_the_cut_is_no_fall(
    store: ProfilesStore, ids: list[str], buys: Buys, policy: TierPolicy, clock: FixedClock
) -> None:
    for id, units in zip(ids, [400, 250, 120, 100, 90, 40, 25, 15, 7, 3], strict=True):
        buys(id, units)
    evaluate(store, policy)
    assert tiers(store, ids) == "AAAABBCCCC"
    buys(ids[4], 15)  # overtakes the last of A, who is less than a tenth below the new cut
    for _ in range(4):
        clock.advance(timedelta(days=40))
        evaluate(store, policy)
    assert tiers(store, ids)[:5] == "AAAAA"


def test_whoever_stops_buying_is_found_too(
    store: ProfilesStore, ids: list[str], buys: Buys, policy: TierPolicy, clock: FixedClock
) -> None:
    for id, units in zip(ids, GOLDEN, strict=True):
        buys(id, units)
    evaluate(store, policy)
    clock.advance(timedelta(days=400))
    buys(ids[5], 10)
    evaluate(store, policy)
    assert tiers(store, ids) == "AAAABACCCC"
    clock.advance(timedelta(days=40))
    evaluate(store, policy)
    assert tiers(store, ids) == "CCCCCACCCC"


def test_a_late_refund_restates_and_the_tier_waits_for_the_policy(
    store: ProfilesStore, ids: list[str], buys: Buys, policy: TierPolicy
) -> None:
    """T-40."""
    for id, units in zip(ids, GOLDEN, strict=True):
        buys(id, units)
    evaluate(store, policy)
    buys(ids[0], 399, type="REFUND", days_ago=5)
    standing = Tiers(store.worth).standing(ids[0])
    assert standing.tier_assignment.tier is Tier.A
    assert standing.tier_assignment.evidence.contribution.minor_units == 400
    assert standing.restated_contribution
    assert standing.restated_contribution.minor_units == 1


# ------------------------------------------------------------------------------------------------ overrides


def given(tier: Tier = Tier.A, days: int = 30, note: str = "chairs our advisory board") -> TierOverride:
    return TierOverride(tier=tier, note=note, actor="", expire_time=NOW + timedelta(days=days))


def test_an_override_wins_until_it_expires(
    store: ProfilesStore, ids: list[str], buys: Buys, clock: FixedClock, acting: As
) -> None:
    policy = Tiers(store.worth).create_policy(draft())
    for id, units in zip(ids, GOLDEN, strict=True):
        buys(id, units)
    evaluate(store, policy)
    with acting("eve"):
        overridden = Tiers(store.worth).override(ids[9], given(), 0)
    assert (overridden.tier, overridden.reason, overridden.automatic_tier) == (Tier.A, TierReason.OVERRIDE, Tier.C)
    assert overridden.override
    assert overridden.override.actor == "eve"
    evaluate(store, policy)
    assert store.worth.assignments.get(assignment_id(ids[9])).tier is Tier.A
    assert tick(store.database, timers(store), "tier_overrides") == 0
    clock.advance(timedelta(days=31))
    assert [tick(store.database, timers(store), "tier_overrides") for _ in range(2)] == [1, 0]
    after = store.worth.assignments.get(assignment_id(ids[9]))
    assert (after.tier, after.reason, after.override) == (Tier.C, TierReason.AUTO, None)
    assert [each.reason for each in after.past] == [TierReason.OVERRIDE, TierReason.AUTO]
    assert told(store) == 12


def test_an_override_keeps_to_the_policy(store: ProfilesStore, ids: list[str], buys: Buys) -> None:
    buys(ids[0], 10)
    evaluate(store, Tiers(store.worth).create_policy(draft(most_override_days=10)))
    with pytest.raises(InvalidArgument, match="not after"):
        Tiers(store.worth).override(ids[0], given(days=11), 0)
    with pytest.raises(InvalidArgument, match="note"):
        Tiers(store.worth).override(ids[0], given(days=9, note=" "), 0)
    with pytest.raises(NotFound):
        Tiers(store.worth).override(ids[1], given(), 0)
    strict = Tiers(store.worth).create_policy(draft(name="strict", most_override_days=0))
    buys(ids[1], 10)
    evaluate(store, strict)
    with pytest.raises(FailedPrecondition, match="allows no override"):
        Tiers(store.worth).override(ids[1], given(), 0)


def test_lists_filter_by_tier(store: ProfilesStore, ids: list[str], buys: Buys, policy: TierPolicy) -> None:
    for id, units in zip(ids, GOLDEN, strict=True):
        buys(id, units)
    evaluate(store, policy)

    def listed(filter: str) -> set[str]:
        page = Tiers(store.worth).list_assignments(filter, PageRequest())
        return {each.customer_id for each in page.items}

    assert listed("tier = A") == set(ids[:4])
    assert listed("reason = OVERRIDE") == set()
    with pytest.raises(InvalidArgument):
        listed("contribution > 5")


def test_without_an_evaluation_there_is_nothing_to_tell(store: ProfilesStore, ids: list[str]) -> None:
    with pytest.raises(FailedPrecondition, match="start EvaluateTiers"):
        Tiers(store.worth).report("")
    with pytest.raises(NotFound, match="TierAssignment"):
        Tiers(store.worth).standing(ids[0])
    with pytest.raises(NotFound, match="Customer"):
        Tiers(store.worth).standing("cus_0")


def test_an_evaluation_as_of_the_past_sees_what_there_was_and_tiers_go_forward_only(
    store: ProfilesStore, ids: list[str], buys: Buys, policy: TierPolicy, clock: FixedClock
) -> None:
    buys(ids[0], 400, days_ago=300)
    buys(ids[1], 900, days_ago=10)

    def evaluated(days_ago: int) -> Evaluated:
        request = TiersRequest(tier_policy_id=policy.id, as_of_time=NOW - timedelta(days=days_ago))
        clock.advance(timedelta(seconds=1))
        return TierEvaluations(store.worth).run(MemoryJob(request, TiersProgress()))

    found = evaluated(100)
    assert found.evaluation.concentration.customer_count == 1
    assert found.evaluation.window.end_time == found.evaluation.as_of_time == NOW - timedelta(days=100)
    assert evaluated(1).evaluation.concentration.customer_count == 2
    with pytest.raises(FailedPrecondition, match="not given in the past"):
        evaluated(50)
    with pytest.raises(InvalidArgument, match="as_of_time"):
        evaluated(-1)


def test_merged_customers_count_as_one(store: ProfilesStore, ids: list[str], buys: Buys, policy: TierPolicy) -> None:
    for id, units in zip(ids[:4], (400, 250, 120, 80), strict=True):
        buys(id, units)
    Merges(store.identity).merge(Wish(survivor_id=ids[9], loser_ids=(ids[0], ids[2])), "the same", {})
    found = evaluate(store, policy)
    assert found.evaluation.concentration.customer_count == 3
    assert store.worth.assignments.get(assignment_id(ids[9])).evidence.contribution.minor_units == 520
    assert store.worth.assignments.find_by_id(assignment_id(ids[0])) is None
    assert Tiers(store.worth).standing(ids[0]).tier_assignment.customer_id == ids[9]
    assert Tiers(store.worth).standing(ids[0]).restated_contribution is None
    assert RfmScores(store.worth).get(ids[2]).monetary.minor_units == 520
    page = [each for portion in store.worth.figures_of_all(None, chunk=1) for each in portion]
    assert [(id, figures[0].sales) for id, figures in page] == [(ids[1], 250), (ids[3], 80), (ids[9], 520)]
