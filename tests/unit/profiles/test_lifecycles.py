"""Stages of relationships: silence, warnings, purchases and contracts move a customer, each with its evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from kehu.profiles.v1.events_pb2 import CustomerLifecycleChanged

from libs.chassis import identity
from libs.chassis.identity import FixedClock
from libs.chassis.operations import Stopped
from libs.chassis.testing import MemoryJob
from libs.engine.store.memory import MemoryDatabase
from services.profiles.activity.application.transactions import Transactions
from services.profiles.contracts.application import Contracts
from services.profiles.contracts.domain import Contract
from services.profiles.customers.domain import lifecycle
from services.profiles.customers.domain.lifecycle import EVALUATED, Lifecycle, LifecycleReason
from services.profiles.customers.domain.preferences import Preferences
from services.profiles.identity.application.merges import Merges, Wish
from services.profiles.store import ProfilesStore
from services.profiles.worth.application.lifecycles import (
    Count,
    LifecycleRun,
    Lifecycles,
    StagesProgress,
    StagesRequest,
)
from services.profiles.worth.application.outlook import CustomerWorth
from services.profiles.worth.domain import stages
from tests.unit.profiles.builders import NOW, person, transaction

DAY = timedelta(days=1)


@pytest.fixture
def buyer(store: ProfilesStore) -> Any:
    """A customer who bought so many days ago: `buyer(100, 90, 80)`."""

    def made(*days_ago: float, **fields: Any) -> str:
        customer = store.customers.customers.insert(person(id=identity.new_id("cus"), **fields).create())
        sell(store, customer.id, *days_ago)
        return customer.id

    return made


def sell(store: ProfilesStore, customer_id: str, *days_ago: float) -> None:
    """Record sales and let the service react to them."""
    for days in days_ago:
        sold = transaction(identity.new_id("k"), customer_id=customer_id, occurred_time=identity.now() - days * DAY)
        stored = store.activity.transactions.insert(sold.record(identity.now()), key=sold.source_key)
        Transactions(store.activity).sum_up([stored])


def evaluate(store: ProfilesStore, **fields: Any) -> LifecycleRun:
    return Lifecycles(store.worth).run(MemoryJob(StagesRequest(**fields), StagesProgress()))


def stage(store: ProfilesStore, id: str) -> Lifecycle:
    return store.customers.resolve(id).lifecycle


def test_who_is_silent_for_longer_than_usual_becomes_dormant_and_a_purchase_wakes_them(
    store: ProfilesStore, database: MemoryDatabase, clock: FixedClock, buyer: Any
) -> None:
    weekly, yearly = buyer(71, 64, 57, 50), buyer(800, 430, 60)
    assert stage(store, weekly) is Lifecycle.ACTIVE
    ran = evaluate(store)
    assert ran.counts == (Count(from_lifecycle=Lifecycle.ACTIVE, to_lifecycle=Lifecycle.DORMANT, customer_count=1),)
    quiet = store.customers.resolve(weekly)
    move = quiet.lifecycle_move
    assert move
    assert (quiet.lifecycle, move.reason, move.move_time) == (Lifecycle.DORMANT, LifecycleReason.SILENCE, NOW)
    assert move.explanation == "50 days since the last purchase; over 30 are unusual here"
    assert stage(store, yearly) is Lifecycle.ACTIVE
    told = [e for e in database.events() if e.type.endswith("lifecycle_changed.v1") and e.entity_id == weekly][-1]
    assert CustomerLifecycleChanged.FromString(told.data).customer.lifecycle_move.explanation == move.explanation
    assert evaluate(store).counts == ()  # and tells nothing again

    sell(store, weekly, 45)  # told late: the silence since is as unusual as before
    assert stage(store, weekly) is Lifecycle.DORMANT
    clock.advance(DAY)
    sell(store, weekly, 0.1)
    back = store.customers.resolve(weekly)
    assert back.lifecycle_move
    assert (back.lifecycle, back.lifecycle_move.reason) == (Lifecycle.ACTIVE, LifecycleReason.PURCHASE)
    assert back.lifecycle_move.explanation == "bought on 2026-05-05"


def test_too_many_points_of_warning_are_a_risk_and_the_evidence_is_what_the_measure_says(
    store: ProfilesStore, buyer: Any
) -> None:
    cooling = buyer(*range(178, 86, -12), 40)
    warning = CustomerWorth(store.worth).early_warning(cooling)
    threshold = int(warning.score)
    assert 0 < threshold < 100
    evaluate(store, at_risk_score=threshold, floor_days=90)
    seen = store.customers.resolve(cooling)
    assert seen.lifecycle_move
    assert (seen.lifecycle, seen.lifecycle_move.reason) == (Lifecycle.AT_RISK, LifecycleReason.WARNING)
    assert f"early warning {warning.score:g} of 100, {threshold} or more" in seen.lifecycle_move.explanation
    assert warning.signals[0].explanation in seen.lifecycle_move.explanation
    evaluate(store, at_risk_score=100, floor_days=90)
    calm = store.customers.resolve(cooling)
    assert calm.lifecycle_move
    assert (calm.lifecycle, calm.lifecycle_move.reason) == (Lifecycle.ACTIVE, LifecycleReason.RECOVERY)


def test_an_evaluation_reads_what_the_measures_of_one_customer_say(store: ProfilesStore, buyer: Any) -> None:
    """Also in a time zone of one's own, and of somebody who was merged."""
    far = buyer(40.5, 33.4, 20.45, preferences=Preferences(time_zone="Pacific/Kiritimati"))
    survivor, loser = buyer(90, 60), buyer(75, 45)
    record, _ = Merges(store.identity).merge(Wish(survivor_id=survivor, loser_ids=(loser,)), "", {})
    assert record.survivor_id == survivor
    worth, ids = CustomerWorth(store.worth), [far, survivor]
    outlooks = worth.outlooks(store.customers.resolve_many(ids), NOW, floor_days=14)
    for id, seen in zip(ids, outlooks, strict=True):
        alone = worth.dormancy(id, 14)
        assert seen.silence
        assert seen.silence.gap_count == alone.basis.sample_size
        assert (seen.silence.gap_days, seen.silence.limit_days) == (alone.gap_days, alone.limit_days)
        assert seen.warning == worth.early_warning(id)
    assert outlooks[1].silence
    assert outlooks[1].silence.gap_count == 3


