"""Consent: the chain of receipts and what is in force of it."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import FailedPrecondition, InvalidArgument
from services.profiles.consent.domain.chain import check_chain
from services.profiles.customers.domain.consents import (
    ACTS_OF_THE_CUSTOMER,
    Capture,
    ConsentHead,
    ConsentReceipt,
    ConsentState,
    Purpose,
    Scope,
)
from services.profiles.customers.domain.contact_points import Channel
from tests.unit.profiles.builders import NOW, decided, decision, person, reachable

GRANTED, DENIED, WITHDRAWN = ConsentState.GRANTED, ConsentState.DENIED, ConsentState.WITHDRAWN
MARKETING = Scope(purpose=Purpose.MARKETING)
DAY = timedelta(days=1)


def chain(*decisions: ConsentReceipt) -> tuple[ConsentHead, list[ConsentReceipt]]:
    head, receipts = ConsentHead(), []
    for each in decisions:
        head, receipt = head.accept(replace(each, customer_id="cus_1"), NOW, "receipt")
        receipts.append(receipt)
    return head, receipts


def state(head: ConsentHead, scope: Scope = MARKETING) -> list[ConsentState]:
    return [each.state for each in head.decisions if each.scope == scope]


# ------------------------------------------------------------------------------------------------- transitions


def test_nothing_becomes_granted_or_denied() -> None:
    assert state(chain(decision(GRANTED))[0]) == [GRANTED]
    assert state(chain(decision(DENIED))[0]) == [DENIED]


def test_refusing_what_was_granted_is_a_withdrawal() -> None:
    head, receipts = chain(decision(GRANTED), decision(DENIED, capture_time=NOW))
    assert state(head) == [WITHDRAWN]
    assert [receipt.state for receipt in receipts] == [GRANTED, WITHDRAWN]


def test_refusing_twice_is_recorded_twice() -> None:
    head, receipts = chain(decision(), decision(DENIED, capture_time=NOW - DAY), decision(DENIED, capture_time=NOW))
    assert [receipt.state for receipt in receipts] == [GRANTED, WITHDRAWN, WITHDRAWN]
    assert head.count == 3


@pytest.mark.parametrize("capture", [Capture.CUSTOMER_ACTION, Capture.RECORDED_CALL, Capture.SIGNED_DOCUMENT])
def test_after_a_refusal_a_later_act_of_the_customer_with_a_new_proof_grants_again(capture: Capture) -> None:
    again = decision(capture=capture, capture_time=NOW, proof_ref="form/2")
    assert state(chain(decision(), decision(DENIED, capture_time=NOW - DAY), again)[0]) == [GRANTED]


@pytest.mark.parametrize(
    ("again", "complaint"),
    [
        (decision(capture=Capture.STAFF_ENTRY, capture_time=NOW, proof_ref="note/2"), "only an act of the customer"),
        (decision(capture=Capture.IMPORTED, capture_time=NOW, proof_ref="file/2"), "only an act of the customer"),
        (decision(capture_time=NOW - 2 * DAY, proof_ref="form/2"), "only a later decision"),
        (decision(capture_time=NOW, proof_ref="form/1"), "proof 'form/1' has served before"),
        (decision(capture_time=NOW, proof_ref="form/1", channel=Channel.SMS), "proof 'form/1' has served before"),
        (
            decision(capture=Capture.STAFF_ENTRY, capture_time=NOW, proof_ref="note/2", channel=Channel.EMAIL),
            "only an act of the customer",
        ),
    ],
)
@pytest.mark.parametrize("before", [(decision(),), ()])
def test_after_a_refusal_nothing_less_grants_again(
    before: tuple[ConsentReceipt, ...], again: ConsentReceipt, complaint: str
) -> None:
    head, _ = chain(*before, decision(DENIED, capture_time=NOW - DAY, proof_ref="" if before else "form/1"))
    if not before and "served" in complaint:
        return  # Nothing was granted, so no proof of a grant can have served.
    with pytest.raises(FailedPrecondition, match=complaint):
        head.accept(again, NOW, "receipt")


def test_a_form_may_grant_several_channels() -> None:
    head, _ = chain(
        decision(DENIED, capture_time=NOW - 3 * DAY),
        decision(channel=Channel.EMAIL, capture_time=NOW, proof_ref="form/2"),
        decision(channel=Channel.SMS, capture_time=NOW, proof_ref="form/2"),
    )
    assert head.refusals(replace(MARKETING, channel=Channel.SMS)) == []


def test_a_wider_grant_does_not_lift_a_narrower_refusal() -> None:
    head, _ = chain(
        decision(channel=Channel.EMAIL),
        decision(DENIED, channel=Channel.EMAIL, capture_time=NOW - DAY),
        decision(capture=Capture.STAFF_ENTRY, capture_time=NOW, proof_ref="note/1"),
    )
    assert [no.state for no in head.refusals(replace(MARKETING, channel=Channel.EMAIL))] == [WITHDRAWN]
    assert head.refusals(replace(MARKETING, channel=Channel.SMS)) == []


def test_a_wider_withdrawal_ends_narrower_grants() -> None:
    head, receipts = chain(decision(channel=Channel.EMAIL), decision(DENIED, capture_time=NOW))
    assert receipts[1].state is WITHDRAWN
    assert head.refusals(replace(MARKETING, channel=Channel.EMAIL))


def test_a_letter_that_arrives_late_does_not_undo_what_was_decided_after_it() -> None:
    head, receipts = chain(decision(capture_time=NOW - DAY), decision(DENIED, capture_time=NOW - 5 * DAY))
    assert state(head) == [GRANTED]
    assert len(receipts) == head.count == 2


def test_a_refusal_that_arrives_late_undoes_what_staff_noted_after_it() -> None:
    noted = decision(capture=Capture.STAFF_ENTRY, capture_time=NOW - DAY)
    letter = decision(DENIED, capture_time=NOW - 5 * DAY)
    assert state(chain(noted, letter)[0]) == [WITHDRAWN]
    narrow = replace(noted, channel=Channel.SMS)
    assert chain(narrow, letter)[0].refusals(replace(MARKETING, channel=Channel.SMS))


def test_of_two_decisions_of_the_same_moment_the_refusal_counts() -> None:
    assert state(chain(decision(DENIED), decision(GRANTED, purpose=Purpose.CARE))[0]) == [DENIED]
    assert state(chain(decision(GRANTED), decision(DENIED))[0]) == [WITHDRAWN]


@pytest.mark.parametrize(
    ("wrong", "field", "complaint"),
    [
        (decision(proof_ref=" "), "proof_ref", "is required"),
        (decision(capture_time=NOW + DAY), "capture_time", "is in the future"),
        (decision(double_opt_in_time=NOW + DAY), "double_opt_in_time", "is in the future"),
        (decision(effective_to_time=NOW - 20 * DAY), "effective_to_time", "is not after the start"),
        (decision(DENIED, effective_to_time=NOW + DAY), "effective_from_time", "only a grant has an interval"),
        (decision(WITHDRAWN), "state", "allowed: GRANTED, DENIED"),
        (decision(ConsentState.EXPIRED), "state", "allowed: GRANTED, DENIED"),
        (decision(text_version="v\x00"), "text_version", "control characters"),
        (decision(contact_point="eve@example.com"), "contact_point", "none of the customer's"),
    ],
)
def test_wrong_decisions_are_refused_by_path(wrong: ConsentReceipt, field: str, complaint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        reachable().with_consent(wrong, NOW, "receipt")
    assert refused.value.violations[0].field == f"receipt.{field}"
    assert complaint in refused.value.violations[0].description


def test_a_decision_about_a_contact_point_is_kept_in_canonical_form() -> None:
    for written, form in (("ada@EXAMPLE.com", "ada@example.com"), ("＋８６ 131 2345 6789", "+8613123456789")):
        assert decided(reachable(), decision(contact_point=written)).consent.decisions[0].contact_point == form


def test_a_decision_can_be_withdrawn_after_its_contact_point_is_gone() -> None:
    ada = decided(reachable(), decision(contact_point="ada@example.com"))
    ada, _ = ada.without_contact_point(ada.contact_points[0])
    ada = decided(ada, decision(DENIED, contact_point="ada@example.com", capture_time=NOW))
    assert ada.consent.decisions[0].state is WITHDRAWN


def test_a_deleted_customer_can_refuse_but_not_grant() -> None:
    gone = person().delete(NOW)[0]
    assert decided(gone, decision(DENIED)).consent.count == 1
    with pytest.raises(FailedPrecondition):
        decided(gone, decision(GRANTED))


# ------------------------------------------------------------------------------------------------------- chain


def test_the_hash_can_be_recomputed_from_its_published_description() -> None:
    _, (receipt,) = chain(decision(text_version="v3 “ü”", jurisdiction="DE", recorder="ada"))
    content = {
        "customer_id": "cus_1",
        "sequence": 1,
        "purpose": "MARKETING",
        "channel": "",
        "contact_point": "",
        "state": "GRANTED",
        "capture": "CUSTOMER_ACTION",
        "capture_time": "2026-04-24T09:30:00.000Z",
        "proof_ref": "form/1",
        "double_opt_in_time": "",
        "effective_from_time": "2026-04-24T09:30:00.000Z",
        "effective_to_time": "",
        "jurisdiction": "DE",
        "text_version": "v3 “ü”",
        "recorder": "ada",
        "previous_hash": "",
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert receipt.hash == hashlib.sha256(text.encode()).hexdigest()


FIVE = [decision(purpose=purpose, capture_time=NOW - n * DAY) for n, purpose in enumerate(Purpose)]


def test_an_untouched_chain_is_intact() -> None:
    head, receipts = chain(*FIVE)
    assert (check_chain(head, "cus_1", receipts).intact, check_chain(head, "cus_1", receipts).checked_count) == (
        True,
        5,
    )
    assert check_chain(ConsentHead(), "cus_1", []).intact


@given(st.integers(0, 4), st.sampled_from(["change", "reseal", "remove", "swap", "repeat", "give_away", "cut"]))
def test_every_tampering_is_found_where_it_happened(at: int, how: str) -> None:
    head, receipts = chain(*FIVE)
    broken = at + 1
    changed = replace(receipts[at], proof_ref="forged")
    match how:
        case "change":
            receipts[at] = changed
        case "reseal":
            receipts[at] = replace(changed, hash=changed.computed_hash())
            broken = min(broken + 1, 5)
        case "remove":
            del receipts[at]
        case "swap":
            receipts[at], receipts[at - 1] = receipts[at - 1], receipts[at]
            broken = min(at, (at - 1) % 5) + 1
        case "repeat":
            receipts.insert(at, receipts[at])
            broken += 1
        case "give_away":
            receipts[at] = replace(receipts[at], customer_id="cus_2")
        case "cut":
            receipts = receipts[:at]
    check = check_chain(head, "cus_1", receipts)
    assert not check.intact
    assert check.broken_sequence == broken
    assert check.explanation


SCOPES = st.builds(
    Scope,
    purpose=st.sampled_from([Purpose.CARE, Purpose.MARKETING]),
    channel=st.sampled_from([None, Channel.SMS, Channel.EMAIL]),
    contact_point=st.sampled_from(["", "ada@example.com"]),
)


@given(SCOPES, SCOPES)
def test_scopes_are_ordered_by_inclusion(one: Scope, other: Scope) -> None:
    assert one.includes(one)
    assert one.overlaps(other) == other.overlaps(one)
    if one.includes(other):
        assert one.overlaps(other)
        assert one == other or not other.includes(one)


HISTORIES = st.lists(
    st.tuples(st.sampled_from([GRANTED, DENIED]), SCOPES, st.integers(0, 9), st.sampled_from(Capture)), max_size=12
)


@given(HISTORIES)
def test_only_a_later_act_of_the_customer_lifts_a_refusal_whatever_happened(
    history: list[tuple[ConsentState, Scope, int, Capture]],
) -> None:
    head, accepted = ConsentHead(), []
    for n, (wish, scope, days_ago, capture) in enumerate(history):
        proposal = decision(
            wish,
            purpose=scope.purpose,
            channel=scope.channel,
            contact_point=scope.contact_point,
            capture=capture,
            capture_time=NOW - days_ago * DAY,
            proof_ref=f"proof/{n}",
        )
        try:
            head, receipt = head.accept(proposal, NOW, "receipt")
        except FailedPrecondition:
            assert wish is GRANTED
        else:
            accepted.append(receipt)
    acts = [each for each in accepted if each.state is GRANTED and each.capture in ACTS_OF_THE_CUSTOMER]
    for refusal in (each for each in accepted if each.state is not GRANTED):
        lifted = any(
            act.capture_time > refusal.capture_time and act.scope == refusal.scope  # type: ignore[operator]
            for act in acts
        )
        assert lifted or head.refusals(refusal.scope)
    assert head.count == len(accepted)
    assert check_chain(head, "", accepted).intact
