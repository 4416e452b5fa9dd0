"""Touches that wait for a free instant, and those for which it is too late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kehu.care.v1 import programs_pb2

from services.care.touches.domain.touches import TouchState
from tests.unit.care.conftest import PLAN, Care, Heard, Provider, active, sender
from tests.unit.care.sending import BIRTHDAY, fire, go, planned, touches


def test_a_message_in_quiet_hours_waits_for_the_first_instant_that_is_free(
    world: Care, heard: Heard, provider: Provider
) -> None:
    active(world, {**PLAN, "minute": 6 * 60})
    sender(world)
    heard()
    [touch] = planned(world)
    go(world, touch.planned_time)
    fire(world, provider)
    [touch] = touches(world)
    assert (touch.state, touch.due_time) == (TouchState.DEFERRED, datetime(2026, 3, 3, 0, tzinfo=UTC))
    assert [each.reason for each in touch.findings] == ["QUIET"]


def test_a_greeting_that_can_only_come_too_late_lapses(world: Care, heard: Heard, provider: Provider) -> None:
    active(world, {**PLAN, "minute": 22 * 60})
    sender(world)
    heard()
    [touch] = planned(world)
    go(world, touch.planned_time)
    fire(world, provider)
    [touch] = touches(world)
    assert touch.state is TouchState.LAPSED
    assert [each.reason for each in touch.findings] == ["QUIET", "TOO_LATE"]


def test_a_paused_program_waits_and_a_retired_one_sends_nothing(world: Care, heard: Heard, provider: Provider) -> None:
    made = active(world)
    sender(world)
    heard()
    planned(world)
    world.call(programs_pb2.PauseProgramRequest(program_id=made.id), programs_pb2.Program)
    go(world, BIRTHDAY)
    fire(world, provider)
    assert touches(world)[0].state is TouchState.DEFERRED
    world.call(programs_pb2.RetireProgramRequest(program_id=made.id), programs_pb2.Program)
    go(world, BIRTHDAY + timedelta(hours=1))
    fire(world, provider)
    [touch] = touches(world)
    assert [each.reason for each in touch.findings] == ["PROGRAM_RETIRED"]
    assert provider.sent == []


def test_what_is_not_sent_yet_follows_the_next_version(world: Care, heard: Heard, provider: Provider) -> None:
    made = active(world)
    sender(world)
    heard()
    planned(world)
    made.plans[0].minute = 600
    made.plans[0].contents[0].subject = "祝您生日快乐"
    world.call(programs_pb2.ReviseProgramRequest(program=made), programs_pb2.Program)
    world.deliver()
    [touch] = planned(world)
    assert (touch.version, touch.planned_time) == (2, BIRTHDAY + timedelta(hours=1))
    go(world, BIRTHDAY + timedelta(hours=1))
    fire(world, provider)
    assert provider.sent[0].subject == "祝您生日快乐"


def test_the_hook_of_pressure_holds_a_touch_back(world: Care, heard: Heard, provider: Provider) -> None:
    from services.care.customers.domain.permission import Finding, Reason

    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider, pressure=lambda _, at: Finding(reason=Reason.PRESSURE, end_time=at + timedelta(hours=2)))
    [touch] = touches(world)
    assert (touch.state, touch.due_time) == (TouchState.DEFERRED, BIRTHDAY + timedelta(hours=2))
