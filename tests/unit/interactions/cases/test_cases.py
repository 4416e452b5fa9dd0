"""Cases: the machine and its guards, episodes, people, relations, and the words that customers see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import DomainError, InvalidArgument
from services.interactions.cases.domain import events as events_of
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import (
    CancelReason,
    CaseClosing,
    CaseState,
    CaseType,
    ChecklistItem,
    OpenPromise,
)
from services.interactions.cases.domain.record import MOVES
from services.interactions.cases.domain.refusals import (
    CaseEnded,
    CaseIncomplete,
    CaseMerged,
    CaseMoveForbidden,
    CaseOfAnotherCustomer,
    CaseOnLoan,
    CasePartUnknown,
    CaseStillWaits,
    CaseTextMissing,
    PriorityOutOfRange,
)
from services.interactions.cases.domain.relations import come_back, conversion_rate, merge, split
from services.interactions.cases.domain.status import PublicPhase, public_status
from services.interactions.cases.domain.terms import CaseTerms, PriorityRow
from services.interactions.clocks.domain.clocks import MessageKind
from services.interactions.timeline.domain import Link

NOW = datetime(2026, 8, 10, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TERMS = CaseTerms(id="cat_1")
ORDER = Link(kind="order", id="ord_1")
CALL = Link(kind="interaction", id="int_1")


def new(id: str = "cas_1", customer: str = "cus_1", type: CaseType = CaseType.REQUEST) -> Case:
    return Case(id=id, customer_id=customer, subject="No invoice", type=type).open(TERMS, now=NOW)[0]


def working(id: str = "cas_1", customer: str = "cus_1") -> Case:
    return new(id, customer).assign("agt_1", NOW, team="billing")[0].start(NOW)[0]


def resolved(at: datetime = NOW) -> Case:
    return working().resolve("typing error", "We sent it again.", at, promises=())[0]


def test_the_priority_follows_from_impact_and_urgency() -> None:
    assert [TERMS.priority(i, u) for i in (1, 2, 3) for u in (1, 2, 3)] == [1, 2, 3, 2, 3, 4, 3, 4, 4]
    for impact, urgency in ((0, 1), (4, 1), (1, 4)):
        with pytest.raises(PriorityOutOfRange, match="1 to 3"):
            TERMS.priority(impact, urgency)
    for rows in (((1, 2), (1,)), ((0,),)):
        with pytest.raises(InvalidArgument):
            TERMS.set(replace(TERMS, matrix=tuple(PriorityRow(priorities=row) for row in rows)))


def test_a_case_needs_an_owner_from_open_on() -> None:
    with pytest.raises(CaseIncomplete, match="owner"):
        new().start(NOW)
    case, events = new().assign("agt_1", NOW, team="billing")
    assert (case.owner, case.team, [type(each) for each in events]) == (
        "agt_1",
        "billing",
        [events_of.CaseOwnerChanged],
    )
    assert case.assign("agt_1", NOW, team="billing") == (case, [])
    case, _ = case.assign("agt_2", NOW + HOUR, reason="holiday")
    assert case.reassignments == 1
    assert [(each.owner, each.until_time) for each in case.ownership] == [("agt_1", NOW + HOUR), ("agt_2", None)]


@pytest.mark.parametrize("state", [CaseState.WAITING_CUSTOMER, CaseState.WAITING_THIRD_PARTY, CaseState.SCHEDULED])
def test_a_waiting_case_tells_its_next_step_and_resumes(state: CaseState) -> None:
    with pytest.raises(CaseTextMissing, match="next_step"):
        working().wait(state, " ", NOW + DAY, NOW)
    waiting, _ = working().wait(state, "Send us the receipt.", NOW + DAY, NOW)
    seen = public_status(waiting)
    assert (seen.next_step, seen.next_time) == ("Send us the receipt.", NOW + DAY)
    with pytest.raises(CaseMoveForbidden, match="OPEN"):
        waiting.resolve("a", "b", NOW, promises=())
    assert waiting.start(NOW)[0].next_step == ""


@pytest.mark.parametrize(("cause", "explanation", "missing"), [("", "told", ("cause",)), ("x", " ", ("explanation",))])
def test_a_resolution_says_cause_and_explanation(cause: str, explanation: str, missing: tuple[str, ...]) -> None:
    with pytest.raises(CaseIncomplete) as caught:
        working().resolve(cause, explanation, NOW, promises=())
    assert caught.value.missing == missing


def test_a_resolution_waits_for_the_checklist_and_for_promises_that_are_due() -> None:
    case, _ = working().require(ChecklistItem(id="call", text="Call back"))
    case, _ = case.require(ChecklistItem(id="gift", text="Send flowers", optional=True))
    assert case.require(ChecklistItem(id="call", text="Again"))[0] == case
    late, later = OpenPromise(id="pro_1", due_time=NOW), OpenPromise(id="pro_2", due_time=NOW + DAY)
    with pytest.raises(CaseIncomplete) as caught:
        case.resolve("x", "y", NOW, promises=[late, later])
    assert caught.value.missing == ("checklist call", "promise pro_1")
    with pytest.raises(CasePartUnknown, match="sing"):
        case.tick("sing", "agt_1", NOW)
    case, _ = case.tick("call", "agt_1", NOW)
    assert case.tick("call", "agt_2", NOW + HOUR) == (case, [])
    assert case.resolve("x", "y", NOW, promises=[later])[0].state is CaseState.RESOLVED


def test_silence_closes_after_the_days_of_grace_and_is_no_satisfaction() -> None:
    with pytest.raises(CaseStillWaits, match="2026-08-17"):
        resolved().close_silently(NOW + TERMS.grace - HOUR, TERMS)
    closed, events = resolved().close_silently(NOW + TERMS.grace, TERMS)
    assert (closed.episode.closing, closed.confirmed_time) == (CaseClosing.SILENT_CLOSE, None)
    assert [type(each) for each in events] == [events_of.CaseClosed]
    told, events = closed.confirm(NOW + 9 * DAY)
    assert (told.confirmed_time, told.episode.closing) == (NOW + 9 * DAY, CaseClosing.SILENT_CLOSE)
    assert [type(each) for each in events] == [events_of.CaseConfirmed]
    with pytest.raises(CaseMoveForbidden):
        told.confirm(NOW + 10 * DAY)
    confirmed, _ = resolved().confirm(NOW + HOUR)
    assert (confirmed.state, confirmed.episode.closing) == (CaseState.CLOSED, CaseClosing.CONFIRMED)
    with pytest.raises(CaseMoveForbidden):
        working().close_silently(NOW + 30 * DAY, TERMS)


@pytest.mark.parametrize("kind", [MessageKind.THANKS, MessageKind.AUTO_REPLY, MessageKind.NOTE])
def test_t21_thanks_after_the_resolution_reopen_nothing(kind: MessageKind) -> None:
    assert resolved().hear("m1", kind, NOW + HOUR, NOW + HOUR, TERMS) == (resolved(), [])


def test_a_customer_who_writes_again_reopens_or_resumes() -> None:
    assert resolved().hear("m1", MessageKind.CUSTOMER, NOW + HOUR, NOW + HOUR, TERMS)[0].reopenings == 1
    assert resolved().hear("m1", MessageKind.CUSTOMER, NOW + 30 * DAY, NOW + 30 * DAY, TERMS) == (resolved(), [])
    waiting, _ = working().wait(CaseState.WAITING_CUSTOMER, "Send it.", NOW + DAY, NOW)
    assert waiting.hear("m1", MessageKind.CUSTOMER, NOW + HOUR, NOW + HOUR, TERMS)[0].state is CaseState.OPEN
    assert working().hear("m1", MessageKind.CUSTOMER, NOW + HOUR, NOW + HOUR, TERMS) == (working(), [])


@pytest.mark.parametrize("raise_at", [1, 2, 3])
def test_t22_reopened_three_times_the_level_is_raised_once_and_first_and_last_times_are_kept(raise_at: int) -> None:
    case, kinds = resolved(NOW + HOUR), []
    for n in range(1, 4):
        case, events = case.reopen("not solved", NOW + n * DAY, replace(TERMS, raise_at_reopen=raise_at))
        kinds += [type(each) for each in events]
        case, _ = case.resolve("again", "Really now.", NOW + n * DAY + HOUR, promises=())
    assert (len(case.episodes), case.reopenings, case.level) == (4, 3, 2)
    assert kinds.count(events_of.CaseLevelRaised) == 1
    assert kinds.count(events_of.CaseReopened) == 3
    assert case.level_raised_time == NOW + raise_at * DAY
    assert (case.first_resolved_time, case.resolved_time) == (NOW + HOUR, NOW + 3 * DAY + HOUR)


def test_within_the_window_the_same_case_comes_back_and_after_it_one_that_follows() -> None:
    edge = NOW + TERMS.reopen_window
    same = come_back(resolved(), "cas_2", "still wrong", edge, terms=TERMS)
    assert same.reopened is not None
    assert (same.reopened[0].id, same.reopened[0].state, same.follow_up) == ("cas_1", CaseState.OPEN, None)
    other = come_back(resolved(), "cas_2", "still wrong", edge + HOUR, terms=TERMS)
    assert other.case == resolved()
    assert other.follow_up is not None
    follow_up, _ = other.follow_up
    assert (follow_up.follows, follow_up.owner, follow_up.state) == ("cas_1", "agt_1", CaseState.NEW)
    assert Link(kind="case", id="cas_1") in follow_up.links
    with pytest.raises(CaseMoveForbidden):
        resolved().reopen("too late", edge + HOUR, TERMS)
    with pytest.raises(CaseMoveForbidden):
        come_back(working(), "cas_2", "impatient", NOW, terms=TERMS)


def test_a_merged_case_neither_reopens_nor_takes_anything_and_names_the_survivor() -> None:
    first = working("cas_1").link([ORDER])[0].wish("A refund", NOW + HOUR)[0].lend("agt_9", "look", NOW)[0]
    first = first.require(ChecklistItem(id="call", text="Call"))[0]
    first = first.update(replace(first, impact=1, urgency=1), TERMS, NOW)[0]
    second = working("cas_2").link([CALL])[0].wish("Quickly", NOW)[0]
    (gone, left), (kept, took) = merge(first, second, NOW + DAY, same_customer=True)
    assert (gone.state, gone.merged_into, gone.loan) == (CaseState.MERGED, "cas_2", None)
    assert (kept.links, [wish.text for wish in kept.wishes]) == ((CALL, ORDER), ["Quickly", "A refund"])
    assert (kept.priority, [item.id for item in kept.checklist]) == (1, ["call"])
    assert [type(each) for each in (*left, *took)] == [events_of.CaseAbsorbed, events_of.CaseUpdated]
    tries: list[Callable[[], object]] = [
        lambda: gone.reopen("x", NOW, TERMS),
        lambda: come_back(gone, "cas_3", "x", NOW, terms=TERMS),
        lambda: gone.wish("x", NOW),
        lambda: gone.assign("agt_3", NOW),
        lambda: gone.cancel(CancelReason.SPAM, NOW),
        lambda: gone.resolve("x", "y", NOW, promises=()),
    ]
    for attempt in tries:
        with pytest.raises(CaseMerged, match="cas_2"):
            attempt()
    with pytest.raises(CaseMerged):
        merge(kept, gone, NOW, same_customer=True)
    with pytest.raises(CaseEnded):
        merge(kept, kept, NOW, same_customer=True)
    with pytest.raises(CaseOfAnotherCustomer):
        merge(working("cas_4", "cus_2"), kept, NOW, same_customer=False)


def test_a_second_matter_is_split_off_with_its_links() -> None:
    case = working().link([ORDER, CALL])[0]
    (rest, told), (other, opened) = split(case, "cas_2", "Wrong address", [CALL], NOW + HOUR, terms=TERMS)
    assert (rest.links, other.links, other.split_from, other.owner) == (
        (ORDER,),
        (CALL,),
        "cas_1",
        "agt_1",
    )
    assert [type(each) for each in (*told, *opened)] == [events_of.CaseDivided, events_of.CaseOpened]
    with pytest.raises(CasePartUnknown, match="int_1"):
        split(rest, "cas_3", "Again", [CALL], NOW, terms=TERMS)


def test_work_is_lent_with_a_note_and_the_owner_stays() -> None:
    with pytest.raises(CaseTextMissing, match="note"):
        working().lend("agt_2", "", NOW)
    with pytest.raises(CaseIncomplete, match="owner"):
        new().lend("agt_2", "help", NOW)
    lent, _ = working().lend("agt_2", "Check the ledger.", NOW)
    assert lent.loan is not None
    assert (lent.owner, lent.loan.agent_id, lent.reassignments) == ("agt_1", "agt_2", 0)
    with pytest.raises(CaseOnLoan, match="agt_2"):
        lent.lend("agt_3", "help", NOW)
    back, _ = lent.take_back(NOW + HOUR)
    assert back.loan is None
    with pytest.raises(CasePartUnknown):
        back.take_back(NOW)


def test_a_swarm_works_together_with_the_owner() -> None:
    case, _ = working().swarm_with(["agt_2"])
    assert case.swarm_with(["agt_2"]) == (case, [])
    assert (case.owner, case.swarm) == ("agt_1", ("agt_2",))
    assert case.swarm_with(leaves=["agt_2"])[0].swarm == ()
    with pytest.raises(CasePartUnknown, match="agt_3"):
        case.swarm_with(leaves=["agt_3"])


def test_the_first_message_that_had_to_be_sent_again_raises_the_priority_once() -> None:
    case, _ = working().chase(NOW + HOUR)
    assert (case.priority, case.chase(NOW + DAY)) == (3, (case, []))
    assert case.update(replace(case, impact=1, urgency=2), TERMS, NOW)[0].priority == 1
    assert case.update(replace(case, impact=1, urgency=1), TERMS, NOW)[0].priority == 1


def test_a_question_that_grows_into_a_complaint_is_counted() -> None:
    grown, events = new(type=CaseType.INQUIRY).convert_to_complaint(NOW)
    assert (grown.type, grown.began_as, type(events[0])) == (
        CaseType.COMPLAINT,
        CaseType.INQUIRY,
        events_of.CaseConverted,
    )
    assert grown.convert_to_complaint(NOW) == (grown, [])
    spam, _ = new().cancel(CancelReason.SPAM, NOW)
    complaint = new(type=CaseType.COMPLAINT)
    assert conversion_rate([grown, new(), new(), new(), spam, complaint]) == 0.25
    assert conversion_rate([complaint, spam]) is None


def test_customers_see_words_of_every_state_and_nothing_internal() -> None:
    assert {public_status(replace(new(), state=state)).phase for state in CaseState} == set(PublicPhase)
    case = resolved().wish("Call me", NOW)[0]
    seen = public_status(case)
    assert (seen.phase, seen.explanation, seen.wishes[0].text) == (PublicPhase.ANSWERED, "We sent it again.", "Call me")
    told = repr(seen)
    assert not any(secret in told for secret in ("agt_1", "billing", "typing error"))
    assert public_status(resolved().reopen("x", NOW, TERMS)[0]).explanation == ""
    assert public_status(replace(new(), state=CaseState("LATER"))).phase is PublicPhase.IN_PROGRESS


ACTIONS: dict[str, Callable[[Case, datetime], Case]] = {
    "assign": lambda case, now: case.assign("agt_2", now)[0],
    "start": lambda case, now: case.start(now)[0],
    "wait": lambda case, now: case.wait(CaseState.WAITING_CUSTOMER, "Write us.", now + DAY, now)[0],
    "resolve": lambda case, now: case.resolve("x", "y", now, promises=())[0],
    "resolve badly": lambda case, now: case.resolve("", "y", now, promises=())[0],
    "resolve early": lambda case, now: case.resolve("x", "y", now, promises=[OpenPromise(id="pro_1", due_time=now)])[0],
    "require": lambda case, _: case.require(ChecklistItem(id="call", text="Call"))[0],
    "tick": lambda case, now: case.tick("call", "agt_1", now)[0],
    "confirm": lambda case, now: case.confirm(now)[0],
    "silence": lambda case, now: case.close_silently(now, TERMS)[0],
    "reopen": lambda case, now: case.reopen("again", now, TERMS)[0],
    "hear": lambda case, now: case.hear(now.isoformat(), MessageKind.CUSTOMER, now, now, TERMS)[0],
    "merge in": lambda case, now: merge(
        working("cas_9").require(ChecklistItem(id="sign", text="Sign"))[0], case, now, same_customer=True
    )[1][0],
    "merge away": lambda case, now: merge(case, working("cas_9"), now, same_customer=True)[0][0],
    "cancel": lambda case, now: case.cancel(CancelReason.DUPLICATE, now)[0],
}


@given(st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), st.integers(0, 200)), max_size=25))
def test_no_path_reaches_resolved_past_its_guards(steps: list[tuple[str, int]]) -> None:
    case, now = new(), NOW
    for name, hours in steps:
        now += timedelta(hours=hours)
        before = case
        try:
            case = ACTIONS[name](case, now)
        except DomainError:
            assert case == before
            continue
        if case.state is not before.state:
            assert case.state in MOVES[before.state]
            assert name not in {"resolve badly", "resolve early"}
        if case.state not in {CaseState.NEW, CaseState.MERGED, CaseState.CANCELLED}:
            assert case.owner
        if case.state in {CaseState.RESOLVED, CaseState.CLOSED}:
            assert case.episode.cause
            assert case.episode.explanation
            assert all(item.done_time for item in case.checklist if not item.optional)
        assert [each.number for each in case.episodes] == list(range(1, len(case.episodes) + 1))
        assert sum(each.until_time is None for each in case.ownership) <= 1
