"""Published tables of days and clocks beside the answers of the calendars, each difference with its reason.

Months, festivals and solar terms are the tables of the Hong Kong Observatory, clocks those of the zone database.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from kehu.care.v1 import calendars_pb2 as pb

from libs.chassis.domain import DomainError
from libs.chassis.testing import World
from services.care.__main__ import SERVICE
from services.care.store import CareStore

FIRST, LAST = 1990, 2030
SCOPES = ("care.calendars.read", "care.calendars.write")
KEYS = {
    "Spring Festival": "SPRING_FESTIVAL",
    "Lantern Festival": "LANTERN_FESTIVAL",
    "Qingming": "QINGMING",
    "Dragon Boat": "DRAGON_BOAT",
    "Qixi": "QIXI",
    "Zhongyuan": "ZHONGYUAN",
    "Mid-Autumn": "MID_AUTUMN",
    "Double Ninth": "DOUBLE_NINTH",
    "Winter Solstice": "WINTER_SOLSTICE",
    "Laba": "LABA",
    "New Year's Eve": "NEW_YEARS_EVE",
}
DIFFERENCES: Mapping[str, str] = {}
"""Difference → its reason. There is none."""


@dataclass
class Comparison:
    """Rows of a table beside answers."""

    agreements: int = 0
    differences: list[str] = field(default_factory=list)

    def add(self, name: str, expected: object, found: object) -> None:
        """Counts a row."""
        if expected == found:
            self.agreements += 1
        else:
            self.differences.append(f"{name}: the table has {expected}, we have {found}")

    def check(self, rows: int) -> None:
        """Every row agrees, or differs for a reason that is named."""
        unexplained = [each for each in self.differences if each not in DIFFERENCES]
        sys.stdout.write("\n".join([f"{self.agreements} of {rows} agree", *self.differences, ""]))
        assert not unexplained
        assert self.agreements + len(self.differences) == rows


@pytest.fixture
def world() -> Iterator[World[CareStore]]:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    with World(SERVICE, at=at, scopes=SCOPES).entered() as world:
        yield world


def table(reference_data: Path, name: str) -> Sequence[Mapping[str, str]]:
    with (reference_data / "calendar" / f"{name}.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def day(told: Any) -> date:
    return date(told.year, told.month, told.day)


def told(value: date) -> dict[str, int]:
    return {"year": value.year, "month": value.month, "day": value.day}


def test_every_festival_of_the_observatory(world: World[CareStore], reference_data: Path) -> None:
    rows = table(reference_data, "lunar_festivals_1990_2030")
    asked = pb.ResolveFestivalsRequest(first_year=FIRST, last_year=LAST, cultures=["CULTURE_CHINESE"])
    days = world.call(asked, pb.ResolveFestivalsResponse).days
    ours = {(each.festival, day(each.date)) for each in days}
    found = Comparison()
    for row in rows:
        key = (KEYS[row["festival"]], date.fromisoformat(row["date"]))
        found.add(f"{row['festival']} of {row['rule_year']}", key[1], key[1] if key in ours else None)
    found.check(451)


def test_every_solar_term_of_the_observatory(world: World[CareStore], reference_data: Path) -> None:
    rows = table(reference_data, "solar_terms_1990_2030")
    asked = pb.ResolveSolarTermsRequest(first_year=FIRST, last_year=LAST)
    days = world.call(asked, pb.ResolveSolarTermsResponse).days
    found = Comparison()
    for row, ours in zip(rows, days, strict=True):
        found.add(row["term"], (row["date"], row["term"]), (day(ours.date).isoformat(), ours.term))
    found.check(984)


def test_every_month_of_the_observatory(world: World[CareStore], reference_data: Path) -> None:
    rows = table(reference_data, "lunar_months_1990_2030")
    found = Comparison()
    for year, months in groupby(rows, lambda each: int(each["lunar_year"])):
        ours = world.call(pb.GetLunarYearRequest(year=year), pb.LunarYear).months
        known = {(each.month, each.leap_month): (day(each.start_date), each.days) for each in ours}
        for row in months:
            key = (int(row["month"]), row["is_leap"] == "1")
            expected = (date.fromisoformat(row["gregorian_start"]), int(row["days"]))
            found.add(f"month {key} of {year}", expected, known.get(key))
            civil = world.call(pb.ResolveCivilDateRequest(date=told(expected[0])), pb.LunarDate)
            assert (civil.year, civil.month, civil.leap_month, civil.day) == (year, *key, 1)
            last = {"year": year, "month": key[0], "leap_month": key[1], "day": expected[1]}
            end = world.call(pb.ResolveLunarDateRequest(lunar_date=last), pb.LunarDate)
            assert day(end.date) == expected[0] + timedelta(days=expected[1] - 1)
    found.check(507)


def test_every_wall_time_of_the_zone_database(world: World[CareStore], reference_data: Path) -> None:
    rows = table(reference_data, "tz_wall_time_cases")
    found = Comparison()
    for row in rows:
        wall = datetime.fromisoformat(row["local_wall_time"])
        asked = {
            "time_zone": row["zone"],
            "date": told(wall.date()),
            "minute": wall.hour * 60 + wall.minute,
        }
        first, second = (
            world.call(pb.ResolveWallTimeRequest(policy=policy, **asked), pb.WallTime)
            for policy in ("WALL_POLICY_FIRST", "WALL_POLICY_SECOND")
        )
        ours = [
            pb.WallKind.Name(first.kind).removeprefix("WALL_KIND_").lower(),
            *(f"{each.time.ToDatetime().isoformat()}Z" for each in (first, second)),
        ]
        found.add(f"{row['zone']} {wall}", [row["kind"], row["utc_if_first"], row["utc_if_second"]], ours)
    found.check(216)


def test_every_transition_of_the_zone_database(world: World[CareStore], reference_data: Path) -> None:
    rows = table(reference_data, "tz_transitions_2015_2030")
    found = Comparison()
    for zone, some in groupby(rows, lambda each: each["zone"]):
        asked = pb.ResolveTransitionsRequest(time_zone=zone, first_year=2015, last_year=2030)
        ours = [
            (
                f"{each.time.ToDatetime().isoformat()}Z",
                each.offset_before.seconds,
                each.offset_after.seconds,
                each.daylight_saving.seconds,
                each.abbreviation,
            )
            for each in world.call(asked, pb.ResolveTransitionsResponse).transitions
        ]
        theirs = [
            (
                row["utc_instant"],
                int(row["offset_before_s"]),
                int(row["offset_after_s"]),
                int(row["dst_after_s"]),
                row["abbrev_after"],
            )
            for row in some
        ]
        for expected in theirs:
            found.add(f"{zone} {expected[0]}", expected, next((each for each in ours if each[0] == expected[0]), None))
        assert [each[0] for each in ours] == [each[0] for each in theirs], zone
    found.check(192)


def test_public_holidays_are_what_the_notices_say(world: World[CareStore], reference_data: Path) -> None:
    rows = table(reference_data, "cn_public_holidays_2018_2024")
    count = 0
    for year, some in groupby(
        sorted(rows, key=lambda each: each["notice_year"]), lambda each: int(each["notice_year"])
    ):
        days = [
            {"date": told(date.fromisoformat(row["date"])), "name": row["name"], "off": row["is_off_day"] == "1"}
            for row in some
        ]
        notice = {"region_code": "CN", "year": year, "source": f"State Council, notice of {year}", "days": days}
        for _ in range(2):
            world.call(pb.PublishHolidaysRequest(holiday_year=notice), pb.HolidayYear)
        kept = world.call(pb.GetHolidaysRequest(region_code="CN", year=year), pb.HolidayYear)
        assert kept.source.endswith(str(year))
        expected = sorted((day(pb.Holiday(**each).date), each["name"], each["off"]) for each in days)
        assert sorted((day(each.date), each.name, each.off) for each in kept.days) == expected
        count += len(kept.days)
    assert count == len(rows) == 243
    with pytest.raises(DomainError) as refused:
        world.call(pb.GetHolidaysRequest(region_code="CN", year=2025), pb.HolidayYear)
    assert refused.value.reason_code == "HOLIDAYS_UNKNOWN"
    assert "2024" in str(refused.value)


@pytest.mark.parametrize(
    ("request_", "answers", "reason"),
    [
        (
            pb.ResolveFestivalsRequest(first_year=2026, last_year=2026, festivals=["NOROOZ"]),
            pb.ResolveFestivalsResponse,
            "FESTIVAL_UNKNOWN",
        ),
        (pb.ResolveFestivalsRequest(first_year=2099, last_year=2100), pb.ResolveFestivalsResponse, "YEAR_UNKNOWN"),
        (pb.ResolveFestivalsRequest(first_year=2026, last_year=2020), pb.ResolveFestivalsResponse, "STRETCH_TOO_LONG"),
        (pb.GetLunarYearRequest(year=1900), pb.LunarYear, "YEAR_UNKNOWN"),
        (
            pb.ResolveLunarDateRequest(lunar_date={"year": 2025, "month": 12, "day": 30}),
            pb.LunarDate,
            "LUNAR_DAY_UNKNOWN",
        ),
        (
            pb.ResolveLunarDateRequest(lunar_date={"year": 2024, "month": 4, "day": 1, "leap_month": True}),
            pb.LunarDate,
            "LUNAR_DAY_UNKNOWN",
        ),
        (
            pb.ResolveWallTimeRequest(
                time_zone="America/New_York", date=told(date(2026, 3, 8)), minute=150, policy="WALL_POLICY_REFUSE"
            ),
            pb.WallTime,
            "WALL_TIME_IN_GAP",
        ),
        (
            pb.ResolveWallTimeRequest(
                time_zone="America/New_York", date=told(date(2026, 11, 1)), minute=90, policy="WALL_POLICY_REFUSE"
            ),
            pb.WallTime,
            "WALL_TIME_AMBIGUOUS",
        ),
        (
            pb.ResolveWallTimeRequest(time_zone="Mars/Olympus", date=told(date(2026, 3, 8))),
            pb.WallTime,
            "TIME_ZONE_UNKNOWN",
        ),
        (
            pb.ResolveTransitionsRequest(time_zone="Asia", first_year=2020, last_year=2021),
            pb.ResolveTransitionsResponse,
            "TIME_ZONE_UNKNOWN",
        ),
        (pb.GetHolidaysRequest(region_code="CN", year=2026), pb.HolidayYear, "HOLIDAYS_UNKNOWN"),
    ],
)
def test_what_no_calendar_knows_is_refused_by_name(
    world: World[CareStore], request_: Any, answers: Any, reason: str
) -> None:
    with pytest.raises(DomainError) as refused:
        world.call(request_, answers)
    assert refused.value.reason_code == reason
