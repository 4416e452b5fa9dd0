"""Complaints: the machine of ISO 10002 with its guards, causes, and the time until customers are satisfied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import DomainError
from services.interactions.complaints.domain import complaints as events_of
from services.interactions.complaints.domain.attribution import (
    NOT_ATTRIBUTABLE,
    ROOTS,
    Attribution,
    References,
    Taxonomy,
)
from services.interactions.complaints.domain.complaints import (
    MOVES,
    Complaint,
    ComplaintSeverity,
    ComplaintState,
)
from services.interactions.complaints.domain.refusals import (
    AcknowledgementEmpty,
    AttributionUnknown,
    CauseUnknown,
    ComplaintMoveForbidden,
    ComplaintTextMissing,
    ComplaintTimeUnfit,
    QuietCustomerNotReached,
    RemedyNotApproved,
    TaxonomyRootMissing,
)
from services.interactions.complaints.domain.satisfaction import time_to_satisfaction
from services.interactions.remedies.domain.goodwill import Goodwill, GoodwillState, RemedyAction

NOW = datetime(2026, 8, 10, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GRACE = 7 * DAY
TAXONOMY = Taxonomy(id="tax_1", version=2, paths=(*ROOTS, "staff/attitude"))
KNOWN = References(touchpoints={"branch"}, employees={"emp_1"}, products={"card"})
NOBODY = Attribution(touchpoint="branch", employee=NOT_ATTRIBUTABLE, product="card")
LOW, MEDIUM, HIGH, SAFETY = ComplaintSeverity


def received(**said: object) -> Complaint:
    facts = {"case_id": "cas_1", "customer_id": "cus_1", "complained_of": "Nobody called back.", "now": NOW, **said}
    return Complaint.receive("cmp_1", **facts)[0]  # type: ignore[arg-type]


def acknowledged(complaint: Complaint, now: datetime = NOW) -> Complaint:
    return complaint.acknowledge("We ask the branch.", now + DAY, "pro_1", now)[0]


def assessed(complaint: Complaint, severity: ComplaintSeverity = MEDIUM, now: datetime = NOW) -> Complaint:
    return complaint.assess(
        severity, "one customer", "staff/attitude", NOBODY, now, taxonomy=TAXONOMY, references=KNOWN
    )[0]


def goodwill(state: GoodwillState, case: str = "cas_1") -> Goodwill:
    return Goodwill(
        id="gdw_1",
        case_id=case,
        customer_id="cus_1",
        action=RemedyAction.REFUND,
        currency_code="EUR",
        amount=100,
        asked_by="agt_1",
        asked_time=NOW,
        state=state,
    )


def proposed(now: datetime = NOW) -> Complaint:
    looking, _ = assessed(acknowledged(received())).investigate(NOW)
    return looking.find("The note was lost.")[0].propose("We were wrong.", now)[0]


def remedied(now: datetime = NOW) -> Complaint:
    return proposed().accept(now)[0].remedy("We called, and this is why.", now)[0]


def test_a_complaint_goes_from_receipt_to_confirmation() -> None:
    done, events = remedied(NOW + DAY).confirm(NOW + 2 * DAY)
    assert (done.state, done.confirmed_time) == (ComplaintState.CONFIRMED, NOW + 2 * DAY)
    assert [type(each) for each in events] == [events_of.ComplaintConfirmed]
    assert (done.findings, done.taxonomy_version) == (("The note was lost.",), 2)
    with pytest.raises(ComplaintMoveForbidden):
        done.appeal("More", NOW + 3 * DAY)


@pytest.mark.parametrize(
    ("plan", "eta", "promise", "missing"),
    [
        ("", NOW + DAY, "pro_1", ("plan",)),
        ("We ask.", None, "pro_1", ("eta",)),
        ("We ask.", NOW + DAY, "", ("promise_id",)),
        (" ", None, "", ("plan", "eta", "promise_id")),
        ("We ask.", NOW, "pro_1", ("an eta that lies ahead",)),
    ],
)
def test_an_acknowledgement_without_plan_and_eta_is_none(
    plan: str, eta: datetime | None, promise: str, missing: tuple[str, ...]
) -> None:
    with pytest.raises(AcknowledgementEmpty) as caught:
        received().acknowledge(plan, eta, promise, NOW)
    assert caught.value.missing == missing


def test_safety_is_escalated_at_once_and_once() -> None:
    complaint, events = Complaint.receive(
        "cmp_1", case_id="cas_1", customer_id="cus_1", complained_of="It burns.", severity=SAFETY, now=NOW
    )
    assert complaint.escalated_time == NOW
    assert [type(each) for each in events] == [events_of.ComplaintReceived, events_of.ComplaintEscalated]
    assert complaint.rate(SAFETY, NOW + DAY)[1] == []
    late, events = acknowledged(received()).assess(
        SAFETY, "all cards", "product", NOBODY, NOW + HOUR, taxonomy=TAXONOMY, references=KNOWN
    )
    assert (late.escalated_time, type(events[-1])) == (NOW + HOUR, events_of.ComplaintEscalated)
    assert assessed(acknowledged(received()), HIGH).escalated_time is None
    assert late.rate(LOW, NOW + DAY)[0].escalated_time == NOW + HOUR


@pytest.mark.parametrize("root", ROOTS)
def test_a_taxonomy_has_its_mandatory_roots(root: str) -> None:
    with pytest.raises(TaxonomyRootMissing, match=root):
        TAXONOMY.set(replace(TAXONOMY, paths=(*(each for each in ROOTS if each != root), f"other/{root}")))
    assert {"staff", "broken_promise", "led_nowhere"} < set(ROOTS)
    with pytest.raises(CauseUnknown, match="version 2"):
        TAXONOMY.check(f"{root}/unheard of")


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (replace(NOBODY, touchpoint=""), "touchpoint"),
        (replace(NOBODY, employee="emp_2"), "employee"),
        (replace(NOBODY, product="loan"), "product"),
    ],
)
def test_an_attribution_names_what_is_known_or_says_that_nothing_is(wrong: Attribution, part: str) -> None:
    with pytest.raises(AttributionUnknown, match=part):
        acknowledged(received()).assess(MEDIUM, "one", "staff", wrong, NOW, taxonomy=TAXONOMY, references=KNOWN)
    KNOWN.check(Attribution(touchpoint=NOT_ATTRIBUTABLE, employee="emp_1", product=NOT_ATTRIBUTABLE))


def test_a_remedy_has_goodwill_of_its_case_that_is_posted() -> None:
    looking, _ = assessed(acknowledged(received())).investigate(NOW)
    for wrong in (goodwill(GoodwillState.AWAITING_APPROVAL), goodwill(GoodwillState.POSTED, "cas_2")):
        with pytest.raises(RemedyNotApproved, match="gdw_1"):
            looking.propose("We were wrong.", NOW, goodwill=(wrong,))
    answer, _ = looking.propose("We were wrong.", NOW, goodwill=(goodwill(GoodwillState.POSTED),))
    assert answer.goodwill_ids == ("gdw_1",)


def test_a_rejected_answer_is_appealed_and_answered_anew_or_goes_to_a_regulator() -> None:
    appealed, _ = proposed().reject(NOW)[0].appeal("It was not my fault.", NOW)
    assert appealed.appeals == ("It was not my fault.",)
    again, _ = appealed.propose("We pay.", NOW)
    assert (again.state, again.decision) == (ComplaintState.REMEDY_PROPOSED, "We pay.")
    outside, _ = appealed.go_external("BaFin 17", NOW)
    assert (outside.state, outside.regulator_ref) == (ComplaintState.EXTERNAL, "BaFin 17")
    with pytest.raises(ComplaintMoveForbidden):
        proposed().go_external("BaFin 17", NOW)


def test_a_quiet_customer_is_reached_out_to_once_before_a_silent_close() -> None:
    quiet = remedied()
    with pytest.raises(QuietCustomerNotReached):
        quiet.close_silently("We close.", NOW + 30 * DAY, GRACE)
    asked, events = quiet.reach_out(NOW + DAY)
    assert [type(each) for each in events] == [events_of.ComplaintReachedOut]
    assert asked.reach_out(NOW + 2 * DAY) == (asked, [])
    with pytest.raises(QuietCustomerNotReached, match="7 days"):
        asked.close_silently("We close.", NOW + 7 * DAY, GRACE)
    with pytest.raises(ComplaintTextMissing, match="feedback"):
        asked.close_silently(" ", NOW + 8 * DAY, GRACE)
    closed, _ = asked.close_silently("We close.", NOW + 8 * DAY, GRACE)
    assert (closed.state, closed.confirmed_time) == (ComplaintState.SILENT_CLOSE, None)
    assert closed.confirm(NOW + 9 * DAY)[0].state is ComplaintState.CONFIRMED
    with pytest.raises(ComplaintMoveForbidden):
        received().reach_out(NOW)
    # A later answer is a silence of its own.
    reached, _ = proposed().reach_out(NOW)
    assert reached.accept(NOW)[0].remedy("Done.", NOW)[0].reached_out_time is None


def test_texts_and_times_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ComplaintTextMissing, match="complained_of"):
        received(complained_of=" ")
    with pytest.raises(ComplaintTimeUnfit):
        received(first_time=NOW + HOUR)
    with pytest.raises(ComplaintTimeUnfit):
        acknowledged(received(), NOW - HOUR)
    with pytest.raises(ComplaintTextMissing, match="decision"):
        assessed(acknowledged(received())).investigate(NOW)[0].propose("", NOW)
    with pytest.raises(ComplaintTextMissing, match="feedback"):
        proposed().accept(NOW)[0].remedy("", NOW)
    with pytest.raises(ComplaintMoveForbidden):
        received().find("too early")


def test_time_to_satisfaction_runs_from_the_first_word_and_silence_is_censored() -> None:
    def satisfied(days: int) -> Complaint:
        begun = replace(remedied(NOW), first_time=NOW - DAY)
        return begun.confirm(NOW + (days - 1) * DAY)[0]

    silent, _ = remedied().reach_out(NOW)[0].close_silently("We close.", NOW + 8 * DAY, GRACE)
    found = time_to_satisfaction([satisfied(2), satisfied(4), silent, remedied()], NOW + 20 * DAY)
    assert (found.confirmed, found.censored, found.median) == (2, 2, 4 * DAY)
    assert [step.share for step in found.steps] == [0.75, 0.5]
    # Of a silence at eight days nothing is known after that: ten days are half of the two that are left.
    later = time_to_satisfaction([satisfied(2), satisfied(10), silent, remedied()], NOW + 20 * DAY)
    assert [step.share for step in later.steps] == [0.75, 0.375]
    assert time_to_satisfaction([silent], NOW).median is None
    assert time_to_satisfaction([], NOW).steps == ()


ACTIONS: dict[str, Callable[[Complaint, datetime], Complaint]] = {
    "acknowledge": acknowledged,
    "assess": lambda each, now: assessed(each, MEDIUM, now),
    "safety": lambda each, now: assessed(each, SAFETY, now),
    "investigate": lambda each, now: each.investigate(now)[0],
    "propose": lambda each, now: each.propose("We pay.", now, goodwill=(goodwill(GoodwillState.POSTED),))[0],
    "propose badly": lambda each, now: each.propose("So.", now, goodwill=(goodwill(GoodwillState.DECLINED),))[0],
    "accept": lambda each, now: each.accept(now)[0],
    "reject": lambda each, now: each.reject(now)[0],
    "appeal": lambda each, now: each.appeal("No.", now)[0],
    "external": lambda each, now: each.go_external("17", now)[0],
    "remedy": lambda each, now: each.remedy("Done.", now)[0],
    "confirm": lambda each, now: each.confirm(now)[0],
    "reach out": lambda each, now: each.reach_out(now)[0],
    "silence": lambda each, now: each.close_silently("We close.", now, GRACE)[0],
}


@given(st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), st.integers(0, 200)), max_size=40), st.booleans())
def test_no_path_ends_a_complaint_past_its_guards(steps: list[tuple[str, int]], ahead: bool) -> None:
    complaint, now = (remedied() if ahead else received()), NOW
    for name, hours in steps:
        now += timedelta(hours=hours)
        before = complaint
        try:
            complaint = ACTIONS[name](complaint, now)
        except DomainError:
            assert complaint == before
            continue
        assert name != "propose badly"
        if complaint.state is not before.state:
            assert complaint.state in MOVES[before.state]
        if complaint.state is not ComplaintState.RECEIVED:
            assert complaint.acknowledgement is not None
        if complaint.state in {ComplaintState.CONFIRMED, ComplaintState.SILENT_CLOSE}:
            assert complaint.feedback
            assert complaint.attribution is not None
        if complaint.state is ComplaintState.SILENT_CLOSE and before.state is not complaint.state:
            assert before.reached_out_time is not None
            assert now >= before.reached_out_time + GRACE
        if complaint.severity is SAFETY:
            assert complaint.escalated_time is not None
