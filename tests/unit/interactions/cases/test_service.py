"""Cases through their service: guards on every path, clocks beside them, and what time does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from kehu.common.v1 import error_reason_pb2, options_pb2
from kehu.interactions.v1 import cases_pb2 as pb
from kehu.interactions.v1 import clocks_pb2, privacy_pb2, promises_pb2, timeline_pb2
from kehu.profiles.v1 import events_pb2 as profiles
from kehu.surveys.v1 import events_pb2 as surveys
from kehu.surveys.v1 import loop_pb2

from libs.chassis import identity
from libs.chassis.customers import CustomerErased
from libs.chassis.domain import Conflict, DomainError, InvalidArgument
from libs.worktime.refusals import ClockEventAhead
from services.interactions.cases.domain import refusals
from services.interactions.clocks.domain.clocks import CLOCKS_OF_A_METRIC
from tests.unit.interactions.cases.conftest import NOW, SCOPES, Desk, Opened

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def resolved(desk: Desk, case: pb.Case, **fields: Any) -> pb.Case:
    told = {"cause": "typing error", "explanation": "We sent it again.", **fields}
    return desk.call(pb.ResolveCaseRequest(case_id=case.id, **told), pb.Case)


def said(desk: Desk, case: pb.Case, kind: str, id: str, **fields: Any) -> pb.Case:
    part: Any = f"MESSAGE_KIND_{kind}"
    request = pb.RecordCaseMessageRequest(case_id=case.id, kind=part, message_id=id, **fields)
    return desk.call(request, pb.Case)


def granted(grace: Any) -> pb.CaseTerms:
    window: Any = DAY
    return pb.CaseTerms(reopen_window=window, grace=grace, raise_at_reopen=1)


def clock(case: pb.Case, metric: str) -> clocks_pb2.ServiceClock:
    number = clocks_pb2.ServiceMetric.Value(f"SERVICE_METRIC_{metric}")
    return [each for each in case.clocks.clocks if each.metric == number][-1]


def events(desk: Desk) -> list[str]:
    return [each.removeprefix("case.") for each in desk.events() if each.startswith("case.")]


def known(desk: Desk, id: str) -> str:
    """A customer whom the service has heard of."""
    created = profiles.CustomerCreated()
    created.customer.id = id
    desk.hear(created, entity_id=id)
    return id


# ----------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"subject": " "}, refusals.CaseTextMissing),
        ({"impact": 4}, refusals.PriorityOutOfRange),
        ({"urgency": 9}, refusals.PriorityOutOfRange),
        ({"checklist": [{"id": "call", "text": " "}]}, refusals.CaseTextMissing),
        ({"type": "CASE_TYPE_UNSPECIFIED"}, InvalidArgument),
        ({"customer_id": "somebody"}, InvalidArgument),
    ],
)
def test_a_draft_that_makes_no_sense_is_refused(
    desk: Desk, opened: Opened, fields: dict[str, Any], refusal: type[DomainError]
) -> None:
    with pytest.raises(DomainError) as refused:
        opened(**fields)
    assert isinstance(refused.value, refusal) or refused.value.reason_code == refusal.reason
    assert events(desk) == []


def test_a_case_moves_past_no_guard_whatever_the_path(desk: Desk, opened: Opened) -> None:
    case = opened(checklist=[{"id": "call", "text": "Call back"}])
    with pytest.raises(refusals.CaseIncomplete) as refused:
        resolved(desk, case, explanation="")
    assert refused.value.missing == ("explanation", "checklist call")
    row: Any = {"case_id": case.id, "state": "CASE_STATE_RESOLVED", "cause": "x", "explanation": "y"}
    unreachable: Any = {**row, "state": "CASE_STATE_MERGED"}
    nobody: Any = {**row, "case_id": identity.new_id("cas")}
    answer = desk.call(pb.TransitionCasesRequest(rows=[row, unreachable, nobody]), pb.TransitionCasesResponse)
    reasons = [each.error.details[0].value.decode(errors="ignore") for each in answer.outcomes]
    assert ["CASE_INCOMPLETE" in reasons[0], "CASE_ROW_UNFIT" in reasons[1], "NOT_FOUND" in reasons[2]] == [True] * 3
    assert desk.call(pb.GetCaseRequest(case_id=case.id), pb.Case).state == pb.CASE_STATE_OPEN
    desk.call(pb.TickChecklistItemRequest(case_id=case.id, item_id="call"), pb.Case)
    [outcome] = desk.call(pb.TransitionCasesRequest(rows=[row]), pb.TransitionCasesResponse).outcomes
    assert outcome.id == case.id
    assert desk.call(pb.GetCaseRequest(case_id=case.id), pb.Case).state == pb.CASE_STATE_RESOLVED


def test_an_item_is_waived_for_a_reason_by_whoever_has_the_authority(desk: Desk, opened: Opened) -> None:
    case = opened(checklist=[{"id": "call", "text": "Call back"}])
    waived = pb.WaiveChecklistItemRequest(case_id=case.id, item_id="call", reason="The customer moved away.")
    [item] = desk.call(waived, pb.Case, actor="boss").checklist
    assert (item.done_by, item.waive_reason) == ("boss", "The customer moved away.")
    assert resolved(desk, case).state == pb.CASE_STATE_RESOLVED
    with pytest.raises(refusals.CasePartUnknown):
        desk.call(pb.WaiveChecklistItemRequest(case_id=case.id, item_id="mail", reason="x"), pb.Case)
    [service] = pb.DESCRIPTOR.services_by_name.values()
    scopes = {
        method.name: method.GetOptions().Extensions[options_pb2.access].scope
        for method in service.methods
        if method.name.endswith("ChecklistItem")
    }
    assert scopes["WaiveChecklistItem"] not in (scopes["TickChecklistItem"], scopes["AddChecklistItem"])


def test_an_import_passes_no_guard_that_a_call_would_not_pass(desk: Desk) -> None:
    def row(key: str, *steps: dict[str, Any]) -> dict[str, Any]:
        told = {"subject": "Old", "type": "CASE_TYPE_INCIDENT"}
        return {"source_key": key, "case": told, "open_time": NOW - 9 * DAY, "steps": steps}

    done = {"state": "CASE_STATE_RESOLVED", "time": NOW - 3 * DAY, "owner": "ada", "cause": "x", "explanation": "y"}
    back = {"state": "CASE_STATE_OPEN", "time": NOW - 2 * DAY}
    closed = {"state": "CASE_STATE_CLOSED", "time": NOW - DAY, "cause": "x", "explanation": "y"}
    rows: Any = [
        row("good", closed, back, done),  # in any order
        row("no cause", {**done, "cause": ""}),
        row("no owner", {**done, "owner": ""}),
        row("ahead", {**done, "time": NOW + HOUR}),
        row("before", {**done, "time": NOW - 10 * DAY}),
        row("good", closed, back, done),
    ]
    outcomes = desk.call(pb.ImportCasesRequest(rows=rows), pb.ImportCasesResponse).outcomes
    assert [(bool(each.id), each.created) for each in outcomes] == [
        (True, True),
        (False, False),
        (False, False),
        (False, False),
        (False, False),
        (True, False),
    ]
    case = desk.call(pb.GetCaseRequest(case_id=outcomes[0].id), pb.Case)
    assert (case.state, len(case.episodes), case.source_key) == (pb.CASE_STATE_CLOSED, 2, "good")
    desk.clock.advance(HOUR)
    again = desk.call(pb.ImportCasesRequest(rows=rows[:1]), pb.ImportCasesResponse).outcomes
    assert [(each.id, each.created) for each in again] == [(case.id, False)]


def test_a_promise_that_is_due_and_open_holds_a_resolution_up(desk: Desk, opened: Opened) -> None:
    case = opened(customer_id=known(desk, identity.new_id("cus")))
    tomorrow = (NOW + DAY).date()
    term: Any = {"civil_time": {"date": {"year": 2026, "month": 8, "day": tomorrow.day}, "time_zone": "UTC"}}
    promise: Any = {"customer_id": case.customer_id, "text": "We call", "about": {"kind": "case", "id": case.id}}
    made = desk.call(promises_pb2.MakePromiseRequest(promise={**promise, "term": term}), promises_pb2.Promise)
    desk.clock.advance(2 * DAY)
    desk.tick("promises")
    with pytest.raises(refusals.CaseIncomplete) as refused:
        resolved(desk, case)
    assert refused.value.missing == (f"promise {made.id}",)
    recovery = promises_pb2.RecoverPromiseRequest(promise_id=made.id, recovery="called, with flowers")
    desk.call(recovery, promises_pb2.Promise)
    assert resolved(desk, case).state == pb.CASE_STATE_RESOLVED


def test_writers_do_not_overwrite_each_other_and_a_repeat_changes_nothing(desk: Desk, opened: Opened) -> None:
    case = opened()
    key = "5f2b6a52-5a0f-4f5e-9d0e-3d1f0a6c7b11"
    request = pb.AddWishRequest(case_id=case.id, text="Quickly", request_id=key)
    assert desk.call(request, pb.Case) == desk.call(request, pb.Case)
    with pytest.raises(Conflict):
        desk.call(pb.AddWishRequest(case_id=case.id, text="Again", revision=case.revision), pb.Case)
    with pytest.raises(DomainError) as reused:
        desk.call(pb.AddWishRequest(case_id=case.id, text="Other", request_id=key), pb.Case)
    assert reused.value.reason_code == "REQUEST_ID_REUSED"
    wishes = desk.call(pb.GetPublicStatusRequest(case_id=case.id), pb.PublicStatus).wishes
    assert [each.text for each in wishes] == ["Quickly"]


# ------------------------------------------------------------------------------------------------------ messages


def test_t21_thanks_after_the_resolution_reopen_nothing_and_start_no_clock(desk: Desk, opened: Opened) -> None:
    case = resolved(desk, opened())
    before, told = desk.call(pb.GetCaseRequest(case_id=case.id), pb.Case), len(events(desk))
    for n, kind in enumerate(("THANKS", "AUTO_REPLY", "NOTE")):
        assert said(desk, case, kind, f"m{n}") == before
    assert len(events(desk)) == told
    assert said(desk, case, "CUSTOMER", "m9").state == pb.CASE_STATE_OPEN


def test_t21_a_thankful_mail_in_the_timeline_reopens_nothing_and_a_question_does(desk: Desk, opened: Opened) -> None:
    case = resolved(desk, opened())
    mail: dict[str, Any] = {
        "channel": "CHANNEL_EMAIL",
        "direction": "DIRECTION_INBOUND",
        "occurred_time": NOW,
        "links": [{"kind": "case", "id": case.id}, {"kind": "case", "id": identity.new_id("cas")}],
    }
    for intent, state in (("thanks", pb.CASE_STATE_RESOLVED), ("question", pb.CASE_STATE_OPEN)):
        told = timeline_pb2.Interaction(**mail, intent=intent)
        desk.call(timeline_pb2.IngestInteractionRequest(interaction=told), timeline_pb2.Interaction)
        desk.deliver()
        assert desk.call(pb.GetCaseRequest(case_id=case.id), pb.Case).state == state


def test_a_customer_who_writes_after_the_window_gets_a_case_that_follows_once(desk: Desk, opened: Opened) -> None:
    case = resolved(desk, opened())
    desk.clock.advance(15 * DAY)
    desk.tick("cases")
    mail: dict[str, Any] = {"channel": "CHANNEL_EMAIL", "direction": "DIRECTION_INBOUND", "occurred_time": NOW}
    mail["links"] = [{"kind": "case", "id": case.id}]
    told = timeline_pb2.Interaction(**mail)
    desk.call(timeline_pb2.IngestInteractionRequest(interaction=told), timeline_pb2.Interaction)
    desk.deliver()
    listed = desk.call(pb.ListCasesRequest(), pb.ListCasesResponse).cases
    assert [(each.follows, each.owner) for each in listed] == [(case.id, "agt_1"), ("", "agt_1")]


def test_t48_a_message_from_the_future_is_refused_and_one_told_twice_counts_once(desk: Desk, opened: Opened) -> None:
    case = opened()
    with pytest.raises(ClockEventAhead):
        said(desk, case, "ANSWER", "m1", time=NOW + HOUR)
    skewed = said(desk, case, "ANSWER", "m2", time=NOW + timedelta(minutes=2))
    assert clock(skewed, "FIRST_RESPONSE").events[-1].time.ToDatetime() == NOW.replace(tzinfo=None)
    assert said(desk, case, "ANSWER", "m2") == skewed
    desk.clock.advance(HOUR)
    waiting = said(desk, case, "CUSTOMER", "m3")
    assert said(desk, case, "CUSTOMER", "m3") == waiting
    assert len([each for each in waiting.clocks.clocks if each.metric == clocks_pb2.SERVICE_METRIC_NEXT_RESPONSE]) == 1


def test_the_first_message_that_had_to_be_sent_again_raises_the_priority_once(desk: Desk, opened: Opened) -> None:
    case = opened()
    assert said(desk, case, "CUSTOMER", "m1").priority == case.priority - 1
    assert said(desk, case, "CUSTOMER", "m2").priority == case.priority - 1


def test_clocks_of_a_metric_have_an_end(desk: Desk, opened: Opened) -> None:
    case = opened()
    said(desk, case, "ANSWER", "first")
    for n in range(CLOCKS_OF_A_METRIC + 5):
        said(desk, case, "CUSTOMER", f"q{n}")
        case = said(desk, case, "ANSWER", f"a{n}")
    assert len(case.clocks.clocks) == CLOCKS_OF_A_METRIC + 2


# ----------------------------------------------------------------------------------------------------- the clock


def test_warnings_and_breaches_are_told_once(desk: Desk, opened: Opened) -> None:
    case = opened()
    said(desk, case, "ANSWER", "m1")
    desk.clock.advance(5 * HOUR)
    assert desk.tick("cases") == 0
    desk.clock.advance(HOUR + timedelta(minutes=1))
    assert desk.tick("cases") == 1
    desk.clock.advance(3 * HOUR)
    assert desk.tick("cases") == 1
    assert desk.tick("cases") == 0
    told = [each for each in events(desk) if each.startswith("clock")]
    assert told == ["clock_warned", "clock_breached"]
    points = clock(desk.call(pb.GetCaseRequest(case_id=case.id), pb.Case), "RESOLUTION").told
    assert [(each.percent, each.time.ToDatetime().hour) for each in points] == [(75, 15), (100, 17)]


def test_silence_closes_after_the_grace_of_the_terms_and_never_a_complaint(desk: Desk, opened: Opened) -> None:
    terms = granted(2 * DAY)
    desk.call(pb.SetCaseTermsRequest(terms=terms), pb.CaseTerms)
    case, complaint = resolved(desk, opened()), resolved(desk, opened(type="CASE_TYPE_COMPLAINT"))
    desk.clock.advance(2 * DAY - HOUR)
    assert desk.tick("cases") == 0
    desk.clock.advance(HOUR)
    assert desk.tick("cases") == 1
    closed = desk.call(pb.GetCaseRequest(case_id=case.id), pb.Case)
    assert (closed.state, closed.episodes[0].closing) == (pb.CASE_STATE_CLOSED, pb.CASE_CLOSING_SILENT_CLOSE)
    assert not closed.HasField("confirmed_time")
    assert desk.call(pb.GetCaseRequest(case_id=complaint.id), pb.Case).state == pb.CASE_STATE_RESOLVED


def test_longer_grace_is_respected_by_cases_that_are_due_already(desk: Desk, opened: Opened) -> None:
    case = resolved(desk, opened())
    terms = granted(30 * DAY)
    desk.call(pb.SetCaseTermsRequest(terms=terms), pb.CaseTerms)
    desk.clock.advance(8 * DAY)
    assert desk.tick("cases") == 1
    assert desk.call(pb.GetCaseRequest(case_id=case.id), pb.Case).state == pb.CASE_STATE_RESOLVED
    desk.clock.advance(22 * DAY)
    assert desk.tick("cases") == 1
    assert desk.call(pb.GetCaseRequest(case_id=case.id), pb.Case).state == pb.CASE_STATE_CLOSED


def test_another_priority_gives_other_targets_and_keeps_what_has_run(
    desk: Desk, opened: Opened, policy: clocks_pb2.ServicePolicy
) -> None:
    case = opened()
    targets = [{"metric": "SERVICE_METRIC_RESOLUTION", "work": 2 * HOUR, "priority": 1}]
    version: Any = {"since_time": NOW + HOUR, "targets": targets}
    desk.call(clocks_pb2.PublishPolicyVersionRequest(policy_id=policy.id, version=version), clocks_pb2.ServicePolicy)
    desk.clock.advance(HOUR + timedelta(minutes=30))
    changed = desk.call(
        pb.UpdateCaseRequest(
            case=pb.Case(id=case.id, impact=1, urgency=1), update_mask=FieldMask(paths=["impact", "urgency"])
        ),
        pb.Case,
    )
    assert (changed.priority, changed.clocks.policy_version) == (1, 2)
    last = clock(changed, "RESOLUTION").events[-1]
    assert last.kind == clocks_pb2.CLOCK_EVENT_KIND_POLICY_CHANGED
    assert last.target.work.ToTimedelta() == 2 * HOUR


# ------------------------------------------------------------------------------------------------ several cases


def test_an_interaction_on_a_merged_case_is_refused_by_name_and_ignored_by_events(desk: Desk, opened: Opened) -> None:
    first = opened()
    second = opened(customer_id=first.customer_id)
    merged = desk.call(pb.MergeCaseRequest(case_id=first.id, survivor_id=second.id), pb.Case)
    assert merged.id == second.id
    with pytest.raises(refusals.CaseMerged) as refused:
        desk.call(pb.AddWishRequest(case_id=first.id, text="Hello?"), pb.Case)
    assert refused.value.survivor_id == second.id
    status = desk.call(pb.GetPublicStatusRequest(case_id=first.id), pb.PublicStatus)
    assert (status.phase, status.continued_in) == (pb.PUBLIC_PHASE_CONTINUED_ELSEWHERE, second.id)
    before = desk.call(pb.GetCaseRequest(case_id=first.id), pb.Case)
    assert said(desk, first, "CUSTOMER", "m1") == before


def test_cases_of_merged_customers_are_of_one_customer(desk: Desk, opened: Opened) -> None:
    first, second = opened(), opened()
    with pytest.raises(refusals.CaseOfAnotherCustomer):
        desk.call(pb.MergeCaseRequest(case_id=first.id, survivor_id=second.id), pb.Case)
    updated = profiles.CustomersMerged()
    updated.customer.id = second.customer_id
    updated.customer.merged_ids.append(first.customer_id)
    updated.aliases.add(customer_id=first.customer_id, canonical_id=second.customer_id, epoch=1)
    desk.hear(updated, entity_id=second.customer_id)
    assert desk.call(pb.MergeCaseRequest(case_id=first.id, survivor_id=second.id), pb.Case).id == second.id
    found = desk.call(pb.ListCasesRequest(filter=f'customer_id = "{second.customer_id}"'), pb.ListCasesResponse)
    assert {each.id for each in found.cases} == {first.id, second.id}


def test_a_split_is_done_once_and_both_have_clocks(desk: Desk, opened: Opened) -> None:
    case = opened(links=[{"kind": "order", "id": "ord_1"}, {"kind": "call", "id": "call_1"}])
    links: Any = [{"kind": "call", "id": "call_1"}]
    request = pb.SplitCaseRequest(
        case_id=case.id,
        subject="Wrong address",
        links=links,
        request_id="5f2b6a52-5a0f-4f5e-9d0e-3d1f0a6c7b12",
    )
    other = desk.call(request, pb.Case)
    assert desk.call(request, pb.Case) == other
    assert (other.split_from, other.owner, len(other.clocks.clocks)) == (case.id, "agt_1", 2)
    assert len(desk.call(pb.ListCasesRequest(), pb.ListCasesResponse).cases) == 2


# ----------------------------------------------------------------------------------------------------- erasure


def test_an_erased_customer_leaves_cases_without_words(desk: Desk, opened: Opened) -> None:
    case = opened(customer_id=known(desk, identity.new_id("cus")))
    desk.call(pb.AddWishRequest(case_id=case.id, text="Call my wife"), pb.Case)
    asked = privacy_pb2.ExportSubjectDataRequest(customer_id=case.customer_id)
    [found] = [
        each.case
        for each in desk.stream(asked, privacy_pb2.ExportedRecord, scopes={*SCOPES, "interactions.subject_data.read"})
        if each.HasField("case")
    ]
    assert (found.subject, found.wishes[0].text) == ("No invoice", "Call my wife")
    erasure = profiles.CustomerErasureRequested(erasure_id=identity.new_id("era"), customer_id=case.customer_id)
    desk.hear(erasure, entity_id=case.customer_id, revision=2)
    while desk.tick("erasures"):
        pass
    left = desk.call(pb.GetCaseRequest(case_id=case.id), pb.Case)
    assert (left.subject, len(left.wishes), left.state) == ("", 0, pb.CASE_STATE_OPEN)
    with pytest.raises(CustomerErased):
        desk.call(pb.AddWishRequest(case_id=case.id, text="again"), pb.Case)


def test_every_refusal_of_cases_has_its_number() -> None:
    numbers = {
        error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{each.reason}")
        for each in vars(refusals).values()
        if isinstance(each, type) and issubclass(each, DomainError) and each.__module__ == refusals.__name__
    }
    assert all(300 <= number <= 326 or 400 <= number <= 429 for number in numbers)


# --------------------------------------------------------------------------------------------- alerts of surveys


def raised(customer: str, kind: str = "DETRACTOR", **fields: Any) -> surveys.AlertRaised:
    told: dict[str, Any] = {"customer_id": customer, "kind": f"ALERT_KIND_{kind}", "number": 2, "words": "secret"}
    alert = loop_pb2.Alert(id="alr_1", response_id="rsp_1", owner="ann", **{**told, **fields})
    return surveys.AlertRaised(alert=alert)


def test_an_alert_of_a_survey_becomes_a_case_that_knows_it(desk: Desk) -> None:
    customer = known(desk, identity.new_id("cus"))
    for kind, type in (("DETRACTOR", pb.CASE_TYPE_INQUIRY), ("SAFETY", pb.CASE_TYPE_INCIDENT)):
        desk.hear(raised(customer, kind), entity_id=f"alr_{kind}")
        found = desk.call(pb.ListCasesRequest(), pb.ListCasesResponse).cases
        [case] = (each for each in found if each.type == type)
        assert (case.customer_id, case.owner) == (customer, "ann")
        assert {(each.kind, each.id) for each in case.links} == {("alert", "alr_1"), ("response", "rsp_1")}
        assert "secret" not in str(case), "what the respondent wrote stays with the response"


def test_an_alert_of_nobody_known_opens_no_case(desk: Desk) -> None:
    customer = known(desk, identity.new_id("cus"))
    desk.hear(raised(""), entity_id="alr_1")
    requested = profiles.CustomerErasureRequested(erasure_id=identity.new_id("era"), customer_id=customer)
    desk.hear(requested, entity_id=customer, revision=2)
    desk.hear(raised(customer), entity_id="alr_2")
    assert not desk.call(pb.ListCasesRequest(), pb.ListCasesResponse).cases
