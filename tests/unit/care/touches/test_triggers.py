"""Touches that answer facts, usage, scores and silence, and those that surprise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from kehu.care.v1 import touches_pb2 as pb
from kehu.interactions.v1 import events_pb2 as interactions

from libs.chassis import identity
from services.care.touches.domain.touches import TouchState
from tests.unit.care.conftest import NOW, PLAN, Care, Heard, Provider, active, created, sender
from tests.unit.care.sending import DAY, fire, go, mailbox, planned, touches


def fact_plan(**trigger: Any) -> dict[str, Any]:
    plan = {name: value for name, value in PLAN.items() if name not in ("on_date", "minute")}
    return plan | {"useful_days": 2, **trigger}


def test_a_broken_promise_is_answered_once_after_its_delay(world: Care, heard: Heard, provider: Provider) -> None:
    active(world, fact_plan(on_fact={"fact": "FACT_PROMISE_BROKEN", "delay": timedelta(hours=3)}))
    id = heard()
    event = interactions.PromiseBroken(promise={"id": identity.new_id("prm"), "customer_id": id})
    for _ in range(2):
        world.hear(event, entity_id=event.promise.id, revision=4)
    [touch] = touches(world)
    assert touch.planned_time == NOW + timedelta(hours=3)


def test_advice_on_usage_comes_only_where_the_customer_saves(world: Care, heard: Heard) -> None:
    active(world, fact_plan(on_usage={"measure": "data_gigabytes", "at_least": 90}))
    id = heard()

    def report(value: int, saving: int, period: str = "2026-02") -> None:
        told = pb.Measurement(
            customer_id=id, measure="data_gigabytes", period=period, value=value, saving_minor_units=saving
        )
        world.call(pb.ReportMeasurementRequest(measurement=told), pb.Measurement)

    report(95, 0)
    report(95, -500)
    report(80, 500)
    assert touches(world) == []
    report(95, 500)
    report(97, 700)
    assert len(touches(world)) == 1
    report(97, 700, "2026-03")
    assert len(touches(world)) == 2


def test_a_score_is_answered_when_it_passes_the_mark_and_not_while_it_stays(world: Care, heard: Heard) -> None:
    active(world, fact_plan(on_score={"measure": "early_warning", "mark": 50, "direction": "DIRECTION_UP"}))
    id = heard()
    counts = []
    for value in (60, 70, 40, 50, 55, 10, 90):
        told = pb.Measurement(customer_id=id, measure="early_warning", value=value)
        world.call(pb.ReportMeasurementRequest(measurement=told), pb.Measurement)
        counts.append(len(touches(world)))
    assert counts == [0, 0, 0, 1, 1, 1, 2]


def test_silence_is_noticed_and_whoever_met_meanwhile_is_left_alone(
    world: Care, heard: Heard, provider: Provider
) -> None:
    plan = {name: value for name, value in PLAN.items() if name != "on_date"} | {"on_silence": {"days": 10}}
    active(world, plan)
    sender(world)
    id = heard()

    def meet(at: datetime) -> None:
        told = {"id": identity.new_id("int"), "customer_id": id, "occurred_time": at}
        world.hear(interactions.InteractionRecorded(interaction=told), entity_id=told["id"])

    meet(NOW)
    planned(world)
    go(world, NOW + 9 * DAY)
    [touch] = planned(world)
    assert touch.planned_time == NOW + 10 * DAY
    go(world, NOW + 9.5 * DAY)
    meet(NOW + 9.5 * DAY)
    go(world, NOW + 10 * DAY)
    fire(world, provider)
    assert [each.reason for each in touches(world)[0].findings] in (["MET_MEANWHILE"], ["NO_LONGER_DUE"])
    go(world, NOW + 18 * DAY)
    planned(world)
    go(world, NOW + 19 * DAY)
    fire(world, provider)
    assert [each.state for each in touches(world)] == [touches(world)[0].state, TouchState.SENT]


def test_a_surprise_comes_once_a_period_on_a_day_that_stays_the_same(world: Care, heard: Heard) -> None:
    plan = {name: value for name, value in PLAN.items() if name != "on_date"} | {"surprise": {"period": "PERIOD_MONTH"}}
    made = created(world, plan)
    sender(world)
    for n in range(30):
        heard(contact_points=[mailbox(n)])
    asked = pb.SimulateProgramRequest(program_id=made.id, start_date={"year": 2026, "month": 4, "day": 1}, days=91)
    shown = world.call(asked, pb.Simulation)
    assert shown == world.call(asked, pb.Simulation)
    days: dict[str, list[datetime]] = {}
    for each in shown.lines:
        days.setdefault(each.customer_id, []).append(
            each.planned_time.ToDatetime(UTC).astimezone(ZoneInfo("Asia/Shanghai"))
        )
    assert all([each.month for each in theirs] == [4, 5, 6] for theirs in days.values())
    assert len({each.day for theirs in days.values() for each in theirs}) > 15
