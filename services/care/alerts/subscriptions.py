"""Reactions that watch customers, and the timers that look at them and escalate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

from kehu.interactions.v1 import events_pb2 as interactions
from kehu.profiles.v1 import customer_pb2, transactions_pb2
from kehu.profiles.v1 import events_pb2 as profiles
from kehu.surveys.v1 import events_pb2 as surveys
from kehu.surveys.v1 import questionnaires_pb2

from libs.chassis.enums import enum_word
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.care.alerts.application.watching import Step, Watching
from services.care.alerts.domain.alerts import AlertDriver, AlertFactor, Sign
from services.care.alerts.domain.rules import AlertKind
from services.care.alerts.domain.watches import Sale, Scale, ScaleType, Watch
from services.care.alerts.store import AlertsStore

_INCOME = (transactions_pb2.Transaction.TYPE_SALE, transactions_pb2.Transaction.TYPE_FEE)
_LIFECYCLES = {
    customer_pb2.Customer.LIFECYCLE_AT_RISK: (AlertKind.CHURN_RISK, 60),
    customer_pb2.Customer.LIFECYCLE_DORMANT: (AlertKind.SILENCE, 40),
}
"""Stage that a customer came to → the alert that this is, and its points."""
_PROMISE_POINTS = 60


def subscriptions(store: AlertsStore) -> list[Subscription]:
    """Everything that is watched."""
    watching = Watching(store)

    def sell(events: Sequence[Received]) -> None:
        watching.note(step for event in events for step in _sales(event))

    def watch(events: Sequence[Received]) -> None:
        watching.note(step for event in events for step in _steps(event, watching))
        for event in events:
            with event.cause():
                watching.raise_all(list(_signs(event)))

    def scales(events: Sequence[Received]) -> None:
        for event in events:
            survey = cast(Any, event.message).survey
            watching.learn_scales(survey.id, tuple(_scales(survey.questionnaire)))

    return [
        Subscription(
            name="sales",
            listens=(profiles.TransactionRecorded,),
            handle=sell,
            adds_up=(profiles.TransactionRecorded,),
        ),
        Subscription(
            name="watches",
            listens=(
                interactions.InteractionRecorded,
                interactions.InteractionAttributed,
                interactions.PromiseBroken,
                profiles.CustomerLifecycleChanged,
                surveys.ResponseCompleted,
            ),
            handle=watch,
        ),
        Subscription(
            name="scales",
            listens=(surveys.SurveyCreated, surveys.SurveyRedefined, surveys.SurveyLaunched),
            handle=scales,
        ),
    ]


def after_customers(store: AlertsStore) -> Callable[[Sequence[Received]], None]:
    """Follows merges."""

    def follow(events: Sequence[Received]) -> None:
        joined = [event for event in events if hasattr(event.message, "aliases")]
        for event in joined:
            with event.cause():
                Watching(store).join([cast(Any, event.message).customer.id])

    return follow


def timers(store: AlertsStore) -> list[Timer[Any]]:
    """The daily look, escalation, and the watch over consent."""
    watching = Watching(store)
    return [
        Timer(name="looks", every=timedelta(seconds=20), due=store.to_look(), run=watching.look),
        Timer(name="escalations", every=timedelta(seconds=20), due=store.to_escalate(), run=watching.escalate),
        Timer(
            name="consent",
            every=timedelta(seconds=10),
            due=store.customers.to_check(),
            run=watching.check_consent,
        ),
    ]


def _sales(event: Received) -> Iterator[tuple[str, Step]]:
    told = cast(Any, event.message).transaction
    refund = told.type == transactions_pb2.Transaction.TYPE_REFUND
    if told.type in _INCOME or refund:
        amount = told.amount.minor_units
        sale = Sale(
            time=_time(told.occurred_time),
            currency_code=told.amount.currency_code,
            minor_units=-amount if refund else amount,
        )
        yield told.customer_id, partial(Watch.sell, sale=sale, now=event.time)


def _steps(event: Received, watching: Watching) -> Iterator[tuple[str, Step]]:
    message = cast(Any, event.message)
    match type(event.message):
        case interactions.InteractionRecorded | interactions.InteractionAttributed:
            met = message.interaction
            yield met.customer_id, partial(Watch.meet, at=_time(met.occurred_time), now=event.time)
        case interactions.PromiseBroken:
            yield message.promise.customer_id, partial(Watch.break_, at=event.time, now=event.time)
        case surveys.ResponseCompleted if message.response.customer_id:
            answers = message.response.answers
            numbers = {key: each.number for key, each in answers.items() if each.HasField("number")}
            satisfied = watching.satisfied(message.response.survey_id, numbers)
            if satisfied is not None:
                step = partial(Watch.say, satisfied=satisfied, at=event.time, now=event.time)
                yield message.response.customer_id, step


def _signs(event: Received) -> Iterator[tuple[str, Sign]]:
    """Alerts that an event by itself is a reason for."""
    message = cast(Any, event.message)
    match type(event.message):
        case interactions.PromiseBroken:
            promise = message.promise
            words = f"promise {promise.id} was due on {_time(promise.due_time):%Y-%m-%d %H:%M} UTC"
            driver = AlertDriver(factor=AlertFactor.PROMISE, points=_PROMISE_POINTS, explanation=words)
            if promise.customer_id:
                yield promise.customer_id, Sign(kind=AlertKind.PROMISE_BROKEN, drivers=(driver,))
        case profiles.CustomerLifecycleChanged if message.customer.lifecycle in _LIFECYCLES:
            kind, points = _LIFECYCLES[message.customer.lifecycle]
            words = message.customer.lifecycle_move.explanation
            driver = AlertDriver(factor=AlertFactor.LIFECYCLE, points=points, explanation=words)
            yield message.customer.id, Sign(kind=kind, drivers=(driver,))


def _scales(questionnaire: questionnaires_pb2.Questionnaire) -> Iterator[Scale]:
    for item in questionnaire.items:
        name = enum_word(questionnaires_pb2.ItemType.DESCRIPTOR, item.type)
        if name in (*ScaleType,):
            yield Scale(item=item.key, type=ScaleType(name))


def _time(told: Any) -> datetime:
    return cast(datetime, told.ToDatetime(UTC))
