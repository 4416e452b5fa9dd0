"""The agent who answers for a lead: territory, skill, weight, capacity, absence, and fair turns."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from kehu.interactions.v1 import calendars_pb2
from kehu.interactions.v1 import events_pb2 as interactions
from kehu.opportunities.v1 import assignment_pb2 as pb
from kehu.opportunities.v1 import leads_pb2

from libs.chassis import identity
from libs.chassis.domain import DomainError, InvalidArgument
from services.opportunities.assignment.domain import Agent, AssignmentTurns
from tests.unit.opportunities.conftest import NOW, SCOPES, Sales

HAND = SCOPES | {"opportunities.leads.assign"}


def at(time: datetime) -> Timestamp:
    told = Timestamp()
    told.FromDatetime(time)
    return told


def rule(world: Sales, agents: list[Any], **fields: Any) -> pb.AssignmentRule:
    draft = pb.AssignmentRule(display_name="Rule", agents=agents, **fields)
    return world.call(pb.CreateAssignmentRuleRequest(assignment_rule=draft), pb.AssignmentRule)


def capture(world: Sales, count: int = 1, **fields: Any) -> list[leads_pb2.Lead]:
    made = []
    for _ in range(count):
        lead = leads_pb2.Lead(**{"source": "web", "source_key": identity.new_id("key"), **fields})
        made.append(world.call(leads_pb2.CaptureLeadRequest(lead=lead), leads_pb2.Lead))
    return made


def get(world: Sales, lead: leads_pb2.Lead) -> leads_pb2.Lead:
    return world.call(leads_pb2.GetLeadRequest(lead_id=lead.id), leads_pb2.Lead)


def owners(world: Sales, leads: list[leads_pb2.Lead]) -> list[str]:
    world.tick("triage")
    return [get(world, each).owner for each in leads]


def test_equal_agents_get_leads_in_turn(world: Sales) -> None:
    made = rule(world, [{"member": name} for name in ("ann", "bob", "cid")])
    counts = Counter(owners(world, capture(world, 10)))
    assert sorted(counts.values()) == [3, 3, 4]
    turns = world.call(pb.GetAssignmentTurnsRequest(assignment_rule_id=made.id), pb.AssignmentTurns)
    assert {each.member: each.leads for each in turns.turns} == counts


def test_weights_are_shares(world: Sales) -> None:
    rule(world, [{"member": "ann", "weight": 3}, {"member": "bob"}])
    assert Counter(owners(world, capture(world, 40))) == {"ann": 30, "bob": 10}


def test_a_lead_says_why_others_did_not_get_it(world: Sales) -> None:
    away = {"start_time": at(NOW - timedelta(days=1)), "end_time": at(NOW + timedelta(days=1))}
    agents: list[Any] = [
        {"member": "far", "territories": ["south"]},
        {"member": "new", "territories": ["north"]},
        {"member": "away", "skills": ["german"], "absences": [away]},
        {"member": "busy", "skills": ["german"], "capacity": 1},
        {"member": "free", "skills": ["german"]},
    ]
    made = rule(world, agents)
    [taken] = capture(world)
    world.call(pb.AssignLeadRequest(lead_id=taken.id, owner="busy"), leads_pb2.Lead, scopes=HAND)
    [lead] = capture(world, territory="north", skills=["german"])
    assert owners(world, [lead]) == ["free"]
    decision = get(world, lead).assignment
    verdicts = {each.member: leads_pb2.AgentVerdict.Name(each.verdict)[14:] for each in decision.passed}
    assert verdicts == {"far": "TERRITORY", "new": "SKILL", "away": "ABSENT", "busy": "FULL"}
    assert (decision.rule_id, decision.rule_revision, decision.eligible) == (made.id, 1, 1)
    assert get(world, taken).assignment.actor == "ada"


def test_nobody_free_means_another_look(world: Sales) -> None:
    rule(world, [{"member": "ann", "capacity": 1}])
    leads = capture(world)
    world.clock.advance(timedelta(seconds=1))
    leads += capture(world)
    assert owners(world, leads) == ["ann", ""]
    assert get(world, leads[1]).assignment.passed[0].verdict == leads_pb2.AGENT_VERDICT_FULL
    reason = "DISQUALIFY_REASON_SPAM"
    world.call(leads_pb2.DisqualifyLeadRequest(lead_id=leads[0].id, reason=reason), leads_pb2.Lead)
    assert owners(world, leads[1:]) == [""]
    world.clock.advance(timedelta(minutes=6))
    assert owners(world, leads[1:]) == ["ann"]


def test_who_comes_back_takes_part_again_and_catches_up_nothing(world: Sales) -> None:
    away = {"start_time": at(NOW), "end_time": at(NOW + timedelta(days=7))}
    rule(world, [{"member": "ann"}, {"member": "bob", "absences": [away]}])
    assert Counter(owners(world, capture(world, 50))) == {"ann": 50}
    world.clock.advance(timedelta(days=8))
    counts = Counter(owners(world, capture(world, 10)))
    assert abs(counts["ann"] - counts["bob"]) <= 1


def test_the_first_rule_that_is_for_a_lead_decides(world: Sales) -> None:
    rule(world, [{"member": "rest"}], place=9)
    rule(world, [{"member": "fairs"}], place=1, sources=["fair"])
    rule(world, [{"member": "gone"}], place=0, retired=True)
    assert owners(world, [*capture(world), *capture(world, source="fair")]) == ["rest", "fairs"]


def test_without_a_rule_a_lead_waits(world: Sales) -> None:
    [lead] = capture(world)
    assert owners(world, [lead]) == [""]
    rule(world, [{"member": "ann"}])
    world.clock.advance(timedelta(hours=2))
    assert owners(world, [lead]) == ["ann"]


def test_the_clock_counts_working_hours_from_when_the_lead_came_in(world: Sales) -> None:
    calendar = identity.new_id("cal")
    hours = [{"weekday": day, "start_minute": 540, "end_minute": 1020} for day in range(1, 6)]
    told = calendars_pb2.BusinessCalendar(
        id=calendar, display_name="Office", time_zone="UTC", schedules=[{"intervals": hours}]
    )
    world.hear(interactions.CalendarCreated(calendar=told), entity_id=calendar)
    rule(world, [{"member": "ann"}], response=Duration(seconds=7200), calendar_id=calendar)
    [lead] = capture(world, capture_time=at(NOW - timedelta(days=1)))
    assert owners(world, [lead]) == ["ann"]
    assert get(world, lead).response.due_time.ToDatetime() == (NOW + timedelta(hours=2)).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"agents": [{"member": "ann"}, {"member": "ann"}]}, "assignment_rule.agents[1].member"),
        (
            {"agents": [{"member": "a", "absences": [{"start_time": at(NOW), "end_time": at(NOW)}]}]},
            "assignment_rule.agents[0].absences[0].end_time",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(world: Sales, fields: Any, wrong: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        rule(world, **fields)
    assert [each.field for each in refusal.value.violations] == [wrong]


def test_a_rule_names_a_calendar_that_there_is(world: Sales) -> None:
    with pytest.raises(DomainError) as refusal:
        rule(world, [{"member": "ann"}], response=Duration(seconds=60), calendar_id=identity.new_id("cal"))
    assert (refusal.value.reason_code, refusal.value.metadata["kind"]) == ("NOT_FOUND", "Calendar")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=7), st.integers(1, 400))
def test_shares_differ_from_weights_by_less_than_two_leads(weights: list[int], leads: int) -> None:
    agents = [Agent(member=f"m{n}", weight=weight) for n, weight in enumerate(weights)]
    turns = AssignmentTurns(id="atrn_1", rule_id="arul_1")
    for _ in range(leads):
        chosen = turns.next_of(agents)
        turns, _ = turns.give(next(each for each in agents if each.member == chosen))
    given_to = {each.member: each.leads for each in turns.turns}
    assert sum(given_to.values()) == leads
    laps = [given_to.get(each.member, 0) / each.weight for each in agents]
    assert max(laps) - min(laps) <= 1 + 1e-9
