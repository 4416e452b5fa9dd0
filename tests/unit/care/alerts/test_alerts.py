"""Alerts: raised once of a kind, explained, escalated, and closed with an outcome."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kehu.care.v1 import alerts_pb2 as pb
from kehu.care.v1 import privacy_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.domain import DomainError
from tests.unit.care.conftest import NOW, Care, Heard, customer, pulse
from tests.unit.care.happenings import answered, bought, broke, merged, met, months, moved, ranked

DAY = timedelta(days=1)


def alerts(world: Care, filter: str = "") -> list[pb.Alert]:
    return list(world.call(pb.ListAlertsRequest(filter=filter), pb.ListAlertsResponse).alerts)


def kinds(world: Care, customer_id: str = "") -> list[str]:
    found = [each for each in alerts(world) if customer_id in ("", each.customer_id)]
    return sorted(pb.AlertKind.Name(each.kind).removeprefix("ALERT_KIND_") for each in found)


def looked(world: Care, later: timedelta = DAY) -> None:
    world.clock.advance(later)
    world.tick("looks")


def rule(world: Care, **fields: Any) -> pb.AlertRule:
    return world.call(pb.DefineAlertRuleRequest(rule=pb.AlertRule(**fields)), pb.AlertRule)


def close(world: Care, alert: pb.Alert, outcome: str = "SAVED", **fields: Any) -> pb.Alert:
    request = pb.CloseAlertRequest(alert_id=alert.id, outcome=f"ALERT_OUTCOME_{outcome}", **fields)  # type: ignore[arg-type]
    return world.call(request, pb.Alert)


# --------------------------------------------------------------------------------------------------- what is noticed


def test_a_broken_promise_is_an_alert_for_the_owner_and_a_second_one_makes_it_stronger(
    world: Care, heard: Heard
) -> None:
    id = heard()
    first = broke(world, id)
    [alert] = alerts(world)
    assert (alert.owner, alert.score, alert.state) == ("ada", 60, pb.ALERT_STATE_RAISED)
    assert alert.due_time.ToDatetime() - alert.create_time.ToDatetime() == DAY
    assert first in alert.drivers[0].explanation
    broke(world, id)
    [alert] = alerts(world)
    assert (len(alert.drivers), alert.score, alert.revision) == (2, 100, 2)
    assert world.events().count("alert.raised") == 1


def test_an_event_that_comes_twice_raises_one_alert(world: Care, heard: Heard) -> None:
    id = heard()
    for _ in range(2):
        moved(world, id, "AT_RISK", "WARNING")
    assert kinds(world) == ["CHURN_RISK"]
    [alert] = alerts(world)
    assert alert.drivers[0].explanation == "47 days; over 38 are unusual"


def test_sales_that_fall_month_by_month_are_a_decline(world: Care, heard: Heard) -> None:
    falling, steady = heard(), heard()
    months(world, falling, [1000 - 80 * month for month in range(12)])
    months(world, steady, [1000, 900, 1100] * 4)
    looked(world)
    assert (kinds(world, falling), kinds(world, steady)) == (["DECLINE"], [])
    [driver] = alerts(world)[0].drivers
    assert driver.factor == pb.ALERT_FACTOR_SLOPE
    assert "-14.3% a month over 12 months (CNY)" in driver.explanation


def test_one_wild_month_is_no_decline(world: Care, heard: Heard) -> None:
    id = heard()
    months(world, id, [1000] * 10 + [9000, 1000])
    bought(world, id, NOW.replace(day=15) - 30.5 * DAY, 1000, "REFUND")  # a last month with nothing left
    looked(world)
    assert kinds(world) == []


def test_flat_sales_are_a_decline_where_the_tier_grows(world: Care, heard: Heard) -> None:
    flat = heard()
    peers = [heard() for _ in range(21)]
    for id in (*peers, flat):
        ranked(world, id, "A")
    for id in peers:
        months(world, id, [1000 + 100 * month for month in range(12)])
    looked(world)
    months(world, flat, [1000] * 12)
    looked(world)
    assert kinds(world) == ["DECLINE"]
    [driver] = alerts(world)[0].drivers
    assert driver.factor == pb.ALERT_FACTOR_PEERS
    assert driver.explanation == "+0.0% a month where the median of tier A has +6.5%"


def test_silence_is_measured_by_the_gaps_of_the_customer(world: Care, heard: Heard) -> None:
    often, seldom = heard(), heard()
    for week in range(10):
        met(world, often, NOW - (60 + 7 * week) * DAY)
        met(world, seldom, NOW - (60 + 90 * week) * DAY)
    looked(world)
    assert (kinds(world, often), kinds(world, seldom)) == (["SILENCE"], [])
    assert alerts(world)[0].drivers[0].explanation == "61 days without a meeting; up to 45 are usual (9 gaps)"


def test_a_satisfied_customer_who_buys_less_is_told_as_cooling(world: Care, heard: Heard) -> None:
    id = heard()
    answered(world, id, 10)
    months(world, id, [1000 - 80 * month for month in range(12)])
    looked(world)
    assert kinds(world) == ["COOLING"]
    assert [each.factor for each in alerts(world)[0].drivers] == [pb.ALERT_FACTOR_SLOPE, pb.ALERT_FACTOR_SATISFIED]


def test_several_signs_together_are_a_risk_and_one_alone_is_none(world: Care, heard: Heard) -> None:
    several, one = heard(), heard()
    for id in (several, one):
        answered(world, id, 3)
    broke(world, several)
    for week in range(10):
        met(world, several, NOW - (60 + 7 * week) * DAY)
    looked(world)
    assert kinds(world, several) == ["CHURN_RISK", "PROMISE_BROKEN", "SILENCE"]
    assert kinds(world, one) == []
    [risk] = alerts(world, "kind = CHURN_RISK")
    assert [(each.factor, each.points) for each in risk.drivers] == [
        (pb.ALERT_FACTOR_SILENCE, 30),
        (pb.ALERT_FACTOR_PROMISE, 20),
        (pb.ALERT_FACTOR_DISSATISFIED, 20),
    ]


def test_late_news_of_consent_are_an_alert_about_nobody_that_ends_by_itself(world: Care) -> None:
    pulse(world)
    world.tick("consent")
    assert kinds(world) == []
    world.clock.advance(timedelta(minutes=6))
    world.tick("consent")
    world.tick("consent")
    [alert] = alerts(world)
    assert (alert.kind, alert.customer_id) == (pb.ALERT_KIND_CONSENT_LATE, "")
    pulse(world)
    world.tick("consent")
    [alert] = alerts(world)
    assert (alert.state, alert.outcome) == (pb.ALERT_STATE_CLOSED, pb.ALERT_OUTCOME_SAVED)
    world.clock.advance(timedelta(minutes=6))
    world.tick("consent")
    assert len(alerts(world)) == 2


# ------------------------------------------------------------------------------------------------------ what follows


def test_an_alert_that_nobody_closes_is_escalated_three_times(world: Care, heard: Heard) -> None:
    rule(world, kind="ALERT_KIND_PROMISE_BROKEN", due_hours=2, escalate_to="boss")
    broke(world, heard())
    for _ in range(5):
        world.clock.advance(timedelta(hours=2))
        world.tick("escalations")
    [alert] = alerts(world, 'owner = "boss"')
    assert (alert.escalations, alert.HasField("escalate_time")) == (3, False)
    assert world.events().count("alert.escalated") == 3


def test_taking_note_gives_an_alert_without_owner_to_who_took_it(world: Care, heard: Heard) -> None:
    broke(world, heard(owner=""))
    [alert] = alerts(world, 'owner = ""')
    alert = world.call(pb.AcknowledgeAlertRequest(alert_id=alert.id), pb.Alert, actor="bob")
    assert (alert.owner, alert.state) == ("bob", pb.ALERT_STATE_ACKNOWLEDGED)
    alert = world.call(pb.AssignAlertRequest(alert_id=alert.id, owner="eve"), pb.Alert)
    assert [each.id for each in alerts(world, 'owner = "eve" AND state = ACKNOWLEDGED')] == [alert.id]


def test_a_false_alarm_is_quiet_for_a_while_and_a_promise_never_is(world: Care, heard: Heard) -> None:
    id = heard()
    months(world, id, [1000 - 80 * month for month in range(12)])
    looked(world)
    close(world, alerts(world)[0], "FALSE_ALARM", note="they moved house")
    looked(world)
    assert kinds(world) == ["DECLINE"]
    looked(world, 31 * DAY)
    assert kinds(world) == ["DECLINE", "DECLINE"]
    broke(world, id)
    close(world, alerts(world, "kind = PROMISE_BROKEN")[0])
    broke(world, id)
    assert kinds(world).count("PROMISE_BROKEN") == 2


def test_a_kind_that_is_switched_off_raises_nothing(world: Care, heard: Heard) -> None:
    rule(world, kind="ALERT_KIND_PROMISE_BROKEN", disabled=True)
    broke(world, heard())
    assert kinds(world) == []
    [defined] = world.call(pb.ListAlertRulesRequest(), pb.ListAlertRulesResponse).rules
    assert defined.disabled


def test_what_a_person_noticed_joins_what_is_open(world: Care, heard: Heard) -> None:
    id = heard()
    request = pb.RaiseAlertRequest(customer_id=id, kind="ALERT_KIND_CHURN_RISK", explanation="asked what a rival asks")
    first = world.call(request, pb.Alert, request_id="1")
    again = world.call(request, pb.Alert, request_id="1")
    assert (first.id, first.score) == (again.id, 50)
    more = pb.RaiseAlertRequest(customer_id=id, kind="ALERT_KIND_CHURN_RISK", explanation="said so")
    assert world.call(more, pb.Alert).score == 100
    page = world.call(pb.ListCustomerAlertsRequest(customer_id=id), pb.ListCustomerAlertsResponse)
    assert [each.id for each in page.alerts] == [first.id]


@pytest.mark.parametrize("outcome", ["LOST", "VOID"])
def test_lost_is_told_by_a_churn_record(world: Care, heard: Heard, outcome: str) -> None:
    broke(world, heard())
    with pytest.raises(DomainError) as refused:
        close(world, alerts(world)[0], outcome)
    assert refused.value.reason_code == "OUTCOME_NOT_OF_PEOPLE"


def test_a_closed_alert_stays_closed(world: Care, heard: Heard) -> None:
    broke(world, heard())
    closed = close(world, alerts(world)[0], note="all is well")
    assert (closed.note, closed.closed_by, closed.open) == ("all is well", "ada", False)
    for request in (
        pb.AcknowledgeAlertRequest(alert_id=closed.id),
        pb.AssignAlertRequest(alert_id=closed.id, owner="eve"),
    ):
        with pytest.raises(DomainError) as refused:
            world.call(request, pb.Alert)
        assert refused.value.reason_code == "ALERT_CLOSED_ALREADY"


def test_nobody_raises_what_is_of_the_suite(world: Care, heard: Heard) -> None:
    request = pb.RaiseAlertRequest(customer_id=heard(), kind="ALERT_KIND_CONSENT_LATE", explanation="x")
    with pytest.raises(DomainError) as refused:
        world.call(request, pb.Alert)
    assert refused.value.reason_code == "KIND_NOT_OF_PEOPLE"


# ------------------------------------------------------------------------------------------- merges and erasures


def test_two_customers_who_are_merged_keep_the_older_alert_and_one_rhythm(world: Care, heard: Heard) -> None:
    first, second = heard(), heard()
    broke(world, first)
    world.clock.advance(timedelta(hours=1))
    broke(world, second)
    merged(world, second, first)
    open = [each for each in alerts(world) if each.open]
    assert [each.customer_id for each in open] == [first]
    broke(world, second)
    assert len(alerts(world)) == 2
    page = world.call(pb.ListCustomerAlertsRequest(customer_id=first), pb.ListCustomerAlertsResponse)
    assert {each.customer_id for each in page.alerts} == {first, second}


def test_halves_of_a_customer_make_one_trend(world: Care, heard: Heard) -> None:
    first, second = heard(), heard()
    months(world, first, [1000 - 80 * month for month in range(12)])
    months(world, second, [80 * month for month in range(12)])
    merged(world, first, second)
    looked(world)
    assert kinds(world) == []


def test_an_erased_customer_is_watched_no_more(world: Care, heard: Heard) -> None:
    id = heard()
    broke(world, id)
    met(world, id, NOW)
    request = privacy_pb2.ExportSubjectDataRequest(customer_id=id)
    told = world.stream(request, privacy_pb2.ExportedRecord)
    assert {each.WhichOneof("record") for each in told} == {"customer", "alert", "watch"}
    asked = profiles.CustomerErasureRequested(customer_id=id, erasure_id=identity.new_id("era"), customer=customer(id))
    world.hear(asked, entity_id=id, revision=9)
    world.tick("erasures")
    [alert] = alerts(world)
    assert (alert.outcome, [*alert.drivers]) == (pb.ALERT_OUTCOME_VOID, [])
    broke(world, id)
    assert len(alerts(world)) == 1
    [watch] = world.store.alerts.watches_of([id]).values()
    assert (watch.sales, watch.contact_days, watch.broken_times) == ((), (), ())
