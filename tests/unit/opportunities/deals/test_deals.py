"""Deals: amounts, moves, endings, and the history from which any past state is rebuilt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.date_pb2 import Date
from hypothesis import given
from hypothesis import strategies as st
from kehu.opportunities.v1 import deals_pb2 as pb
from kehu.opportunities.v1 import pipelines_pb2, privacy_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.customers import CustomerErased
from libs.chassis.domain import Conflict, DomainError, InvalidArgument
from services.opportunities.deals.domain import refusals, terms
from services.opportunities.deals.domain.history import ChangeKind, DealChange, DealFacts, DealState, facts_at
from services.opportunities.deals.store import UNFILED_MAX
from services.opportunities.pipelines.domain import StageUnknown
from tests.unit.opportunities.conftest import NOW, SCOPES, Open, Sales, defined

DAY = timedelta(days=1)
EUR = "EUR"


def money(units: int, currency: str = EUR) -> dict[str, Any]:
    return {"currency_code": currency, "minor_units": units}


def moved(world: Sales, deal: pb.Deal, stage: str, **fields: Any) -> pb.Deal:
    return world.call(pb.MoveStageRequest(deal_id=deal.id, stage=stage, **fields), pb.Deal)


def won(world: Sales, deal: pb.Deal, **fields: Any) -> pb.Deal:
    return world.call(pb.WinDealRequest(deal_id=deal.id, **fields), pb.Deal)


def history(world: Sales, deal: pb.Deal) -> Sequence[pb.DealChange]:
    return world.call(pb.ListDealChangesRequest(deal_id=deal.id), pb.ListDealChangesResponse).changes


# ----------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"amount": money(0)}, terms.AmountOutOfRange),
        ({"amount": money(-5)}, terms.AmountOutOfRange),
        ({"amount": money(10**15 + 1)}, terms.AmountOutOfRange),
        ({"amount": money(5, "DEM")}, terms.CurrencyUnknown),
        ({"recurring": {"monthly": money(0), "months": 12}}, terms.AmountOutOfRange),
        ({"recurring": {"monthly": money(5, "USD"), "months": 12}}, terms.CurrenciesMixed),
        ({"lines": [{"product": "chair", "amount": money(-1)}]}, terms.LineOutOfRange),
        ({"lines": [{"product": "chair", "amount": money(99_999)}]}, terms.LinesUnequalAmount),
        ({"splits": [{"member": "ada", "basis_points": 9_999}]}, terms.SharesIncomplete),
        ({"stage": "somebody_elses"}, StageUnknown),
        ({"stage": "won"}, refusals.StageNotOpen),
    ],
)
def test_what_makes_no_sense_has_a_named_refusal_and_changes_nothing(
    world: Sales, opened: Open, fields: dict[str, Any], refusal: type[DomainError]
) -> None:
    with pytest.raises(DomainError) as refused:
        opened(**fields)
    assert refused.value.reason_code == refusal.reason
    assert world.events() == ["pipeline.created"]


def test_shares_are_exactly_the_whole(opened: Open) -> None:
    deal = opened(splits=[{"member": "ada", "basis_points": 6_667}, {"member": "bob", "basis_points": 3_333}])
    assert [each.basis_points for each in deal.splits] == [6_667, 3_333]


def test_exponents_are_those_of_the_currency_and_lines_give_the_amount(opened: Open) -> None:
    deal = opened(amount=None, lines=[{"product": "dates", "thousandths": 2_500, "amount": money(1_234, "KWD")}])
    assert (deal.amount.currency_code, deal.amount.minor_units) == ("KWD", 1_234)  # 1.234 KWD
    assert opened(amount=money(1_234, "JPY")).amount.minor_units == 1_234


def test_one_off_and_recurring_stay_apart(opened: Open) -> None:
    deal = opened(recurring={"monthly": money(9_900), "months": 24})
    assert (deal.amount.minor_units, deal.recurring.monthly.minor_units, deal.recurring.months) == (100_000, 9_900, 24)


# --------------------------------------------------------------------------------------------------------- moves


def test_a_move_asks_for_what_is_left_and_what_is_entered(world: Sales, opened: Open) -> None:
    deal = opened()
    preview = world.call(pb.PreviewMoveRequest(deal_id=deal.id, stage="offer"), pb.Move)
    assert [*preview.skipped] == ["qualified"]
    told = [(each.stage, pb.Side.Name(each.side), each.measured) for each in preview.unmet]
    assert told == [("qualified", "SIDE_EXIT", 0), ("offer", "SIDE_ENTRY", 0)]
    with pytest.raises(refusals.CriteriaUnmet, match=r"CONTACTS \(qualified EXIT\), CLOSE_DATE \(offer ENTRY\)"):
        moved(world, deal, "offer")
    assert moved(world, deal, "qualified").probability_basis_points == 3_000
    assert world.events()[-1] == "deal.stage_changed"


def test_criteria_are_waived_with_authority_only(world: Sales, opened: Open) -> None:
    deal = opened()
    with pytest.raises(refusals.WaiverNotAllowed, match=r"opportunities\.criteria\.waive"):
        moved(world, deal, "offer", waive=True)
    request = pb.MoveStageRequest(deal_id=deal.id, stage="offer", waive=True)
    world.call(request, pb.Deal, scopes={*SCOPES, "opportunities.criteria.waive"})
    assert [each.waived for each in history(world, deal)] == [False, True]


def test_steps_back_are_free_and_logged(world: Sales, opened: Open) -> None:
    deal = opened()
    moved(world, deal, "qualified")
    back = moved(world, deal, "prospect")
    assert (back.stage, back.probability_basis_points) == ("prospect", 1_000)
    assert [each.facts.stage for each in history(world, deal)] == ["prospect", "qualified", "prospect"]
    assert moved(world, deal, "prospect").revision == back.revision


def test_a_stage_of_another_pipeline_is_refused(world: Sales, opened: Open) -> None:
    stages = [{"key": "strange", "display_name": "Strange"}, *defined().stages[-2:]]
    world.call(pipelines_pb2.CreatePipelineRequest(pipeline=defined(stages=stages)), pipelines_pb2.Pipeline)
    with pytest.raises(StageUnknown, match="strange"):
        moved(world, opened(), "strange")


def test_an_old_revision_loses(world: Sales, opened: Open) -> None:
    deal = opened()
    moved(world, deal, "qualified", revision=1)
    with pytest.raises(Conflict):
        moved(world, deal, "prospect", revision=1)


def test_a_repeated_command_is_one_row(world: Sales, opened: Open) -> None:
    deal = opened()
    request = pb.MoveStageRequest(deal_id=deal.id, stage="qualified", request_id=str(uuid(7)))
    first = world.call(request, pb.Deal)
    world.clock.advance(DAY)
    assert world.call(request, pb.Deal) == first
    assert len(history(world, deal)) == 2


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


# ------------------------------------------------------------------------------------------------------- endings


def test_t34_the_zone_of_the_tenant_says_on_which_day_a_deal_closes(world: Sales, opened: Open) -> None:
    """31 March, 23:30 in Kiritimati is 30 March, 23:30 in Honolulu, in another quarter than 1 April."""
    request = pipelines_pb2.CreatePipelineRequest(pipeline=defined(time_zone="Pacific/Honolulu"))
    pipeline = world.call(request, pipelines_pb2.Pipeline)
    world.clock.at = datetime(2026, 3, 31, 9, 30, tzinfo=UTC)
    deal = opened(pipeline_id=pipeline.id)
    close_time = datetime.fromisoformat("2026-03-31T23:30:00+14:00")
    assert won(world, deal, close_time=close_time).close_date == Date(year=2026, month=3, day=30)


def test_nobody_wins_in_the_future(world: Sales, opened: Open) -> None:
    with pytest.raises(refusals.ClosedAhead, match="2026-03-03"):
        won(world, opened(), close_time=NOW + DAY)


def test_a_lost_deal_says_why_and_to_whom(world: Sales, opened: Open) -> None:
    deal = opened(competitors=[{"name": "Rival", "strengths": ["price"]}])
    request = pb.LoseDealRequest(deal_id=deal.id, lost_reason="LOST_REASON_COMPETITOR", lost_to="Stranger")
    with pytest.raises(refusals.RivalUnknown, match="Rival"):
        world.call(request, pb.Deal)
    request.lost_to = "Rival"
    lost = world.call(request, pb.Deal)
    assert (pb.DealState.Name(lost.state), lost.probability_basis_points, lost.lost_to) == (
        "DEAL_STATE_LOST",
        0,
        "Rival",
    )
    with pytest.raises(refusals.DealClosed):
        won(world, deal)


def test_t35_a_won_deal_that_is_reopened_keeps_both_pasts(world: Sales, opened: Open) -> None:
    deal = opened()
    world.clock.advance(10 * DAY)
    won(world, deal)
    closed = world.clock.at
    world.clock.advance(90 * DAY)
    again = world.call(pb.ReopenDealRequest(deal_id=deal.id, stage="offer"), pb.Deal)
    assert (again.reopened, again.HasField("close_date"), again.stage) == (1, False, "offer")
    then = world.call(pb.GetDealFactsRequest(deal_id=deal.id, effective_time=closed), pb.DealFacts)
    now = world.call(pb.GetDealFactsRequest(deal_id=deal.id), pb.DealFacts)
    assert [pb.DealState.Name(each.state) for each in (then, now)] == ["DEAL_STATE_WON", "DEAL_STATE_OPEN"]
    with pytest.raises(refusals.DealStillOpen):
        world.call(pb.ReopenDealRequest(deal_id=deal.id), pb.Deal)


def test_what_a_closed_deal_was_worth_stays(world: Sales, opened: Open) -> None:
    deal = won(world, opened())
    with pytest.raises(refusals.DealClosed):
        updated(world, deal, amount=money(1))
    assert updated(world, deal, display_name="Chairs, delivered").display_name == "Chairs, delivered"


def updated(world: Sales, deal: pb.Deal, **fields: Any) -> pb.Deal:
    return world.call(
        pb.UpdateDealRequest(deal=pb.Deal(id=deal.id, **fields), update_mask=FieldMask(paths=[*fields])), pb.Deal
    )


# ------------------------------------------------------------------------------------------------------- history


def test_only_changes_of_facts_become_rows(world: Sales, opened: Open) -> None:
    deal = opened()
    updated(world, deal, needs=["sit well"], next_step={"text": "call back"})
    updated(world, deal, amount=money(90_000), close_date={"year": 2026, "month": 6, "day": 30})
    rows = history(world, deal)
    assert [(each.number, each.facts.amount.minor_units) for each in rows] == [(1, 100_000), (2, 90_000)]
    assert (rows[1].actor, rows[1].record_time.ToDatetime(tzinfo=UTC)) == ("ada", NOW)


def test_a_long_history_is_filed_and_read_as_one(world: Sales, opened: Open) -> None:
    deal, count = opened(), 2 * UNFILED_MAX + 3
    for number in range(1, count):
        world.clock.advance(DAY)
        updated(world, deal, amount=money(1_000 + number))
        rows = history(world, deal)
        assert [each.number for each in rows] == [*range(1, number + 2)]
    assert [each.facts.amount.minor_units for each in rows] == [100_000, *(1_000 + each for each in range(1, count))]
    assert len({each.id for each in rows}) == count
    request, pages = pb.ListDealChangesRequest(deal_id=deal.id, page_size=5), list[list[int]]()
    while not pages or request.page_token:
        page = world.call(request, pb.ListDealChangesResponse)
        pages.append([each.number for each in page.changes])
        request.page_token = page.next_page_token
    assert pages == [[*range(first, min(first + 5, count + 1))] for first in range(1, count + 1, 5)]
    past = pb.GetDealFactsRequest(deal_id=deal.id, effective_time=NOW + 5 * DAY)
    assert world.call(past, pb.DealFacts).amount.minor_units == 1_005
    stored = world.store.deals.deals.get(deal.id)
    assert (len(stored.unfiled) < UNFILED_MAX, stored.has_filed) == (True, True)
    [read] = world.store.deals.histories([stored]).values()
    assert [each.number for each in read] == [*range(1, count + 1)]


def test_history_takes_effect_in_order(world: Sales, opened: Open) -> None:
    deal = opened()
    world.clock.advance(5 * DAY)
    moved(world, deal, "qualified", effective_time=NOW + 2 * DAY)
    early = world.call(pb.GetDealFactsRequest(deal_id=deal.id, effective_time=NOW + 3 * DAY), pb.DealFacts)
    assert early.stage == "qualified"
    unknown = pb.GetDealFactsRequest(deal_id=deal.id, effective_time=NOW + 3 * DAY, known_time=NOW + 4 * DAY)
    assert world.call(unknown, pb.DealFacts).stage == "prospect"  # it was recorded only on the fifth day
    with pytest.raises(refusals.HistoryRewritten):
        moved(world, deal, "prospect", effective_time=NOW + DAY)
    with pytest.raises(DomainError, match="does not exist"):
        world.call(pb.GetDealFactsRequest(deal_id=deal.id, effective_time=NOW - DAY), pb.DealFacts)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=20))
def test_any_past_state_is_rebuilt_exactly(steps: list[tuple[int, int]]) -> None:
    """Against a log of full copies: what was there at the end of each day, by each later day's knowledge."""
    rows, effective, recorded = [], NOW, NOW
    for number, (later, late) in enumerate(steps, start=1):
        effective += later * DAY
        recorded = max(recorded, effective + late * DAY)
        facts = DealFacts(state=DealState.OPEN, stage=f"s{number}")
        rows.append(
            DealChange(
                id="",
                deal_id="deal_1",
                number=number,
                kind=ChangeKind.MOVED,
                effective_time=effective,
                record_time=recorded,
                actor="ada",
                facts=facts,
            )
        )
    for known in {each.record_time for each in rows}:
        for at in {each.effective_time for each in rows}:
            expected = None
            for row in rows:
                if row.record_time <= known and row.effective_time <= at:
                    expected = row.facts
            assert facts_at(reversed(rows), at, known) == expected


