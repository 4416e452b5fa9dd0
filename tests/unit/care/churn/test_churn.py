"""Churn: records with reasons, winning back where it pays, and months that are reviewed once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kehu.care.v1 import alerts_pb2, privacy_pb2, touches_pb2
from kehu.care.v1 import churn_pb2 as pb
from kehu.common.v1.operation_pb2 import Operation
from kehu.profiles.v1 import customer_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.domain import DomainError
from libs.chassis.testing import MemoryJob, run_killed_everywhere
from services.care.churn.application import reviews
from services.care.churn.application.reviews import ReviewAsked, ReviewProgress, Reviews
from tests.unit.care.conftest import NOW, Care, Heard, customer, grant
from tests.unit.care.happenings import answered, bought, broke, merged, months, ranked

DAY = timedelta(days=1)
POLICY: dict[str, Any] = {
    "currency_code": "CNY",
    "margin_basis_points": 3000,
    "second_life_months": 24,
    "attempt_cost_minor_units": 1000,
    "prior_attempts": 10,
    "prior_wins": 2,
    "attempts_max": 2,
    "give_up_days": 180,
    "source": "the branch, by its own count",
    "source_date": {"year": 2026, "month": 1, "day": 31},
}
SCOPED = [grant(), grant(purpose="PURPOSE_MARKETING")]


def policy(world: Care, **fields: Any) -> pb.RetentionPolicy:
    told = pb.RetentionPolicy(**{**POLICY, **fields})
    return world.call(pb.DefineRetentionPolicyRequest(policy=told), pb.RetentionPolicy)


def left(world: Care, id: str, reason: str = "price/too-high", **fields: Any) -> pb.ChurnRecord:
    told: Any = {"customer_id": id, "reason_path": reason, "source": "CHURN_SOURCE_PERSON", "recoverable": True}
    return world.call(pb.RecordChurnRequest(record=pb.ChurnRecord(**{**told, **fields})), pb.ChurnRecord)


def back(world: Care, id: str, revision: int = 5, **fields: Any) -> None:
    move: Any = {"reason": "REASON_WON_BACK", "move_time": world.clock.at}
    told = customer(id, lifecycle="LIFECYCLE_ACTIVE", lifecycle_move=customer_pb2.LifecycleMove(**move), **fields)
    world.hear(profiles.CustomerLifecycleChanged(customer=told), entity_id=id, revision=revision)


def estimate(world: Care, id: str) -> pb.WinBackEstimate:
    return world.call(pb.EvaluateWinBackRequest(customer_id=id), pb.WinBackEstimate)


def offer(world: Care, id: str, **fields: Any) -> pb.WinBackAttempt:
    told: Any = {"customer_id": id, "offer": "10 % less for a year", "form": "FORM_VISIT", "channel": "CHANNEL_VISIT"}
    return world.call(pb.OfferWinBackRequest(**{**told, **fields}), pb.WinBackAttempt)


def reason_of(call: Any) -> str:
    with pytest.raises(DomainError) as refused:
        call()
    return refused.value.reason_code


# ------------------------------------------------------------------------------------------------------------ records


def test_a_record_tells_why_and_closes_the_alerts_as_lost(world: Care, heard: Heard) -> None:
    id = heard()
    ranked(world, id, "A")
    answered(world, id, 10)
    broke(world, id)
    rating: Any = {"aspect": "price", "ours": 4, "theirs": 8}
    record = left(world, id, competitor="Rival", comparison=[rating], note="said so on the telephone")
    assert (record.tier, record.satisfied, record.open, record.recorded_by) == ("A", True, True, "ada")
    [alert] = world.call(alerts_pb2.ListAlertsRequest(), alerts_pb2.ListAlertsResponse).alerts
    assert (alert.outcome, alert.open) == (alerts_pb2.ALERT_OUTCOME_LOST, False)
    assert "churn.recorded" in world.events()
    filter = f'reason_path = "price/too-high" AND customer_id = "{id}"'
    page = world.call(pb.ListChurnRecordsRequest(filter=filter), pb.ListChurnRecordsResponse)
    assert [each.id for each in page.records] == [record.id]


def test_a_customer_leaves_once_until_it_comes_back(world: Care, heard: Heard) -> None:
    id, other = heard(), heard()
    first = left(world, id)
    assert reason_of(lambda: left(world, id)) == "CHURN_RECORDED_ALREADY"
    merged(world, other, id)
    assert reason_of(lambda: left(world, other)) == "CHURN_RECORDED_ALREADY"
    world.clock.advance(DAY)
    back(world, other, revision=20, merged_ids=[id])
    record = world.call(pb.GetChurnRecordRequest(churn_record_id=first.id), pb.ChurnRecord)
    assert (record.open, record.won_back_time.ToDatetime()) == (False, world.clock.at.replace(tzinfo=None))
    assert left(world, other).id != first.id


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"reason_path": "weather"}, "CHURN_REASON_UNKNOWN"),
        ({"lost_time": NOW + DAY}, "LOST_AHEAD"),
        ({"customer_id": "cus_01h00000000000000000000000"}, "NOT_FOUND"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(world: Care, heard: Heard, fields: Any, reason: str) -> None:
    told = {"customer_id": heard(), "reason_path": "other", **fields}
    assert reason_of(lambda: left(world, told.pop("customer_id"), told.pop("reason_path"), **told)) == reason


def test_a_tenant_has_reasons_of_its_own(world: Care, heard: Heard) -> None:
    request = pb.DefineChurnReasonsRequest(reasons=pb.ChurnReasons(paths=["fees", "fees/hidden"]))
    assert "price/too-high" in world.call(pb.GetChurnReasonsRequest(), pb.ChurnReasons).paths
    for _ in range(2):
        assert [*world.call(request, pb.ChurnReasons).paths] == ["fees", "fees/hidden"]
    assert reason_of(lambda: left(world, heard())) == "CHURN_REASON_UNKNOWN"
    assert left(world, heard(), "fees/hidden").reason_path == "fees/hidden"


# ------------------------------------------------------------------------------------------------------- winning back


def test_what_is_expected_is_the_probable_margin_less_the_cost(world: Care, heard: Heard) -> None:
    id = heard()
    months(world, id, [10_000] * 12)
    left(world, id)
    assert reason_of(lambda: estimate(world, id)) == "RETENTION_POLICY_MISSING"
    policy(world)
    found = estimate(world, id)
    assert (found.monthly_minor_units, found.second_life_minor_units) == (10_000, 72_000)
    assert (found.probability, found.expected_minor_units, found.worth_while) == (0.2, 13_400, True)


@pytest.mark.parametrize(
    ("terms", "fields", "why"),
    [
        ({"attempt_cost_minor_units": 20_000}, {}, "no gain"),
        ({"prior_wins": 0}, {}, "no gain"),
        ({}, {"recoverable": False}, "does not come back"),
        ({}, {"lost_time": NOW - 200 * DAY}, "more than 180 days"),
    ],
)
def test_nothing_is_offered_at_a_loss_or_for_ever(world: Care, heard: Heard, terms: Any, fields: Any, why: str) -> None:
    id = heard(consent={"decisions": SCOPED})
    months(world, id, [10_000] * 12)
    left(world, id, **fields)
    policy(world, **terms)
    found = estimate(world, id)
    assert not found.worth_while
    assert any(why in each for each in found.against), found.against
    assert reason_of(lambda: offer(world, id)) == "WIN_BACK_FORBIDDEN"


def test_an_offer_is_a_task_and_attempts_end(world: Care, heard: Heard) -> None:
    id = heard(consent={"decisions": SCOPED})
    months(world, id, [10_000] * 12)
    left(world, id)
    policy(world)
    first = offer(world, id)
    touch = world.call(touches_pb2.GetTouchRequest(touch_id=first.touch_id), touches_pb2.Touch)
    assert (touch.state, touch.task.assignee, touch.occasion) == (
        touches_pb2.Touch.STATE_ASSIGNED,
        "ada",
        "10 % less for a year",
    )
    assert reason_of(lambda: offer(world, id)) == "WIN_BACK_FORBIDDEN"  # one at a time
    world.call(pb.DeclineWinBackRequest(attempt_id=first.id), pb.WinBackAttempt)
    request = pb.DeclineWinBackRequest(attempt_id=first.id)
    assert reason_of(lambda: world.call(request, pb.WinBackAttempt)) == "WIN_BACK_ENDED"
    assert estimate(world, id).probability == pytest.approx(2 / 11)
    second = offer(world, id)
    world.clock.advance(181 * DAY)
    world.tick("win_backs")
    ended = world.call(pb.GetWinBackAttemptRequest(attempt_id=second.id), pb.WinBackAttempt)
    assert (ended.number, ended.state) == (2, pb.WIN_BACK_STATE_LAPSED)
    assert any("2 attempts were made" in each for each in estimate(world, id).against)


def test_a_customer_who_comes_back_is_won_and_teaches_the_next_estimate(world: Care, heard: Heard) -> None:
    first, second = heard(consent={"decisions": SCOPED}), heard()
    policy(world)
    for id in (first, second):
        months(world, id, [10_000] * 12)
        left(world, id)
    attempt = offer(world, first)
    world.clock.advance(DAY)
    back(world, first)
    page = world.call(pb.ListWinBackAttemptsRequest(filter="state = WON"), pb.ListWinBackAttemptsResponse)
    assert [each.id for each in page.attempts] == [attempt.id]
    assert "winback.won" in world.events()
    assert (estimate(world, second).probability, estimate(world, second).won_count) == (pytest.approx(3 / 11), 1)
    assert reason_of(lambda: estimate(world, first)) == "NOT_LOST"


def test_who_refused_marketing_is_offered_nothing(world: Care, heard: Heard) -> None:
    id = heard()
    months(world, id, [10_000] * 12)
    left(world, id)
    policy(world)
    with pytest.raises(DomainError) as refused:
        offer(world, id)
    assert "NO_CONSENT" in refused.value.metadata["against"]


@pytest.mark.parametrize(
    ("fields", "field"), [({"currency_code": "XXX"}, "currency_code"), ({"prior_wins": 11}, "prior_wins")]
)
def test_a_policy_that_cannot_be_is_refused(world: Care, fields: Any, field: str) -> None:
    with pytest.raises(DomainError) as refused:
        policy(world, **fields)
    assert field in str(refused.value)


# ------------------------------------------------------------------------------------------------------------ reviews


def story(world: Care, heard: Heard) -> list[str]:
    """Ten customers of before the month, of whom two leave in it, one left before, and one newcomer."""
    ids = [heard(owner="ada" if place % 2 else "eve") for place in range(11)]
    for place, id in enumerate(ids):
        ranked(world, id, "A" if place < 4 else "C")
        bought(world, id, NOW - (400 if place < 10 else 0) * DAY)
    answered(world, ids[0], 10)
    left(world, ids[9], "need/gone", lost_time=NOW - 60 * DAY, recoverable=False)
    world.clock.advance(DAY)
    left(world, ids[0])
    left(world, ids[5], "service/slow", recoverable=False)
    broke(world, ids[1])
    [alert] = world.call(alerts_pb2.ListAlertsRequest(), alerts_pb2.ListAlertsResponse).alerts
    world.call(alerts_pb2.CloseAlertRequest(alert_id=alert.id, outcome="ALERT_OUTCOME_SAVED"), alerts_pb2.Alert)
    policy(world, retention_goal_basis_points=7800)
    world.clock.advance(31 * DAY)
    return ids


def test_a_month_is_reviewed_by_the_clock_and_never_changes(world: Care, heard: Heard) -> None:
    ids = story(world, heard)
    world.tick("loyalty_reviews")
    [asked] = world.store.churn.operations.list("", page()).items
    assert world.operate(asked.id).state == "SUCCEEDED"
    review = world.call(pb.GetLoyaltyReviewRequest(month="2026-03"), pb.LoyaltyReview)
    assert (review.total.base_count, review.total.lost_count) == (9, 2)
    assert review.total.retention.value == pytest.approx(7 / 9)
    assert not review.total.goal_reached
    assert [(each.group, each.base_count, each.lost_count) for each in review.tiers] == [("C", 5, 1), ("A", 4, 1)]
    assert [(each.group, each.base_count, each.goal_reached) for each in review.owners] == [
        ("eve", 5, True),
        ("ada", 4, False),
    ]
    assert (review.satisfied.base_count, review.satisfied.lost_count) == (1, 1)
    assert [(each.reason_path, each.count, each.recoverable_count) for each in review.reasons] == [
        ("price/too-high", 1, 1),
        ("service/slow", 1, 0),
    ]
    assert review.alerts_saved == 1
    left(world, ids[2], lost_time=NOW + 2 * DAY)
    again = world.call(pb.ReviewLoyaltyRequest(month="2026-03"), Operation)
    result = pb.ReviewLoyaltyResult()
    from google.protobuf.any_pb2 import Any as AnyMessage

    AnyMessage.FromString(world.operate(again.id).result).Unpack(result)
    assert (result.reviewed_before, result.review.total.lost_count) == (True, 2)
    world.tick("loyalty_reviews")
    assert len(world.call(pb.ListLoyaltyReviewsRequest(), pb.ListLoyaltyReviewsResponse).reviews) == 1


def test_a_review_that_is_killed_everywhere_counts_everybody_once(
    world: Care, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    story(world, heard)
    monkeypatch.setattr(reviews, "BATCH", 2)
    work = Reviews(world.store.churn)

    def run(job: MemoryJob[ReviewAsked, ReviewProgress]) -> Any:
        return work.run(job)

    done, kills = run_killed_everywhere(run, ReviewAsked(month="2026-03"), ReviewProgress())
    assert kills > 1
    assert (done.review.total.base_count, done.review.total.lost_count) == (9, 2)


def test_a_month_that_is_not_over_is_not_reviewed(world: Care) -> None:
    assert reason_of(lambda: world.call(pb.ReviewLoyaltyRequest(month="2026-03"), Operation)) == "MONTH_NOT_OVER"
    assert reason_of(lambda: world.call(pb.GetLoyaltyReviewRequest(month="2026-02"), pb.LoyaltyReview)) == "NOT_FOUND"


def test_an_erased_customer_leaves_reasons_without_words(world: Care, heard: Heard) -> None:
    id = heard(consent={"decisions": SCOPED})
    months(world, id, [10_000] * 12)
    record = left(world, id, note="private")
    policy(world)
    offer(world, id)
    told = world.stream(privacy_pb2.ExportSubjectDataRequest(customer_id=id), privacy_pb2.ExportedRecord)
    assert {"churn_record", "win_back_attempt"} <= {each.WhichOneof("record") for each in told}
    asked = profiles.CustomerErasureRequested(customer_id=id, erasure_id=identity.new_id("era"), customer=customer(id))
    world.hear(asked, entity_id=id, revision=9)
    world.tick("erasures")
    found = world.call(pb.GetChurnRecordRequest(churn_record_id=record.id), pb.ChurnRecord)
    assert (found.note, found.reason_path) == ("", "price/too-high")
    [attempt] = world.call(pb.ListWinBackAttemptsRequest(), pb.ListWinBackAttemptsResponse).attempts
    assert (attempt.offer, attempt.state) == ("", pb.WIN_BACK_STATE_LAPSED)


def page() -> Any:
    from libs.chassis.paging import PageRequest

    return PageRequest.of(pb.ListLoyaltyReviewsRequest())
