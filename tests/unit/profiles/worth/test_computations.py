"""RFM, loyalty and value over all customers, and what is asked about one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.chassis import identity
from libs.chassis.domain import FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.identity import FixedClock
from libs.chassis.paging import PageRequest
from libs.chassis.testing import MemoryJob, run_killed_everywhere
from services.profiles.activity.application.transactions import Row
from services.profiles.activity.domain.habits import Contact, ContactRecord, Direction
from services.profiles.activity.domain.transactions import Money
from services.profiles.contracts.domain import Contract
from services.profiles.customers.domain.contact_points import Channel
from services.profiles.loyalty.application import Loyalty, MonthsProgress, MonthsRequest
from services.profiles.segments.application import EvaluationProgress, EvaluationRequest, Segments
from services.profiles.segments.domain.segments import Segment
from services.profiles.segments.domain.subjects import Source
from services.profiles.store import ProfilesStore
from services.profiles.worth.application.outlook import CustomerWorth
from services.profiles.worth.application.retention import ContractFitProgress, ContractFitRequest, ContractModels
from services.profiles.worth.application.rfm import RfmScores, ScalesProgress, ScalesRequest
from services.profiles.worth.application.value import FitProgress, FitRequest, Value
from services.profiles.worth.domain.answers import ShareMethod
from services.profiles.worth.domain.measures import MEASURES, describe
from services.profiles.worth.domain.retention import Spell
from tests.unit.profiles.builders import NOW, person, transaction
from tests.unit.profiles.worth.conftest import Buys
from tests.unit.profiles.worth.reference import CALIBRATION_END, cdnow, expected

RFM = ScalesRequest(currency_code="EUR")
LOYALTY = MonthsRequest(currency_code="EUR")


# ------------------------------------------------------------------------------------------------- measures


def test_every_measure_says_all_there_is_to_say() -> None:
    assert len({each.name for each in MEASURES}) == len(MEASURES)
    for each in MEASURES:
        for field in ("title", "formula", "unit", "grain", "window", "sample", "interval", "source"):
            assert getattr(each, field), f"{each.name}.{field}"
    assert describe("contribution").version == 1
    with pytest.raises(NotFound, match="Measure 'luck'"):
        describe("luck")


# --------------------------------------------------------------------------------------------- one customer


def test_contribution_is_told_by_currency_with_its_parts(store: ProfilesStore, ids: list[str], buys: Buys) -> None:
    buys(ids[0], 1000, cost=600)
    buys(ids[0], 1200, type="REFUND", cost=500)
    buys(ids[0], 40, type="FEE")
    buys(ids[0], 25, type="COST_TO_SERVE")
    buys(ids[0], 10, type="GOODWILL")
    buys(ids[0], 700, currency="JPY")
    buys(ids[0], 99, days_ago=366)
    found = CustomerWorth(store.worth).contribution(ids[0], None, None)
    euro, yen = found.currencies
    assert (euro.contribution.minor_units, euro.direct_cost.minor_units) == (1000 - 1200 + 40 - 100 - 25 - 10, 100)
    assert (yen.contribution.minor_units, yen.contribution.currency_code, yen.uncosted_sale_count) == (700, "JPY", 1)
    assert (found.basis.measure, found.basis.version, found.basis.sample_size) == ("contribution", 1, 6)
    nothing = CustomerWorth(store.worth).contribution(ids[1], NOW - timedelta(days=3), NOW)
    assert nothing.currencies == ()
    with pytest.raises(NotFound):
        CustomerWorth(store.worth).contribution("cus_0", None, None)
    with pytest.raises(InvalidArgument, match="end_time"):
        CustomerWorth(store.worth).contribution(ids[0], NOW, NOW - timedelta(days=1))


def test_share_of_customer_by_spend_or_by_rank(store: ProfilesStore, ids: list[str], buys: Buys) -> None:
    buys(ids[0], 300)
    buys(ids[0], 50, type="REFUND")

    def share(**known: Any) -> Any:
        fields = {"category_spend": None, "rank": 0, "brands": 0, "start": None, "end": None, **known}
        return CustomerWorth(store.worth).wallet_share(ids[0], **fields)

    by_spend = share(category_spend=Money(currency_code="EUR", minor_units=1000))
    assert (by_spend.share, by_spend.method, by_spend.own_sales.minor_units) == (0.25, ShareMethod.SPEND, 250)
    by_rank = share(rank=1, brands=3)
    assert (by_rank.share, by_rank.method, by_rank.own_sales) == (0.5, ShareMethod.WALLET_ALLOCATION, None)
    for wrong in (
        {},
        {"rank": 4, "brands": 3},
        {"category_spend": Money(currency_code="XXX", minor_units=1)},
        {"category_spend": Money(currency_code="EUR", minor_units=0)},
    ):
        with pytest.raises(InvalidArgument):
            share(**wrong)


def test_dormancy_and_warning_tell_what_they_saw(store: ProfilesStore, ids: list[str], buys: Buys) -> None:
    for week in range(8):
        buys(ids[0], 1000, days_ago=95 + 7 * week)
    buys(ids[0], 300, type="REFUND", days_ago=10)
    quiet = CustomerWorth(store.worth).dormancy(ids[0], 0)
    assert (quiet.dormant, quiet.gap_days, quiet.median_days, quiet.floor_days) == (True, 95, 7.0, 30)
    contacts = [
        Contact(
            id=f"int_{n}",
            occurred_time=NOW - timedelta(days=n),
            channel=Channel.VOICE,
            direction=Direction.INBOUND,
        )
        for n in range(6)
    ]
    store.activity.contacts.upsert_many(
        [(ContactRecord(id=ids[0]), contacts)], lambda each, said: (each.plus(said), [])
    )
    warned = CustomerWorth(store.worth).early_warning(ids[0])
    assert {each.name: each.points for each in warned.signals} == {
        "overdue": 35.0,
        "buys_less": 30.0,
        "trouble": 20.0,
        "asks_more": pytest.approx(15, abs=4),
    }
    assert warned.score == pytest.approx(sum(each.points for each in warned.signals))
    assert "usual are 7" in next(each for each in warned.signals if each.name == "overdue").explanation
    calm = CustomerWorth(store.worth).early_warning(ids[1])
    assert calm.score == 0
    assert not CustomerWorth(store.worth).dormancy(ids[1], 0).dormant


# ------------------------------------------------------------------------------------------------------ RFM


def test_scores_follow_from_the_scales(store: ProfilesStore, ids: list[str], buys: Buys) -> None:
    with pytest.raises(FailedPrecondition, match="or ComputeRfm"):
        RfmScores(store.worth).get(ids[0])
    for n, id in enumerate(ids[:5]):
        for sale in range(n + 1):
            buys(id, 100 * (n + 1), days_ago=50 - 10 * n + sale)
    table, kills = run_killed_everywhere(RfmScores(store.worth).run, RFM, ScalesProgress())
    assert kills
    assert (table.customer_count, table.recency.descending) == (5, True)
    assert (table.frequency.mean, table.monetary.median) == (3.0, 900.0)
    best = RfmScores(store.worth).get(ids[4])
    assert (best.recency_days, best.frequency, best.monetary.minor_units) == (10, 5, 2500)
    scores = [RfmScores(store.worth).get(id) for id in ids[:5]]
    assert [each.recency_score for each in scores] == [1, 2, 3, 4, 5]
    assert [each.frequency_score for each in scores] == [1, 2, 3, 4, 5]
    assert [each.monetary_score for each in scores] == [1, 2, 3, 4, 5]
    with pytest.raises(NotFound, match="Rfm"):
        RfmScores(store.worth).get(ids[9])


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (RFM, FailedPrecondition),
        (ScalesRequest(currency_code="XXX"), InvalidArgument),
        (ScalesRequest(currency_code="EUR", time_zone="Mars/Olympus"), InvalidArgument),
    ],
)
def test_rfm_of_nothing_is_refused(store: ProfilesStore, request_: Any, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        RfmScores(store.worth).run(MemoryJob(request_, ScalesProgress()))


# -------------------------------------------------------------------------------------------------- loyalty


def test_months_are_measured_and_a_late_transaction_restates_them(
    store: ProfilesStore, ids: list[str], buys: Buys, clock: FixedClock
) -> None:
    for id, days in ((ids[0], (70, 40)), (ids[1], (70,)), (ids[2], (40, 8))):
        for day in days:
            buys(id, 1000, days_ago=day)
    first, kills = run_killed_everywhere(Loyalty(store.loyalty).run, LOYALTY, MonthsProgress())
    assert kills
    assert (first.month_count, first.restated_count, first.customer_count) == (4, 0, 3)
    march = Loyalty(store.loyalty).get("EUR", "2026-03")
    assert march.churn
    assert (march.base, march.new_customers, march.churn.value) == (2, 1, 0.5)
    clock.advance(timedelta(hours=1))
    buys(ids[1], 500, days_ago=40)
    again = Loyalty(store.loyalty).run(MemoryJob(LOYALTY, MonthsProgress()))
    assert again.restated_count == 3  # March itself, and what February kept and April lost
    march = Loyalty(store.loyalty).get("EUR", "2026-03")
    lines = {line.measure: line for line in march.restatements}
    assert (lines["churn"].before, lines["churn"].after, lines["churn"].before_as_of_time) == (0.5, 0.0, NOW)
    assert lines["base"].late_transaction_count == 1
    listed = Loyalty(store.loyalty).list("EUR", PageRequest()).items
    assert [each.month for each in listed] == ["2026-05", "2026-04", "2026-03", "2026-02"]
    with pytest.raises(NotFound, match="2026-03 in JPY"):
        Loyalty(store.loyalty).get("JPY", "2026-03")


def test_the_members_of_a_segment_are_a_cohort_of_their_own(
    store: ProfilesStore, ids: list[str], buys: Buys, clock: FixedClock
) -> None:
    segments = Segments(store.segments)
    gold = segments.define(Segment(id="", key="gold", filter="labels.card = gold"), 0, validate_only=False)
    request = MonthsRequest(currency_code="EUR", segments=("gold",))
    with pytest.raises(FailedPrecondition, match="is evaluated just now"):
        Loyalty(store.loyalty).measurable(["gold"])
    for id in ids[:2]:
        store.customers.customers.update(id, lambda each: each.revise(replace(each, labels={"card": "gold"})))
    segments.evaluate_all(MemoryJob(EvaluationRequest(), EvaluationProgress()))
    for id, days in ((ids[0], (70, 40)), (ids[1], (70,)), (ids[2], (70, 40, 8)), (ids[3], (40,))):
        for day in days:
            buys(id, 1000, days_ago=day)
    _, kills = run_killed_everywhere(Loyalty(store.loyalty).run, request, MonthsProgress())
    assert kills
    march, theirs = Loyalty(store.loyalty).get("EUR", "2026-03"), Loyalty(store.loyalty).get("EUR", "2026-03", "gold")
    assert march.churn
    assert theirs.churn
    assert theirs.retention
    assert (march.base, march.new_customers, march.churn.sample_size) == (3, 1, 3)
    assert (theirs.base, theirs.new_customers, theirs.churn.sample_size, theirs.churn.value) == (1, 0, 2, 0.5)
    assert theirs.churn.value + theirs.retention.value == 1
    assert (march.segment_id, theirs.segment_id, theirs.segment_key, theirs.segment_version) == ("", gold.id, "gold", 1)
    listed = Loyalty(store.loyalty).list("EUR", PageRequest(), gold.id).items
    assert [each.month for each in listed] == ["2026-04", "2026-03", "2026-02"]

    store.customers.customers.update(
        ids[1], lambda each: each.revise(replace(each, labels={}))
    )  # leaves, also backwards
    segments.follow([ids[1]], Source.CUSTOMER)
    clock.advance(timedelta(hours=1))
    again = Loyalty(store.loyalty).run(MemoryJob(request, MonthsProgress()))
    assert again.restated_count
    theirs = Loyalty(store.loyalty).get("EUR", "2026-03", "gold")
    assert theirs.churn
    assert (theirs.churn.sample_size, theirs.churn.value) == (1, 0)
    lines = {line.measure: line for line in theirs.restatements}
    assert (lines["churn"].before, lines["churn"].after, lines["churn"].late_transaction_count) == (0.5, 0, 0)

    segments.retire("gold", 0)
    with pytest.raises(FailedPrecondition, match="is evaluated just"):
        Loyalty(store.loyalty).measurable(["gold"])
    with pytest.raises(NotFound, match="silver"):
        Loyalty(store.loyalty).get("EUR", "2026-03", "silver")
    with pytest.raises(NotFound, match="2026-01 in EUR of gold"):
        Loyalty(store.loyalty).get("EUR", "2026-01", "gold")


# ---------------------------------------------------------------------------------------------------- value


def test_a_fit_on_too_little_is_refused_with_the_numbers(store: ProfilesStore, ids: list[str], buys: Buys) -> None:
    buys(ids[0], 100, days_ago=50)
    request = FitRequest(currency_code="EUR", margin=0.3)
    with pytest.raises(FailedPrecondition, match="0 of 1 customers bought again, 100 are needed") as refused:
        Value(store.worth).run(MemoryJob(request, FitProgress()))
    assert refused.value.reason_code == "FIT_REFUSED"
    with pytest.raises(FailedPrecondition, match="start FitClvModel"):
        Value(store.worth).clv(ids[0])


def test_the_cdnow_customers_through_the_whole_fit(
    store: ProfilesStore, clock: FixedClock, reference_data: Path
) -> None:
    told = expected(reference_data, "cdnow_sample")
    rows = []
    for number, days in cdnow(reference_data).items():
        rows += [
            Row(
                transaction(
                    f"{number}/{each.day}",
                    customer_id=f"cus_{number}",
                    occurred_time=datetime(each.day.year, each.day.month, each.day.day, 12, tzinfo=UTC),
                    amount=Money(currency_code="USD", minor_units=each.sales),
                )
            )
            for each in days
            if each.day
        ]
    changes = [row.transaction.record(NOW) for row in rows]
    store.activity.transactions.insert_many(changes, keys=[row.transaction.key for row in rows])
    customer = person(id="cus_1516").create()
    store.customers.customers.insert(customer)
    clock.at = datetime(1997, 10, 1, tzinfo=UTC)
    request = FitRequest(currency_code="USD", margin=1.0, discount=1.01**12 - 1, horizon_months=12, window_days=365)
    job = MemoryJob(request, FitProgress())
    model = Value(store.worth).run(job)
    assert model.window.end_time.date() - timedelta(days=1) == CALIBRATION_END
    assert (model.customer_count, model.repeater_count) == (told["customers"], told["repeaters"])
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx(tuple(told["bgnbd"].values()), rel=0.002)
    assert model.mean_alive == pytest.approx(told["mean_p_alive"], rel=0.002)
    assert model.total_value.minor_units / 100 == pytest.approx(told["clv_12m_1pct_weekly_sum"], rel=0.002)
    assert model.holdout_error < model.holdout_naive_error
    found = Value(store.worth).clv("cus_1516")
    assert found.value.minor_units / 100 == pytest.approx(told["clv_top5"]["1516"], rel=0.002)
    assert (found.horizon_months, found.margin, found.basis.sample_size) == (12, 1.0, 2357)
    assert 0 < Value(store.worth).alive("cus_1516").probability <= 1
    assert job.told[-1] == (2357, 2357)
    once = store.worth.scores.get("cus_0003")
    assert once.alive_probability == 1
    assert once.considered_alive == (once.age_weeks <= model.one_time_limit_weeks)
    assert identity.now().date() == date(1997, 10, 1)


# ------------------------------------------------------------------------------------------------ contracts


@pytest.mark.parametrize(
    ("first", "last", "tenure", "lost"),
    [
        (date(2024, 1, 1), None, 2, False),
        (date(2025, 5, 4), None, 1, False),
        (date(2025, 5, 5), None, 0, False),
        (date(2024, 1, 1), date(2024, 12, 31), 1, True),
        (date(2024, 1, 1), date(2025, 1, 10), 2, True),
        (date(2024, 1, 15), date(2025, 1, 14), 1, True),
        (date(2024, 1, 1), date(2024, 2, 10), 1, True),
        (date(2025, 6, 1), date(2026, 12, 31), 0, False),
    ],
)
def test_time_under_contract_is_counted_in_renewals(first: date, last: date | None, tenure: int, lost: bool) -> None:
    assert Spell.of(first, last, NOW.date(), 12) == Spell(tenure=tenure, lost=lost)


def test_contracts_of_a_plan_are_counted_and_projected(store: ProfilesStore, ids: list[str]) -> None:
    """Forty began three years ago: ten left at the first renewal, five at the second, and the rest are there."""
    for number in range(40):
        end = date(2024, 3, 31) if number < 10 else date(2025, 3, 31) if number < 15 else None
        draft = Contract(
            id=identity.new_id("ctr"),
            customer_id=f"cus_{number}",
            number=f"n{number}",
            plan="gold",
            valid_from_date=date(2023, 4, 1),
            valid_to_date=end,
        )
        store.contracts.contracts.insert(draft.add())
    store.contracts.contracts.insert(replace(draft, id="ctr_x", number="x", plan="silver").add())
    renewed = replace(draft, id="ctr_y", number="y", customer_id="cus_0", valid_from_date=date(2024, 4, 1))
    store.contracts.contracts.insert(renewed.add())
    model = ContractModels(store.worth).run(MemoryJob(ContractFitRequest(plan="gold"), ContractFitProgress()))
    assert (model.customer_count, model.lost_count) == (40, 14)
    assert [(each.tenure, each.at_risk, each.lost) for each in model.survival] == [(1, 40, 9), (2, 31, 5)]
    assert model.survival[1].share == pytest.approx(26 / 40)
    assert model.projected_survival[1] == pytest.approx(26 / 40, abs=0.05)
    assert list(model.projected_survival) == sorted(model.projected_survival, reverse=True)
    with pytest.raises(FailedPrecondition, match="0 customers left") as refused:
        ContractModels(store.worth).run(MemoryJob(ContractFitRequest(plan="silver"), ContractFitProgress()))
    assert refused.value.reason_code == "FIT_REFUSED"
