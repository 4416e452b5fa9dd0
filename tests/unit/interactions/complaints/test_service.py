"""Complaints and remedies through their services: the case, promises and goodwill go along, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from kehu.interactions.v1 import calendars_pb2, cases_pb2, clocks_pb2, promises_pb2
from kehu.interactions.v1 import complaints_pb2 as pb
from kehu.interactions.v1 import remedies_pb2 as rpb
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.domain import DomainError, InvalidArgument
from services.interactions.cases.domain.refusals import CaseIncomplete
from services.interactions.complaints.domain import refusals
from services.interactions.complaints.domain.attribution import ROOTS
from services.interactions.remedies.domain.refusals import (
    GoodwillAboveAuthority,
    GoodwillDecided,
    NobodyMayApprove,
    OwnGoodwill,
)
from tests.unit.interactions.cases.conftest import NOW, SCOPES, Desk, Opened, desk, office, opened, policy

__all__ = ["desk", "office", "opened", "policy"]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RIGHTS = SCOPES | {"interactions.authority.write", "interactions.taxonomy.write", "interactions.exceptions.write"}
Given = Callable[..., rpb.Goodwill]


@pytest.fixture
def case(desk: Desk, opened: Opened) -> cases_pb2.Case:
    """An open case of a customer whom the service knows."""
    created = profiles.CustomerCreated()
    created.customer.id = identity.new_id("cus")
    desk.hear(created, entity_id=created.customer.id)
    return opened(customer_id=created.customer.id, tier="GOLD")


@pytest.fixture
def complaint(desk: Desk, case: cases_pb2.Case) -> pb.Complaint:
    """A complaint that came in with the case."""
    told = pb.Complaint(case_id=case.id, complained_of="Nobody called back.", requested_remedy="An apology")
    return desk.call(pb.ReceiveComplaintRequest(complaint=told), pb.Complaint)


def acknowledged(desk: Desk, complaint: pb.Complaint, **fields: Any) -> pb.Complaint:
    day = (NOW + 3 * DAY).day
    term = {"civil_time": {"date": {"year": 2026, "month": 8, "day": day}, "minute": 600, "time_zone": "UTC"}}
    told: Any = {"complaint_id": complaint.id, "plan": "We ask the branch.", "term": term, **fields}
    return desk.call(pb.AcknowledgeComplaintRequest(**told), pb.Complaint)


def assessed(desk: Desk, complaint: pb.Complaint, **fields: Any) -> pb.Complaint:
    nothing = dict.fromkeys(("touchpoint", "employee", "product"), "NOT_ATTRIBUTABLE")
    told: Any = {"severity": "COMPLAINT_SEVERITY_MEDIUM", "scope": "one", "taxonomy_path": "staff", **fields}
    request = pb.AssessComplaintRequest(complaint_id=complaint.id, **{"attribution": nothing, **told})
    return desk.call(request, pb.Complaint)


def answered(desk: Desk, complaint: pb.Complaint, **fields: Any) -> pb.Complaint:
    acknowledged(desk, complaint)
    assessed(desk, complaint)
    desk.call(pb.InvestigateComplaintRequest(complaint_id=complaint.id), pb.Complaint)
    desk.call(pb.AddFindingRequest(complaint_id=complaint.id, finding="The note was lost."), pb.Complaint)
    told: Any = {"complaint_id": complaint.id, "decision": "We were wrong.", **fields}
    return desk.call(pb.ProposeRemedyRequest(**told), pb.Complaint)


def remedied(desk: Desk, complaint: pb.Complaint) -> pb.Complaint:
    answered(desk, complaint)
    desk.call(pb.AcceptRemedyRequest(complaint_id=complaint.id), pb.Complaint)
    done = pb.CompleteRemedyRequest(complaint_id=complaint.id, feedback="We called, and this is why.")
    return desk.call(done, pb.Complaint)


def case_of(desk: Desk, complaint: pb.Complaint) -> cases_pb2.Case:
    return desk.call(cases_pb2.GetCaseRequest(case_id=complaint.case_id), cases_pb2.Case)


# ----------------------------------------------------------------------------------------------------- complaints


def test_an_inquiry_grows_into_a_complaint_once_and_waits_for_its_acknowledgement(
    desk: Desk,
    case: cases_pb2.Case,
    complaint: pb.Complaint,
) -> None:
    grown = case_of(desk, complaint)
    assert (grown.type, grown.began_as) == (cases_pb2.CASE_TYPE_COMPLAINT, cases_pb2.CASE_TYPE_REQUEST)
    metrics = [each.metric for each in grown.clocks.clocks]
    assert metrics.count(clocks_pb2.SERVICE_METRIC_ACKNOWLEDGEMENT) == 1
    assert complaint.first_time == case.open_time
    again = pb.Complaint(case_id=case.id, complained_of="Nobody called back.", requested_remedy="An apology")
    assert desk.call(pb.ReceiveComplaintRequest(complaint=again), pb.Complaint) == complaint
    assert desk.events().count("complaint.received") == desk.events().count("case.converted") == 1


@pytest.mark.parametrize(("fields", "missing"), [({"plan": " "}, "plan"), ({"term": None}, "term")])
def test_an_acknowledgement_is_a_plan_and_a_promise_or_nothing_happens(
    desk: Desk,
    complaint: pb.Complaint,
    fields: dict[str, Any],
    missing: str,
) -> None:
    with pytest.raises(refusals.AcknowledgementEmpty, match=missing):
        acknowledged(desk, complaint, **fields)
    assert "promise.made" not in desk.events()
    done = acknowledged(desk, complaint)
    assert (done.state, done.timely) == (pb.COMPLAINT_STATE_ACKNOWLEDGED, True)
    told = done.acknowledgement
    promise = desk.call(promises_pb2.GetPromiseRequest(promise_id=told.promise_id), promises_pb2.Promise)
    assert (promise.text, promise.due_time) == ("We ask the branch.", told.eta_time)
    clocks = case_of(desk, complaint).clocks.clocks
    [clock] = [each for each in clocks if each.metric == clocks_pb2.SERVICE_METRIC_ACKNOWLEDGEMENT]
    assert clock.events[-1].kind == clocks_pb2.CLOCK_EVENT_KIND_FULFIL


def test_a_late_acknowledgement_is_told_as_late(desk: Desk, complaint: pb.Complaint) -> None:
    desk.clock.advance(5 * HOUR)
    assert acknowledged(desk, complaint).timely is False


def test_safety_is_escalated_at_once(desk: Desk, case: cases_pb2.Case) -> None:
    told = pb.Complaint(case_id=case.id, complained_of="It burns.", severity=pb.COMPLAINT_SEVERITY_SAFETY)
    complaint = desk.call(pb.ReceiveComplaintRequest(complaint=told), pb.Complaint)
    assert complaint.HasField("escalated_time")
    assert "complaint.escalated" in desk.events()


def test_causes_and_attributions_are_checked(desk: Desk, complaint: pb.Complaint) -> None:
    acknowledged(desk, complaint)
    with pytest.raises(refusals.CauseUnknown):
        assessed(desk, complaint, taxonomy_path="weather")
    strange: Any = {"touchpoint": "branch", "employee": "NOT_ATTRIBUTABLE", "product": "NOT_ATTRIBUTABLE"}
    with pytest.raises(refusals.AttributionUnknown):
        assessed(desk, complaint, attribution=strange)
    with pytest.raises(refusals.TaxonomyRootMissing):
        desk.call(pb.SetTaxonomyRequest(taxonomy=pb.Taxonomy(paths=["staff"])), pb.Taxonomy, scopes=RIGHTS)
    known = pb.Taxonomy(paths=[*ROOTS, "staff/attitude"], touchpoints=["branch"])
    desk.call(pb.SetTaxonomyRequest(taxonomy=known), pb.Taxonomy, scopes=RIGHTS)
    done = assessed(desk, complaint, taxonomy_path="staff/attitude", attribution=strange)
    assert (done.taxonomy_path, done.attribution.touchpoint) == ("staff/attitude", "branch")


def test_the_whole_story_from_receipt_to_the_word_of_the_customer(
    desk: Desk,
    complaint: pb.Complaint,
) -> None:
    remedied(desk, complaint)
    case = case_of(desk, complaint)
    assert (case.state, case.episodes[0].cause) == (cases_pb2.CASE_STATE_RESOLVED, "staff")
    desk.clock.advance(2 * HOUR)
    done = desk.call(pb.ConfirmComplaintRequest(complaint_id=complaint.id), pb.Complaint)
    assert done.state == pb.COMPLAINT_STATE_CONFIRMED
    assert case_of(desk, complaint).episodes[0].closing == cases_pb2.CASE_CLOSING_CONFIRMED
    story = desk.call(pb.GetComplaintStoryRequest(complaint_id=complaint.id), pb.ComplaintStory)
    assert [each.text for each in story.promises] == ["We ask the branch."]
    span: Any = {"start_time": NOW - DAY, "end_time": NOW + DAY}
    found = desk.call(pb.GetSatisfactionRequest(**span), pb.TimeToSatisfaction)
    assert (found.confirmed, found.censored, found.median.ToTimedelta()) == (1, 0, 2 * HOUR)


def test_a_promise_that_is_due_holds_the_remedy_of_a_complaint_up(
    desk: Desk,
    complaint: pb.Complaint,
) -> None:
    answered(desk, complaint)
    desk.call(pb.AcceptRemedyRequest(complaint_id=complaint.id), pb.Complaint)
    desk.clock.advance(4 * DAY)
    desk.tick("promises")
    with pytest.raises(CaseIncomplete, match="promise pro_"):
        desk.call(pb.CompleteRemedyRequest(complaint_id=complaint.id, feedback="Done."), pb.Complaint)
    assert desk.call(pb.GetComplaintRequest(complaint_id=complaint.id), pb.Complaint).state == (
        pb.COMPLAINT_STATE_ACCEPTED
    )


def test_a_quiet_customer_is_reached_out_to_once_and_then_silence_closes_complaint_and_case(
    desk: Desk,
    complaint: pb.Complaint,
) -> None:
    remedied(desk, complaint)
    desk.clock.advance(7 * DAY)
    assert desk.tick("complaints") == 1
    assert desk.tick("complaints") == 0
    assert desk.events().count("complaint.reached_out") == 1
    desk.clock.advance(7 * DAY)
    assert desk.tick("complaints") == 1
    quiet = desk.call(pb.GetComplaintRequest(complaint_id=complaint.id), pb.Complaint)
    assert quiet.state == pb.COMPLAINT_STATE_SILENT_CLOSE
    assert case_of(desk, complaint).episodes[0].closing == cases_pb2.CASE_CLOSING_SILENT_CLOSE
    span: Any = {"start_time": NOW - DAY, "end_time": NOW + DAY}
    found = desk.call(pb.GetSatisfactionRequest(**span), pb.TimeToSatisfaction)
    assert (found.confirmed, found.censored, found.HasField("median")) == (0, 1, False)
    appealed = desk.call(pb.AppealComplaintRequest(complaint_id=complaint.id, reason="No!"), pb.Complaint)
    assert appealed.state == pb.COMPLAINT_STATE_APPEALED
    assert case_of(desk, complaint).state == cases_pb2.CASE_STATE_OPEN


def test_complaints_of_the_past_are_counted_by_product_and_cause(desk: Desk) -> None:
    paths = [*ROOTS, "product/loan terms"]
    known = pb.Taxonomy(paths=paths, products=["loan", "card"])
    desk.call(pb.SetTaxonomyRequest(taxonomy=known), pb.Taxonomy, scopes=RIGHTS)

    def row(n: int, product: str, timely: bool, path: str = "process") -> dict[str, Any]:
        behind = {"touchpoint": "NOT_ATTRIBUTABLE", "employee": "NOT_ATTRIBUTABLE", "product": product}
        told = {"complaint": {"complained_of": f"No {n}"}, "received_time": NOW - DAY, "forwarded_time": NOW}
        return {"source_key": f"c{n}", "attribution": behind, "taxonomy_path": path, "timely": timely, **told}

    rows: Any = [row(1, "loan", True), row(2, "loan", False, "product/loan terms"), row(3, "card", True)]
    rows += [row(4, "house", True), row(5, "card", True, "weather"), row(1, "loan", True)]
    outcomes = desk.call(pb.ImportComplaintsRequest(rows=rows), pb.ImportComplaintsResponse).outcomes
    assert [each.created for each in outcomes] == [True, True, True, False, False, False]
    assert [bool(each.error.code) for each in outcomes] == [False, False, False, True, True, False]
    desk.clock.advance(DAY)  # who imports a file again does it later
    again = desk.call(pb.ImportComplaintsRequest(rows=rows[:3]), pb.ImportComplaintsResponse).outcomes
    assert [(each.created, each.error.code) for each in again] == [(False, 0)] * 3
    span: Any = {"start_time": NOW - 2 * DAY, "end_time": NOW}
    found = desk.call(pb.GetComplaintReportRequest(**span), pb.ComplaintReport)
    assert (found.complaints, found.timely, found.untimely, found.mean_forward.ToTimedelta()) == (3, 2, 1, DAY)
    assert [(each.key, each.complaints, each.timely) for each in found.products] == [("loan", 2, 1), ("card", 1, 1)]
    with pytest.raises(DomainError):
        desk.call(pb.GetComplaintReportRequest(**{**span, "end_time": NOW - 3 * DAY}), pb.ComplaintReport)


# ------------------------------------------------------------------------------------------------------- remedies


@pytest.fixture
def authority(desk: Desk) -> rpb.AuthorityMatrix:
    """Ada gives up to 50 EUR a case and 80 a day, Bob up to 200."""

    def limit(role: str, case: int, day: int) -> dict[str, Any]:
        amounts = {"per_case": case, "per_day": day, "per_customer_year": 10 * day}
        return {"role": role, "action": "REMEDY_ACTION_REFUND", "currency_code": "EUR", **amounts}

    told: Any = {
        "limits": [limit("front", 5000, 8000), limit("lead", 20000, 90000)],
        "agents": [{"id": "ada", "role": "front"}, {"id": "deputy", "role": "front"}],
        "approvers": [{"id": "bob", "role": "lead"}],
        "target": {"work": 4 * HOUR, "warnings": [75]},
    }
    request = rpb.SetAuthorityRequest(authority=rpb.AuthorityMatrix(**told))
    return desk.call(request, rpb.AuthorityMatrix, scopes=RIGHTS)


@pytest.fixture
def given(desk: Desk, case: cases_pb2.Case, authority: rpb.AuthorityMatrix) -> Given:
    """Asks for a refund."""
    assert authority.version == 1

    def ask(amount: int, *, key: str = "", case_id: str = "", by: str = "ada", **fields: Any) -> rpb.Goodwill:
        told: Any = {"case_id": case_id or case.id, "action": "REMEDY_ACTION_REFUND", "currency_code": "EUR"}
        drafted = rpb.Goodwill(amount=amount, **{**told, **fields})
        return desk.call(rpb.AskGoodwillRequest(goodwill=drafted, key=key), rpb.Goodwill, actor=by)

    return ask


def decided(desk: Desk, goodwill: rpb.Goodwill, by: str, *, approve: bool = True) -> rpb.Goodwill:
    request = rpb.DecideGoodwillRequest(goodwill_id=goodwill.id, approve=approve, reason="A long-standing customer.")
    return desk.call(request, rpb.Goodwill, actor=by)


def test_goodwill_inside_the_authority_is_posted_at_once_and_never_twice(desk: Desk, given: Given) -> None:
    first = given(3000, key="order 17")
    assert (first.state, first.authority) == (rpb.GOODWILL_STATE_POSTED, "limit of front, version 1")
    assert given(3000, key="order 17") == first
    with pytest.raises(DomainError) as refused:
        given(2000, key="order 17")
    assert refused.value.reason_code == "SOURCE_KEY_REUSED"
    assert desk.events().count("goodwill.posted") == 1
    with pytest.raises(InvalidArgument):
        given(0)
    with pytest.raises(InvalidArgument):
        given(5, currency_code="DEM")


def test_sums_of_case_and_day_count_what_was_given_before(
    desk: Desk,
    given: Given,
    opened: Opened,
) -> None:
    given(5000)
    assert given(1).exceeded == ["per case 5000"]
    other = opened().id
    assert given(3001, case_id=other).exceeded == ["per day 8000"]
    desk.clock.advance(DAY)
    assert given(3001, case_id=other).state == rpb.GOODWILL_STATE_POSTED


def test_t24_goodwill_above_the_limit_while_the_approver_is_on_leave_goes_to_the_deputy_and_its_clock_shows(
    desk: Desk,
    given: Given,
) -> None:
    leave: Any = {"agent_id": "bob", "start_time": NOW + HOUR, "end_time": NOW + 3 * DAY, "deputy_id": "deputy"}
    asked = given(9000)
    assert (asked.state, asked.approver_id) == (rpb.GOODWILL_STATE_AWAITING_APPROVAL, "bob")
    desk.call(rpb.RecordAbsenceRequest(absence=rpb.Absence(**leave)), rpb.Absence)
    assert desk.tick("goodwill") == 0
    desk.clock.advance(HOUR)
    assert desk.tick("goodwill") == 1
    handed = desk.call(rpb.GetGoodwillRequest(goodwill_id=asked.id), rpb.Goodwill)
    assert (handed.approver_id, len(handed.clock)) == ("deputy", 1)
    desk.clock.advance(2 * HOUR)
    assert desk.tick("goodwill") == 1  # three of four hours are over
    desk.clock.advance(2 * HOUR)
    assert desk.tick("goodwill") == 1
    assert desk.tick("goodwill") == 0
    late = desk.call(rpb.GetGoodwillRequest(goodwill_id=asked.id), rpb.Goodwill)
    assert list(late.told_percents) == [75, 100]
    done = decided(desk, late, "deputy")
    assert (done.state, done.authority, done.decided_by) == (
        rpb.GOODWILL_STATE_POSTED,
        "approval of deputy",
        "deputy",
    )


def test_goodwill_is_decided_once_by_somebody_else_who_may(desk: Desk, given: Given) -> None:
    asked = given(9000)
    with pytest.raises(OwnGoodwill):
        decided(desk, asked, "ada")
    with pytest.raises(GoodwillAboveAuthority):
        decided(desk, asked, "stranger")
    assert decided(desk, asked, "bob", approve=False).state == rpb.GOODWILL_STATE_DECLINED
    with pytest.raises(GoodwillDecided):
        decided(desk, asked, "bob")
    with pytest.raises(NobodyMayApprove):
        given(20001)


def test_a_stranger_has_no_authority_and_nobody_may_approve_while_all_are_away(
    desk: Desk,
    given: Given,
) -> None:
    assert given(1, by="stranger").state == rpb.GOODWILL_STATE_AWAITING_APPROVAL
    leave: Any = {"agent_id": "bob", "start_time": NOW - HOUR, "end_time": NOW + DAY}
    desk.call(rpb.RecordAbsenceRequest(absence=rpb.Absence(**leave)), rpb.Absence)
    with pytest.raises(NobodyMayApprove, match="bob"):
        given(9000)


def test_a_grant_breaks_the_routine_for_one_case(desk: Desk, given: Given, case: cases_pb2.Case) -> None:
    told: Any = {"case_id": case.id, "action": "REMEDY_ACTION_REFUND", "currency_code": "EUR", "amount": 9500}
    grant = rpb.ExceptionGrant(**told, reason="Stranded.", expire_time=NOW + DAY)  # type: ignore[arg-type]
    made = desk.call(rpb.GrantExceptionRequest(grant=grant), rpb.ExceptionGrant, scopes=RIGHTS, actor="bob")
    assert given(9000).authority == f"grant {made.id}"


def test_a_remedy_is_answered_with_goodwill_that_is_posted(
    desk: Desk,
    complaint: pb.Complaint,
    given: Given,
) -> None:
    asked = given(9000)
    with pytest.raises(refusals.RemedyNotApproved):
        answered(desk, complaint, goodwill_ids=[asked.id])
    decided(desk, asked, "bob")
    request = pb.ProposeRemedyRequest(complaint_id=complaint.id, decision="Sorry.", goodwill_ids=[asked.id])
    assert desk.call(request, pb.Complaint).goodwill_ids == [asked.id]
    story = desk.call(pb.GetComplaintStoryRequest(complaint_id=complaint.id), pb.ComplaintStory)
    assert [each.id for each in story.goodwill] == [asked.id]


def test_t23_a_promise_moved_with_consent_and_then_kept_is_told_apart(
    desk: Desk,
    case: cases_pb2.Case,
    office: calendars_pb2.BusinessCalendar,
) -> None:
    term: Any = {"calendar_id": office.id, "working_time": 2 * HOUR}
    promise: Any = {"customer_id": case.customer_id, "text": "We call", "term": term}
    made = desk.call(promises_pb2.MakePromiseRequest(promise=promise), promises_pb2.Promise)
    moved: Any = {"promise_id": made.id, "term": {**term, "working_time": 4 * HOUR}, "agreement": "said yes"}
    later = desk.call(promises_pb2.RenegotiatePromiseRequest(**moved), promises_pb2.Promise)
    kept = desk.call(promises_pb2.KeepPromiseRequest(promise_id=later.id), promises_pb2.Promise)
    assert (kept.state, kept.renegotiations) == (promises_pb2.Promise.STATE_KEPT, 1)
    first = desk.call(promises_pb2.GetPromiseRequest(promise_id=made.id), promises_pb2.Promise)
    assert first.state == promises_pb2.Promise.STATE_RENEGOTIATED
