"""Erlang's formulae against published values and a grid of 40 digits."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from services.interactions.callcenter.domain.erlang import Impatient, Patient, blocking, queue


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "callcentre" / name).open() as file:
        return [*csv.DictReader(file)]


def test_erlang_c_agrees_with_the_whole_grid(reference_data: Path) -> None:
    grid = rows(reference_data, "erlang_c_reference_grid.csv")
    assert len(grid) == 40
    for row in grid:
        found = Patient(
            offered=float(row["offered_erlangs"]), agents=int(row["agents"]), handling_time=float(row["aht_s"])
        )
        ours = [found.wait_probability, found.service_level(float(row["target_s"])), found.mean_wait, found.occupancy]
        theirs = [float(row[name]) for name in ("p_wait", "service_level", "asa_s", "occupancy")]
        assert ours == pytest.approx(theirs, rel=1e-9), row


def test_both_formulae_agree_with_the_published_points(reference_data: Path) -> None:
    for row in rows(reference_data, "erlang_b_published_points.csv"):
        ours = blocking(float(row["offered_erlangs"]), int(row["servers"]))
        assert ours == pytest.approx(float(row["ref_blocking"]), rel=1e-9)
    for row in rows(reference_data, "erlang_c_published_points.csv"):
        found = Patient(
            offered=float(row["offered_erlangs"]), agents=int(row["agents"]), handling_time=float(row["aht_s"])
        )
        assert found.wait_probability == pytest.approx(float(row["ref_p_wait"]), rel=1e-9)
        assert found.service_level(float(row["target_s"])) == pytest.approx(float(row["ref_service_level"]), rel=1e-9)


@pytest.mark.parametrize(
    ("agents", "waiting", "abandoned", "wait"), [(11, 0.382816, 0.094155, 11.30), (10, 0.496853, 0.137464, 16.50)]
)
def test_erlang_a_agrees_with_the_golden_values(agents: int, waiting: float, abandoned: float, wait: float) -> None:
    found = queue(10, agents, 180, patience=120)
    assert found.wait_probability == pytest.approx(waiting, abs=5e-7)
    assert found.abandoned == pytest.approx(abandoned, abs=5e-7)
    assert found.mean_wait == pytest.approx(wait, abs=5e-3)


@given(st.floats(0.1, 60), st.integers(1, 80), st.floats(10, 600), st.floats(10, 3600))
def test_whoever_waits_is_answered_or_gives_up(
    offered: float, agents: int, handling_time: float, patience: float
) -> None:
    found = Impatient(offered=offered, agents=agents, handling_time=handling_time, patience=patience)
    assert found.service_level(1e7) == pytest.approx(1 - found.abandoned, abs=1e-6)
    assert 0 <= found.occupancy <= 1 + 1e-9


@given(st.floats(0.1, 30), st.integers(1, 10), st.floats(5, 120))
def test_callers_who_hardly_ever_give_up_make_erlang_c_of_erlang_a(offered: float, spare: int, within: float) -> None:
    agents = int(offered) + spare
    patient = Patient(offered=offered, agents=agents, handling_time=180)
    if patient.occupancy < 0.9:
        nearly = Impatient(offered=offered, agents=agents, handling_time=180, patience=1e7)
        assert nearly.service_level(within) == pytest.approx(patient.service_level(within), abs=1e-3)


@pytest.mark.parametrize(("offered", "agents", "least"), [(10.0, 10, 11), (10.5, 3, 11), (0.5, 0, 1)])
def test_t47_too_few_agents_are_refused_with_the_least_number(offered: float, agents: int, least: int) -> None:
    with pytest.raises(InvalidArgument, match=f"at least {least} are needed"):
        Patient(offered=offered, agents=agents, handling_time=180)
    with pytest.raises(InvalidArgument, match="at least 1 are needed"):
        Impatient(offered=offered, agents=0, handling_time=180, patience=60)
