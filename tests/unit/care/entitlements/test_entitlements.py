"""The ledger of benefits: nobody twice, nobody skipped, and every tier alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kehu.care.v1 import entitlements_pb2 as pb
from kehu.care.v1 import privacy_pb2
from kehu.common.v1.operation_pb2 import Operation
from kehu.profiles.v1 import contracts_pb2, entitlements_pb2, segments_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.domain import DomainError
from libs.chassis.testing import MemoryJob, run_killed_everywhere
from services.care.entitlements import application
from services.care.entitlements.application import Entitlements, EquityAsked, EquityProgress
from tests.unit.care.conftest import Care, Heard
from tests.unit.care.happenings import merged, ranked

TRIP = "yearly-trip"


def term(world: Care, revision: int = 1, **fields: Any) -> str:
    told: dict[str, Any] = {
        "id": identity.new_id("ent"),
        "revision": revision,
        "benefit": TRIP,
        "basis": "BASIS_SEGMENT",
        "subject": "gold",
        "allowance": 1,
        "period": "PERIOD_YEAR",
        "valid_from_date": {"year": 2025, "month": 1, "day": 1},
        **fields,
    }
    event = profiles.EntitlementChanged(entitlement=entitlements_pb2.Entitlement(**told))
    world.hear(event, entity_id=told["id"], revision=revision)
    return str(told["id"])


def joined(world: Care, id: str, segment: str = "gold", *, left: bool = False) -> None:
    told: Any = {"id": identity.new_id("mem"), "customer_id": id, "segment_id": "seg_1", "segment_key": segment}
    event = profiles.SegmentLeft if left else profiles.SegmentEntered
    world.hear(event(membership=segments_pb2.SegmentMembership(**told)), entity_id=told["id"])


def contract(world: Care, id: str, plan: str, contract_id: str = "con_1", **fields: Any) -> None:
    told: Any = {
        "id": contract_id,
        "customer_id": id,
        "plan": plan,
        "valid_from_date": {"year": 2025, "month": 1, "day": 1},
        **fields,
    }
    world.hear(profiles.ContractChanged(contract=contracts_pb2.Contract(**told)), entity_id=contract_id)


def reserve(world: Care, id: str, cause: str = "trip-2026", **caller: Any) -> pb.BenefitUse:
    request = pb.ReserveBenefitRequest(customer_id=id, benefit=TRIP, cause=cause)
    return world.call(request, pb.BenefitUse, **caller)


def balances(world: Care, id: str) -> list[tuple[str, int, int]]:
    found = world.call(pb.GetBenefitsRequest(customer_id=id), pb.CustomerBenefits).benefits
    return [(each.benefit, each.taken, each.remaining) for each in found]


def refusal(call: Any) -> str:
    with pytest.raises(DomainError) as refused:
        call()
    assert refused.value.reason_code == "BENEFIT_NOT_LEFT"
    return refused.value.metadata["explanation"]


def test_a_benefit_is_had_once_for_a_cause_and_as_often_as_allowed(world: Care, heard: Heard) -> None:
    term(world)
    id = heard()
    joined(world, id)
    first = reserve(world, id)
    assert reserve(world, id).id == first.id
    assert balances(world, id) == [(TRIP, 1, 0)]
    assert refusal(lambda: reserve(world, id, "another-trip")) == "1 of 1 were taken since 2026-01-01"
    used = world.call(pb.UseBenefitRequest(benefit_use_id=first.id), pb.BenefitUse)
    assert (used.state, used.period) == (pb.BENEFIT_USE_STATE_USED, "2026-01-01")
    page = world.call(pb.ListBenefitUsesRequest(filter=f'customer_id = "{id}"'), pb.ListBenefitUsesResponse)
    assert [each.id for each in page.benefit_uses] == [first.id]


def test_what_is_given_back_may_be_had_again(world: Care, heard: Heard) -> None:
    term(world)
    id = heard()
    joined(world, id)
    first = reserve(world, id)
    for _ in range(2):
        world.call(pb.ReleaseBenefitRequest(benefit_use_id=first.id), pb.BenefitUse)
    assert balances(world, id) == [(TRIP, 0, 1)]
    request = pb.UseBenefitRequest(benefit_use_id=first.id)
    assert "reserve it again" in refusal(lambda: world.call(request, pb.BenefitUse))
    assert reserve(world, id, "other").state == pb.BENEFIT_USE_STATE_RESERVED
    assert "taken" in refusal(lambda: reserve(world, id))


def test_who_leaves_a_segment_keeps_what_is_reserved_and_gets_nothing_new(world: Care, heard: Heard) -> None:
    term(world)
    id = heard()
    joined(world, id)
    first = reserve(world, id)
    joined(world, id, left=True)
    assert world.call(pb.UseBenefitRequest(benefit_use_id=first.id), pb.BenefitUse).id == first.id
    assert refusal(lambda: reserve(world, id, "other")) == "nothing entitles it"


def test_a_year_ends_in_the_zone_of_the_customer(world: Care, heard: Heard) -> None:
    term(world)
    shanghai, new_york = heard(), heard(preferences={"time_zone": "America/New_York"})
    world.clock.at = datetime(2026, 12, 31, 20, tzinfo=UTC)  # the year is over in Shanghai alone
    for id in (shanghai, new_york):
        joined(world, id)
    assert (reserve(world, shanghai).period, reserve(world, new_york).period) == ("2027-01-01", "2026-01-01")


@pytest.mark.parametrize(
    ("period", "first"),
    [("MONTH", "2026-03-01"), ("QUARTER", "2026-01-01"), ("YEAR", "2026-01-01"), ("ONCE", "2025-01-01")],
)
def test_an_allowance_begins_anew_with_its_period(world: Care, heard: Heard, period: str, first: str) -> None:
    term(world, period=f"PERIOD_{period}", basis="BASIS_EVERYBODY", subject="")
    assert reserve(world, heard()).period == first


def test_the_closest_entitlement_counts_and_zero_takes_away(world: Care, heard: Heard) -> None:
    id, other = heard(), heard()
    term(world, basis="BASIS_EVERYBODY", subject="", allowance=5)
    term(world, basis="BASIS_PLAN", subject="premium", allowance=3)
    contract(world, id, "premium")
    assert (balances(world, id), balances(world, other)) == ([(TRIP, 0, 3)], [(TRIP, 0, 5)])
    own = term(world, basis="BASIS_CUSTOMER", subject=id, allowance=0)
    assert "0 of 0" in refusal(lambda: reserve(world, id))
    ended: Any = {"year": 2025, "month": 12, "day": 31}
    term(world, id=own, revision=2, basis="BASIS_CUSTOMER", subject=id, allowance=0, valid_to_date=ended)
    contract(world, id, "premium", valid_to_date=ended)
    assert balances(world, id) == [(TRIP, 0, 5)]


def test_two_customers_who_are_merged_have_one_allowance(world: Care, heard: Heard) -> None:
    term(world)
    first, second = heard(), heard()
    joined(world, first)
    before = reserve(world, first)
    merged(world, second, first)
    assert balances(world, second) == [(TRIP, 1, 0)]
    assert reserve(world, second).id == before.id
    assert "1 of 1" in refusal(lambda: reserve(world, second, "other"))


def story(world: Care, heard: Heard) -> list[str]:
    term(world, basis="BASIS_EVERYBODY", subject="")
    ids = [heard() for _ in range(40)]
    for place, id in enumerate(ids):
        ranked(world, id, "A" if place < 20 else "C")
    for id in (*ids[:18], *ids[20:23]):
        reserve(world, id)
    heard(delete_time=world.clock.at)
    return ids


def test_equity_tells_who_was_skipped_and_that_tiers_differ(world: Care, heard: Heard) -> None:
    ids = story(world, heard)
    asked = world.call(pb.CheckEquityRequest(benefit=TRIP), Operation)
    from google.protobuf.any_pb2 import Any as AnyMessage

    report = pb.EquityReport()
    AnyMessage.FromString(world.operate(asked.id).result).Unpack(report)
    assert [(each.tier, each.entitled_count, each.served_count) for each in report.tiers] == [
        ("A", 20, 18),
        ("C", 20, 3),
    ]
    assert report.uneven
    assert report.difference.value == pytest.approx(0.75)
    assert {*report.skipped_customer_ids} == {*ids[18:20], *ids[23:]}
    assert report.skipped_count == 19


def test_a_check_that_is_killed_counts_everybody_once(
    world: Care, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    story(world, heard)
    monkeypatch.setattr(application, "BATCH", 7)
    work = Entitlements(world.store.entitlements)

    def run(job: MemoryJob[EquityAsked, EquityProgress]) -> Any:
        return work.check(job)

    report, kills = run_killed_everywhere(run, EquityAsked(benefit=TRIP), EquityProgress())
    assert kills > 1
    assert [(each.entitled_count, each.served_count) for each in report.tiers] == [(20, 18), (20, 3)]


def test_tiers_that_are_served_alike_are_even(world: Care, heard: Heard) -> None:
    term(world, basis="BASIS_EVERYBODY", subject="")
    for place in range(20):
        id = heard()
        ranked(world, id, "A" if place % 2 else "C")
        if place % 4 < 2:
            reserve(world, id)
    report = Entitlements(world.store.entitlements).check(MemoryJob(EquityAsked(benefit=TRIP), EquityProgress()))
    assert (report.uneven, report.skipped_count) == (False, 10)


def test_the_ledger_is_exported_and_an_erased_customer_gets_nothing(world: Care, heard: Heard) -> None:
    term(world, basis="BASIS_EVERYBODY", subject="")
    id = heard()
    reserve(world, id, request_id="1")
    assert reserve(world, id, request_id="1").cause == "trip-2026"
    told = world.stream(privacy_pb2.ExportSubjectDataRequest(customer_id=id), privacy_pb2.ExportedRecord)
    assert "benefit_use" in {each.WhichOneof("record") for each in told}
    world.clock.advance(timedelta(days=400))
    assert balances(world, id) == [(TRIP, 0, 1)]