# --------------------------------------------------------------------------------------------------- probability


def test_a_given_probability_expires(world: Sales, opened: Open) -> None:
    deal = opened()
    request = pb.SetProbabilityRequest(
        deal_id=deal.id, probability_basis_points=8_000, reason="the board nodded", expire_time=NOW + DAY
    )
    assert world.call(request, pb.Deal).probability_basis_points == 8_000
    assert world.tick("probabilities") == 0
    world.clock.advance(DAY)
    assert [world.tick("probabilities"), world.tick("probabilities")] == [1, 0]
    after = world.call(pb.GetDealRequest(deal_id=deal.id), pb.Deal)
    assert (after.probability_basis_points, after.manual_reason) == (1_000, "")
    request.expire_time.FromDatetime(NOW)
    with pytest.raises(InvalidArgument, match="expire_time"):
        world.call(request, pb.Deal)


# -------------------------------------------------------------------------------------------- deals of the past


def past(pipeline: str, key: str, stage: str, **fields: Any) -> pb.ImportDealsRequest.Row:
    deal = {"display_name": key, "pipeline_id": pipeline, "stage": stage, "amount": money(500), "owner": "bob"}
    return pb.ImportDealsRequest.Row(
        **{"source_key": key, "deal": pb.Deal(**deal), "open_time": NOW - 90 * DAY, **fields}
    )