def test_a_preview_counts_and_moves_nobody(store: ProfilesStore, buyer: Any) -> None:
    id = buyer(400)
    ran = evaluate(store, validate_only=True)
    assert (ran.customer_count, ran.validate_only, len(ran.counts)) == (1, True, 1)
    assert stage(store, id) is Lifecycle.ACTIVE


def test_an_evaluation_that_is_killed_goes_on(store: ProfilesStore, buyer: Any) -> None:
    ids = [buyer(400) for _ in range(3)]
    job = MemoryJob(StagesRequest(), StagesProgress(), stop=(3).__eq__)
    with pytest.raises(Stopped):
        Lifecycles(store.worth).run(job)
    ran = Lifecycles(store.worth).run(MemoryJob(job.request, job.state))
    assert (ran.customer_count, sum(each.customer_count for each in ran.counts)) == (3, 3)
    assert {stage(store, id) for id in ids} == {Lifecycle.DORMANT}


def test_a_purchase_while_an_evaluation_runs_is_not_undone(store: ProfilesStore, buyer: Any) -> None:
    """The move is for who was active. A customer who is elsewhere by now stays there."""
    id = buyer(400)
    [seen] = CustomerWorth(store.worth).outlooks([store.customers.resolve(id)], NOW, floor_days=30)
    move = stages.evaluate(Lifecycle.ACTIVE, seen.silence, seen.warning, at_risk_score=50, now=NOW)
    assert move
    risky = replace(store.customers.resolve(id), lifecycle=Lifecycle.AT_RISK)
    assert risky.move(move) == (risky, [])


