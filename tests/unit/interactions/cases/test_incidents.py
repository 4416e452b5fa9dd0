"""The incidents of a real desk, loaded through the public service with their events in shuffled order."""

from __future__ import annotations

import csv
import gzip
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kehu.interactions.v1 import cases_pb2 as pb

from services.interactions.cases.domain.parts import CaseState
from tests.unit.interactions.cases.conftest import Desk

SAMPLE = 400
"""Incidents that are loaded here. The integration test loads all of them."""
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


def steps_of(logged: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    """The log of an incident as steps. It counts reassignments and names no owners, so each is another one."""
    owner = 0
    for row in sorted(logged, key=lambda row: int(row["sys_mod_count"])):
        told = {"state": f"CASE_STATE_{STATES[row['incident_state']]}", "time": time_of(row["sys_updated_at"])}
        told |= {"cause": f"code {row['closed_code']}", "explanation": "told", "next_step": row["incident_state"]}
        told |= {"impact": int(row["impact"]), "urgency": int(row["urgency"])}
        for n in range(owner, int(row["reassignment_count"]) + 1):
            yield told | {"sequence": int(row["sys_mod_count"]) * 100 + n - owner, "owner": f"owner {n}"}
        owner = int(row["reassignment_count"])


def rows_of(events: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The incidents with their steps in shuffled order."""
    by_number: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in events:
        by_number[row["number"]].append(row)
    rows = []
    for number, logged in by_number.items():
        steps = [*steps_of(logged)]
        random.Random(number).shuffle(steps)
        case = {"subject": number, "type": "CASE_TYPE_INCIDENT", "topic": f"category {logged[0]['category']}"}
        rows.append({"source_key": number, "case": case, "open_time": time_of(logged[0]["opened_at"]), "steps": steps})
    return rows


def loaded(desk: Desk, rows: list[Any]) -> dict[str, pb.Case]:
    """Loads the incidents, and reads them back by their numbers."""
    for start in range(0, len(rows), 50):
        answer = desk.call(pb.ImportCasesRequest(rows=rows[start : start + 50]), pb.ImportCasesResponse)
        assert all(each.created for each in answer.outcomes), [
            each.error for each in answer.outcomes if each.error.code
        ]
    found: dict[str, pb.Case] = {}
    token = ""
    while token or not found:
        page = desk.call(pb.ListCasesRequest(page_size=500, page_token=token), pb.ListCasesResponse)
        found |= {each.source_key: each for each in page.cases}
        token = page.next_page_token
    return found


def events_of(folder: Path) -> list[dict[str, str]]:
    with gzip.open(folder / "cases" / "itsm_incident_events_2016-03.csv.gz", "rt") as file:
        return [*csv.DictReader(file)]


def test_real_incidents_become_cases_with_the_counts_of_their_source(desk: Desk, reference_data: Path) -> None:
    check_incidents(desk, events_of(reference_data), SAMPLE)


def check_incidents(desk: Desk, events: list[dict[str, str]], limit: int) -> tuple[dict[str, pb.Case], dict[str, Any]]:
    """Loads incidents and compares each with its source. Gives them with the last rows of their logs."""
    random.Random(7).shuffle(events)
    rows = rows_of(events)[:limit]
    cases = loaded(desk, rows)
    last = {row["number"]: row for row in sorted(events, key=lambda row: int(row["sys_mod_count"]))}
    last = {number: last[number] for number in cases}
    assert len(cases) == len(rows)
    assert Counter(each.state for each in cases.values()) == {pb.CASE_STATE_CLOSED: len(cases)}
    assert all(case.priority == int(last[number]["priority"]) for number, case in cases.items())
    assert {number for number, each in cases.items() if len(each.episodes) > 1} == {
        number for number, row in last.items() if int(row["reopen_count"])
    }
    reassignments = {number: len(each.ownership) - 1 for number, each in cases.items()}
    assert reassignments == {number: int(row["reassignment_count"]) for number, row in last.items()}
    return cases, last