def test_deals_of_the_past_come_with_their_history_once(world: Sales, pipeline: Any) -> None:
    rows = [
        past(pipeline.id, "a", "won", close_time=NOW - 30 * DAY),
        past(pipeline.id, "b", "lost", close_time=NOW - 20 * DAY),
        past(pipeline.id, "c", "offer"),
        past(pipeline.id, "d", "won"),
        past(pipeline.id, "e", "nowhere"),
        past(identity.new_id("pipe"), "f", "won"),
    ]
    first = world.call(pb.ImportDealsRequest(rows=rows), pb.ImportDealsResponse).outcomes
    assert [each.created for each in first] == [True, True, True, False, False, False]
    assert [bool(each.error.message) for each in first] == [False, False, False, True, True, True]
    world.clock.advance(timedelta(hours=1))
    again = world.call(pb.ImportDealsRequest(rows=rows), pb.ImportDealsResponse).outcomes
    assert [(each.id, each.created) for each in again] == [(each.id, False) for each in first]
    deal = world.call(pb.GetDealRequest(deal_id=first[0].id), pb.Deal)
    assert (pb.DealState.Name(deal.state), deal.source_key, deal.owner) == ("DEAL_STATE_WON", "a", "bob")
    assert [each.effective_time.ToDatetime(tzinfo=UTC) for each in history(world, deal)] == [
        NOW - 90 * DAY,
        NOW - 30 * DAY,
    ]
    between = pb.GetDealFactsRequest(deal_id=deal.id, effective_time=NOW - 60 * DAY)
    assert pb.DealState.Name(world.call(between, pb.DealFacts).state) == "DEAL_STATE_OPEN"


