"""Loyalty, contracts and dormancy."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import FailedPrecondition, InvalidArgument
from libs.statistics.estimates import share
from services.profiles.loyalty.domain import measures as loyalty
from services.profiles.loyalty.domain.measures import LoyaltyMeasures, Tally
from services.profiles.worth.domain import sbg
from services.profiles.worth.domain.answers import wallet_share
from services.profiles.worth.domain.contribution import Figures
from services.profiles.worth.domain.dormancy import dormancy
from services.profiles.worth.domain.retention import ShiftedBetaGeometric, churn_by_contract, survivals
from tests.unit.profiles.worth.reference import expected, telco

AS_OF = datetime(2026, 7, 1, tzinfo=UTC)
MAY = 2026 * 12 + 4


def bought(*months: int, sales: int = 1000, refunds: int = 0) -> list[Figures]:
    """A purchase in each of these months of 2026."""
    return [
        Figures(
            currency_code="EUR",
            day=date(2026, month, 3),
            sales=sales,
            refunds=refunds,
            sale_count=1,
            transaction_count=1,
        )
        for month in months
    ]


def told(customers: list[list[Figures]], as_of: datetime = AS_OF) -> LoyaltyMeasures:
    tallies: dict[int, Tally] = {}
    for each in customers:
        loyalty.add(tallies, loyalty.by_month(each), loyalty.number_of(as_of.date()))
    return loyalty.measures(tallies.get(MAY, Tally()), MAY, currency_code="EUR", time_zone="UTC", as_of=as_of)


def test_each_cohort_has_its_own_denominator() -> None:
    found = told([bought(4, 5), bought(4), bought(5), bought(5, 6), bought(3, 5, 6), bought(4, 5, 6)])
    assert (found.month, found.base, found.new_customers, found.regular_customers) == ("2026-05", 5, 2, 3)
    assert found.new_retention
    assert (found.new_retention.value, found.new_retention.sample_size) == (0.5, 2)
    assert found.regular_retention
    assert found.regular_retention.value == pytest.approx(2 / 3)
    assert found.churn
    assert found.retention
    assert (found.churn.value, found.churn.sample_size) == (pytest.approx(1 / 3), 3)
    assert found.churn.value + found.retention.value == pytest.approx(1)
    assert found.churn.lower < found.churn.value < found.churn.upper


@given(st.lists(st.lists(st.integers(1, 12), max_size=6, unique=True), max_size=30))
def test_retention_and_churn_make_one_and_new_ones_are_in_neither(customers: list[list[int]]) -> None:
    found = told([bought(*months) for months in customers])
    april = {i for i, months in enumerate(customers) if 4 in months}
    may = {i for i, months in enumerate(customers) if 5 in months}
    assert found.base == len(may)
    if not april:
        assert found.churn is found.retention is None
    else:
        assert found.churn
        assert found.retention
        assert found.churn.value == pytest.approx(len(april - may) / len(april))
        assert found.churn.value + found.retention.value == pytest.approx(1)


def test_a_refund_lowers_its_own_period_and_makes_nobody_active() -> None:
    refund = Figures(currency_code="EUR", day=date(2026, 5, 9), refunds=300, transaction_count=1)
    found = told([[*bought(4), refund], bought(5), bought(5, 5)])
    assert found.base == 2
    assert found.frequency
    assert found.average_spend
    assert found.frequency.value == 1.5
    assert found.average_spend.value == pytest.approx(2700 / 3)
    assert found.average_spend.lower < 900 < found.average_spend.upper


def test_who_stayed_is_told_when_the_months_are_over() -> None:
    june = told([bought(4, 5)], datetime(2026, 6, 30, 23, tzinfo=UTC))
    assert june.churn
    assert june.new_retention is june.regular_retention is None
    may = told([bought(4, 5)], datetime(2026, 5, 31, 23, tzinfo=UTC))
    assert may.churn is may.retention is None
    assert told([bought(4, 5, 6)]).restated_from(may).restatements == ()


def test_a_late_transaction_restates() -> None:
    before = told([bought(4, 5), bought(4)])
    after = told([bought(4, 5), bought(4, 5)]).restated_from(before)
    lines = {line.measure: (line.before, line.after) for line in after.restatements}
    assert lines["base"] == (1, 2)
    assert lines["churn"] == (0.5, 0.0)
    assert {line.late_transaction_count for line in after.restatements} == {1}
    assert after.restated_from(after).restatements == after.restatements
    assert told([bought(5)]).restated_from(None).restatements == ()


def test_wallet_allocation() -> None:
    assert [wallet_share(rank, 3) for rank in (1, 2, 3)] == pytest.approx([0.5, 1 / 3, 1 / 6])
    with pytest.raises(InvalidArgument, match="no rank among 3"):
        wallet_share(4, 3)


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_share(hits: int, cases: int) -> None:
    found = share(min(hits, cases), cases)
    assert found
    assert 0 <= found.lower <= found.value <= found.upper <= 1


# ----------------------------------------------------------------------------------------------- contracts


def test_golden_survival_of_contracts() -> None:
    model = ShiftedBetaGeometric(alpha=0.704, beta=1.182)
    assert [model.survival(t) for t in (1, 2, 3, 4)] == pytest.approx([0.6267, 0.4738, 0.3880, 0.3321], abs=5e-5)
    assert model.retention(2) > model.retention(1)
    assert model.survival(0) == 1


def test_the_fit_finds_what_made_the_cohort() -> None:
    model = ShiftedBetaGeometric(alpha=0.704, beta=1.182)
    survivors = [round(1_000_000 * model.survival(t)) for t in range(8)]
    lost = [before - after for before, after in pairwise(survivors)]
    found = sbg.fit(lost, [0] * len(lost) + [survivors[-1]])
    assert (found.alpha, found.beta) == pytest.approx((0.704, 1.182), rel=0.002)


def test_a_cohort_that_says_nothing_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match="3 customers left within 2 renewals, 10 within 2 are needed"):
        sbg.fit([1, 2], [100])
    with pytest.raises(InvalidArgument, match="negative"):
        sbg.fit([50, -1], [100])


def test_kaplan_meier_counts_the_censored_while_they_are_there() -> None:
    curve = survivals([(1, True), (2, False), (2, True), (3, True), (4, False)])
    assert [(row.tenure, row.at_risk, row.lost) for row in curve] == [(1, 5, 1), (2, 4, 1), (3, 2, 1)]
    assert [row.share for row in curve] == pytest.approx([0.8, 0.6, 0.3])
    assert all(row.lower <= row.share <= row.upper for row in curve)
    assert survivals([]) == []
    with pytest.raises(InvalidArgument):
        survivals([(-1, True)])


def test_the_telephone_company(reference_data: Path) -> None:
    figures, rows = expected(reference_data, "churn"), telco(reference_data)
    charges = [round(float(row["MonthlyCharges"]) * 100) for row in rows]
    lost = [row["Churn"] == "Yes" for row in rows]
    found = churn_by_contract(zip((row["Contract"] for row in rows), lost, charges, strict=True))
    assert sum(each.customers for each in found.values()) == figures["rows"]
    assert sum(each.lost for each in found.values()) == figures["churned"]
    rate = share(figures["churned"], figures["rows"])
    assert rate
    assert rate.value == pytest.approx(figures["rate"], abs=1e-6)
    assert {kind: [each.customers, each.lost] for kind, each in found.items()} == figures["by_contract"]
    assert sum(each.monthly_charges for each in found.values()) / 100 == pytest.approx(figures["monthly_charges"])
    told_lost = sum(each.monthly_charges_lost for each in found.values()) / 100
    assert told_lost == pytest.approx(figures["monthly_charges_lost"])
    assert sum(not row["TotalCharges"].strip() for row in rows) == figures["blank_total_charges"]
    curve = survivals(zip((int(row["tenure"]) for row in rows), lost, strict=True))
    # The plain rate takes those who are still there for saved; over the whole tenure more are lost than that.
    assert 1 - curve[-1].share > figures["rate"]
    assert sum(row.lost for row in curve) == figures["churned"]


# ------------------------------------------------------------------------------------------------ dormancy


def test_dormant_is_measured_by_ones_own_rhythm() -> None:
    start = date(2026, 1, 1)
    weekly = [start + timedelta(days=7 * n) for n in range(10)]
    last = weekly[-1]
    quiet = dormancy(weekly, last + timedelta(days=15), floor_days=14)
    assert quiet
    assert (quiet.dormant, quiet.gap_days, quiet.limit_days, quiet.median_days) == (True, 15, 14.0, 7.0)
    patient = dormancy(weekly, last + timedelta(days=15), floor_days=30)
    assert patient
    assert not patient.dormant

    uneven = [start, *(start + timedelta(days=d) for d in (10, 40, 60, 100))]
    found = dormancy(uneven, date(2026, 5, 20), floor_days=14)
    assert found
    assert found.limit_days == pytest.approx(25 + 3 * 1.4826 * 10)
    assert (found.gap_days, found.dormant, found.gap_count) == (39, False, 4)


def test_who_bought_once_is_judged_by_the_floor_and_who_never_did_by_nothing() -> None:
    once = dormancy([date(2026, 1, 1)] * 2, date(2026, 5, 1), floor_days=90)
    assert once
    assert (once.dormant, once.median_days, once.gap_count) == (True, None, 0)
    assert dormancy([], date(2026, 5, 1), floor_days=90) is None
