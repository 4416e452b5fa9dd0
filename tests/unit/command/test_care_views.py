"""Care in a terminal: programs from files, the calendar of a week, reasons, tasks, and a name that is shared."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from kehu.care.v1 import pressure_pb2, programs_pb2, touches_pb2
from rich.console import Console, RenderableType

from libs.command import entry
from libs.command.files.programs import ProgramFileError, read
from libs.command.views import care as views

NOW = datetime(2026, 9, 21, 1, tzinfo=UTC)
FILE = """
display_name = "Mid-Autumn"
purpose = "care"
phase = "after-sale"
time_zone = "Asia/Shanghai"
quiet = "21:00-08:00"
[[plans]]
tier = "A"
on_festival = { festival = "MID_AUTUMN", languages = ["zh"] }
at = "09:30"
form = "gift"
[[plans]]
recurrence = { rule = "FREQ=MONTHLY", start_date = 2026-01-01 }
at = "10:00"
form = "message"
channel = "email"
[[plans.contents]]
language_code = "zh"
subject = "中秋快乐"
body = "花好月圆"
"""


def shown(view: RenderableType) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def touch(**fields: object) -> touches_pb2.Touch:
    told = {
        "id": "tch_1",
        "program_id": "prog_1",
        "customer_id": "cus_1",
        "planned_time": NOW,
        "form": "FORM_MESSAGE",
        "channel": "CHANNEL_EMAIL",
        "state": "STATE_SENT",
        **fields,
    }
    return touches_pb2.Touch(**told)  # type: ignore[arg-type]


def test_a_file_says_clock_times_and_words(tmp_path: Path) -> None:
    file = tmp_path / "program.toml"
    file.write_text(FILE, encoding="utf-8")
    found = read(file)
    assert (found.purpose, found.phase) == (programs_pb2.PURPOSE_CARE, programs_pb2.PHASE_AFTER_SALE)
    assert (found.quiet_hours.start_minute, found.quiet_hours.end_minute) == (21 * 60, 8 * 60)
    gift, message = found.plans
    assert (gift.tier, gift.form, gift.minute) == (programs_pb2.TIER_A, programs_pb2.FORM_GIFT, 570)
    assert list(gift.on_festival.languages) == ["zh"]
    assert (message.recurrence.start_date.year, message.contents[0].body) == (2026, "花好月圆")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('quiet = "21:00"', "no stretch of the clock"),
        ('quiet = "25:00-08:00"', "no time of a clock"),
        ('purpose = "selling"', "selling"),
        ("colour = 3", "colour"),
        ("purpose = ", "program.toml"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path: Path, line: str, problem: str) -> None:
    file = tmp_path / "program.toml"
    file.write_text(line, encoding="utf-8")
    with pytest.raises(ProgramFileError, match=f"(?i){problem}"):
        read(file)


def test_a_week_shows_hours_counts_and_feasts() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    some = [touch(), touch(), touch(form="FORM_GIFT", state="STATE_ASSIGNED", planned_time=NOW + timedelta(days=4))]
    told = shown(views.week(date(2026, 9, 21), some, {"prog_1": "Mid-Autumn"}, {date(2026, 9, 25): ["中秋节"]}, zone))
    assert "Week of 21 September 2026" in told
    assert "3 touches" in told
    assert "09:00 ✉ Mid-Autumn ×2" in told
    assert "✿ 中秋节" in told
    assert "🎁" in told
    assert "nothing" in told


def test_a_suppression_is_explained_with_what_somebody_has_to_do() -> None:
    reason = {"reason": "REASON_CONSENT_REFUSED", "explanation": "WITHDRAWN CARE", "receipt_id": "rcp_1"}
    against = touches_pb2.Finding(**reason)
    found = touches_pb2.Explanation(touch=touch(state="STATE_SUPPRESSED", findings=[against]), findings_now=[against])
    told = shown(views.explanation(found))
    assert "suppressed" in told
    assert told.count("consent refused") == 2
    assert "somebody has to act first" in told
    free = shown(views.explanation(touches_pb2.Explanation(touch=touch(), next_permitted_time=NOW)))
    assert "nothing is against it" in free
    assert "It could go at" in free


def test_a_simulation_counts_and_names_reasons() -> None:
    line = {"customer_id": "cus_1", "form": "FORM_MESSAGE", "channel": "CHANNEL_SMS", "planned_time": NOW}
    played = touches_pb2.Simulation(
        lines=[line] * 21,  # type: ignore[list-item]
        customer_count=100,
        audience_count=80,
        consent_count=40,
        sent_count=39,
        suppressed_count=41,
        reasons=[{"reason": "REASON_NO_CONSENT", "count": 40}, {"reason": "REASON_QUIET", "count": 1}],  # type: ignore[list-item]
    )
    told = shown(views.simulation(played))
    for part in ("in the audience", "no consent", "and 1 more", "only the first 100 customers"):
        assert part in told


def test_pressure_and_tasks_say_when_it_fits_and_what_is_late() -> None:
    cap = {"purpose": "PURPOSE_CARE", "days": 30, "weight": 8}
    load = {"cap": cap, "used": 8, "exceeded": True, "free_time": NOW}
    told = shown(views.pressure(pressure_pb2.Standing(loads=[load])))  # type: ignore[list-item]
    assert "8 of 8 in 30 days" in told
    assert "one more is too much" in told
    late = touch(form="FORM_VISIT", task={"assignee": "ada", "due_time": NOW - timedelta(days=2)})
    assert "2 days ago" in shown(views.tasks([late], NOW))
    assert "nothing to do" in shown(views.tasks([], NOW))


@pytest.mark.parametrize(
    ("arguments", "service"),
    [
        (["care", "api"], True),
        (["care", "worker"], True),
        (["care", "migrate"], True),
        (["care", "week"], False),
        (["care"], False),
        (["profiles"], True),
        (["customer", "find"], False),
    ],
)
def test_a_service_and_its_commands_share_a_name(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], service: bool
) -> None:
    monkeypatch.setattr(sys, "argv", ["kehu", *arguments])
    assert entry.is_service(arguments) is service
