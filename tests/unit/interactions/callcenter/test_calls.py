"""Calls in any order, screen pops, service levels with their rule, and forecasts."""

from __future__ import annotations

import csv
import gzip
import itertools
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from math import fsum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from kehu.interactions.v1 import calls_pb2 as pb
from kehu.interactions.v1 import cases_pb2, routing_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.domain import DomainError
from libs.chassis.testing import World
from services.interactions.__main__ import SERVICE
from services.interactions.callcenter.domain.forecasting import by_days, forecast, repeated
from services.interactions.callcenter.domain.staffing import AnswerTarget, Demand, plan
from services.interactions.store import InteractionsStore

NOW = datetime(2026, 8, 10, 9, tzinfo=UTC)
AREAS = ("queues", "calls", "cases", "work", "agents")
SCOPES = {f"interactions.{area}.{right}" for area in AREAS for right in ("read", "write")}
NUMBER = "+8613800138000"
Center = World[InteractionsStore]


@pytest.fixture
def world() -> Iterator[Center]:
    with World(SERVICE, at=NOW, scopes=SCOPES).entered() as it:
        yield it


def queue(world: Center, **fields: Any) -> str:
    asked = routing_pb2.CreateQueueRequest(queue=routing_pb2.WorkQueue(display_name="Hotline", **fields))
    return str(world.call(asked, routing_pb2.WorkQueue).id)


def event(kind: str, seconds: float, call: str = "c1", **fields: Any) -> pb.CallEvent:
    told = pb.CallEvent(kind=f"CALL_EVENT_KIND_{kind}", source="pbx", call_key=call, **fields)  # type: ignore[arg-type]
    told.occurred_time.FromDatetime(NOW + timedelta(seconds=seconds))
    return told


def record(world: Center, *events: pb.CallEvent) -> list[Any]:
    return list(world.call(pb.RecordCallEventsRequest(events=events), pb.RecordCallEventsResponse).outcomes)


def get(world: Center, call_id: str) -> Any:
    return world.call(pb.GetCallRequest(call_id=call_id), pb.Call)


STORY = [
    event("RINGING", 0),
    event("ANSWERED", 12.2, agent="ann"),
    event("HELD", 60, agent="ann"),
    event("ANSWERED", 90, agent="ann"),
    event("TRANSFERRED", 120, agent="ann"),
    event("ANSWERED", 130, agent="bob"),
    event("ENDED", 200),
]


def test_a_call_is_the_same_in_whatever_order_and_however_often_it_is_told(world: Center) -> None:
    told = set()
    for number, order in enumerate(random.Random(7).sample([*itertools.permutations(STORY)], 60)):
        events = []
        for each in (*order, *order[:3]):
            again = pb.CallEvent.FromString(each.SerializeToString())
            again.call_key = f"c{number}"
            events.append(again)
        outcomes = record(world, *events)
        assert {each.error.code for each in outcomes} == {0}
        found = get(world, outcomes[0].id)
        told.add(
            (
                found.state,
                found.wait_seconds,
                found.talk_seconds,
                found.hold_seconds,
                found.transfer_count,
                len(found.steps),
            )
        )
    # talk: 12.2 to 60, 90 to 120, 130 to 200; on hold 60 to 90, and while it is handed on
    assert told == {(pb.CALL_STATE_ANSWERED, 13, 148, 40, 1, 7)}


def test_an_end_before_its_ring_counts_once_the_ring_is_there(world: Center) -> None:
    there = queue(world)
    [outcome] = record(world, event("ENDED", 30, queue_id=there))
    assert get(world, outcome.id).state == pb.CALL_STATE_PARTIAL
    assert level(world, there).everybody.offered == 0
    record(world, event("ANSWERED", 10), event("RINGING", 0))
    assert get(world, outcome.id).state == pb.CALL_STATE_ANSWERED
    assert level(world, there).everybody.answered_in_time == 1


def test_an_event_that_happened_before_the_ring_is_refused(world: Center) -> None:
    first, second = record(world, event("RINGING", 10), event("ENDED", 5))
    assert second.error.message.startswith("ENDED at")
    [early, late] = record(world, event("ANSWERED", 5, "c2"), event("RINGING", 10, "c2"))
    assert (early.error.code, "before the ring" in late.error.message) == (0, True)
    assert get(world, first.id).state == pb.CALL_STATE_WAITING


def test_a_wrong_event_stands_alone(world: Center) -> None:
    wrong = event("RINGING", 0, "c2", number="12345")
    endless = [event("HELD", n, "c3") for n in range(1, 202)]
    good, bad = record(world, event("RINGING", 0), wrong)
    assert (good.error.code, bad.error.code) == (0, 3)
    assert [each.error.code for each in record(world, *endless)][-2:] == [0, 3]


