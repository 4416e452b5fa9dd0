"""Grievances found before they cost the customer: signals of behavior, each with what it adds (S-044, S-048)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.profiles.activity.domain.habits import ContactRecord, Direction
from services.profiles.worth.domain.contribution import Figures
from services.profiles.worth.domain.dormancy import Silence
from services.profiles.worth.domain.measures import Basis

PERIOD = timedelta(days=90)
RECENT = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One thing that speaks for a customer leaving, and how strongly."""

    name: str
    strength: float
    """From 0, as ever, to 1."""
    weight: int
    points: float
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyWarning:
    """The points of a customer, at most 100, and the signals they come from, the strongest first."""

    customer_id: str
    score: float
    signals: tuple[Signal, ...]
    basis: Basis


def early_warning(
    customer_id: str,
    *,
    silence: Silence | None,
    lately: Sequence[Figures],
    before: Sequence[Figures],
    contacts: ContactRecord,
    basis: Basis,
) -> EarlyWarning:
    """The warning from purchases of the latest 90 days, those before, the gap, and contacts."""
    signals = [_overdue(silence), _less(lately, before), _trouble(lately), _asking(contacts, basis.as_of_time)]
    ordered = sorted(signals, key=lambda signal: (-signal.points, signal.name))
    score = round(sum(signal.points for signal in ordered), 1)
    return EarlyWarning(customer_id=customer_id, score=score, signals=tuple(ordered), basis=basis)


def _overdue(silence: Silence | None) -> Signal:
    if silence is None:
        return _signal("overdue", 0, 35, "never bought, so no purchase is overdue")
    usual = silence.median_days if silence.median_days is not None else float(silence.floor_days)
    room = max(silence.limit_days - usual, 1.0)
    strength = (silence.gap_days - usual) / room
    return _signal(
        "overdue",
        strength,
        35,
        f"{silence.gap_days} days since the last purchase; usual are {usual:g}, dormant is over {silence.limit_days:g}",
    )


def _less(lately: Sequence[Figures], before: Sequence[Figures]) -> Signal:
    """The greatest fall in any currency: amounts of different currencies are never added."""
    after = {each.currency_code: each.net_sales for each in lately}
    falls = [
        (1 - max(after.get(each.currency_code, 0), 0) / each.net_sales, each) for each in before if each.net_sales > 0
    ]
    if not falls:
        return _signal("buys_less", 0, 30, "no sales in the 90 days before the latest 90 to compare with")
    fall, worst = max(falls, key=lambda pair: pair[0])
    now_units = after.get(worst.currency_code, 0)
    return _signal(
        "buys_less",
        fall,
        30,
        f"net sales of 90 days went from {worst.net_sales} to {now_units} minor units of {worst.currency_code}",
    )


def _trouble(lately: Sequence[Figures]) -> Signal:
    shares = [
        ((each.refunds + each.goodwill) / max(each.sales, each.refunds + each.goodwill), each)
        for each in lately
        if each.refunds + each.goodwill > 0
    ]
    if not shares:
        return _signal("trouble", 0, 20, "no refund and no goodwill in 90 days")
    share, worst = max(shares, key=lambda pair: pair[0])
    return _signal(
        "trouble",
        share * 2,
        20,
        f"refunds and goodwill of 90 days are {worst.refunds + worst.goodwill} minor units of {worst.currency_code}, "
        f"sales {worst.sales}",
    )


def _asking(contacts: ContactRecord, now: datetime) -> Signal:
    inbound = [each.occurred_time for each in contacts.recent if each.direction is Direction.INBOUND]
    recent = sum(now - RECENT < at <= now for at in inbound)
    usual = sum(now - 4 * RECENT < at <= now - RECENT for at in inbound) / 3
    strength = (recent - usual - 1) / 4 if recent > usual + 1 else 0.0
    return _signal("asks_more", strength, 15, f"{recent} contacts by the customer in 30 days; usual are {usual:.1f}")


def _signal(name: str, strength: float, weight: int, explanation: str) -> Signal:
    bounded = min(max(strength, 0.0), 1.0)
    return Signal(
        name=name, strength=bounded, weight=weight, points=round(weight * bounded, 1), explanation=explanation
    )