# ------------------------------------------------------------------------------------------------------- erasure


def test_an_erasure_leaves_numbers_and_no_words(world: Sales, opened: Open) -> None:
    deal = opened(needs=["a quiet chair"], next_step={"text": "call Ms. Zanzibar"})
    customer = deal.customer_id
    world.hear(profiles.CustomerCreated(customer={"id": customer}), entity_id=customer)
    export = privacy_pb2.ExportSubjectDataRequest(customer_id=customer)
    records = world.stream(export, privacy_pb2.ExportedRecord, scopes={"opportunities.subject_data.read"})
    assert [each.WhichOneof("record") for each in records] == ["customer", "deal"]
    requested = profiles.CustomerErasureRequested(customer_id=customer, erasure_id=identity.new_id("era"))
    requested.customer.id = customer
    world.hear(requested, entity_id=customer, revision=2)
    with pytest.raises(CustomerErased):
        opened(customer_id=customer)
    world.tick("erasures")
    left = world.call(pb.GetDealRequest(deal_id=deal.id), pb.Deal)
    assert (left.display_name, [*left.needs], left.HasField("next_step")) == ("", [], False)
    assert (left.amount.minor_units, left.erased) == (100_000, True)
    with pytest.raises(CustomerErased):
        updated(world, deal, display_name="again")
    [row] = world.call(pb.ImportDealsRequest(rows=[of(customer, deal)]), pb.ImportDealsResponse).outcomes
    assert "was erased" in row.error.message


