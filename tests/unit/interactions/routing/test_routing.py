"""Work from a queue to done: offers, leases, overflow, relaxation, transfers, callbacks, and the reasons of it all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kehu.interactions.v1 import routing_pb2 as pb

from libs.chassis.domain import DomainError, NotFound
from tests.unit.interactions.routing.conftest import NOW, Floor

ZH = {"kind": "SKILL_KIND_LANGUAGE", "name": "zh", "level": 6}
BILLING = {"kind": "SKILL_KIND_TOPIC", "name": "billing", "level": 8}


def refusal(error: pytest.ExceptionInfo[DomainError]) -> str:
    return error.value.reason_code


def test_work_goes_to_whoever_has_been_idle_the_longest_and_is_done(floor: Floor) -> None:
    queue = floor.queue()
    first = floor.agent("ann", queue)
    floor.pass_time(seconds=5)
    floor.agent("bob", queue)
    made = floor.enqueue(queue)
    floor.route()
    assert floor.work(made.id).agent_id == first
    assert floor.accept(made.id, first).state == pb.WORK_STATE_ACCEPTED
    floor.pass_time(seconds=10)
    done = floor.complete(made.id, first, resolved=True, topic="billing")
    assert (done.state, done.handled_seconds) == (pb.WORK_STATE_DONE, 10)
    assert floor.held_by(first) == []
    assert [each for each in floor.world.events() if each.startswith("work.")] == [
        "work.queued",
        "work.offered",
        "work.accepted",
        "work.completed",
    ]


def test_an_offer_that_nobody_takes_goes_to_another_agent_with_its_place_kept(floor: Floor) -> None:
    queue = floor.queue()
    ann = floor.agent("ann", queue)
    made = floor.enqueue(queue)
    floor.route()
    for _ in range(3):
        floor.pass_time(seconds=10)
        floor.call(pb.RenewPresenceRequest(agent_id=ann), pb.QueueAgent)
    bob = floor.agent("bob", queue)
    floor.route()
    again = floor.work(made.id)
    assert (again.agent_id, again.enqueue_time) == (bob, made.enqueue_time)
    assert [(each.agent_id, each.outcome) for each in again.attempts] == [(ann, pb.OFFER_OUTCOME_LAPSED)]
    with pytest.raises(DomainError) as late:
        floor.accept(made.id, ann)
    assert refusal(late) == "WORK_WITH_ANOTHER"


def test_an_offer_is_over_when_its_time_is_even_before_anybody_looked(floor: Floor) -> None:
    queue = floor.queue(offer_time=timedelta(seconds=5))
    ann = floor.agent("ann", queue)
    made = floor.enqueue(queue)
    floor.route()
    floor.pass_time(seconds=5)
    with pytest.raises(DomainError) as late:
        floor.accept(made.id, ann)
    assert refusal(late) == "OFFER_LAPSED"


def test_t26_the_chats_of_an_agent_who_vanished_are_offered_again_within_30_seconds(floor: Floor) -> None:
    queue = floor.queue("Chat")
    ann = floor.agent("ann", queue, capacity_units=3)
    chats = [floor.enqueue(queue).id for _ in range(3)]
    floor.route()
    for each in chats[:2]:
        floor.accept(each, ann)
    floor.pass_time(seconds=1)
    later = floor.enqueue(queue).id
    floor.pass_time(seconds=18)
    floor.route()
    assert floor.work(chats[0]).agent_id == ann, "the lease still lasts"
    floor.pass_time(seconds=1)
    bob = floor.agent("bob", queue, capacity_units=3)
    floor.route()
    assert floor.world.clock.at - NOW < timedelta(seconds=30)
    assert set(floor.held_by(bob)) == set(chats)
    assert floor.work(later).state == pb.WORK_STATE_QUEUED, "it came after them"
    found = [floor.work(each) for each in chats]
    assert [each.takeover for each in found] == [True, True, False]
    assert all(each.enqueue_time.ToDatetime() == NOW.replace(tzinfo=None) for each in found)
    assert floor.held_by(ann) == []
    with pytest.raises(DomainError) as gone:
        floor.call(pb.RenewPresenceRequest(agent_id=ann), pb.QueueAgent)
    assert refusal(gone) == "PRESENCE_LAPSED"


def test_t27_gold_mail_and_silver_call_are_ordered_by_stated_weights_and_the_reason_is_kept(floor: Floor) -> None:
    mail = floor.queue(
        "Mail", goals=[{"within": timedelta(hours=4)}], weight_percent=100, ranking={"tier": 1000, "slack": 1000}
    )
    phone = floor.queue(
        "Phone", goals=[{"within": timedelta(seconds=20)}], weight_percent=150, ranking={"tier": 1000, "slack": 1000}
    )
    gold = floor.enqueue(mail, tier="gold", tier_rank=3)
    silver = floor.enqueue(phone, tier="silver", tier_rank=1)
    floor.pass_time(seconds=10)
    floor.agent("ann", mail, phone)
    floor.route()
    assert floor.work(gold.id).state == pb.WORK_STATE_OFFERED
    assert floor.work(silver.id).state == pb.WORK_STATE_QUEUED
    [why] = floor.why(gold.id)
    assert (why.place, why.waiting) == (1, 2)
    assert why.priority.tier == 3
    assert why.priority.slack == pytest.approx(10 / (4 * 3600))
    assert why.priority.rank == pytest.approx(3 + 10 / (4 * 3600))
    floor.pass_time(seconds=30)  # the call is at 1.5 * (1 + 40/20) = 4.5 now
    bob = floor.agent("bob", phone)
    floor.route()
    assert floor.work(silver.id).agent_id == bob
    [why] = floor.why(silver.id)
    assert why.priority.rank == pytest.approx(1.5 * (1 + 40 / 20))
    assert why.place == 1


def test_skills_are_given_up_in_time_but_never_the_language(floor: Floor) -> None:
    queue = floor.queue(relaxations=[{"after": timedelta(seconds=10), "levels": 4}])
    ann = floor.agent(
        "ann", queue, skills=[{"kind": "SKILL_KIND_TOPIC", "name": "billing", "level": 4}, {**ZH, "level": 2}]
    )
    floor.agent("eve", queue, skills=[{"kind": "SKILL_KIND_TOPIC", "name": "billing", "level": 9}])
    made = floor.enqueue(queue, requirements=[BILLING, ZH])
    floor.route()
    assert floor.work(made.id).state == pb.WORK_STATE_QUEUED
    floor.pass_time(seconds=10)
    floor.route()
    assert floor.work(made.id).agent_id == ann
    [why] = floor.why(made.id)
    assert why.relaxed_levels == 4
    assert {(each.name, each.level) for each in why.requirements} == {("billing", 4), ("zh", 2)}
    assert [(each.reason, each.agents) for each in why.unfit] == [(pb.UNFIT_LANGUAGE, 1)]
    assert why.candidates[0].skill_gap == pytest.approx((8 - 4 + 6 - 2) / 10)


def test_a_certificate_that_ended_counts_no_more(floor: Floor) -> None:
    queue = floor.queue(requirements=[BILLING])
    until = NOW + timedelta(seconds=5)
    floor.agent("ann", queue, skills=[{"kind": "SKILL_KIND_TOPIC", "name": "billing", "level": 9, "until_time": until}])
    floor.pass_time(seconds=5)
    made = floor.enqueue(queue)
    floor.route()
    assert floor.work(made.id).state == pb.WORK_STATE_QUEUED


def test_whoever_helped_last_is_preferred_and_whoever_is_excluded_is_not(floor: Floor) -> None:
    queue = floor.queue()
    ann, bob, cid = (floor.agent(name, queue) for name in ("ann", "bob", "cid"))
    made = floor.enqueue(queue, preferred_agent_id=cid)
    floor.route()
    assert floor.work(made.id).agent_id == cid
    other = floor.enqueue(queue, excluded_agent_ids=[ann])
    floor.route()
    assert floor.work(other.id).agent_id == bob
    assert {each.reason for each in floor.why(other.id)[0].unfit} >= {pb.UNFIT_EXCLUDED}


def test_a_block_is_shared_out_so_that_nobody_is_left_who_could_work(floor: Floor) -> None:
    """By rank alone the first piece would take the only agent for the second one."""
    queue = floor.queue()
    both = [{"kind": "SKILL_KIND_TOPIC", "name": name, "level": 9} for name in ("cards", "loans")]
    floor.agent("all", queue, skills=both)
    for name in ("a", "b", "c", "d", "e"):
        floor.agent(name, queue, skills=[{"kind": "SKILL_KIND_TOPIC", "name": "cards", "level": 3}])
    cards = [{"kind": "SKILL_KIND_TOPIC", "name": "cards", "level": 3}]
    loans = [{"kind": "SKILL_KIND_TOPIC", "name": "loans", "level": 3}]
    items = [floor.enqueue(queue, requirements=cards).id for _ in range(5)]
    items.append(floor.enqueue(queue, requirements=loans).id)
    floor.route()
    assert {floor.work(each).state for each in items} == {pb.WORK_STATE_OFFERED}
    assert floor.why(items[0])[0].method == pb.ASSIGNMENT_METHOD_MIN_COST


def test_capacity_is_never_exceeded_unless_somebody_says_why(floor: Floor) -> None:
    queue = floor.queue()
    ann = floor.agent("ann", queue, capacity_units=3)
    items = [floor.enqueue(queue, units=2).id for _ in range(2)]
    floor.route()
    assert len(floor.held_by(ann)) == 1
    waiting = next(each for each in items if each not in floor.held_by(ann))
    given = floor.call(pb.AssignWorkRequest(work_id=waiting, agent_id=ann, reason="the customer is here"), pb.WorkItem)
    assert (given.state, given.forced_reason) == (pb.WORK_STATE_ACCEPTED, "the customer is here")
    assert len(floor.held_by(ann)) == 2
    [why] = floor.why(waiting)
    assert (why.method, why.reason) == (pb.ASSIGNMENT_METHOD_FORCED, "the customer is here")


def test_other_queues_help_out_after_a_wait_while_they_are_open(floor: Floor) -> None:
    weekdays = floor.weekdays()
    helping = floor.queue("Second line", calendar_id=weekdays)
    queue = floor.queue(overflow=[{"queue_id": helping, "after": timedelta(seconds=15)}])
    bob = floor.agent("bob", helping)
    made = floor.enqueue(queue)
    floor.route()
    assert floor.work(made.id).state == pb.WORK_STATE_QUEUED
    floor.pass_time(seconds=15)
    floor.route()
    assert floor.work(made.id).agent_id == bob
    assert list(floor.why(made.id)[0].overflow_queue_ids) == [helping]


def test_a_closed_queue_says_when_it_opens_and_passes_work_on_to_an_open_one(floor: Floor) -> None:
    weekdays = floor.weekdays()
    queue = floor.queue(calendar_id=weekdays)
    mail = floor.queue("Mail", calendar_id=weekdays, waits_when_closed=True)
    night = floor.queue("Night")
    covered = floor.queue("Covered", calendar_id=weekdays, overflow=[{"queue_id": night}])
    floor.world.clock.at = NOW.replace(day=14, hour=19)  # Friday evening
    with pytest.raises(DomainError, match="2026-08-17T08:00:00") as closed:
        floor.enqueue(queue)
    assert refusal(closed) == "QUEUE_CLOSED"
    state = floor.call(pb.GetQueueStateRequest(queue_id=queue), pb.QueueState)
    assert not state.open
    assert state.open_time.ToDatetime().isoformat() == "2026-08-17T08:00:00"
    assert floor.enqueue(covered).queue_id == night
    assert floor.enqueue(mail).queue_id == mail


def test_a_transfer_needs_a_note_and_an_open_queue_and_keeps_the_wait(floor: Floor) -> None:
    queue, second = floor.queue(), floor.queue("Second line", calendar_id=floor.weekdays())
    ann = floor.agent("ann", queue)
    made = floor.enqueue(queue)
    floor.route()
    floor.accept(made.id, ann)
    asked = pb.TransferWorkRequest(work_id=made.id, agent_id=ann, queue_id=second, note=" ")
    with pytest.raises(DomainError) as bare:
        floor.call(asked, pb.WorkItem)
    assert refusal(bare) == "NOTE_MISSING"
    asked.note = "the card was sent twice"
    floor.world.clock.at = NOW.replace(hour=20)
    with pytest.raises(DomainError) as closed:
        floor.call(asked, pb.WorkItem)
    assert refusal(closed) == "QUEUE_CLOSED"
    assert floor.held_by(ann) == [made.id], "the refusal changed nothing"
    floor.world.clock.at = NOW.replace(hour=10)
    moved = floor.call(asked, pb.WorkItem)
    assert (moved.queue_id, moved.enqueue_time, moved.handover) == (second, made.enqueue_time, True)
    assert [each.note for each in moved.transfers] == ["the card was sent twice"]
    assert floor.held_by(ann) == []
    assert list(moved.excluded_agent_ids) == [ann]


def test_a_callback_keeps_its_place_and_is_a_promise_that_the_call_keeps(floor: Floor) -> None:
    queue, customer = floor.queue(callbacks_enabled=True), floor.customer()
    made = floor.enqueue(queue, customer_id=customer)
    asked = pb.RequestCallbackRequest(work_id=made.id, number="+8613800138000")
    asked.callback_time.FromDatetime(NOW + timedelta(hours=1))
    agreed = floor.call(asked, pb.WorkItem)
    assert agreed.state == pb.WORK_STATE_CALLBACK_SCHEDULED
    assert "138000" not in agreed.callback.number, "the number is masked without its scope"
    promise = floor.store.promises.promises.get(agreed.callback.promise_id)
    assert (promise.customer_id, promise.state) == (customer, "MADE")
    floor.pass_time(minutes=59)
    ann = floor.agent("ann", queue)
    later = floor.enqueue(queue)
    floor.pass_time(minutes=1)
    floor.appear(ann)
    floor.route()
    assert floor.held_by(ann) == [made.id], f"it waits since before {later.id}"
    floor.accept(made.id, ann)
    floor.complete(made.id, ann, resolved=True)
    assert floor.store.promises.promises.get(promise.id).state == "KEPT"


def test_a_callback_out_of_hours_or_where_none_is_offered_is_refused(floor: Floor) -> None:
    queue = floor.queue(callbacks_enabled=True, calendar_id=floor.weekdays())
    made, other = floor.enqueue(queue), floor.enqueue(floor.queue("Other"))
    asked = pb.RequestCallbackRequest(work_id=made.id, number="+8613800138000")
    asked.callback_time.FromDatetime(NOW.replace(hour=22))
    with pytest.raises(DomainError, match="2026-08-11T08:00:00") as night:
        floor.call(asked, pb.WorkItem)
    assert refusal(night) == "CALLBACK_OUT_OF_HOURS"
    asked.callback_time.FromDatetime(NOW - timedelta(minutes=1))
    with pytest.raises(DomainError) as past:
        floor.call(asked, pb.WorkItem)
    assert refusal(past) == "CALLBACK_OUT_OF_HOURS"
    asked.work_id = other.id
    with pytest.raises(DomainError) as none:
        floor.call(asked, pb.WorkItem)
    assert refusal(none) == "CALLBACKS_NOT_OFFERED"
    asked.number = ""
    with pytest.raises(DomainError) as anonymous:
        floor.call(asked, pb.WorkItem)
    assert refusal(anonymous) == "INVALID_ARGUMENT"


def test_an_agent_asks_for_work_and_gets_the_highest_rank_once(floor: Floor) -> None:
    queue = floor.queue()
    floor.agent("ann", queue)
    floor.enqueue(queue)
    severe = floor.enqueue(queue, severity=5)
    asked = pb.OfferNextRequest()
    first = floor.call(asked, pb.OfferNextResponse, actor="ann").work
    assert first.id == severe.id
    assert floor.call(asked, pb.OfferNextResponse, actor="ann").work.id == severe.id, "it is offered already"
    with pytest.raises(DomainError) as nobody:
        floor.call(asked, pb.OfferNextResponse, actor="zoe")
    assert refusal(nobody) == "NO_AGENT_OF_CALLER"
    floor.agent("bob", queue)
    with pytest.raises(DomainError) as another:
        floor.call(pb.AcceptWorkRequest(work_id=first.id), pb.WorkItem, actor="bob")
    assert refusal(another) == "WORK_WITH_ANOTHER"


def test_acting_for_another_agent_needs_its_scope(floor: Floor) -> None:
    queue = floor.queue()
    ann = floor.agent("ann", queue)
    floor.agent("bob", queue)
    asked = pb.SetPresenceRequest(agent_id=ann, presence=pb.PRESENCE_OFFLINE)
    with pytest.raises(DomainError) as another:
        floor.call(asked, pb.QueueAgent, actor="bob", scopes={"interactions.work.write"})
    assert refusal(another) == "ACTS_FOR_ANOTHER"


def test_a_wait_is_told_with_how_often_such_words_held(floor: Floor) -> None:
    queue = floor.queue(handling_time=timedelta(seconds=100))
    asked = pb.EstimateWaitRequest(queue_id=queue)
    assert not floor.call(asked, pb.WaitEstimate).known, "nobody is there, so nobody knows"
    ann = floor.agent("ann", queue)
    idle = floor.call(asked, pb.WaitEstimate)
    assert (idle.known, idle.p90_seconds) == (True, 0)
    first = floor.enqueue(queue)
    floor.route()
    second = floor.enqueue(queue)
    assert (first.told_p90_seconds, second.told_p50_seconds) == (0, 168)  # Erlang(2) with mean 200 s
    floor.accept(first.id, ann)
    for _ in range(6):
        floor.pass_time(seconds=15)
        floor.call(pb.RenewPresenceRequest(agent_id=ann), pb.QueueAgent)
    floor.complete(first.id, ann)
    floor.route()
    floor.accept(second.id, ann)
    found = floor.call(asked, pb.WaitEstimate)
    assert (found.told, found.held_p50, found.held_p90) == (2, 2, 2)
    assert (found.handling_seconds, found.measured) == (90, 1)
    assert found.p50_seconds == pytest.approx(62.4, abs=0.1)  # nobody waits, ann talks: one more talk has to end


def test_time_is_accounted_for_by_activity(floor: Floor) -> None:
    queue, roster = floor.queue(), floor.weekdays()
    ann = floor.agent("ann", queue, calendar_id=roster)
    for _ in range(3):
        floor.pass_time(minutes=1)
        floor.appear(ann)
    made = floor.enqueue(queue)
    floor.route()
    floor.accept(made.id, ann)
    floor.pass_time(seconds=240)
    floor.call(pb.FinishTalkRequest(work_id=made.id, agent_id=ann), pb.WorkItem)
    floor.pass_time(seconds=60)
    floor.complete(made.id, ann)
    floor.appear(ann, pb.PRESENCE_BREAK)
    floor.pass_time(minutes=2)
    asked = pb.GetAgentTimesRequest(agent_id=ann, start_time=NOW, end_time=NOW + timedelta(hours=1))
    found = floor.call(asked, pb.AgentTimes)
    times = {pb.Presence.Name(each.activity): each.time.seconds for each in found.activities}
    assert times == {
        "PRESENCE_AVAILABLE": 180,
        "PRESENCE_BUSY": 240,
        "PRESENCE_WRAP_UP": 60,
        "PRESENCE_BREAK": 120,
    }
    assert found.occupancy == pytest.approx(300 / 480)
    assert found.adherence == pytest.approx(480 / 600)
    asked.end_time.FromDatetime(NOW)
    with pytest.raises(DomainError) as empty:
        floor.call(asked, pb.AgentTimes)
    assert refusal(empty) == "TIME_OUT_OF_ORDER"


def test_people_of_a_vendor_see_its_queues_only(floor: Floor) -> None:
    ours, theirs = floor.queue("Ours"), floor.queue("Theirs", vendor="callco")
    ann, kim = floor.agent("ann", ours), floor.agent("kim", theirs, vendor="callco")
    hidden, shown = floor.enqueue(ours), floor.enqueue(theirs)
    listed = floor.call(pb.ListQueuesRequest(), pb.ListQueuesResponse, actor="kim")
    assert [each.id for each in listed.queues] == [theirs]
    board = floor.call(pb.ListQueueStatesRequest(), pb.ListQueueStatesResponse, actor="kim")
    assert [each.queue_id for each in board.states] == [theirs]
    work = floor.call(pb.ListWorkRequest(), pb.ListWorkResponse, actor="kim")
    assert [each.id for each in work.work] == [shown.id]
    agents = floor.call(pb.ListAgentsRequest(), pb.ListAgentsResponse, actor="kim")
    assert [each.id for each in agents.agents] == [kim]
    for asked, answers in (
        (pb.GetQueueRequest(queue_id=ours), pb.WorkQueue),
        (pb.GetQueueStateRequest(queue_id=ours), pb.QueueState),
        (pb.EstimateWaitRequest(queue_id=ours), pb.WaitEstimate),
        (pb.GetWorkRequest(work_id=hidden.id), pb.WorkItem),
        (pb.AbandonWorkRequest(work_id=hidden.id), pb.WorkItem),
        (pb.ExplainAssignmentRequest(work_id=hidden.id), pb.ExplainAssignmentResponse),
        (pb.GetAgentRequest(agent_id=ann), pb.QueueAgent),
    ):
        with pytest.raises(NotFound):
            floor.call(asked, answers, actor="kim")
    assert len(floor.call(pb.ListQueuesRequest(), pb.ListQueuesResponse).queues) == 2


def test_an_erased_customer_leaves_no_word_and_no_waiting_work(floor: Floor) -> None:
    queue, customer = floor.queue(callbacks_enabled=True), floor.customer()
    made = floor.enqueue(queue, customer_id=customer)
    asked: Any = pb.RequestCallbackRequest(work_id=made.id, number="+8613800138000")
    asked.callback_time.FromDatetime(NOW + timedelta(hours=1))
    floor.call(asked, pb.WorkItem)
    erased = floor.store.routing.work.update(made.id, lambda each: each.erase())
    assert (erased.state, erased.callback.number if erased.callback else None) == ("ABANDONED", "")
    assert floor.store.routing.work.update(made.id, lambda each: each.erase()).revision == erased.revision


def test_a_queue_is_refused_with_everything_that_is_wrong(floor: Floor) -> None:
    with pytest.raises(DomainError) as wrong:
        floor.queue(
            goals=[{"tier": "gold", "within": timedelta(1)}, {"tier": "gold", "within": timedelta(2)}],
            relaxations=[{"after": timedelta(2), "levels": 1}, {"after": timedelta(1), "levels": 1}],
        )
    assert {each.field for each in wrong.value.violations} == {"queue.goals[1].tier", "queue.relaxations"}  # type: ignore[attr-defined]
    with pytest.raises(NotFound):
        floor.queue(overflow=[{"queue_id": "que_00000000000000000000000000"}])


def test_whoever_waits_too_long_by_expectation_goes_to_the_shorter_queue_at_once(floor: Floor) -> None:
    short = floor.queue("Short")
    queue = floor.queue(max_wait=timedelta(seconds=30), overflow=[{"queue_id": short, "after": timedelta(hours=1)}])
    floor.agent("ann", queue)
    floor.agent("bob", short)
    assert floor.enqueue(queue).queue_id == queue
    assert floor.enqueue(queue).queue_id == short
