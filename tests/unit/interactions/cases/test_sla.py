"""Clocks of cases: explained, simulated, and counted anew when policies and calendars change."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from kehu.interactions.v1 import calendars_pb2, cases_pb2, clocks_pb2
from kehu.interactions.v1 import sla_pb2 as pb
from rich.console import Console

from libs.chassis.paging import PageRequest
from libs.chassis.testing import MemoryJob, run_killed_everywhere
from libs.chassis.timers import Timer
from libs.command.views.case import clocks
from libs.engine.timers import Round
from services.interactions.clocks.domain.policies import NoPolicyInForce, PolicyVersionFixed
from services.interactions.sla.application import REFOLD_BATCH, Sla
from services.interactions.sla.domain import RefoldProgress, SpanBackward
from tests.unit.interactions.cases.conftest import NOW, Desk, Opened

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def published(desk: Desk, policy: clocks_pb2.ServicePolicy, *targets: Any, since: Any = NOW) -> None:
    calendar = {"calendar_id": policy.versions[0].calendar.calendar_id}
    version: Any = {"since_time": since, "targets": targets, "calendar": calendar}
    desk.call(clocks_pb2.PublishPolicyVersionRequest(policy_id=policy.id, version=version), clocks_pb2.ServicePolicy)
    desk.deliver()


def closed(desk: Desk, calendar: calendars_pb2.BusinessCalendar, day: int) -> None:
    """Closes a day of the month."""
    date = {"year": 2026, "month": 8, "day": day}
    exception: Any = {"date": date, "kind": "KIND_CLOSED", "label": "Founders' day"}
    changed = calendars_pb2.BusinessCalendar(id=calendar.id, exceptions=[exception])
    request = calendars_pb2.UpdateCalendarRequest(calendar=changed, update_mask=FieldMask(paths=["exceptions"]))
    desk.call(request, calendars_pb2.BusinessCalendar)
    desk.deliver()


def refolded(desk: Desk) -> pb.Refolding:
    """Does the planned work, and gives the latest report."""
    Sla(desk.store.sla).refold(MemoryJob(state=RefoldProgress()))
    return desk.call(pb.ListRefoldingsRequest(), pb.ListRefoldingsResponse).refoldings[0]


def explained(desk: Desk, case: cases_pb2.Case, metric: str = "RESOLUTION") -> pb.ExplainedClock:
    clocks = desk.call(pb.ExplainClocksRequest(case_id=case.id), pb.ExplainClocksResponse).clocks
    number = clocks_pb2.ServiceMetric.Value(f"SERVICE_METRIC_{metric}")
    return [each for each in clocks if each.metric == number][-1]


def shown(told: pb.ExplainedClock) -> list[str]:
    """The clock as a person reads it."""
    console = Console(width=200, record=True, file=StringIO())
    console.print(clocks([told]))
    return [line.rstrip() for line in console.export_text().splitlines()]


def timer_of(desk: Desk) -> Timer[Any]:
    [timer] = [each for each in desk.service.timers(desk.store) if each.name == "refoldings"]
    return timer


def hours(stretch: clocks_pb2.ClockStretch) -> float:
    return (stretch.end_time.ToDatetime() - stretch.start_time.ToDatetime()) / HOUR


def test_t09_a_policy_switched_while_paused_keeps_the_pause_and_records_the_difference(
    desk: Desk, opened: Opened, policy: clocks_pb2.ServicePolicy
) -> None:
    case = opened()
    desk.clock.advance(2 * HOUR)
    until: Any = NOW + DAY
    request = cases_pb2.WaitCaseRequest(case_id=case.id, next_step="Send it.", next_time=until)
    request.state = cases_pb2.CASE_STATE_WAITING_CUSTOMER
    desk.call(request, cases_pb2.Case)
    desk.clock.advance(2 * HOUR)
    targets = {"metric": "SERVICE_METRIC_RESOLUTION", "work": 4 * HOUR, "pauses": ["WAITING_CUSTOMER"]}
    published(desk, policy, targets, since=NOW + 4 * HOUR)
    report = refolded(desk)
    assert (report.policy_version, report.cases, report.changed, report.newly_breached) == (2, 1, 1, 0)
    told = explained(desk, case)
    assert told.clock.state == clocks_pb2.CLOCK_STATE_PAUSED
    assert (told.clock.spent.ToTimedelta(), told.clock.left.ToTimedelta()) == (2 * HOUR, 2 * HOUR)
    assert [each.target.policy_version for each in told.clock.versions] == [1, 2]
    desk.clock.advance(HOUR)
    desk.call(cases_pb2.StartCaseRequest(case_id=case.id), cases_pb2.Case)
    assert explained(desk, case).clock.due_time.ToDatetime().hour == 16  # two of four hours after 14:00


def test_t10_a_holiday_added_for_today_moves_the_due_time_and_the_old_breach_stays_in_history(
    desk: Desk, opened: Opened, office: calendars_pb2.BusinessCalendar
) -> None:
    case = opened()
    before = explained(desk, case, "FIRST_RESPONSE")
    assert before.clock.due_time.ToDatetime().hour == 10
    desk.clock.advance(3 * HOUR)
    desk.tick("cases")
    assert "case.clock_breached" in desk.events()
    closed(desk, office, 10)
    report = refolded(desk)
    assert (report.calendar_revision, report.changed, report.no_longer_breached) == (2, 2, 1)
    after = explained(desk, case, "FIRST_RESPONSE")
    assert after.clock.due_time.ToDatetime() == (NOW + DAY + HOUR).replace(tzinfo=None)
    assert not after.clock.HasField("breached_time")
    assert after.clock.versions[0].breached_time.ToDatetime().hour == 10
    [stretch] = after.stretches
    assert (stretch.kind, stretch.label) == (clocks_pb2.CLOCK_STRETCH_KIND_CLOSED, "Founders' day")
    assert shown(before) == [
        "first response 1  running  spent 0:00, left 1:00, due 2026-08-10 10:00",
    ]
    assert shown(after) == [
        "first response 1  running  spent 0:00, left 1:00, due 2026-08-11 10:00",
        (
            "  since 2026-08-10 09:00 until 2026-08-10 12:00: 1:00 of version 1, calendar as of revision 1, "
            "due 2026-08-10 10:00, breached 2026-08-10 10:00"
        ),
        "  since 2026-08-10 12:00, in force: 1:00 of version 1, calendar as of revision 2, due 2026-08-11 10:00",
        "  2026-08-10 09:00 to 2026-08-10 12:00  3:00  closed Founders' day",
    ]


def test_a_calendar_edited_backwards_counts_the_past_anew_and_says_what_became_of_it(
    desk: Desk, opened: Opened, office: calendars_pb2.BusinessCalendar
) -> None:
    case = opened()
    desk.clock.advance(DAY + 2 * HOUR)  # Tuesday 11:00: the eight hours of Monday are over
    desk.tick("cases")
    assert explained(desk, case).clock.breached_time.ToDatetime().day == 10
    closed(desk, office, 10)
    report = refolded(desk)
    assert (report.newly_breached, report.no_longer_breached) == (0, 1)
    told = explained(desk, case)
    assert told.clock.due_time.ToDatetime() == (NOW + DAY + 8 * HOUR).replace(tzinfo=None)
    assert [hours(each) for each in told.stretches if each.kind == clocks_pb2.CLOCK_STRETCH_KIND_COUNTED] == [2]
    assert desk.tick("cases") == 1  # the first response is late under the new hours, too


def test_counting_anew_waits_until_a_version_is_in_force_and_happens_once(
    desk: Desk, opened: Opened, policy: clocks_pb2.ServicePolicy
) -> None:
    case = opened()
    published(desk, policy, {"metric": "SERVICE_METRIC_RESOLUTION", "work": HOUR}, since=NOW + DAY)
    Sla(desk.store.sla).refold(MemoryJob(state=RefoldProgress()))
    assert explained(desk, case).clock.versions[-1].target.policy_version == 1
    desk.clock.advance(DAY)
    assert refolded(desk).changed == 1
    before = desk.call(cases_pb2.GetCaseRequest(case_id=case.id), cases_pb2.Case)
    again = desk.call(pb.RefoldClocksRequest(policy_id=policy.id), pb.Refolding)
    Sla(desk.store.sla).refold(MemoryJob(state=RefoldProgress()))
    assert desk.call(pb.GetRefoldingRequest(refolding_id=again.id), pb.Refolding).changed == 0
    assert desk.call(cases_pb2.GetCaseRequest(case_id=case.id), cases_pb2.Case) == before


def test_a_worker_killed_at_any_batch_counts_every_case_once(
    desk: Desk, opened: Opened, policy: clocks_pb2.ServicePolicy
) -> None:
    number = 2 * REFOLD_BATCH + 3
    cases = [opened(started=False).id for _ in range(number)]
    desk.clock.advance(HOUR)
    published(desk, policy, {"metric": "SERVICE_METRIC_RESOLUTION", "work": 2 * HOUR}, since=NOW + HOUR)
    _, kills = run_killed_everywhere(Sla(desk.store.sla).refold, None, RefoldProgress())
    report = desk.call(pb.ListRefoldingsRequest(), pb.ListRefoldingsResponse).refoldings[0]
    assert kills >= 1
    assert (report.cases, report.changed, len(report.samples)) == (number, number, 100)
    case = desk.call(cases_pb2.GetCaseRequest(case_id=cases[0]), cases_pb2.Case)
    kinds = [each.kind for clock in case.clocks.clocks for each in clock.events]
    assert kinds.count(clocks_pb2.CLOCK_EVENT_KIND_POLICY_CHANGED) == 1


def test_the_operation_is_started_by_time(desk: Desk, opened: Opened, policy: clocks_pb2.ServicePolicy) -> None:
    opened()
    published(desk, policy, {"metric": "SERVICE_METRIC_RESOLUTION", "work": 2 * HOUR}, since=NOW)
    assert Round(desk.database, timer_of(desk)).run() == 1
    [operation] = desk.store.operations.list("", PageRequest(size=10)).items
    ended = desk.operate(operation.id)
    assert ended.state == "SUCCEEDED"
    assert desk.tick("refoldings") == 0


def test_a_policy_is_played_over_the_past(desk: Desk, opened: Opened) -> None:
    quick, slow = opened(), opened()
    for case, passing in ((quick, HOUR), (slow, 3 * HOUR)):
        desk.clock.advance(passing)
        request = cases_pb2.ResolveCaseRequest(case_id=case.id, cause="x", explanation="y")
        desk.call(request, cases_pb2.Case)
    span: Any = {"start_time": NOW - DAY, "end_time": NOW + DAY}
    version: Any = {"since_time": NOW, "targets": [{"metric": "SERVICE_METRIC_RESOLUTION", "work": 2 * HOUR}]}
    answer = desk.call(pb.SimulateSlaRequest(version=version, **span), pb.SimulateSlaResponse)

    def shares(report: pb.SlaReport) -> list[tuple[int, int, int]]:
        resolution = clocks_pb2.SERVICE_METRIC_RESOLUTION
        return [(each.priority, each.met, each.breached) for each in report.tallies if each.metric == resolution]

    assert shares(answer.actual) == [(0, 2, 0), (4, 2, 0)]
    assert shares(answer.simulated) == [(0, 1, 1), (4, 1, 1)]
    assert (answer.actual.cases, answer.actual.truncated) == (2, False)
    backward: Any = {"start_time": NOW, "end_time": NOW}
    with pytest.raises(SpanBackward):
        desk.call(pb.GetSlaReportRequest(**backward), pb.SlaReport)


def test_a_version_never_changes_and_one_must_be_in_force(
    desk: Desk, opened: Opened, policy: clocks_pb2.ServicePolicy
) -> None:
    target = {"metric": "SERVICE_METRIC_RESOLUTION", "work": HOUR}
    with pytest.raises(PolicyVersionFixed):
        published(desk, policy, target, since=NOW - 31 * DAY)
    version: Any = {"since_time": NOW + DAY, "targets": [target]}
    later = clocks_pb2.ServicePolicy(display_name="Later", versions=[version])
    made = desk.call(clocks_pb2.CreateServicePolicyRequest(policy=later), clocks_pb2.ServicePolicy)
    case = cases_pb2.Case(subject="x", type=cases_pb2.CASE_TYPE_REQUEST)
    with pytest.raises(NoPolicyInForce):
        desk.call(cases_pb2.CreateCaseRequest(case=case, policy_id=made.id), cases_pb2.Case)