def of(customer: str, deal: pb.Deal) -> pb.ImportDealsRequest.Row:
    told = pb.Deal(display_name="x", pipeline_id=deal.pipeline_id, customer_id=customer)
    return pb.ImportDealsRequest.Row(source_key="x", deal=told)


def test_deals_of_merged_customers_both_stay(world: Sales, opened: Open) -> None:
    first, second = opened(), opened()
    survivor, absorbed = first.customer_id, second.customer_id
    merged = profiles.CustomersMerged(customer={"id": survivor, "merged_ids": [absorbed]})
    merged.aliases.add(customer_id=absorbed, canonical_id=survivor, epoch=1)
    world.hear(merged, entity_id=survivor)
    export = privacy_pb2.ExportSubjectDataRequest(customer_id=absorbed)
    records = world.stream(export, privacy_pb2.ExportedRecord, scopes={"opportunities.subject_data.read"})
    assert {each.deal.id for each in records if each.HasField("deal")} == {first.id, second.id}
    for customer in (survivor, absorbed):
        asked = pb.ListDealsRequest(filter=f'customer_id = "{customer}"')
        assert {each.id for each in world.call(asked, pb.ListDealsResponse).deals} == {first.id, second.id}
    kept = world.call(pb.GetDealRequest(deal_id=second.id), pb.Deal)
    assert (kept.customer_id, kept.state) == (absorbed, pb.DEAL_STATE_OPEN)
