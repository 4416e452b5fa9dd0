"""Reactions that take in what profiles gives to whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from typing import Any, cast

from kehu.profiles.v1 import entitlements_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis.enums import enum_word
from libs.chassis.inbox import Received, Subscription
from services.care.entitlements.application import Entitlements, Step
from services.care.entitlements.domain import BenefitStanding, EntitlementTerm, PlanSpan
from services.care.entitlements.store import EntitlementsStore


def subscriptions(store: EntitlementsStore) -> list[Subscription]:
    """Entitlements, and what entitles."""
    entitlements = Entitlements(store)

    def terms(events: Sequence[Received]) -> None:
        entitlements.learn_terms([_term(cast(Any, event.message).entitlement) for event in events])

    def stand(events: Sequence[Received]) -> None:
        entitlements.stand(step for event in events for step in _steps(event))

    return [
        Subscription(name="entitlements", listens=(profiles.EntitlementChanged,), handle=terms),
        Subscription(
            name="standings",
            listens=(profiles.SegmentEntered, profiles.SegmentLeft, profiles.ContractChanged),
            handle=stand,
        ),
    ]


def _term(told: entitlements_pb2.Entitlement) -> EntitlementTerm:
    kind = entitlements_pb2.Entitlement
    return EntitlementTerm(
        id=told.id,
        benefit=told.benefit,
        basis=enum_word(kind.Basis.DESCRIPTOR, told.basis),
        target=told.subject,
        allowance=told.allowance if told.HasField("allowance") else None,
        period=enum_word(kind.Period.DESCRIPTOR, told.period),
        from_day=_ordinal(told.valid_from_date) or 0,
        to_day=_ordinal(told.valid_to_date),
        source_revision=told.revision,
    )


def _steps(event: Received) -> Iterator[tuple[str, Step]]:
    message = cast(Any, event.message)
    match type(event.message):
        case profiles.SegmentEntered:
            yield message.membership.customer_id, partial(BenefitStanding.join, segment=message.membership.segment_key)
        case profiles.SegmentLeft:
            yield message.membership.customer_id, partial(BenefitStanding.leave, segment=message.membership.segment_key)
        case profiles.ContractChanged:
            told = message.contract
            span = PlanSpan(
                contract_id=told.id,
                plan=told.plan,
                from_day=_ordinal(told.valid_from_date) or 0,
                to_day=_ordinal(told.valid_to_date),
            )
            yield told.customer_id, partial(BenefitStanding.agree, span=span)


def _ordinal(told: Any) -> int | None:
    return date(told.year, told.month, told.day).toordinal() if told.year else None
