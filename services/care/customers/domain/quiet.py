"""Quiet hours: spans of the clock on the wall, so a night on which the clocks change is longer or shorter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from libs.worktime.civil import instant
from services.care.customers.domain.projection import ConsentPurpose, CustomerProjection, QuietSpan

DAY_MINUTES = 24 * 60
_STEPS_MAX = 400
_HORIZON = timedelta(days=8)
"""A week and a bit: spans repeat every week, so who is quiet for longer is quiet for ever."""


def quiet_until(
    at: datetime, hours: QuietSpan | None, customer: CustomerProjection, purpose: ConsentPurpose, zones: Sequence[str]
) -> datetime | None:
    """The first instant from a time on that is quiet nowhere. The time itself when it is quiet nowhere, None for never.

    The hours of a program hold in every zone in which the customer may be, the spans of the customer in the first.
    """
    own = [span for span in customer.quiet_spans if not span.purposes or purpose in span.purposes]
    rules = [(ZoneInfo(name), [hours]) for name in zones] if hours is not None else []
    if own:
        rules.append((ZoneInfo(zones[0]), own))
    moment = at
    for _ in range(_STEPS_MAX):
        ends = chain.from_iterable(_ends(moment, zone, spans) for zone, spans in rules)
        end = max(ends, default=None)
        if end is None:
            return moment
        moment = end
        if moment - at > _HORIZON:
            return None
    return None


def _ends(at: datetime, zone: ZoneInfo, spans: Iterable[QuietSpan]) -> Iterable[datetime]:
    """The ends of the spans that are quiet at a time."""
    local = at.astimezone(zone)
    now = local.hour * 60 + local.minute
    for span in spans:
        length = (span.end_minute - span.start_minute) % DAY_MINUTES
        for began, days_ago in ((span.start_minute, 0), (span.start_minute - DAY_MINUTES, 1)):
            day = local.date() - timedelta(days=days_ago)
            starts = not span.weekdays or day.weekday() in span.weekdays
            if starts and began <= now < began + length:
                end = instant(local.date(), began + length, zone)
                # Where clocks are set back, the end may have been before: look again a quarter of an hour later.
                yield end if end > at else _quarter_after(at)


def _quarter_after(at: datetime) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + ((at - epoch) // timedelta(minutes=15) + 1) * timedelta(minutes=15)
