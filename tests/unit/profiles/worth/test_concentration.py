"""Concentration, ABC classes and RFM: golden values, ties, losses, and the invoices of an on-line retailer."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from services.profiles.worth.domain import rfm
from services.profiles.worth.domain.concentration import Concentration, Tier, gini, measure
from tests.unit.profiles.worth.reference import expected, mils, retail_lines

GOLDEN = [400, 250, 120, 80, 60, 40, 25, 15, 7, 3]


def measured(values: list[int]) -> Concentration:
    return measure([f"cus_{i:05}" for i in range(len(values))], values)


def tiers(values: list[int]) -> str:
    found = measured(values)
    return "".join(found.tier_of(value, f"cus_{i:05}")[0] for i, value in enumerate(values))


def test_the_golden_ten() -> None:
    found = measured(GOLDEN)
    assert found.top_fifth_share == 0.65
    assert found.gini == pytest.approx(0.5984)
    assert tiers(GOLDEN) == "AAAABBCCCC"
    assert [(each.tier, each.customer_count, each.contribution) for each in found.classes] == [
        (Tier.A, 4, 850),
        (Tier.B, 2, 100),
        (Tier.C, 4, 50),
        (Tier.LOSS, 0, 0),
    ]
    assert (found.most_count, found.most_share) == (4, 0.4)


def test_ties_at_the_line_are_settled_by_id() -> None:
    assert tiers([10] * 10) == "AAAAAAAABB"
    assert tiers([10] * 10)[::-1] != tiers([10] * 10)


def test_losses_stand_apart_and_nothing_is_c() -> None:
    found = measured([100, 0, -5, -20])
    assert tiers([100, 0, -5, -20]) == "ACLL"
    assert (found.contribution, found.positive_contribution) == (75, 100)
    assert (found.loss_count, found.loss_contribution) == (2, -25)


@pytest.mark.parametrize("values", [[], [0, 0], [-1, -2]])
def test_nothing_to_share_has_no_classes(values: list[int]) -> None:
    found = measured(values)
    assert (found.top_fifth_share, found.gini, found.most_count, found.cuts) == (0.0, 0.0, 0, ())


def test_cuts_out_of_order_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="0 < 950 < 800"):
        measure([], [], a_per_mille=950, b_per_mille=800)


@given(st.lists(st.integers(-(10**15), 10**15), max_size=60))
def test_the_cuts_say_of_everyone_what_the_definition_says(values: list[int]) -> None:
    found = measured(values)
    total, before = sum(max(value, 0) for value in values), 0
    for value, id in sorted(((v, f"cus_{i:05}") for i, v in enumerate(values)), key=lambda pair: (-pair[0], pair[1])):
        tier = Tier.A if before * 1000 < 800 * total else Tier.B if before * 1000 < 950 * total else Tier.C
        assert found.tier_of(value, id) is (tier if value >= 0 else Tier.LOSS)
        before += max(value, 0)
    counts = Counter(found.tier_of(value, f"cus_{i:05}") for i, value in enumerate(values))
    assert {each.tier: each.customer_count for each in found.classes} == {tier: counts[tier] for tier in Tier}
    assert 0 <= found.gini < 1


def test_gini_of_equal_parts_is_nothing() -> None:
    assert gini([7, 7, 7]) == 0
    assert gini([0, 0, 0, 12]) == 0.75


def test_the_online_retailer(reference_data: Path) -> None:
    told = expected(reference_data, "online_retail")
    lines = retail_lines(reference_data)
    gross: Counter[str] = Counter()
    net: Counter[str] = Counter()
    invoices: dict[str, set[str]] = defaultdict(set)
    last: dict[str, date] = {}
    for line in filter(lambda line: line["CustomerID"], lines):
        customer = line["CustomerID"]
        net[customer] += mils(line)
        if int(line["Quantity"]) > 0 and float(line["UnitPrice"]) > 0:
            gross[customer] += mils(line)
            invoices[customer].add(line["InvoiceNo"])
            day = datetime.fromisoformat(line["InvoiceDate"]).date()
            last[customer] = max(last.get(customer, day), day)
    everything = (
        ("lines", len(lines)),
        ("invoices", len({line["InvoiceNo"] for line in lines})),
        ("customers", len(net)),
        ("lines_without_customer", sum(not line["CustomerID"] for line in lines)),
        ("cancelled_lines", sum(line["InvoiceNo"].startswith("C") for line in lines)),
        ("net_amount", pytest.approx(sum(map(mils, lines)) / 1000)),
    )
    assert {name: told[name] for name, _ in everything} == dict(everything)

    found = measure(list(gross), list(gross.values()))
    of_gross = told["gross"]
    assert sum(map(len, invoices.values())) == of_gross["invoices"]
    assert (found.customer_count, found.top_fifth_count) == (of_gross["customers"], of_gross["top20pct_customers"])
    assert found.contribution / 1000 == pytest.approx(of_gross["revenue"])
    assert found.top_fifth_share == pytest.approx(of_gross["top20pct_share"], abs=1e-6)
    assert found.most_count == of_gross["customers_to_80pct"]
    assert found.gini == pytest.approx(of_gross["gini"], abs=1e-6)

    of_net, with_losses = told["net"], measure(list(net), list(net.values()))
    assert (with_losses.customer_count, with_losses.loss_count) == (of_net["customers"], of_net["negative_customers"])
    assert with_losses.contribution / 1000 == pytest.approx(of_net["amount"])
    # The reference divides by the net sum; our share is of the positive contributions, as losses stand apart.
    of_everything = with_losses.top_fifth_contribution / with_losses.contribution
    assert of_everything == pytest.approx(of_net["top20pct_share"], abs=1e-6)

    of_rfm = told["rfm"]
    as_of = date.fromisoformat(of_rfm["as_of"])
    values = {
        "R": [rfm.recency_days(datetime(d.year, d.month, d.day, tzinfo=UTC), as_of, "UTC") for d in last.values()],
        "F": [len(invoices[customer]) for customer in last],
        "M": [gross[customer] for customer in last],
    }
    for name, unit in (("R", 1), ("F", 1), ("M", 1000)):
        scale = rfm.scale(values[name])
        assert scale.mean / unit == pytest.approx(of_rfm["mean"][name], abs=1e-6)
        assert scale.median / unit == pytest.approx(of_rfm["median"][name], abs=1e-6)
    rows = dict(zip(last, zip(*values.values(), strict=True), strict=True))
    for customer, (recency, frequency, amount) in of_rfm["top5"].items():
        assert rows[customer] == (recency, frequency, round(amount * 1000))
    assert sorted(rows, key=lambda customer: -rows[customer][2])[:5] == list(of_rfm["top5"])


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=40), st.booleans())
def test_scores_are_fifths_by_rank_with_average_ties(values: list[int], descending: bool) -> None:
    scale = rfm.scale(values, descending=descending)
    ranked = sorted(-value if descending else value for value in values)
    for value in values:
        assert scale.score(value) == rfm.rank_score(ranked, -value if descending else value)


def test_frequency_tied_at_one_gets_fixed_breaks_and_says_so() -> None:
    scale = rfm.scale([1] * 60 + [2, 3, 5, 9], fixed=rfm.FREQUENCY_BREAKS)
    assert scale.method is rfm.Method.FIXED
    assert [scale.score(value) for value in (1, 2, 3, 5, 9)] == [1, 2, 3, 4, 5]
    assert rfm.scale(list(range(50)), fixed=rfm.FREQUENCY_BREAKS).method is rfm.Method.QUINTILE


def test_recency_is_counted_in_days_of_the_zone() -> None:
    late = datetime(2026, 5, 3, 23, 30, tzinfo=UTC)
    assert rfm.recency_days(late, date(2026, 5, 4), "UTC") == 1
    assert rfm.recency_days(late, date(2026, 5, 4), "Asia/Shanghai") == 0
    assert rfm.recency_days(late, date(2026, 5, 1), "UTC") == 0


def test_nobody_cannot_be_ranked() -> None:
    with pytest.raises(InvalidArgument, match="nobody bought"):
        rfm.scale([])
