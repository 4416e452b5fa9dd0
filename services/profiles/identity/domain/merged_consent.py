"""Consent when customers become one, and when they become several again: the most restrictive answer of all.

After a merge the survivor may be written to only where the survivor had agreed and none of the others refuses, and at a
contact point that came from another one only where that one had agreed as well. So a merge of two who are not the same
after all never reaches somebody who said no, or who never said yes. The refusals are receipts like any other: only a
later act of the customer lifts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from services.profiles.customers.domain.consents import (
    Capture,
    ConsentDecision,
    ConsentHead,
    ConsentReceipt,
    ConsentState,
    Scope,
)
from services.profiles.customers.domain.contact_points import POINT_OF_CHANNEL, ContactPoint
from services.profiles.customers.domain.customers import Customer


def refusals_of_merge(survivor: Customer, losers: Sequence[Customer]) -> tuple[Scope, ...]:
    """Scopes that the survivor refuses from now on, beside those that it refused before."""
    own = {point.key for point in survivor.contact_points}
    scopes = [scope for loser in losers for scope in _standing(loser.consent.decisions, loser.consent)]
    for loser in losers:
        for point in loser.contact_points:
            if point.key not in own:
                scopes += _not_agreed(survivor.consent, loser.consent, point)
    return tuple(dict.fromkeys(scope for scope in scopes if not _refuses_all(survivor.consent, scope)))


def refusals_of_unmerge(before: Customer, current: Customer, receipt_ids: Iterable[str]) -> tuple[Scope, ...]:
    """Refusals while customers were one, by nobody knows whom: they count for all of them."""
    known = {decision.receipt_id for decision in before.consent.decisions} | set(receipt_ids)
    return tuple(
        _standing((each for each in current.consent.decisions if each.receipt_id not in known), current.consent)
    )


def grants_of_nobody(before: Customer, current: Customer) -> tuple[Scope, ...]:
    """Grants while customers were one, by nobody knows whom: they count for none of them, except at a
    contact point that the survivor had before."""
    known = {decision.receipt_id for decision in before.consent.decisions}
    own = {point.canonical for point in before.contact_points}
    return tuple(
        each.scope
        for each in current.consent.decisions
        if each.state is ConsentState.GRANTED and each.receipt_id not in known and each.contact_point not in own
    )


def refusal(scope: Scope, *, id: str, customer_id: str, proof_ref: str, recorder: str, at: datetime) -> ConsentReceipt:
    """A refusal that rests on a merge."""
    return ConsentReceipt(
        id=id,
        customer_id=customer_id,
        purpose=scope.purpose,
        channel=scope.channel,
        contact_point=scope.contact_point,
        state=ConsentState.DENIED,
        capture=Capture.IMPORTED,
        capture_time=at,
        proof_ref=proof_ref,
        recorder=recorder,
    )


def _standing(decisions: Iterable[ConsentDecision], head: ConsentHead) -> Iterator[Scope]:
    """The refusals among the decisions that no later grant has lifted."""
    return (each.scope for each in decisions if each.refuses and each in head.refusals(each.scope))


def _not_agreed(survivor: ConsentHead, loser: ConsentHead, point: ContactPoint) -> Iterator[Scope]:
    """Grants of the survivor in general that the owner of a contact point did not give, about that contact point."""
    for grant in survivor.decisions:
        reaches = grant.channel is None or POINT_OF_CHANNEL.get(grant.channel) is point.type
        if grant.state is ConsentState.GRANTED and not grant.contact_point and reaches:
            scope = Scope(purpose=grant.purpose, channel=grant.channel, contact_point=point.canonical)
            agreed = any(each.state is ConsentState.GRANTED for each in loser.about(scope))
            if not agreed or loser.refusals(scope):
                yield scope


def _refuses_all(head: ConsentHead, scope: Scope) -> bool:
    """True when everything in a scope is refused already."""
    agreed = any(each.state is ConsentState.GRANTED and each.scope.overlaps(scope) for each in head.decisions)
    return bool(head.refusals(scope)) and not agreed
