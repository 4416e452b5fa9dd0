"""All incidents of a real desk, through the public service: every published figure from our own cases."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from pathlib import Path
from statistics import mean, median

import pytest

from tests.unit.interactions.cases.conftest import Desk, desk
from tests.unit.interactions.cases.test_incidents import check_incidents, events_of, time_of

__all__ = ["desk"]


@pytest.mark.timeout(900)
def test_the_figures_of_all_incidents_are_those_of_their_source(desk: Desk, reference_data: Path) -> None:
    expected = json.loads((reference_data / "expected.json").read_text())["itsm"]
    events = events_of(reference_data)
    assert len(events) == expected["events"]
    cases, last = check_incidents(desk, events, expected["incidents"])
    assert len(cases) == expected["incidents"]
    assert sum(len(each.episodes) > 1 for each in cases.values()) == expected["reopened"]
    reassignments = [len(each.ownership) - 1 for each in cases.values()]
    assert mean(reassignments) == pytest.approx(expected["mean_reassignments"], abs=5e-7)
    assert sum(not each for each in reassignments) == expected["no_reassignment"]
    met: dict[str, list[int]] = {priority: [0, 0] for priority in expected["sla_by_priority"]}
    for number, case in cases.items():
        met[str(case.priority)][0] += 1
        met[str(case.priority)][1] += last[number]["made_sla"] == "true"
    assert met == expected["sla_by_priority"]
    hours = [
        (time_of(last[number]["resolved_at"]) - case.open_time.ToDatetime(UTC)) / timedelta(hours=1)
        for number, case in cases.items()
        if last[number]["resolved_at"]
    ]
    assert len(hours) == expected["resolved"]
    assert median(hours) == pytest.approx(expected["hours_to_resolve"]["median"], abs=1e-6)
    assert mean(hours) == pytest.approx(expected["hours_to_resolve"]["mean"], abs=1e-6)