def test_a_churn_record_alone_makes_a_customer_leave_and_a_purchase_brings_it_back(
    store: ProfilesStore, clock: FixedClock, buyer: Any
) -> None:
    gone, other, stranger = buyer(100, 90), buyer(100), buyer()
    for _ in range(2):
        Lifecycles(store.worth).depart({gone: "price/too-high", stranger: "other"})
    found = store.customers.customers.get(gone)
    assert (found.lifecycle, found.lifecycle_move.reason) == (Lifecycle.CHURNED, LifecycleReason.CHURN_RECORDED)
    assert found.lifecycle_move.explanation == "left: price/too-high"
    assert store.customers.customers.get(other).lifecycle is Lifecycle.ACTIVE
    assert store.customers.customers.get(stranger).lifecycle is not Lifecycle.CHURNED
    evaluate(store)
    assert store.customers.customers.get(gone).lifecycle is Lifecycle.CHURNED
    clock.advance(DAY)
    sell(store, gone, 0)
    back = store.customers.customers.get(gone)
    assert (back.lifecycle, back.lifecycle_move.reason) == (Lifecycle.ACTIVE, LifecycleReason.WON_BACK)


def test_a_running_contract_makes_a_customer(store: ProfilesStore, clock: FixedClock, buyer: Any) -> None:
    now, later, over = buyer(), buyer(), buyer()
    today = NOW.date()
    terms = ((now, today, None), (later, today + DAY, None), (over, today - 9 * DAY, today - DAY))
    contracts = [
        Contracts(store.contracts).add(
            Contract(id="", customer_id=id, number=id, plan="gold-service", valid_from_date=first, valid_to_date=last)
        )
        for id, first, last in terms
    ]
    Lifecycles(store.worth).follow(contracts)
    assert [stage(store, id) for id in (now, later, over)] == [Lifecycle.ACTIVE, Lifecycle.LEAD, Lifecycle.LEAD]
    move = store.customers.resolve(now).lifecycle_move
    assert move
    assert (move.reason, move.explanation) == (LifecycleReason.CONTRACT, "has a running contract, gold-service")
    clock.advance(DAY)
    evaluate(store)
    assert [stage(store, id) for id in (now, later, over)] == [Lifecycle.ACTIVE, Lifecycle.ACTIVE, Lifecycle.LEAD]


def test_nobody_is_active_by_hand_or_a_lead_again(store: ProfilesStore, buyer: Any) -> None:
    """The moves there are: leads only wake, buyers only move among themselves, and who left comes back as won."""
    [seen] = CustomerWorth(store.worth).outlooks([store.customers.resolve(buyer(400))], NOW, floor_days=30)
    for before in Lifecycle:
        found = stages.evaluate(before, seen.silence, seen.warning, at_risk_score=50, now=NOW)
        assert (found is not None) == (before in EVALUATED and before is not Lifecycle.DORMANT)
        back = lifecycle.bought(before, NOW, NOW)
        if before is Lifecycle.ACTIVE:
            assert back is None
        else:
            assert back
            assert back.to_lifecycle is Lifecycle.ACTIVE
            assert (back.reason is LifecycleReason.WON_BACK) == (before is Lifecycle.CHURNED)


def test_the_deleted_are_left_alone(store: ProfilesStore, buyer: Any) -> None:
    id = buyer(400)
    store.customers.customers.update(id, lambda each: each.delete(NOW))
    assert evaluate(store).customer_count == 0
    assert store.customers.customers.get(id).lifecycle is Lifecycle.ACTIVE


def test_the_survivor_of_a_merge_keeps_the_evidence_of_its_stage(store: ProfilesStore, buyer: Any) -> None:
    quiet, awake = buyer(400), buyer(3)
    evaluate(store)
    record, survivor = Merges(store.identity).merge(Wish(survivor_id=quiet, loser_ids=(awake,)), "", {})
    assert survivor.lifecycle_move
    assert (survivor.lifecycle, survivor.lifecycle_move.reason) == (Lifecycle.ACTIVE, LifecycleReason.PURCHASE)
    _, (back, _) = Merges(store.identity).unmerge(record.id, "")
    assert back.lifecycle_move
    assert (back.lifecycle, back.lifecycle_move.reason) == (Lifecycle.DORMANT, LifecycleReason.SILENCE)
