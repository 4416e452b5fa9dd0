"""The worth of work: what stayed settled, repeats, causes, charts, audits, field reports, probes and vendors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from kehu.interactions.v1 import quality_pb2 as pb
from kehu.interactions.v1 import routing_pb2, timeline_pb2

from libs.chassis import context
from libs.chassis.domain import DomainError, NotFound
from libs.chassis.testing import World
from services.interactions.__main__ import SERVICE
from services.interactions.quality.domain.audits import drawn
from tests.unit.interactions.routing.conftest import NOW, SCOPES, Floor

DAY = timedelta(days=1)
SPAN: dict[str, Any] = {"start_time": NOW - DAY, "end_time": NOW + 20 * DAY}


@pytest.fixture
def floor() -> Iterator[Floor]:
    scopes = SCOPES | {"interactions.interactions.write", "interactions.interactions.read"}
    with World(SERVICE, at=NOW, scopes=scopes, actor="boss").entered() as world:
        yield Floor(world)


def settled(floor: Floor, queue: str, agent: str, **fields: Any) -> str:
    """The id of work that was resolved in ten seconds."""
    result = {"resolved": True, "topic": "billing", "cause": "late bill", **fields.pop("result", {})}
    floor.appear(agent)
    made = floor.enqueue(queue, **fields)
    floor.call(routing_pb2.AssignWorkRequest(work_id=made.id, agent_id=agent, reason="test"), routing_pb2.WorkItem)
    floor.pass_time(seconds=10)
    floor.complete(made.id, agent, **result)
    floor.world.deliver()
    return str(made.id)


def comes_back(floor: Floor, customer: str, topic: str) -> None:
    spoken = timeline_pb2.Interaction(
        customer_id=customer, channel="CHANNEL_VOICE", direction="DIRECTION_INBOUND", topic=topic
    )
    spoken.occurred_time.FromDatetime(floor.world.clock.at)
    floor.call(timeline_pb2.IngestInteractionRequest(interaction=spoken), timeline_pb2.Interaction)


def first_contact(floor: Floor, **fields: Any) -> Any:
    asked = pb.GetFirstContactResolutionRequest(**SPAN, **fields)
    return floor.call(asked, pb.FirstContactResolution)


def test_a_first_contact_is_told_only_once_its_window_is_over(floor: Floor) -> None:
    queue = floor.queue()
    agent = floor.agent("ann", queue)
    customers = [floor.customer() for _ in range(4)]
    for each in customers:
        settled(floor, queue, agent, customer_id=each)
    settled(floor, queue, agent)  # of nobody known
    settled(floor, queue, agent, customer_id=customers[3], result={"resolved": False})
    floor.pass_time(days=2)
    comes_back(floor, customers[0], "billing")
    comes_back(floor, customers[1], "delivery")
    floor.pass_time(days=4)
    assert floor.world.tick("first_contacts") == 0
    young = first_contact(floor)
    assert (young.settled, young.pending, young.unknown, young.HasField("share")) == (0, 4, 1, False)
    floor.pass_time(days=2)
    comes_back(floor, customers[2], "billing")  # eight days later: too late to count
    assert floor.world.tick("first_contacts") == 4
    found = first_contact(floor, queue_id=queue)
    # the first came back on the topic, and so did the fourth, as work that was not resolved
    assert (found.settled, found.first_contact, found.pending, found.unknown) == (4, 2, 0, 1)
    assert found.share.lower < 0.5 < found.share.upper
    repeated = floor.call(pb.GetRepeatContactsRequest(**SPAN), pb.RepeatContacts).weeks
    assert [(each.topic, each.settled, each.recontacted) for each in repeated] == [("billing", 4, 2)]


def test_t20_what_a_robot_settled_is_revoked_when_the_customer_returns_in_71_hours(floor: Floor) -> None:
    queue = floor.queue("Robot", channel="CHANNEL_WEB_CHAT")
    robot, customer = floor.agent("robot", queue), floor.customer()
    settled(floor, queue, robot, customer_id=customer)
    floor.pass_time(hours=71)
    comes_back(floor, customer, "")  # nobody noted a topic, so it may be the same
    floor.pass_time(days=7)
    floor.world.tick("first_contacts")
    found = first_contact(floor)
    assert (found.settled, found.first_contact) == (1, 0)


def test_causes_are_ranked_with_their_running_share(floor: Floor) -> None:
    queue = floor.queue()
    agent = floor.agent("ann", queue)
    for cause, number in (("late bill", 3), ("wrong bill", 1), ("", 1)):
        for _ in range(number):
            settled(floor, queue, agent, result={"cause": cause})
    found = floor.call(pb.GetCauseParetoRequest(**SPAN), pb.CausePareto)
    assert [(each.cause, each.count, each.running_share) for each in found.causes] == [
        ("late bill", 3, 0.6),
        ("", 1, 0.8),
        ("wrong bill", 1, 1.0),
    ]


def test_the_golden_values_of_charts_and_defects(floor: Floor) -> None:
    points = [pb.ChartPoint(defects=16, units=200), pb.ChartPoint(defects=40, units=200)]
    asked = pb.DrawControlChartRequest(kind="CHART_KIND_SHARES", points=points, center=0.08)
    found = floor.call(asked, pb.ControlChart)
    limits = [found.points[0].lower_limit, found.points[0].upper_limit]
    assert limits == pytest.approx([0.0225, 0.1375], abs=5e-5)
    assert [each.outside for each in found.points] == [False, True]
    asked.kind = pb.CHART_KIND_RATES
    rates = floor.call(asked, pb.ControlChart)
    assert rates.points[0].upper_limit == pytest.approx(0.08 + 3 * (0.08 / 200) ** 0.5)
    defects = pb.ComputeDefectRateRequest(defects=3, units=20_000, opportunities=5)
    rate = floor.call(defects, pb.DefectRate)
    assert [rate.per_million, rate.lower, rate.upper] == pytest.approx([30.0, 6.19, 87.67], abs=5e-3)


def test_a_share_of_more_defects_than_units_is_refused(floor: Floor) -> None:
    asked = pb.DrawControlChartRequest(kind="CHART_KIND_SHARES", points=[pb.ChartPoint(defects=3, units=2)])
    with pytest.raises(DomainError) as refused:
        floor.call(asked, pb.ControlChart)
    assert refused.value.reason_code == "MORE_DEFECTS_THAN_UNITS"


def test_weeks_are_charted_by_what_came_back(floor: Floor) -> None:
    queue = floor.queue()
    agent = floor.agent("ann", queue)
    for _ in range(2):
        customer = floor.customer()
        settled(floor, queue, agent, customer_id=customer)
        floor.pass_time(days=1)
        comes_back(floor, customer, "billing")
        floor.pass_time(days=8)
        floor.world.tick("first_contacts")
    found = floor.call(pb.GetControlChartRequest(**SPAN), pb.ControlChart)
    assert [(each.label, each.defects, each.units) for each in found.points] == [
        ("2026-08-10", 1, 1),
        ("2026-08-17", 1, 1),
    ]
    assert found.center == 1


def test_channels_are_compared_on_the_same_topic(floor: Floor) -> None:
    voice, mail = floor.queue("Voice", channel="CHANNEL_VOICE"), floor.queue("Mail", channel="CHANNEL_EMAIL")
    agent = floor.agent("ann", voice, mail)
    back = []
    for number in range(24):
        customer = floor.customer()
        settled(floor, voice if number % 2 else mail, agent, customer_id=customer)
        if number % 2 == 0 and number < 20:
            back.append(customer)
    floor.pass_time(days=1)
    for each in back:
        comes_back(floor, each, "billing")
    floor.pass_time(days=8)
    floor.world.tick("first_contacts")
    [topic] = floor.call(pb.GetChannelConsistencyRequest(**SPAN), pb.ChannelConsistency).topics
    assert {each.channel: each.share.value for each in topic.channels} == {"EMAIL": pytest.approx(2 / 12), "VOICE": 1}
    assert topic.widest_gap == pytest.approx(10 / 12)
    assert topic.p_value < 0.001


def paired(floor: Floor, queue: str) -> Any:
    asked = pb.GetPairedMetricsRequest(queue_id=queue, start_time=NOW - DAY, end_time=NOW + DAY)
    return floor.call(asked, pb.PairedMetrics)


def test_a_speed_is_never_told_without_its_outcome(floor: Floor) -> None:
    queue = floor.queue()
    agent = floor.agent("ann", queue)
    floor.call(
        routing_pb2.AssignWorkRequest(work_id=floor.enqueue(queue).id, agent_id=agent, reason="x"),
        routing_pb2.WorkItem,
    )
    bare = paired(floor, queue)
    assert (bare.withheld, bare.HasField("speed"), bare.HasField("mean_handled_seconds")) == (True, False, False)
    other = floor.queue("Other")
    second = floor.agent("bob", other)
    settled(floor, other, second)
    floor.appear(second)
    slow = floor.enqueue(other).id
    floor.call(routing_pb2.AssignWorkRequest(work_id=slow, agent_id=second, reason="x"), routing_pb2.WorkItem)
    floor.pass_time(hours=1)
    floor.complete(slow, second, resolved=False, deviated_for_customer=True)
    found = paired(floor, other)
    assert (found.withheld, found.speed.answered) == (False, 2)
    assert (found.outcome.done, found.outcome.resolved, found.outcome.deviated_for_customer) == (2, 1, 1)
    assert found.mean_handled_seconds == 10, "the hour that was spent for a customer counts against nobody"


CARD = [{"key": "greeting", "weight": 1}, {"key": "solution", "weight": 3}]


def audit(floor: Floor, sample: str, work: str, auditor: str, *points: int) -> Any:
    scores = [{"key": each["key"], "points": given} for each, given in zip(CARD, points, strict=True)]
    asked = pb.SubmitAuditRequest(audit=pb.Audit(sample_id=sample, work_id=work, scores=scores))
    return floor.call(asked, pb.Audit, actor=auditor)


def test_audits_are_drawn_scored_once_and_calibrated(floor: Floor) -> None:
    queue = floor.queue()
    ann, bob = floor.agent("ann", queue), floor.agent("bob", queue)
    for _ in range(4):
        settled(floor, queue, ann)
    settled(floor, queue, bob)
    asked = pb.DrawAuditSampleRequest(
        queue_id=queue, start_time=NOW - DAY, end_time=NOW + DAY, size=4, seed=7, criteria=CARD
    )
    sample = floor.call(asked, pb.AuditSample)
    assert list(floor.call(asked, pb.AuditSample).work_ids) == list(sample.work_ids), "the seed draws it again"
    agents = [floor.work(each).agent_id for each in sample.work_ids]
    assert (sample.population, agents.count(bob), agents.count(ann)) == (5, 1, 3)
    theirs = [each for each in sample.work_ids if floor.work(each).agent_id == ann]
    assert audit(floor, sample.id, theirs[0], "eva", 100, 80).points == 85
    audit(floor, sample.id, theirs[0], "max", 60, 80)
    audit(floor, sample.id, theirs[1], "eva", 100, 60)
    audit(floor, sample.id, theirs[1], "max", 100, 60)
    for work, auditor, reason in (
        (theirs[0], "eva", "AUDIT_NOT_ALLOWED"),
        (theirs[2], "ann", "AUDIT_NOT_ALLOWED"),
        (floor.enqueue(queue).id, "eva", "AUDIT_OUTSIDE_SAMPLE"),
    ):
        with pytest.raises(DomainError) as refused:
            audit(floor, sample.id, work, auditor, 100, 100)
        assert refused.value.reason_code == reason
    half = pb.Audit(sample_id=sample.id, work_id=theirs[2], scores=[{"key": "greeting", "points": 1}])
    with pytest.raises(DomainError) as unfit:
        floor.call(pb.SubmitAuditRequest(audit=half), pb.Audit, actor="eva")
    assert unfit.value.reason_code == "SCORECARD_UNFIT"
    found = floor.call(pb.GetAuditResultRequest(sample_id=sample.id), pb.AuditResult)
    assert (found.audits, found.missing) == (4, 2)
    assert [(each.audits, each.points) for each in found.agents] == [(2, 75)]
    [pair] = found.calibration
    assert (pair.first, pair.second, pair.both, pair.mean_difference, pair.kappa) == ("eva", "max", 2, 5, 0)


def test_samples_are_even_over_agents_and_never_larger_than_what_there_is() -> None:
    work = [("a", f"a{n}") for n in range(10)] + [("b", "b0")]
    assert sorted(drawn(work, 100, 1)) == sorted(id for _, id in work)
    assert "b0" in drawn(work, 2, 3)
    assert drawn(work, 5, 1) != drawn(work, 5, 2)


def test_a_field_report_stays_as_it_was_written_and_a_missing_one_is_seen(floor: Floor) -> None:
    queue = floor.queue(weekly_report=True)
    report = pb.FieldReport(queue_id=queue, text="People ask for a night line.", topics=["hours"])
    report.week_date.year, report.week_date.month, report.week_date.day = 2026, 8, 5
    made = floor.call(pb.SubmitFieldReportRequest(report=report), pb.FieldReport, actor="ann")
    assert (made.author, made.week_date.day) == ("ann", 3)
    changing = {name for name in dir(pb) if name.endswith("FieldReportRequest")}
    assert changing == {"SubmitFieldReportRequest"}, "nothing changes a report"
    asked: Any = pb.GetMissingReportsRequest(start_date={"year": 2026, "month": 7, "day": 27}, weeks=3)
    missing = floor.call(asked, pb.MissingReports).missing
    assert [(each.queue_id, each.week_date.day) for each in missing] == [(queue, 27)], "this week is not over"


def test_channels_that_nobody_tried_are_named(floor: Floor) -> None:
    floor.queue("Voice", channel="CHANNEL_VOICE")
    floor.queue("Mail", channel="CHANNEL_EMAIL")
    probe = pb.Probe(channel="CHANNEL_EMAIL", correct=True, friendliness=80)
    probe.sent_time.FromDatetime(NOW)
    probe.answer_time.FromDatetime(NOW + timedelta(minutes=5))
    floor.call(pb.RecordProbeRequest(probe=probe), pb.Probe)
    probe.ClearField("answer_time")
    unanswered = floor.call(pb.RecordProbeRequest(probe=probe), pb.Probe)
    assert not unanswered.correct, "what was not answered was not answered rightly"
    found = floor.call(pb.GetProbeReportRequest(**SPAN), pb.ProbeReport)
    [mail] = found.channels
    assert (mail.probes, mail.answered, mail.correct, mail.mean_answer_seconds) == (2, 1, 1, 300)
    assert list(found.untried) == [1]  # CHANNEL_VOICE
    probe.answer_time.FromDatetime(NOW - timedelta(minutes=5))
    with pytest.raises(DomainError):
        floor.call(pb.RecordProbeRequest(probe=probe), pb.Probe)


def test_a_vendor_gets_its_own_report_whatever_it_asks_for(floor: Floor) -> None:
    theirs, others = floor.queue("Theirs", vendor="callco"), floor.queue("Others", vendor="rival")
    kim = floor.agent("kim", theirs, vendor="callco")
    settled(floor, theirs, kim)
    asked = pb.GetVendorReportRequest(vendor="rival", start_time=NOW - DAY, end_time=NOW + DAY)
    found = floor.call(asked, pb.VendorReport, actor="kim")
    assert (found.vendor, [each.queue_id for each in found.queues]) == ("callco", [theirs])
    assert found.queues[0].outcome.resolved == 1
    ours = floor.call(asked, pb.VendorReport)
    assert [each.queue_id for each in ours.queues] == [others]
    asked.vendor = ""
    with pytest.raises(NotFound):
        floor.call(asked, pb.VendorReport)
    assert context.current().actor == "boss"
