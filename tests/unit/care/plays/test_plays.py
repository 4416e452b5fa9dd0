"""Plays: steps become tasks of persons, some customers are held out, and the lift is measured."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kehu.care.v1 import alerts_pb2, touches_pb2
from kehu.care.v1 import plays_pb2 as pb

from libs.chassis import identity
from libs.chassis.domain import DomainError
from libs.statistics.estimates import share, share_difference
from services.care.plays.domain import Play, PlayGoal, lift_of
from tests.unit.care.conftest import Care, Heard
from tests.unit.care.happenings import bought, broke, merged, met, moved

DAY = timedelta(days=1)
STEPS: list[dict[str, Any]] = [
    {"display_name": "Call and say sorry", "form": "FORM_CALL", "channel": "CHANNEL_VISIT"},
    {"display_name": "Visit", "form": "FORM_VISIT", "channel": "CHANNEL_VISIT", "offset_days": 7, "assignee": "eve"},
]


def made(world: Care, **fields: Any) -> pb.Play:
    told: dict[str, Any] = {
        "display_name": "Say sorry",
        "steps": STEPS,
        "goal": "PLAY_GOAL_PURCHASE",
        "measure_days": 30,
        **fields,
    }
    return world.call(pb.CreatePlayRequest(play=pb.Play(**told)), pb.Play)


def ruled(world: Care, play: pb.Play) -> None:
    rule: Any = {"kind": "ALERT_KIND_PROMISE_BROKEN", "play_id": play.id}
    world.call(alerts_pb2.DefineAlertRuleRequest(rule=alerts_pb2.AlertRule(**rule)), alerts_pb2.AlertRule)


def runs(world: Care, filter: str = "") -> list[pb.PlayRun]:
    return list(world.call(pb.ListPlayRunsRequest(filter=filter), pb.ListPlayRunsResponse).play_runs)


def alerts(world: Care) -> list[alerts_pb2.Alert]:
    return list(world.call(alerts_pb2.ListAlertsRequest(), alerts_pb2.ListAlertsResponse).alerts)


def tasks(world: Care, assignee: str) -> list[touches_pb2.Touch]:
    return list(world.call(touches_pb2.ListTasksRequest(assignee=assignee), touches_pb2.ListTasksResponse).touches)


def later(world: Care, days: int) -> None:
    world.clock.advance(days * DAY)
    world.tick("plays")


def test_an_alert_begins_its_play_and_each_step_is_a_task_on_its_day(world: Care, heard: Heard) -> None:
    ruled(world, made(world))
    broke(world, heard())
    assert alerts(world)[0].state == alerts_pb2.ALERT_STATE_IN_PLAY
    later(world, 0)
    [call] = tasks(world, "ada")
    assert (call.occasion, call.task.due_time.ToDatetime() - call.create_time.ToDatetime()) == (
        "Call and say sorry",
        3 * DAY,
    )
    later(world, 6)
    assert tasks(world, "eve") == []
    later(world, 1)
    [visit] = tasks(world, "eve")
    [run] = runs(world)
    assert (run.state, [*run.touch_ids]) == (pb.PLAY_RUN_STATE_FINISHED, [call.id, visit.id])


def test_a_step_is_taken_once_however_often_the_timer_runs(world: Care, heard: Heard) -> None:
    ruled(world, made(world))
    broke(world, heard())
    [run] = world.store.plays.waiting([each.customer_id for each in alerts(world)])
    for _ in range(3):
        from services.care.plays.application import Plays

        Plays(world.store.plays).advance([run])
    assert len(tasks(world, "ada")) == 1


def test_a_customer_who_refused_care_gets_no_task_and_the_reason_is_kept(world: Care, heard: Heard) -> None:
    ruled(world, made(world))
    broke(world, heard(consent={"decisions": []}))
    later(world, 0)
    [run] = runs(world)
    touch = world.call(touches_pb2.GetTouchRequest(touch_id=run.touch_ids[0]), touches_pb2.Touch)
    assert touch.state == touches_pb2.Touch.STATE_SUPPRESSED
    assert [each.reason for each in touch.findings] == [touches_pb2.Finding.REASON_NO_CONSENT]


@pytest.mark.parametrize(
    ("exits", "happens", "end"),
    [
        (["PLAY_EXIT_PURCHASE"], bought, pb.PLAY_END_PURCHASE),
        (["PLAY_EXIT_MEETING"], met, pb.PLAY_END_MEETING),
    ],
)
def test_what_happens_ends_a_play(world: Care, heard: Heard, exits: list[str], happens: Any, end: int) -> None:
    ruled(world, made(world, exits=exits))
    id = heard()
    broke(world, id)
    later(world, 0)
    happens(world, id, world.clock.at + DAY)
    later(world, 8)
    [run] = runs(world)
    assert (run.state, run.end, run.step_count) == (pb.PLAY_RUN_STATE_EXITED, end, 1)


def test_a_purchase_of_before_or_of_somebody_else_ends_nothing(world: Care, heard: Heard) -> None:
    ruled(world, made(world, exits=["PLAY_EXIT_PURCHASE"]))
    id = heard()
    broke(world, id)
    bought(world, id, world.clock.at - DAY)
    bought(world, heard(), world.clock.at + DAY)
    assert runs(world)[0].state == pb.PLAY_RUN_STATE_RUNNING


def test_a_play_ends_with_its_alert_and_with_the_customer(world: Care, heard: Heard) -> None:
    ruled(world, made(world))
    first, second = heard(), heard()
    broke(world, first)
    broke(world, second)
    request: Any = {"alert_id": next(each.id for each in alerts(world) if each.customer_id == first)}
    world.call(alerts_pb2.CloseAlertRequest(**request, outcome="ALERT_OUTCOME_SAVED"), alerts_pb2.Alert)
    world.deliver()
    moved(world, second, "CHURNED")
    later(world, 0)
    ends = {each.customer_id: each.end for each in runs(world)}
    assert ends == {first: pb.PLAY_END_ALERT_CLOSED, second: pb.PLAY_END_CUSTOMER_GONE}
    assert tasks(world, "ada") == []


def test_the_lift_is_the_difference_to_those_who_are_held_out(world: Care, heard: Heard) -> None:
    play = made(world, holdout_basis_points=5000)
    ruled(world, play)
    ids = [heard() for _ in range(40)]
    for id in ids:
        broke(world, id)
    later(world, 0)
    held = {each.customer_id for each in runs(world) if each.held_out}
    assert 5 < len(held) < 35
    assert {each.customer_id for each in alerts(world) if each.state == alerts_pb2.ALERT_STATE_HELD_OUT} == held
    assert len(tasks(world, "ada")) == len(ids) - len(held)
    for id in [*[each for each in ids if each not in held][:10], *sorted(held)[:1]]:
        bought(world, id, world.clock.at + DAY)
    later(world, 31)
    assert all(each.measured for each in runs(world))
    lift = world.call(pb.GetPlayLiftRequest(play_id=play.id), pb.PlayLift)
    played, other = share(10, len(ids) - len(held)), share(1, len(held))
    assert played is not None
    assert other is not None
    assert lift.lift.value == pytest.approx(played.value - other.value)
    assert lift.lift.lower == pytest.approx(share_difference(played, other).lower)
    assert lift.held_out.sample_size == len(held)


def test_newcombe_as_published() -> None:
    """120 of 2,000 beside 80 of 2,000 (Newcombe 1998, method 10)."""
    found = lift_of("ply_1", [(False, True, 120), (False, False, 1880), (True, True, 80), (True, False, 1920)])
    assert found.lift is not None
    assert [round(each, 4) for each in (found.lift.value, found.lift.lower, found.lift.upper)] == [0.02, 0.0065, 0.0337]


def test_who_is_held_out_stays_so_and_the_share_is_as_wanted() -> None:
    play = Play(id="ply_1", display_name="x", steps=(), holdout_basis_points=1000, goal=PlayGoal.STAYED, measure_days=1)
    ids = [f"cus_{number}" for number in range(20_000)]
    held = [id for id in ids if play.holds_out(id)]
    assert held == [id for id in ids if play.holds_out(id)]
    assert len(held) / len(ids) == pytest.approx(0.1, abs=0.01)


def test_those_who_stayed_are_active_when_it_is_measured(world: Care, heard: Heard) -> None:
    ruled(world, made(world, goal="PLAY_GOAL_STAYED"))
    stays, leaves = heard(), heard()
    broke(world, stays)
    broke(world, leaves)
    moved(world, leaves, "DORMANT")
    later(world, 31)
    later(world, 0)
    assert {each.customer_id: each.succeeded for each in runs(world)} == {stays: True, leaves: False}


def test_a_person_begins_a_play_once(world: Care, heard: Heard) -> None:
    id = heard()
    broke(world, id)
    [alert] = alerts(world)
    first, other = made(world), made(world, display_name="Another")
    request = pb.StartPlayRequest(alert_id=alert.id, play_id=first.id)
    run = world.call(request, pb.PlayRun, request_id=str(1))
    assert world.call(request, pb.PlayRun, request_id=str(1)).id == run.id == world.call(request, pb.PlayRun).id
    assert [each.id for each in runs(world, f'customer_id = "{id}" AND state = RUNNING')] == [run.id]
    for wrong, reason in (
        (pb.StartPlayRequest(alert_id=alert.id, play_id=other.id), "ALERT_IN_PLAY"),
        (pb.StartPlayRequest(alert_id=alert.id, play_id=identity.new_id("ply")), "NOT_FOUND"),
    ):
        with pytest.raises(DomainError) as refused:
            world.call(wrong, pb.PlayRun)
        assert refused.value.reason_code == reason
    world.call(pb.RetirePlayRequest(play_id=other.id), pb.Play)
    with pytest.raises(DomainError) as refused:
        world.call(pb.StartPlayRequest(alert_id=alert.id, play_id=other.id), pb.PlayRun)
    assert refused.value.reason_code == "PLAY_OUT_OF_USE"


def test_steps_stand_in_their_order(world: Care) -> None:
    with pytest.raises(DomainError) as refused:
        made(world, steps=[STEPS[1], STEPS[0]])
    assert refused.value.reason_code == "STEPS_OUT_OF_ORDER"


def test_a_purchase_after_a_merge_counts_for_who_was_absorbed(world: Care, heard: Heard) -> None:
    ruled(world, made(world, exits=["PLAY_EXIT_PURCHASE"]))
    absorbed, survivor = heard(), heard()
    broke(world, absorbed)
    merged(world, survivor, absorbed)
    bought(world, survivor, world.clock.at + DAY)
    assert runs(world)[0].end == pb.PLAY_END_PURCHASE
