"""Alerts and departures in a terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kehu.care.v1 import alerts_pb2, churn_pb2
from rich.console import Console, RenderableType

from libs.command.views import retention as views

NOW = datetime(2026, 9, 21, 1, tzinfo=UTC)


def shown(view: RenderableType) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def alert(**fields: object) -> alerts_pb2.Alert:
    told = {
        "id": "alt_1",
        "customer_id": "cus_1",
        "kind": "ALERT_KIND_SILENCE",
        "state": "ALERT_STATE_RAISED",
        "score": 60,
        "drivers": [{"factor": "ALERT_FACTOR_SILENCE", "points": 50, "explanation": "68 days without a meeting"}],
        "due_time": NOW - timedelta(hours=1),
        "open": True,
        **fields,
    }
    return alerts_pb2.Alert(**told)  # type: ignore[arg-type]


def test_an_alert_shows_what_speaks_for_it_and_how_to_end_it() -> None:
    told = shown(views.alert(alert(), NOW))
    assert "silence of cus_1" in told
    assert "60 of 100, raised, nobody answers for it" in told
    assert "██████████ 50 68 days without a meeting" in " ".join(told.split())
    assert "kehu care alert close alt_1" in told
    ended = alert(open=False, outcome="ALERT_OUTCOME_SAVED", note="visited", close_time=NOW)
    assert "saved  visited" in shown(views.alert(ended, NOW))


def test_alerts_are_listed_with_owner_and_points() -> None:
    told = shown(views.alerts([alert(), alert(id="alt_2", owner="bob")], NOW)).splitlines()
    assert [line.split()[-1] for line in told[1:]] == ["alt_1", "alt_2"]
    assert "nobody" in told[1]
    assert "bob" in told[2]


def test_departures_tell_who_may_come_back_and_who_did() -> None:
    gone = churn_pb2.ChurnRecord(id="chr_1", customer_id="cus_1", reason_path="price/too-high", open=True)
    back = churn_pb2.ChurnRecord(id="chr_2", customer_id="cus_2", reason_path="service", recoverable=True)
    back.won_back_time.FromDatetime(NOW)
    first, second = shown(views.departures([gone, back])).splitlines()[1:]
    assert (first.split()[-2:], second.split()[-1]) == (["no", "chr_1"], "chr_2")
    assert "2026-09-21" in second


def test_the_worth_of_winning_back_is_shown_as_a_sum_with_what_is_against_it() -> None:
    found = churn_pb2.WinBackEstimate(
        probability=0.2, won_count=1, ended_count=5, second_life_minor_units=100_000, cost_minor_units=5_000
    )
    found.expected_minor_units, found.currency_code = 15_000, "EUR"
    found.against.append("an attempt is open")
    told = shown(views.estimate(found))
    assert "20% of a margin of 1,000.00 EUR, less 50.00 EUR for an attempt: 150.00 EUR" in told
    assert "against it: an attempt is open" in told


def test_reasons_are_a_tree() -> None:
    told = shown(views.reasons(churn_pb2.ChurnReasons(paths=["price/too-high", "price/hidden", "service"])))
    assert [line.strip(" ├└─│") for line in told.splitlines()] == ["price", "hidden", "too-high", "service"]
