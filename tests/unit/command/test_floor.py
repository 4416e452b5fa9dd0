"""The floor of a call center as a person sees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from kehu.interactions.v1 import calls_pb2, quality_pb2, routing_pb2, staffing_pb2
from rich.console import Console

from libs.command.commands.agent import _skill
from libs.command.output import Misuse
from libs.command.views import floor

NOW = datetime(2026, 8, 10, 9, tzinfo=UTC)


def shown(what: Any) -> str:
    console = Console(width=160, record=True, file=StringIO())
    console.print(what)
    return console.export_text()


def test_a_board_tells_who_waits_who_is_there_and_when_it_opens() -> None:
    busy = routing_pb2.QueueState(
        display_name="Hotline",
        open=True,
        waiting=4,
        oldest_enqueue_time=NOW - timedelta(seconds=95),
        available_agents=1,
        busy_agents=2,
        estimate={"known": True, "p90_seconds": 200, "told": 50, "held_p90": 45},
    )
    closed = routing_pb2.QueueState(display_name="Night", open_time=NOW + timedelta(hours=9))
    text = shown(floor.board([busy, closed], NOW))
    assert "Hotline" in text
    assert "1:35" in text
    assert "1 of 3" in text
    assert "3:20" in text
    assert "90% of 50" in text
    assert "opens 2026-08-10" in text
    assert "nobody knows" in text


def test_a_decision_shows_every_number_that_decided() -> None:
    why = routing_pb2.AssignmentDecision(
        agent_id="qag_1",
        place=1,
        waiting=7,
        method="ASSIGNMENT_METHOD_MIN_COST",
        priority={"weight": 1.5, "slack": 3.0, "rank": 4.5},
        candidates=[{"agent_id": "qag_1", "penalty": 0.4, "skill_gap": 0.4}],
        unfit=[{"reason": "UNFIT_LANGUAGE", "agents": 3}],
    )
    text = shown(floor.decisions(routing_pb2.ExplainAssignmentResponse(decisions=[why])))
    assert "place 1 of 7" in text
    assert "rank 4.50 = 1.5 × " in text
    assert "3 by language" in text
    assert "nobody was asked yet" in shown(floor.decisions(routing_pb2.ExplainAssignmentResponse()))


def test_a_service_level_says_what_it_does_with_short_abandons_and_what_came_of_it() -> None:
    report = calls_pb2.ServiceLevelReport(
        short_abandon_rule="SHORT_ABANDON_RULE_EXCLUDED",
        short_abandon_seconds=5,
        everybody={"offered": 10, "answered": 9, "service_level": 0.9, "goal_share": 0.8, "goal_seconds": 20},
    )
    text = shown(floor.level(report))
    assert "giving up within 5 s is excluded" in text
    assert "nobody knows what came of it" in text
    report.outcome.done, report.outcome.resolved_share = 9, 2 / 3
    assert "66.7% of 9 left nothing to do" in shown(floor.level(report))


def test_staffing_causes_agents_and_times_are_shown() -> None:
    row = ("09:00", 40.0, staffing_pb2.Staffing(agents=7, rostered=10, service_level=0.85, mean_wait=9.4))
    assert "7" in shown(floor.staffing([row], 5.0))
    assert "5.0 hours of agents" in shown(floor.staffing([row], 5.0))
    causes = quality_pb2.CausePareto(total=4, causes=[{"cause": "late bill", "count": 3, "running_share": 0.75}])
    assert "late bill" in shown(floor.pareto(causes))
    agent = routing_pb2.QueueAgent(
        principal="ann", activity="PRESENCE_BUSY", activity_time=NOW - timedelta(minutes=3), capacity_units=2
    )
    assert "3:00" in shown(floor.agents([agent], NOW))
    times = routing_pb2.AgentTimes(
        activities=[{"activity": "PRESENCE_BUSY", "time": timedelta(hours=2)}], occupancy=0.8
    )
    assert "2 h 00" in shown(floor.times(times))
    assert "occupancy 80%" in shown(floor.times(times))


def test_a_skill_is_written_like_topic_billing_7() -> None:
    assert _skill("topic:billing=7") == {"kind": "SKILL_KIND_TOPIC", "name": "billing", "level": 7}
    assert _skill("language:zh")["level"] == 0
    for wrong in ("billing", "mood:good", "topic:=3", "topic:x=y"):
        with pytest.raises(Misuse):
            _skill(wrong)
