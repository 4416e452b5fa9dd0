"""Things that are due for the timers of care about people: alerts, plays, departures, reviews."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from libs.chassis import identity
from services.care.adherence.domain import PolicyKind, PolicyReview
from services.care.alerts.domain.alerts import Alert, AlertDriver, AlertFactor, Sign
from services.care.alerts.domain.rules import AlertKind, AlertRule
from services.care.alerts.domain.watches import Watch
from services.care.churn.domain.winback import RetentionPolicy, RetentionPolicyDefined, WinBackAttempt
from services.care.customers.domain.projection import Channel, CustomerProjection
from services.care.plays.domain import Play, PlayGoal, PlayRun, PlayStep
from services.care.programs.domain.plans import Form


def customer(store: Any) -> str:
    """A customer who is known."""
    known = CustomerProjection(id=identity.new_id("cus"), source_revision=1, source_time=identity.now(), owner="bob")
    store.customers.collection.insert((known, []))
    return known.id


def meets(store: Any) -> None:
    """A customer whose rhythm is to be looked at."""
    now, alerts = identity.now(), store.alerts
    blank = alerts.blank(customer(store))
    alerts.watches.upsert_many([(blank, now)], lambda each, at: Watch.meet(each, at, now))


def leaves_an_alert(store: Any) -> Alert:
    """An alert that nobody does anything about."""
    now = identity.now()
    driver = AlertDriver(factor=AlertFactor.PROMISE, points=40, explanation="a promise was broken")
    sign = Sign(kind=AlertKind.PROMISE_BROKEN, drivers=(driver,))
    rule = AlertRule(id="", kind=AlertKind.PROMISE_BROKEN, due_hours=1)
    blank = Alert(id=identity.new_id("alt"), customer_id=customer(store), kind=AlertKind.PROMISE_BROKEN)
    raised: Alert = store.alerts.alerts.insert(blank.raise_(sign, rule, "bob", now))
    return raised


def hears_no_consent(store: Any) -> None:
    """Signs of consent that stay away."""
    store.customers.hear_consent(identity.now())


def plays_a_step(store: Any) -> None:
    """A play about an alert whose first step comes a day later."""
    alert, now = leaves_an_alert(store), identity.now()
    step = PlayStep(display_name="Call", form=Form.CALL, channel=Channel.VOICE, offset_days=1, assignee="bob")
    draft = Play(id=identity.new_id("ply"), display_name="Save", steps=(step,), goal=PlayGoal.STAYED, measure_days=30)
    play = store.plays.plays.insert(draft.create())
    run = PlayRun(id=identity.new_id("plr"), play_id=play.id, alert_id=alert.id, customer_id=alert.customer_id)
    store.plays.runs.insert(run.start(play, now))


def is_offered_something(store: Any) -> None:
    """An attempt to win somebody back whose time is soon over."""
    attempt = WinBackAttempt(
        id=identity.new_id("wba"),
        customer_id=customer(store),
        churn_record_id=identity.new_id("chr"),
        number=1,
        reason_root="PRICE",
        offer="A month for nothing",
        probability=0.2,
        expected_minor_units=100,
        currency_code="EUR",
        lapse_time=identity.now() + timedelta(days=1),
    )
    store.churn.attempts.insert(attempt.give())


def reviews_months(store: Any) -> None:
    """A policy whose month is over."""
    policy = RetentionPolicy(
        id="",
        currency_code="EUR",
        second_life_months=12,
        prior_attempts=10,
        attempts_max=3,
        give_up_days=90,
        source="ours",
        source_date=date(2026, 1, 1),
        review_time=identity.now() + timedelta(days=1),
    )
    store.churn.policies.insert((policy, [RetentionPolicyDefined(policy=policy)]), key="policy")


def forgets_a_review(store: Any) -> None:
    """Rules that nobody reviews."""
    review = PolicyReview(
        id=identity.new_id("rev"), kind=PolicyKind.PROGRAM, subject_id="prg_1", review_date=identity.now().date()
    )
    store.adherence.reviews.insert(review.plan(review))
