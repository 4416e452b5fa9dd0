"""Watches: what is known of the rhythm of a customer, as events tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Open, OpenEnum
from services.care.alerts.domain.rules import AlertKind

MONTHS_KEPT: Final = 37
"""Months of sales that are kept: three years and the present month."""
SALES_MAX, CONTACT_DAYS_MAX, BROKEN_MAX = 200, 60, 20
EVERY: Final = timedelta(days=1)
"""Time between two looks at a customer."""
_EPOCH: Final = date(1970, 1, 1)


def month_of(at: datetime) -> int:
    """The number of a month: twelve times the year, and the month from 0 to 11."""
    return at.year * 12 + at.month - 1


def day_of(at: datetime) -> int:
    """The number of a day, counted from 1970-01-01."""
    return (at.astimezone(UTC).date() - _EPOCH).days


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlySales:
    """Sales to a customer in a month in one currency."""

    month: int
    currency_code: str
    minor_units: int = 0
    """Less what was paid back."""
    count: int = 0
    """Number of purchases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertQuiet:
    """A time in which no alert of a kind is raised."""

    kind: AlertKind
    end_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """Money that came from a customer, or went back."""

    time: datetime
    currency_code: str
    minor_units: int
    """Negative for what went back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch(Entity):
    """Rhythm of a customer, under the id that the events name."""

    ID_PREFIX: ClassVar[str] = "wat"

    customer_id: str
    sales: tuple[MonthlySales, ...] = ()
    contact_days: tuple[int, ...] = ()
    broken_times: tuple[datetime, ...] = ()
    satisfied_time: datetime | None = None
    dissatisfied_time: datetime | None = None
    quiets: tuple[AlertQuiet, ...] = ()
    raised_count: int = 0
    slope: float | None = None
    """Trend of a month, as a share of the average month."""
    tier: str = ""
    look_time: datetime | None = None

    def sell(self, sale: Sale, now: datetime) -> Change[Watch]:
        """With one more purchase, or something paid back. What is older than three years is forgotten."""
        oldest = month_of(now) - MONTHS_KEPT + 1
        sales = {(each.month, each.currency_code): each for each in self.sales if each.month >= oldest}
        key = (month_of(sale.time), sale.currency_code)
        if key[0] < oldest or key[0] > month_of(now) + 1:
            return self, []
        before = sales.get(key) or MonthlySales(month=key[0], currency_code=key[1])
        sales[key] = replace(
            before, minor_units=before.minor_units + sale.minor_units, count=before.count + (sale.minor_units > 0)
        )
        return self._looked(now, sales=tuple(each for _, each in sorted(sales.items()))[-SALES_MAX:])

    def meet(self, at: datetime, now: datetime) -> Change[Watch]:
        """Met on a day."""
        day = day_of(min(at, now))
        if day in self.contact_days:
            return self, []
        return self._looked(now, contact_days=tuple(sorted({*self.contact_days, day}))[-CONTACT_DAYS_MAX:])

    def break_(self, at: datetime, now: datetime) -> Change[Watch]:
        """A promise was broken."""
        if at in self.broken_times:
            return self, []
        return self._looked(now, broken_times=tuple(sorted({*self.broken_times, at}))[-BROKEN_MAX:])

    def say(self, satisfied: bool, at: datetime, now: datetime) -> Change[Watch]:
        """Said to be satisfied, or not. Only the latest of each counts."""
        name = "satisfied_time" if satisfied else "dissatisfied_time"
        known: datetime | None = getattr(self, name)
        return (self, []) if known is not None and known >= at else self._looked(now, **{name: at})

    def look(self, slope: float | None, tier: str, now: datetime) -> Change[Watch]:
        """Looked at: the trend is worked out, and the next look is a day later."""
        return replace(self, slope=slope, tier=tier, look_time=now + EVERY), []

    def count(self) -> Change[Watch]:
        """One more alert is raised. Two who raise at once meet here, and one of them begins anew."""
        return replace(self, raised_count=self.raised_count + 1), []

    def quiet(self, kind: AlertKind, until: datetime) -> Change[Watch]:
        """No alert of a kind until a time."""
        others = tuple(each for each in self.quiets if each.kind is not kind)
        return replace(self, quiets=(*others, AlertQuiet(kind=kind, end_time=until))), []

    def erase(self) -> Change[Watch]:
        """Without anything."""
        return replace(
            self,
            sales=(),
            contact_days=(),
            broken_times=(),
            satisfied_time=None,
            dissatisfied_time=None,
            quiets=(),
            slope=None,
            tier="",
            look_time=None,
        ), []

    def _looked(self, now: datetime, **fields: object) -> Change[Watch]:
        due = min(self.look_time or now + timedelta(minutes=1), now + timedelta(minutes=1))
        return replace(self, look_time=due, **fields), []  # type: ignore[arg-type]


class ScaleType(OpenEnum):
    """Type of a question whose answer tells if a customer is satisfied."""

    NPS_0_10 = "NPS_0_10"
    CSAT_1_5 = "CSAT_1_5"
    CES_1_7 = "CES_1_7"


_SATISFIED: Final = {ScaleType.NPS_0_10: 9, ScaleType.CSAT_1_5: 4, ScaleType.CES_1_7: 5}
_DISSATISFIED: Final = {ScaleType.NPS_0_10: 6, ScaleType.CSAT_1_5: 2, ScaleType.CES_1_7: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A question of a survey that is answered on a scale."""

    item: Open[str]
    """Key of a question of the company."""
    type: ScaleType


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyScales(Entity):
    """The scales of a survey, as it is asked now."""

    ID_PREFIX: ClassVar[str] = "scl"

    scales: tuple[Scale, ...] = ()

    def ask(self, scales: tuple[Scale, ...]) -> Change[SurveyScales]:
        """With other questions."""
        return replace(self, scales=scales), []

    def satisfied(self, numbers: dict[str, int]) -> bool | None:
        """Tells if answers say so: True when all do, False when one says the contrary, None for what is between."""
        told = [(each.type, numbers[each.item]) for each in self.scales if each.item in numbers]
        if any(number <= _DISSATISFIED[type] for type, number in told if type in _DISSATISFIED):
            return False
        return True if told and all(number >= _SATISFIED.get(type, 0) for type, number in told) else None


def merged(watches: Sequence[Watch], customer_id: str) -> Watch:
    """One watch of all that is known of a customer under its ids."""
    sales: dict[tuple[int, str], MonthlySales] = {}
    for each in (sale for watch in watches for sale in watch.sales):
        before = sales.get((each.month, each.currency_code))
        sales[each.month, each.currency_code] = (
            replace(each, minor_units=each.minor_units + before.minor_units, count=each.count + before.count)
            if before is not None
            else each
        )
    return Watch(
        id="",
        customer_id=customer_id,
        sales=tuple(each for _, each in sorted(sales.items())),
        contact_days=tuple(sorted({day for watch in watches for day in watch.contact_days})),
        broken_times=tuple(sorted({at for watch in watches for at in watch.broken_times})),
        satisfied_time=max((each.satisfied_time for each in watches if each.satisfied_time), default=None),
        dissatisfied_time=max((each.dissatisfied_time for each in watches if each.dissatisfied_time), default=None),
        quiets=tuple(quiet for watch in watches for quiet in watch.quiets),
    )
