"""The incidents of a real desk, replayed event by event into cases."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean, median

import pytest

from services.interactions.cases.domain.cases import WAITING, Case
from services.interactions.cases.domain.parts import CaseState, CaseType
from services.interactions.cases.domain.priority import CasePolicy

POLICY = CasePolicy(reopen_window=timedelta(days=3660))
STATES = {
    "New": CaseState.NEW,
    "Active": CaseState.OPEN,
    "Awaiting User Info": CaseState.WAITING_CUSTOMER,
    "Awaiting Problem": CaseState.WAITING_THIRD_PARTY,
    "Awaiting Vendor": CaseState.WAITING_THIRD_PARTY,
    "Awaiting Evidence": CaseState.SCHEDULED,
    "Resolved": CaseState.RESOLVED,
    "Closed": CaseState.CLOSED,
}


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def replayed(rows: list[dict[str, str]]) -> Case:
    """The case that the events of an incident make, through every state that the machine asks for."""
    first = rows[0]
    case, _ = Case.open(
        first["number"],
        customer_id="cus_1",
        subject=first["number"],
        type=CaseType.INCIDENT,
        impact=int(first["impact"]),
        urgency=int(first["urgency"]),
        now=time_of(first["opened_at"]),
    )
    case, _ = case.assign("desk", case.state_time)
    for row in rows:
        now = time_of(row["sys_updated_at"])
        case, _ = case.classify(int(row["impact"]), int(row["urgency"]))
        while case.reopenings < int(row["reopen_count"]):
            case, _ = case.reopen("reopened", now, POLICY)
        while case.reassignments < int(row["reassignment_count"]):
            case, _ = case.assign(f"owner {case.reassignments + 1}", now)
        case = gone_to(case, STATES[row["incident_state"]], now)
    return case


def gone_to(case: Case, to: CaseState, now: datetime) -> Case:
    if case.state is to:
        return case
    if case.state is CaseState.NEW or (case.state in WAITING and to is not CaseState.OPEN):
        case, _ = case.start(now)
    if to is CaseState.OPEN and case.state is not to:
        return case.start(now)[0]
    if to in WAITING:
        return case.wait(to, "waits", now, now)[0]
    if to in {CaseState.RESOLVED, CaseState.CLOSED} and case.state is CaseState.OPEN:
        case, _ = case.resolve("closed", "told", now, promises=())
    return case.confirm(now)[0] if to is CaseState.CLOSED else case


def test_real_incidents_become_cases_with_the_counts_of_the_reference(reference_data: Path) -> None:
    expected = json.loads((reference_data / "expected.json").read_text())["itsm"]
    with gzip.open(reference_data / "cases" / "itsm_incident_events_2016-03.csv.gz", "rt") as file:
        events = [*csv.DictReader(file)]
    assert len(events) == expected["events"]
    random.Random(7).shuffle(events)
    by_number: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in sorted(events, key=lambda row: (row["sys_updated_at"], int(row["sys_mod_count"]))):
        by_number[row["number"]].append(row)
    cases = [replayed(rows) for rows in by_number.values()]
    assert len(cases) == expected["incidents"]
    assert Counter(case.state for case in cases) == {CaseState.CLOSED: expected["incidents"]}
    last = {number: rows[-1] for number, rows in by_number.items()}
    assert all(case.priority == int(last[case.id]["priority"]) for case in cases)
    assert sum(case.reopenings > 0 for case in cases) == expected["reopened"]
    assert mean(case.reassignments for case in cases) == pytest.approx(expected["mean_reassignments"], abs=5e-7)
    assert sum(not case.reassignments for case in cases) == expected["no_reassignment"]
    met: dict[str, list[int]] = {priority: [0, 0] for priority in expected["sla_by_priority"]}
    for case in cases:
        counted = met[str(case.priority)]
        counted[0] += 1
        counted[1] += last[case.id]["made_sla"] == "true"
    assert met == expected["sla_by_priority"]
    hours = [
        (time_of(last[case.id]["resolved_at"]) - case.episodes[0].open_time) / timedelta(hours=1)
        for case in cases
        if last[case.id]["resolved_at"]
    ]
    assert len(hours) == expected["resolved"]
    assert median(hours) == pytest.approx(expected["hours_to_resolve"]["median"], abs=1e-6)
