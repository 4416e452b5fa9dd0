"""Zones, calendars and clocks: each customer by their own, whatever the change of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from kehu.care.v1 import touches_pb2 as pb

from libs.chassis import identity
from tests.unit.care.conftest import NOW, PLAN, Care, Heard, Provider, active, created, sender
from tests.unit.care.sending import fire, go, planned


@pytest.mark.parametrize("planned_anew", [True, False], ids=["planned anew", "found at sending"])
def test_t16_who_moves_from_shanghai_to_new_york_gets_it_once_and_not_at_night(
    world: Care, heard: Heard, provider: Provider, planned_anew: bool
) -> None:
    active(world)
    sender(world)
    id = heard()
    planned(world)
    moved = {"preferences": {"language_code": "zh-CN", "time_zone": "America/New_York"}}
    if planned_anew:
        heard(id, 2, **moved)
        planned(world)
    else:
        world.store.customers.collection.update(id, lambda each: (replace(each, time_zones=("America/New_York",)), []))
    sends = []
    provider.before = lambda _: sends.append(identity.now())
    for hour in range(72):
        go(world, NOW + timedelta(hours=hour))
        fire(world, provider)
    [at] = sends
    assert at.astimezone(ZoneInfo("America/New_York")) == datetime(2026, 3, 3, 9, tzinfo=ZoneInfo("America/New_York"))


def test_a_zone_that_nobody_is_sure_of_narrows_the_hours(world: Care, heard: Heard, provider: Provider) -> None:
    """Somewhere in the United States: eight o'clock in New York is night in Honolulu, so it waits for Honolulu."""
    active(world, {**PLAN, "minute": 8 * 60})
    sender(world)
    heard(preferences={"language_code": "en"}, addresses=[{"region_code": "US"}])
    [touch] = planned(world)
    zones = world.store.customers.require(touch.customer_id).time_zones
    assert len(zones) > 20
    sends = []
    provider.before = lambda _: sends.append(identity.now())
    for hour in range(100):
        go(world, NOW + timedelta(hours=hour / 2))
        fire(world, provider)
    [at] = sends
    assert all(8 <= at.astimezone(ZoneInfo(each)).hour < 21 for each in zones)


BORN_29 = {"kind": "KIND_BIRTH", "month": 2, "day": 29, "year": 1980}


@pytest.mark.parametrize(
    ("policy", "days"),
    [
        ("FEB29_POLICY_FEB28", ["2023-02-28", "2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("FEB29_POLICY_MAR01", ["2023-03-01", "2024-02-29", "2025-03-01", "2026-03-01", "2027-03-01", "2028-02-29"]),
        ("FEB29_POLICY_LEAP_ONLY", ["2024-02-29", "2028-02-29"]),
    ],
)
def test_t13_who_was_born_on_29_february_is_greeted_by_the_policy(
    world: Care, heard: Heard, policy: str, days: list[str]
) -> None:
    assert simulated(world, heard, date(2023, 1, 1), 6, dates=[{**BORN_29, "feb29_policy": policy}]) == days


def test_t14_who_was_born_in_a_leap_month_is_greeted_in_the_regular_one(world: Care, heard: Heard) -> None:
    """Born on day 10 of the leap month 4 of 2020. The days are those of the observatory's tables."""
    born = {"kind": "KIND_BIRTH", "calendar": "CALENDAR_CHINESE_LUNISOLAR", "month": 4, "day": 10, "leap_month": True}
    days = simulated(world, heard, date(2020, 1, 1), 3, dates=[born])
    assert days == ["2020-06-01", "2021-05-21", "2022-05-10"]


def test_t15_new_years_eve_is_the_day_before_month_one_whatever_the_last_month_has(world: Care, heard: Heard) -> None:
    """Month 12 had 29 days in the years that end in 2022, 2025 and 2026, and 30 in those of 2023 and 2024."""
    plan = {name: value for name, value in PLAN.items() if name != "on_date"} | {
        "on_festival": {"festival": "NEW_YEARS_EVE"}
    }
    days = simulated(world, heard, date(2022, 1, 1), 5, plan=plan)
    assert days == ["2022-01-31", "2023-01-21", "2024-02-09", "2025-01-28", "2026-02-16"]


def simulated(world: Care, heard: Heard, start: date, years: int, plan: Any = None, **fields: Any) -> list[str]:
    """The days of touches in some years, through the public API, a year at a time."""
    made = created(world, plan)
    sender(world)
    heard(**fields)
    days = []
    for n in range(years):
        year = date(start.year + n, 1, 1)
        length = (date(start.year + n + 1, 1, 1) - year).days
        asked = pb.SimulateProgramRequest(
            program_id=made.id, start_date={"year": year.year, "month": 1, "day": 1}, days=length
        )
        shown = world.call(asked, pb.Simulation)
        days += [each.planned_time.ToDatetime(UTC).astimezone(ZoneInfo("Asia/Shanghai")) for each in shown.lines]
    assert all((each.hour, each.minute) == (9, 0) for each in days)
    return [each.date().isoformat() for each in days]


@pytest.mark.parametrize(
    ("day", "minute", "expected"),
    [
        (date(2026, 3, 8), 150, "2026-03-08T07:30"),  # 02:30 does not exist in New York: 03:30
        (date(2026, 11, 1), 90, "2026-11-01T05:30"),  # 01:30 comes twice: the first
    ],
)
def test_a_minute_in_a_gap_moves_on_and_of_two_the_first_counts(
    world: Care, heard: Heard, day: date, minute: int, expected: str
) -> None:
    plan = {**PLAN, "minute": minute}
    made = created(world, plan, quiet_hours={"start_minute": 0, "end_minute": 0})
    sender(world)
    heard(
        preferences={"language_code": "en", "time_zone": "America/New_York"},
        dates=[{"kind": "KIND_BIRTH", "month": day.month, "day": day.day}],
    )
    asked = pb.SimulateProgramRequest(
        program_id=made.id, start_date={"year": day.year, "month": day.month, "day": day.day}, days=2
    )
    [line] = world.call(asked, pb.Simulation).lines
    assert line.planned_time.ToDatetime().isoformat(timespec="minutes") == expected
