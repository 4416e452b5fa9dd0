"""Leads from their capture to their end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.timestamp_pb2 import Timestamp
from kehu.care.v1 import events_pb2 as care
from kehu.common.v1.operation_pb2 import Operation
from kehu.interactions.v1 import calendars_pb2, timeline_pb2
from kehu.interactions.v1 import events_pb2 as interactions
from kehu.opportunities.v1 import leads_pb2 as pb
from kehu.profiles.v1 import customer_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.domain import DomainError, InvalidArgument
from libs.chassis.operations import OperationState
from services.opportunities.calendars.domain import CalendarProjection
from services.opportunities.leads.domain.parts import Assignment, ResponseClock
from services.opportunities.leads.domain.touches import Engagement, Touch, TouchKind
from tests.unit.opportunities.conftest import NOW, Open, Sales
from tests.unit.opportunities.leads.conftest import Capture


def at(time: datetime) -> Timestamp:
    told = Timestamp()
    told.FromDatetime(time)
    return told


def get(world: Sales, lead: pb.Lead) -> pb.Lead:
    return world.call(pb.GetLeadRequest(lead_id=lead.id), pb.Lead)


def refused(world: Sales, request: Any, answers: Any = pb.Lead, **caller: Any) -> DomainError:
    with pytest.raises(DomainError) as refusal:
        world.call(request, answers, **caller)
    return refusal.value


# ---------------------------------------------------------------------------------------------------------- capture


def test_a_source_tells_of_a_lead_once(world: Sales, captured: Capture) -> None:
    first = captured(source_key="a-1", display_name="Ada")
    world.clock.advance(timedelta(hours=3))
    again = captured(source_key="a-1", display_name="Ada")
    assert (again.id, again.revision) == (first.id, first.revision)
    request = pb.CaptureLeadRequest(lead=pb.Lead(source="web", source_key="a-1", form_id=first.form_id))
    assert refused(world, request).reason_code == "SOURCE_KEY_REUSED"
    other = captured(source_key="a-1", source="fair")
    assert other.id != first.id


@pytest.mark.parametrize(
    ("values", "reason", "names"),
    [
        ([{"key": "height", "number": 2}], "ATTRIBUTE_UNKNOWN", "channel, staff, duration"),
        ([{"key": "channel", "text": "moon"}], "ATTRIBUTE_UNFIT", "one of fair, list"),
        ([{"key": "channel", "number": 1}], "ATTRIBUTE_UNFIT", "one of fair, list"),
        ([{"key": "staff", "text": "many"}], "ATTRIBUTE_UNFIT", "a number"),
        ([{"key": "staff", "number": 1}, {"key": "staff", "number": 2}], "ATTRIBUTE_UNFIT", "one value"),
    ],
)
def test_a_form_refuses_what_it_does_not_ask_for(
    world: Sales, form: pb.LeadForm, values: list[Any], reason: str, names: str
) -> None:
    lead = pb.Lead(source="web", source_key="x", form_id=form.id, attributes=values)
    error = refused(world, pb.CaptureLeadRequest(lead=lead))
    assert isinstance(error, InvalidArgument)
    assert (error.reason_code, names in error.message) == (reason, True)
    assert [each.field for each in error.violations] == ["lead.attributes"]


def test_without_a_form_there_are_no_attributes(world: Sales) -> None:
    lead = pb.Lead(source="web", source_key="x", attributes=[{"key": "staff", "number": 1}])
    assert refused(world, pb.CaptureLeadRequest(lead=lead)).reason_code == "ATTRIBUTE_UNKNOWN"


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ([{"key": "a", "kind": 2}, {"key": "a", "kind": 2}], "lead_form.attributes[1].key"),
        ([{"key": "a", "kind": 1}], "lead_form.attributes[0].values"),
        ([{"key": "a", "kind": 2, "values": ["x"]}], "lead_form.attributes[0].values"),
        ([{"key": "a", "kind": 1, "values": ["x", "x"]}], "lead_form.attributes[0].values"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(world: Sales, attributes: list[Any], field: str) -> None:
    error = refused(
        world,
        pb.CreateLeadFormRequest(lead_form=pb.LeadForm(display_name="x", attributes=attributes)),
        pb.LeadForm,
    )
    assert isinstance(error, InvalidArgument)
    assert [each.field for each in error.violations] == [field]


def test_names_and_contact_points_are_masked(world: Sales, captured: Capture) -> None:
    lead = captured(display_name="Ada", contact_points=[{"type": "TYPE_EMAIL", "value": "ada@example.com"}])
    assert (lead.display_name, lead.contact_points[0].value) == ("A•••••", "a•••••@example.com")
    lead.campaign = "spring"
    world.call(pb.UpdateLeadRequest(lead=lead), pb.Lead)
    scopes = {"opportunities.leads.read", "profiles.names.read", "profiles.contacts.read"}
    shown = world.call(pb.GetLeadRequest(lead_id=lead.id), pb.Lead, scopes=scopes)
    assert (shown.display_name, shown.campaign) == ("Ada", "spring")
    assert shown.contact_points[0].value == "ada@example.com"


# ---------------------------------------------------------------------------------------------------------- endings


def test_a_lead_that_was_laid_aside_comes_back(world: Sales, captured: Capture) -> None:
    lead = captured(owner="ann")
    until = NOW + timedelta(days=30)
    aside = world.call(pb.RecycleLeadRequest(lead_id=lead.id, recycle_time=at(until), note="next year"), pb.Lead)
    assert aside.state == pb.LEAD_STATE_RECYCLED
    world.clock.advance(timedelta(days=29))
    assert world.tick("recycled_leads") == 0
    world.clock.advance(timedelta(days=1))
    assert world.tick("recycled_leads") == 1
    back = get(world, lead)
    assert (back.state, back.owner, back.recycled) == (pb.LEAD_STATE_NEW, "", 1)
    assert not back.HasField("recycle_time")


def test_what_is_over_cannot_be_a_date_to_come_back(world: Sales, captured: Capture) -> None:
    request = pb.RecycleLeadRequest(lead_id=captured().id, recycle_time=at(NOW))
    error = refused(world, request)
    assert isinstance(error, InvalidArgument)
    assert [each.field for each in error.violations] == ["recycle_time"]


def test_a_lead_is_given_up_with_a_reason_and_may_be_laid_aside_after_all(world: Sales, captured: Capture) -> None:
    lead = captured(owner="ann")
    gone = world.call(pb.DisqualifyLeadRequest(lead_id=lead.id, reason="DISQUALIFY_REASON_NO_BUDGET"), pb.Lead)
    assert (gone.state, gone.disqualify_reason) == (pb.LEAD_STATE_DISQUALIFIED, pb.DISQUALIFY_REASON_NO_BUDGET)
    assert refused(world, pb.QualifyLeadRequest(lead_id=lead.id)).reason_code == "LEAD_MOVE_FORBIDDEN"
    request = pb.DisqualifyLeadRequest(lead_id=lead.id, reason="DISQUALIFY_REASON_SPAM")
    assert refused(world, request).metadata["state"] == "DISQUALIFIED"
    aside = world.call(pb.RecycleLeadRequest(lead_id=lead.id, recycle_time=at(NOW + timedelta(days=1))), pb.Lead)
    assert (aside.state, aside.disqualify_reason) == (pb.LEAD_STATE_RECYCLED, 0)


def test_a_repeat_with_the_same_request_id_changes_nothing(world: Sales, captured: Capture) -> None:
    lead, id = captured(owner="ann"), str(uuid4())
    request = pb.QualifyLeadRequest(lead_id=lead.id, note="budget is there", request_id=id)
    first = world.call(request, pb.Lead)
    world.call(pb.DisqualifyLeadRequest(lead_id=lead.id, reason="DISQUALIFY_REASON_OTHER"), pb.Lead)
    assert world.call(request, pb.Lead).state == pb.LEAD_STATE_DISQUALIFIED
    assert first.state == pb.LEAD_STATE_QUALIFIED
    other = pb.QualifyLeadRequest(lead_id=lead.id, note="no", request_id=id)
    assert refused(world, other).reason_code == "REQUEST_ID_REUSED"


# ---------------------------------------------------------------------------------------------------------- filters


def test_a_saved_filter_finds_the_best_first(world: Sales, captured: Capture) -> None:
    leads = [captured(owner="ann", territory="north") for _ in range(3)]
    captured(owner="bob", territory="north")
    for lead, points in zip(leads, (100, 900, 500), strict=True):
        world.store.leads.leads.update(lead.id, lambda each, points=points: each.score(points))
    draft = pb.LeadFilter(display_name="Mine", filter='owner = "ann"', order="LEAD_ORDER_BEST")
    saved = world.call(pb.SaveLeadFilterRequest(lead_filter=draft), pb.LeadFilter)
    found = world.call(pb.ListLeadsRequest(lead_filter_id=saved.id), pb.ListLeadsResponse).leads
    assert [each.probability_basis_points for each in found] == [900, 500, 100]
    narrowed = world.call(
        pb.ListLeadsRequest(lead_filter_id=saved.id, filter="probability_basis_points > 500"), pb.ListLeadsResponse
    )
    assert [each.probability_basis_points for each in narrowed.leads] == [900]
    draft.filter = 'owner = "bob"'
    again = world.call(pb.SaveLeadFilterRequest(lead_filter=draft), pb.LeadFilter)
    assert again.id == saved.id
    [listed] = world.call(pb.ListLeadFiltersRequest(), pb.ListLeadFiltersResponse).lead_filters
    assert listed.filter == 'owner = "bob"'
    broken = pb.LeadFilter(display_name="Wrong", filter="height > 2")
    assert isinstance(refused(world, pb.SaveLeadFilterRequest(lead_filter=broken), pb.LeadFilter), InvalidArgument)


# ------------------------------------------------------------------------------------------------- touches and clock


def touch(subject_id: str, key: str, kind: str = "RESPONSE", time: datetime = NOW, points: int = 0) -> Any:
    told = pb.Touch(subject_id=subject_id, source_key=key, kind=f"TOUCH_KIND_{kind}", time=at(time), points=points)
    return pb.RecordTouchRequest(touch=told)


def test_engagement_halves_with_every_thirty_days(world: Sales, captured: Capture) -> None:
    lead = captured()
    for _ in range(2):
        world.call(touch(lead.id, "visit-1", points=100), pb.Touch)
    world.clock.advance(timedelta(days=45))
    score = world.call(pb.GetLeadScoreRequest(lead_id=lead.id), pb.LeadScore)
    assert score.engagement == pytest.approx(35.3553, abs=5e-5)
    assert (score.touches, score.model_version) == (1, 0)


def test_the_order_in_which_touches_are_heard_of_does_not_matter() -> None:
    touches = [
        Touch(id="", subject_id="x", kind=TouchKind.VISIT, time=NOW + timedelta(days=day), points=points)
        for day, points in ((0, 10), (17, 30), (44, 5), (3, 80))
    ]
    sums = []
    for told in (touches, touches[::-1], sorted(touches, key=lambda each: each.points)):
        sum_of_all = Engagement(id="eng_1", subject_id="x")
        for each in told:
            sum_of_all, _ = sum_of_all.add(each)
        sums.append(sum_of_all.at(NOW + timedelta(days=60)))
    assert sums == pytest.approx([sums[0]] * 3)
    by_hand = sum(each.points * 2 ** (-(NOW + timedelta(days=60) - each.time) / timedelta(days=30)) for each in touches)
    assert sums[0] == pytest.approx(by_hand)


def interaction(subject_id: str, **fields: Any) -> interactions.InteractionRecorded:
    kind = "deal" if subject_id.startswith("deal") else "lead"
    told = {
        "id": identity.new_id("int"),
        "direction": "DIRECTION_OUTBOUND",
        "channel": "CHANNEL_VOICE",
        "agent_id": "ann",
        "occurred_time": at(NOW),
        "links": [{"kind": kind, "id": subject_id}],
        **fields,
    }
    return interactions.InteractionRecorded(interaction=timeline_pb2.Interaction(**told))


def test_the_first_call_to_a_lead_stops_its_clock(world: Sales, captured: Capture) -> None:
    """A calendar of nine to five: the lead came on a Sunday, and was called on Monday at 10:30."""
    calendar = identity.new_id("cal")
    hours = [{"weekday": day, "start_minute": 540, "end_minute": 1020} for day in range(1, 6)]
    told = calendars_pb2.BusinessCalendar(
        id=calendar, display_name="Office", time_zone="UTC", schedules=[{"intervals": hours}]
    )
    world.hear(interactions.CalendarCreated(calendar=told), entity_id=calendar, revision=1)
    sunday = NOW - timedelta(days=1)
    lead = captured(capture_time=at(sunday), owner="ann")
    clock = ResponseClock(
        start_time=sunday, target=timedelta(hours=1), calendar_id=calendar, due_time=NOW + timedelta(hours=1)
    )
    world.store.leads.leads.update(lead.id, lambda each: each.assign("ann", Assignment(decide_time=NOW), clock))
    world.clock.advance(timedelta(hours=1, minutes=1))
    assert world.tick("responses") == 1
    assert get(world, lead).response.breached
    bot = interaction(lead.id, agent_id="", bot_id="robot")
    world.hear(bot, entity_id=bot.interaction.id)
    assert get(world, lead).state == pb.LEAD_STATE_ASSIGNED
    world.clock.advance(timedelta(minutes=29))
    call = interaction(lead.id, occurred_time=at(NOW + timedelta(minutes=90)))
    for _ in range(2):
        world.hear(call, entity_id=call.interaction.id)
    response = get(world, lead).response
    assert response.spent.ToTimedelta() == timedelta(minutes=90)
    assert (response.breached, get(world, lead).state) == (True, pb.LEAD_STATE_CONTACTED)
    page = world.call(pb.ListTouchesRequest(subject_id=lead.id), pb.ListTouchesResponse)
    assert [each.interaction_id for each in page.touches] == [call.interaction.id]


def test_an_older_calendar_does_not_replace_a_newer_one(world: Sales) -> None:
    id = identity.new_id("cal")
    for revision, zone in ((2, "Asia/Shanghai"), (1, "Europe/Paris")):
        told = calendars_pb2.BusinessCalendar(id=id, display_name="x", time_zone=zone)
        world.hear(interactions.CalendarUpdated(calendar=told), entity_id=id, revision=revision)
    known = world.store.calendars.calendars.get(id)
    assert isinstance(known, CalendarProjection)
    assert (known.time_zone, known.source_revision) == ("Asia/Shanghai", 2)


def test_touches_of_a_deal_are_linked_and_those_of_strangers_are_not(world: Sales, opened: Open) -> None:
    deal = opened()
    for subject in (deal.id, identity.new_id("deal"), identity.new_id("lead")):
        told = interaction(subject, direction="DIRECTION_INBOUND")
        world.hear(told, entity_id=told.interaction.id)
    page = world.call(pb.ListTouchesRequest(subject_id=deal.id), pb.ListTouchesResponse)
    assert [(each.kind, each.points) for each in page.touches] == [(pb.TOUCH_KIND_RESPONSE, 20)]
    assert len(world.store.leads.touches.find(None, order="", limit=10)) == 1


def test_an_attempt_by_hand_stops_the_clock_and_the_earliest_counts(world: Sales, captured: Capture) -> None:
    lead = captured(owner="ann")
    world.clock.advance(timedelta(hours=2))
    world.call(pb.ContactLeadRequest(lead_id=lead.id), pb.Lead)
    earlier = pb.ContactLeadRequest(lead_id=lead.id, attempt_time=at(NOW + timedelta(hours=1)))
    assert world.call(earlier, pb.Lead).response.spent.ToTimedelta() == timedelta(hours=1)
    later = pb.ContactLeadRequest(lead_id=lead.id, attempt_time=at(NOW + timedelta(hours=1, minutes=30)))
    assert world.call(later, pb.Lead).response.spent.ToTimedelta() == timedelta(hours=1)


# ----------------------------------------------------------------------------------------------------------- models


def history(world: Sales, form: pb.LeadForm, count: int = 300, *, won: Any = lambda n: n % 2 == 0) -> None:
    """Half of the leads come from fairs, of which those that `won` names were converted."""
    rows = []
    for n in range(count):
        fair = n % 4 < 2
        lead = pb.Lead(
            source="crm",
            source_key=f"{n}",
            form_id=form.id,
            capture_time=at(NOW - timedelta(days=90)),
            attributes=[
                {"key": "channel", "text": "fair" if fair else "list"},
                {"key": "staff", "number": n % 50},
                {"key": "duration", "number": 600 if won(n) else 5},
            ],
        )
        rows.append(pb.ImportLeadsRequest.Row(lead=lead, converted=bool(won(n) and fair)))
    taken = world.call(pb.ImportLeadsRequest(rows=rows), pb.ImportLeadsResponse)
    assert [each.error.message for each in taken.outcomes if not each.created] == []
    world.clock.advance(timedelta(hours=1))
    again = world.call(pb.ImportLeadsRequest(rows=rows), pb.ImportLeadsResponse)
    assert not any(each.created or each.HasField("error") for each in again.outcomes)


def operate(world: Sales, request: Any) -> Any:
    started = world.call(request, Operation)
    return world.operate(started.id)


def test_a_model_judges_open_leads_and_says_why(world: Sales, form: pb.LeadForm, captured: Capture) -> None:
    history(world, form)
    lead = captured(attributes=[{"key": "channel", "text": "fair"}, {"key": "staff", "number": 4}])
    done = operate(world, pb.LearnLeadModelRequest(lead_form_id=form.id))
    assert done.state is OperationState.SUCCEEDED
    model = world.call(pb.GetLeadModelRequest(lead_form_id=form.id), pb.LeadModel)
    assert (model.version, model.leads, model.converted) == (1, 300, 75)
    assert {each.attribute for each in model.weights} == {"channel", "staff"}
    assert model.held_back.brier < model.held_back.rate_brier
    score = world.call(pb.GetLeadScoreRequest(lead_id=lead.id), pb.LeadScore)
    assert score.factors[0].attribute == "channel"
    assert score.factors[0].value == "fair"
    assert score.probability_basis_points == get(world, lead).probability_basis_points > 2_500
    assert operate(world, pb.LearnLeadModelRequest(lead_form_id=form.id)).state is OperationState.SUCCEEDED
    assert world.call(pb.GetLeadModelRequest(lead_form_id=form.id), pb.LeadModel).version == 2


def test_what_is_known_only_afterwards_is_refused_as_an_input(world: Sales, form: pb.LeadForm) -> None:
    request = pb.LearnLeadModelRequest(lead_form_id=form.id, attributes=["duration"])
    error = refused(world, request, Operation)
    assert (error.reason_code, error.metadata["attribute"]) == ("KNOWN_AFTERWARDS", "duration")


@pytest.mark.parametrize("case", ["too few", "one outcome"])
def test_nothing_is_learned_from_too_little(world: Sales, form: pb.LeadForm, case: str) -> None:
    if case == "too few":
        history(world, form, 90)
    else:
        history(world, form, 200, won=lambda _: False)
    done = operate(world, pb.LearnLeadModelRequest(lead_form_id=form.id))
    assert (done.state, b"TOO_FEW_LEADS" in done.error) == (OperationState.FAILED, True)
    assert refused(world, pb.GetLeadModelRequest(lead_form_id=form.id), pb.LeadModel).reason_code == "NOT_FOUND"


def test_leads_are_counted_by_what_they_are(world: Sales, form: pb.LeadForm) -> None:
    history(world, form)
    done = operate(world, pb.ReportLeadsRequest(lead_form_id=form.id, attributes=["channel"]))
    report = pb.LeadReport()
    AnyMessage.FromString(done.result).Unpack(report)
    assert [(each.value, each.leads, each.converted) for each in report.counts] == [
        ("", 300, 75),
        ("fair", 150, 75),
        ("list", 150, 0),
    ]
    wrong = pb.ReportLeadsRequest(lead_form_id=form.id, attributes=["staff"])
    assert refused(world, wrong, Operation).reason_code == "ATTRIBUTE_UNFIT"


# ---------------------------------------------------------------------------------------------------------- erasure


def test_an_erasure_reaches_leads_that_never_became_a_customer(world: Sales, captured: Capture) -> None:
    by_phone = captured(contact_points=[{"type": "TYPE_PHONE", "value": "138 0013 8000", "region_code": "CN"}])
    by_mail = captured(needs=["an engine"], contact_points=[{"type": "TYPE_EMAIL", "value": "Ada@Example.com"}])
    other = captured(display_name="Bob", contact_points=[{"type": "TYPE_EMAIL", "value": "bob@example.com"}])
    customer = customer_pb2.Customer(id=identity.new_id("cus"))
    customer.contact_points.add(type="TYPE_PHONE", canonical="+8613800138000")
    customer.contact_points.add(type="TYPE_EMAIL", canonical="ada@example.com")
    erasure = identity.new_id("era")
    asked = profiles.CustomerErasureRequested(customer_id=customer.id, erasure_id=erasure, customer=customer)
    world.hear(asked, entity_id=customer.id)
    for _ in range(12):
        world.tick("erasures")
    assert [get(world, each).erased for each in (by_phone, by_mail, other)] == [True, True, False]
    assert [*get(world, by_mail).needs] == []
    answered = world.store.privacy.erasures.collection.get(erasure)
    assert (answered.answered, {each.kind: each.count for each in answered.erased}["leads"]) == (True, 2)


def test_a_need_that_care_has_found_is_a_lead_of_its_customer_once(world: Sales) -> None:
    customer, touch = identity.new_id("cus"), identity.new_id("tch")
    found = care.NeedCaptured(touch_id=touch, customer_id=customer, text="a second engine, " * 40)
    for _ in range(2):
        world.hear(found, entity_id=touch, revision=3)
    world.clock.advance(timedelta(seconds=1))
    world.hear(care.NeedCaptured(touch_id=touch, customer_id=customer, text="oil"), entity_id=touch, revision=4)
    request = pb.ListLeadsRequest(filter=f'customer_id = "{customer}"')
    newest, first = world.call(request, pb.ListLeadsResponse).leads
    assert (first.source, first.source_key, first.customer_id) == ("care", f"{touch}:3", customer)
    assert ([len(each) <= 500 for each in first.needs], [*newest.needs]) == ([True, True], ["oil"])
    gone = identity.new_id("cus")
    asked = profiles.CustomerErasureRequested(customer_id=gone, erasure_id=identity.new_id("era"))
    asked.customer.id = gone
    world.hear(asked, entity_id=gone)
    world.hear(care.NeedCaptured(touch_id=touch, customer_id=gone, text="oil"), entity_id=touch, revision=5)
    assert not world.call(pb.ListLeadsRequest(filter=f'customer_id = "{gone}"'), pb.ListLeadsResponse).leads
