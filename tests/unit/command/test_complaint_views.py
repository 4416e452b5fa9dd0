"""A complaint, its report and a problem as a person sees them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from kehu.interactions.v1 import cases_pb2, complaints_pb2, problems_pb2, promises_pb2, remedies_pb2
from rich.console import Console

from libs.command.views import complaint

NOW = datetime(2026, 8, 10, 9, tzinfo=UTC)


def shown(what: Any) -> str:
    console = Console(width=140, record=True, file=StringIO())
    console.print(what)
    return console.export_text()


def at(hours: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(NOW + timedelta(hours=hours))
    return stamp


def test_a_story_is_told_in_the_order_of_time() -> None:
    told = complaints_pb2.Complaint(
        complained_of="Nobody called back",
        state="COMPLAINT_STATE_CONFIRMED",  # type: ignore[arg-type]
        severity="COMPLAINT_SEVERITY_HIGH",  # type: ignore[arg-type]
        first_time=at(-5),
        received_time=at(0),
        requested_remedy="a call",
        acknowledgement={"time": at(1), "plan": "We ask the branch.", "eta_time": at(24)},
        taxonomy_path="broken_promise",
        attribution={"touchpoint": "branch 7", "employee": "NOT_ATTRIBUTABLE", "product": "NOT_ATTRIBUTABLE"},
        findings=["the note was lost"],
        decision="You get the fee back.",
        appeals=["half of it is missing"],
        feedback="All of it is back now.",
        confirmed_time=at(60),
        timely=False,
    )
    case = cases_pb2.Case(
        subject="No call",
        owner="ann",
        wishes=[{"text": "call in the evening", "time": at(2)}],
        episodes=[
            {"number": 1, "open_time": at(-5), "resolved_time": at(30), "explanation": "The fee is back."},
            {"number": 2, "open_time": at(40), "reopen_reason": "half is missing"},
        ],
    )
    promise = promises_pb2.Promise(text="We ask the branch.", made_time=at(1), broken_time=at(24), broken_reason="late")
    given = remedies_pb2.Goodwill(
        action="REMEDY_ACTION_REFUND",  # type: ignore[arg-type]
        state="GOODWILL_STATE_POSTED",  # type: ignore[arg-type]
        amount=1250,
        currency_code="EUR",
        asked_by="ann",
        asked_time=at(10),
        exceeded=["per case 1000"],
        approver_id="bob",
        decided_by="bob",
        decided_time=at(12),
        authority="approval of bob",
    )
    text = shown(
        complaint.story(complaints_pb2.ComplaintStory(complaint=told, case=case, promises=[promise], goodwill=[given]))
    )
    order = [
        "spoke of it for the first time",
        "received, asks for: a call",
        "acknowledged, too late: We ask the branch. Promised by 2026-08-11 09:00",
        "the customer wishes: call in the evening",
        "ann asked for a refund of 12.50 EUR, above per case 1000: bob is asked",
        "refund of 12.50 EUR posted by bob: approval of bob",
        "broken: We ask the branch. late",
        "resolved: The fee is back.",
        "came back: half is missing",
        "the customer confirms that it is made good",
    ]
    places = [text.find(each) for each in order]
    assert -1 not in places, [each for each, place in zip(order, places, strict=True) if place < 0]
    assert places == sorted(places)
    for fact in ("cause: broken_promise, branch 7\n", "found: the note was lost", "appealed: half of it is missing"):
        assert fact in text.replace(" \n", "\n").replace("  \n", "\n") or fact.strip() in text


def test_a_report_is_a_pareto_with_the_share_in_time() -> None:
    tallies = [
        {"key": "loans", "complaints": 80, "timely": 60, "untimely": 20},
        {"key": "cards", "complaints": 20},
    ]
    found = complaints_pb2.ComplaintReport(
        complaints=100, timely=60, untimely=20, disputed=7, products=tallies, mean_forward=timedelta(hours=36)
    )
    satisfied = complaints_pb2.TimeToSatisfaction(confirmed=3, censored=97)
    text = shown(complaint.report(found, satisfied))
    assert "100 complaints, 75.0% of 80 in time, 7 disputed, 1.5 days" in text
    assert "80.0%" in text
    assert "100.0%" in text
    assert "3 customers confirmed, fewer than half so far" in text


def test_causes_are_shown_as_a_tree_with_what_is_confirmed() -> None:
    found = problems_pb2.Problem(
        title="Screws are missing",
        causes=[
            {"key": "packing", "text": "The bag was not packed", "confirmed": True},
            {"key": "shift", "text": "A new shift", "parent": "packing"},
        ],
        plan={"action": "REMEDY_ACTION_CREDIT", "currency_code": "JPY", "amount": 500, "apology": "We are sorry."},
    )
    text = shown(complaint.problem(found))
    assert "  ✔ The bag was not packed" in text
    assert "    ? A new shift" in text
    assert "credit 500 JPY, We are sorry." in text