def level(world: Center, queue_id: str, source: str = "CALLS") -> Any:
    return world.call(
        pb.GetServiceLevelRequest(
            queue_id=queue_id,
            start_time=NOW - timedelta(days=1),
            end_time=NOW + timedelta(days=1),
            source=f"SERVICE_SOURCE_{source}",  # type: ignore[arg-type]
        ),
        pb.ServiceLevelReport,
    )


@pytest.mark.parametrize(("rule", "expected"), [("EXCLUDED", 2 / 5), ("MISSED", 2 / 7), ("ANSWERED", 4 / 7)])
def test_a_service_level_tells_what_it_does_with_short_abandons(world: Center, rule: str, expected: float) -> None:
    there = queue(
        world,
        short_abandon_rule=f"SHORT_ABANDON_RULE_{rule}",
        goals=[{"within": timedelta(seconds=20)}, {"tier": "gold", "within": timedelta(seconds=10)}],
    )
    events = []
    for number, (end, after, tier) in enumerate(
        [
            ("ANSWERED", 20, ""),
            ("ANSWERED", 20.1, ""),
            ("ANSWERED", 10, "gold"),
            ("ANSWERED", 15, "gold"),
            ("ABANDONED", 5, ""),
            ("ABANDONED", 3, "gold"),
            ("ABANDONED", 30, ""),
        ]
    ):
        events.append(event("RINGING", 0, f"c{number}", queue_id=there, tier=tier))
        events.append(event(end, after, f"c{number}"))
    record(world, *events)
    found = level(world, there)
    everybody = found.everybody
    assert (everybody.offered, everybody.answered, everybody.abandoned, everybody.short_abandoned) == (7, 4, 1, 2)
    assert everybody.service_level == pytest.approx(expected)
    assert routing_pb2.ShortAbandonRule.Name(found.short_abandon_rule).endswith(rule)
    assert {each.tier: each.goal_seconds for each in found.tiers} == {"": 20, "gold": 10}
    assert not found.outcome.HasField("resolved_share"), "nobody knows what the speed was good for"


def test_a_screen_pops_with_who_it_is_and_what_is_open(world: Center) -> None:
    there, customer_id = queue(world), identity.new_id("cus")
    told: Any = profiles.CustomerCreated()
    told.customer.id = customer_id
    told.customer.contact_points.add(type="TYPE_PHONE", canonical=NUMBER)
    world.hear(told, entity_id=customer_id)
    cases = [
        world.call(
            cases_pb2.CreateCaseRequest(
                case=cases_pb2.Case(subject=subject, type=cases_pb2.CASE_TYPE_REQUEST, customer_id=customer_id)
            ),
            cases_pb2.Case,
        ).id
        for subject in ("No invoice", "New address", "Sent twice")
    ]
    world.call(cases_pb2.CancelCaseRequest(case_id=cases[2], reason=cases_pb2.CANCEL_REASON_DUPLICATE), cases_pb2.Case)
    work = routing_pb2.WorkItem(
        queue_id=there, customer_id=customer_id, tier="gold", about={"kind": "case", "id": cases[0]}
    )
    world.call(routing_pb2.EnqueueWorkRequest(work=work), routing_pb2.WorkItem)
    found = world.call(pb.PopScreenRequest(number=NUMBER), pb.ScreenPop)
    assert (found.matches, found.customer.id, found.tier) == (1, customer_id, "gold")
    assert [each.about.id for each in found.work] == [cases[0]]
    assert {each.id for each in found.cases} == {*cases[:2]}, "what is done or cancelled is nobody's concern now"
    agent = routing_pb2.QueueAgent(principal="kim", vendor="callco")
    world.call(routing_pb2.RegisterAgentRequest(agent=agent), routing_pb2.QueueAgent)
    outside = world.call(pb.PopScreenRequest(number=NUMBER), pb.ScreenPop, actor="kim")
    hidden = (outside.customer.id, len(outside.work), len(outside.cases))
    assert hidden == (customer_id, 0, 0), "it is in a queue of ours"
    assert world.call(pb.PopScreenRequest(number="+8613800138001"), pb.ScreenPop).matches == 0
    [outcome] = record(world, event("RINGING", 0, number=NUMBER))
    assert get(world, outcome.id).customer_id == customer_id
    assert NUMBER not in str(get(world, outcome.id)), "the number is masked without its scope"


def test_counts_are_recorded_once_and_wrong_ones_stand_alone(world: Center) -> None:
    there = queue(world)
    good = pb.CallCount(queue_id=there, start_time=NOW, length_seconds=1800, offered=40)
    other = pb.CallCount(queue_id=identity.new_id("que"), start_time=NOW, length_seconds=1800)
    short = pb.CallCount(queue_id=there, start_time=NOW, length_seconds=1)
    asked = pb.ImportCallCountsRequest(counts=[good, other, short, good])
    first = world.call(asked, pb.ImportCallCountsResponse).outcomes
    assert [(each.created, each.error.code) for each in first] == [(True, 0), (False, 5), (False, 3), (False, 0)]
    again = world.call(asked, pb.ImportCallCountsResponse).outcomes
    assert [each.created for each in again] == [False] * 4
    good.offered = 41
    [changed] = world.call(pb.ImportCallCountsRequest(counts=[good]), pb.ImportCallCountsResponse).outcomes
    assert changed.error.code == 6


