"""How many agents answer in time."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from services.interactions.callcenter.domain.staffing import AnswerTarget, Demand, staff

EIGHTY_IN_TWENTY = AnswerTarget(share=0.8, within=20)


def test_a_real_day_needs_the_agents_of_the_reference_table(reference_data: Path) -> None:
    with (reference_data / "callcentre" / "expected_staffing_1999-03-09_aht180.csv").open() as file:
        table = [*csv.DictReader(file)]
    assert len(table) == 48
    for row in table:
        found = staff(Demand(calls=float(row["calls"]), handling_time=180), [EIGHTY_IN_TWENTY])
        assert found.agents == int(row["agents_80_20"]), row
        if found.agents:
            ours = [found.service_level, found.mean_wait, found.occupancy]
            theirs = [float(row[name]) for name in ("service_level", "asa_s", "occupancy")]
            assert ours == pytest.approx(theirs, rel=1e-7), row


def test_the_rule_of_sixty_seconds_needs_more_agents_for_a_higher_tier() -> None:
    demand = Demand(calls=100, handling_time=180)
    everybody, gold = AnswerTarget(share=0.80, within=60), AnswerTarget(share=0.95, within=60, tier="GOLD")
    assert staff(demand, [everybody]).agents == 13
    both = staff(demand, [everybody, gold])
    assert (both.agents, both.decided_by) == (14, gold)


def test_shrinkage_is_added_on_the_roster() -> None:
    found = staff(Demand(calls=100, handling_time=180), [EIGHTY_IN_TWENTY], shrinkage=0.3)
    assert (found.agents, found.rostered) == (14, 20)


def test_callers_who_give_up_need_fewer_agents_and_are_told_of() -> None:
    found = staff(Demand(calls=100, handling_time=180, patience=120), [EIGHTY_IN_TWENTY])
    assert found.agents < 14
    assert found.abandoned is not None
    assert found.abandoned > 0.02


@given(st.floats(0.1, 500), st.floats(10, 900), st.floats(0.5, 0.99), st.floats(0, 120), st.booleans())
def test_one_agent_fewer_misses_the_target(
    calls: float, handling_time: float, share: float, within: float, give_up: bool
) -> None:
    demand = Demand(calls=calls, handling_time=handling_time, patience=90 if give_up else None)
    found = staff(demand, [AnswerTarget(share=share, within=within)])
    assert demand.with_agents(found.agents).service_level(within) >= share
    if found.agents > 1 and (give_up or found.agents - 1 > demand.offered):
        assert demand.with_agents(found.agents - 1).service_level(within) < share


def test_what_cannot_be_met_or_makes_no_sense_is_refused() -> None:
    demand = Demand(calls=100, handling_time=180)
    for target in (
        AnswerTarget(share=1, within=20),
        AnswerTarget(share=0, within=20),
        AnswerTarget(share=0.8, within=-1),
    ):
        with pytest.raises(InvalidArgument, match="a share lies between 0 and 1"):
            staff(demand, [target])
    with pytest.raises(InvalidArgument, match="shrinkage"):
        staff(demand, [EIGHTY_IN_TWENTY], shrinkage=1)
    with pytest.raises(InvalidArgument, match="at least one"):
        staff(demand, [])
