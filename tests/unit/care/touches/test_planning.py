"""Touches are planned ahead: once, and anew when what they rest on changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from services.care.touches.domain.touches import TouchState
from tests.unit.care.conftest import NOW, Care, Heard, active
from tests.unit.care.sending import planned


def test_a_touch_is_planned_within_48_hours_and_not_before(world: Care, heard: Heard) -> None:
    active(world)
    heard(dates=[{"kind": "KIND_BIRTH", "month": 3, "day": 6, "year": 1980}])
    assert planned(world) == []
    world.clock.at = NOW + timedelta(days=1, hours=23)
    assert planned(world) == []
    world.clock.at = NOW + timedelta(days=2)
    [touch] = planned(world)
    assert touch.planned_time == datetime(2026, 3, 6, 1, tzinfo=UTC)
    assert (touch.local_date, touch.minute, touch.time_zone) == (date(2026, 3, 6), 540, "Asia/Shanghai")
    assert touch.expire_time == datetime(2026, 3, 6, 16, tzinfo=UTC)


def test_a_second_look_plans_nothing_twice(world: Care, heard: Heard) -> None:
    active(world)
    id = heard()
    [touch] = planned(world)
    for revision in range(2, 5):
        heard(id, revision)
        assert planned(world) == [touch]


def test_a_date_that_was_wrong_takes_its_touch_back(world: Care, heard: Heard) -> None:
    active(world)
    id = heard()
    planned(world)
    heard(id, 2, dates=[{"kind": "KIND_BIRTH", "month": 3, "day": 4, "year": 1980}])
    states = {each.local_date: each.state for each in planned(world)}
    assert states == {date(2026, 3, 3): TouchState.SUPERSEDED, date(2026, 3, 4): TouchState.PLANNED}
    heard(id, 3)
    states = {each.local_date: each.state for each in planned(world)}
    assert states == {date(2026, 3, 3): TouchState.PLANNED, date(2026, 3, 4): TouchState.SUPERSEDED}