def test_too_little_is_not_forecast_from(world: Center) -> None:
    asked: Any = pb.ForecastCallsRequest(queue_id=queue(world), start_date={"year": 2026, "month": 8, "day": 10})
    with pytest.raises(DomainError) as little:
        world.call(asked, pb.CallForecast)
    assert little.value.reason_code == "TOO_LITTLE_TO_LEARN"


def test_holidays_are_learned_apart_and_the_week_is_staffed(world: Center) -> None:
    there = queue(world)
    holiday = date(2026, 7, 15)
    counts = []
    for day in range(56):
        at = datetime(2026, 6, 15, tzinfo=UTC) + timedelta(days=day)
        calls = 10 if at.date() == holiday else 100 if at.weekday() < 5 else 20
        for hour in (9, 10):
            start = at + timedelta(hours=hour)
            counts.append(pb.CallCount(queue_id=there, start_time=start, length_seconds=1800, offered=calls))
    world.call(pb.ImportCallCountsRequest(counts=counts), pb.ImportCallCountsResponse)
    days = [{"year": 2026, "month": 7, "day": 15}, {"year": 2026, "month": 8, "day": 12}]
    asked = pb.ForecastCallsRequest(
        queue_id=there,
        start_date={"year": 2026, "month": 8, "day": 10},
        holiday_dates=days,  # type: ignore[arg-type]
        handling_time=180,
        shrinkage=0.3,
    )
    found = world.call(asked, pb.CallForecast)
    assert (len(found.intervals), found.learned_days, found.learned_holidays) == (336, 56, 1)
    nine = [each for each in found.intervals if each.start_time.ToDatetime().hour == 9 and each.calls > 0.5]
    calls = [round(each.calls) for each in nine if each.start_time.ToDatetime().minute == 0]
    assert calls[:2] == [100, 100]
    assert (calls[2], calls[5], calls[6]) == (10, 20, 20)
    monday = nine[0]
    assert (monday.staffing.agents, monday.staffing.rostered) == (14, 20)  # 10 erlangs, 80 % in 20 s
    assert monday.low_calls < 100 < monday.high_calls
    assert found.agent_hours > 0


def test_august_1999_is_forecast_from_the_months_before_beside_a_naive_forecast(reference_data: Path) -> None:
    """The calls of a bank: learned until July, against repeating the last known week."""
    counts = []
    with gzip.open(reference_data / "callcentre" / "anonymous_bank_1999_01_08_calls_6min.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if row["imputed"] == "0":
                at = datetime.fromisoformat(f"{row['date']}T{row['start']}:00").replace(tzinfo=UTC)
                counts.append((at, 360, int(row["calls"])))
    days = by_days(counts, ZoneInfo("UTC"))
    before = {day: slots for day, slots in days.items() if day < date(1999, 8, 1)}
    august = {day: slots for day, slots in days.items() if day >= date(1999, 8, 1)}
    found = forecast("bank", before, set(), first=date(1999, 8, 1), length=31, zone=ZoneInfo("UTC"))
    expected: dict[date, list[float]] = {}
    for each in found.intervals:
        expected.setdefault(each.start_time.date(), []).append(each.calls)
    calls = fsum(fsum(slots) for slots in august.values())
    ours = fsum(abs(a - b) for day, slots in august.items() for a, b in zip(expected[day], slots, strict=True)) / calls
    naive = (
        fsum(abs(a - b) for day, slots in august.items() for a, b in zip(repeated(before, day), slots, strict=True))
        / calls
    )
    planned = [
        (each.calls, august[each.start_time.date()][number % 48])
        for number, each in enumerate(found.intervals)
        if each.start_time.date() in august
    ]
    inside = fsum(
        each.low_calls <= august[each.start_time.date()][number % 48] <= each.high_calls
        for number, each in enumerate(found.intervals)
        if each.start_time.date() in august
    ) / len(planned)
    target = AnswerTarget(share=0.8, within=20)
    asked, needed = (
        plan([Demand(calls=pair[side], handling_time=180) for pair in planned], [target]).agent_hours for side in (0, 1)
    )
    assert (round(ours, 3), round(naive, 3)) == (0.262, 0.291), "shares of 42,078 calls"
    assert inside == pytest.approx(0.8, abs=0.02), "of half hours inside the range that is to hold eight of ten"
    assert (round(asked), round(needed)) == (3502, 3468), "hours of agents"
