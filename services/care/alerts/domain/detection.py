"""Detection: what the rhythm of a customer says about staying or leaving. Pure, and explained factor by factor.

A decline is a robust slope (Theil-Sen) over the last complete months, beside the customer's own average month and the
median customer of its tier. Silence is a gap above the usual ones: median + 3 * 1.4826 * MAD of the customer's own
gaps, and never less than a floor. The risk to leave is a sum of published weights; satisfaction is one among several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

from libs.statistics.trends import theil_sen
from services.care.alerts.domain.alerts import AlertDriver, AlertFactor, Sign, strongest
from services.care.alerts.domain.rules import AlertKind, AlertRule
from services.care.alerts.domain.watches import Watch, day_of, month_of

TREND_MONTHS, TREND_MONTHS_LEAST = 12, 6
"""Complete months that a trend is worked out from, and the fewest."""
GAPS_LEAST: Final = 4
"""Gaps between meetings from which a customer has a rhythm of its own. With fewer, twice the floor is unusual."""
SATISFIED_LASTS, DISSATISFIED_LASTS, BROKEN_LASTS = timedelta(days=365), timedelta(days=180), timedelta(days=90)
SLOPE_POINTS, SILENCE_POINTS, PROMISE_POINTS, COMPLAINT_POINTS, DISSATISFIED_POINTS = 30, 30, 20, 15, 20
"""Weights of the risk to leave, of 100. Promises count twice at most, and so do complaints."""
_TWICE: Final = 2
_MAD_TO_SIGMA: Final = 1.4826


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Sales of a customer by month, and their change."""

    slope: float
    """Change from month to month, as a share of the average month."""
    upper: float
    """Upper end of its interval of 95 %."""
    months: int
    currency_code: str

    def in_words(self) -> str:
        """For example `-8.1 % a month over 12 months (EUR), at most -3.2 %`."""
        return f"{self.slope:+.1%} a month over {self.months} months ({self.currency_code}), at most {self.upper:+.1%}"


def trend_of(watch: Watch, now: datetime) -> Trend | None:
    """The trend of the currency that a customer buys in most. None while there are too few months, or no sales."""
    counts: Counter[str] = Counter()
    for each in watch.sales:
        counts[each.currency_code] += each.count
    if not counts:
        return None
    currency = min(counts, key=lambda code: (-counts[code], code))
    amounts = {each.month: each.minor_units for each in watch.sales if each.currency_code == currency}
    last = month_of(now) - 1
    first = max(min(amounts), last - TREND_MONTHS + 1)
    months = range(first, last + 1)
    series = [float(amounts.get(month, 0)) for month in months]
    average = sum(series) / len(series) if series else 0.0
    slope = theil_sen(series)
    if len(series) < TREND_MONTHS_LEAST or average <= 0 or slope is None:
        return None
    return Trend(slope=slope.value / average, upper=slope.upper / average, months=len(series), currency_code=currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Days since customer and company met, beside what is usual."""

    days: int
    usual: int
    """Days that are not unusual."""
    gaps: int
    """Gaps that this rests on."""

    @property
    def unusual(self) -> bool:
        """Set when it lasts longer than is usual."""
        return self.days > self.usual

    def in_words(self) -> str:
        """For example `61 days without a meeting; up to 45 are usual (8 gaps)`."""
        return f"{self.days} days without a meeting; up to {self.usual} are usual ({self.gaps} gaps)"


def silence_of(watch: Watch, floor: int, now: datetime) -> Silence | None:
    """The silence of a customer. None for one who was never met."""
    if not watch.contact_days:
        return None
    gaps = [later - sooner for sooner, later in pairwise(watch.contact_days)]
    usual = _TWICE * floor
    if len(gaps) >= GAPS_LEAST:
        middle = median(gaps)
        spread = _MAD_TO_SIGMA * median(abs(gap - middle) for gap in gaps)
        usual = max(floor, int(middle + 3 * spread))
    return Silence(days=day_of(now) - watch.contact_days[-1], usual=usual, gaps=len(gaps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A customer with everything that a look at it needs."""

    watch: Watch
    open_complaints: int
    tier: str
    peers: float | None
    """Median trend of the tier. None while too few are known."""
    rules: Callable[[AlertKind], AlertRule]
    now: datetime

    def signs(self) -> Iterator[Sign]:
        """Everything that there is to tell. What a satisfied customer does is told as cooling alone."""
        trend = trend_of(self.watch, self.now)
        silence = silence_of(self.watch, self.rules(AlertKind.SILENCE).limit, self.now)
        satisfied = self._satisfied()
        declines = self._decline(trend, self.rules(AlertKind.DECLINE).limit)
        cools = self._decline(trend, self.rules(AlertKind.COOLING).limit // 2)
        if satisfied is not None and (cools or (silence is not None and silence.unusual)):
            drivers = strongest((satisfied, *cools, *_silent(silence)))
            yield Sign(kind=AlertKind.COOLING, drivers=drivers)
        else:
            if declines:
                yield Sign(kind=AlertKind.DECLINE, drivers=declines)
            if silence is not None and silence.unusual:
                yield Sign(kind=AlertKind.SILENCE, drivers=tuple(_silent(silence)))
        yield from self._risk(declines, silence)

    def _satisfied(self) -> AlertDriver | None:
        said, contrary = self.watch.satisfied_time, self.watch.dissatisfied_time
        if said is None or self.now - said > SATISFIED_LASTS or (contrary is not None and contrary > said):
            return None
        return AlertDriver(
            factor=AlertFactor.SATISFIED, points=10, explanation=f"said to be satisfied on {said:%Y-%m-%d}"
        )

    def _decline(self, trend: Trend | None, thousandths: int) -> tuple[AlertDriver, ...]:
        """Drivers of a decline: certainly below its own past, or far below its peers without growing itself."""
        if trend is None:
            return ()
        limit = thousandths / 1000
        drivers = []
        if trend.upper < 0 and trend.slope <= -limit:
            drivers.append(AlertDriver(factor=AlertFactor.SLOPE, points=SLOPE_POINTS, explanation=trend.in_words()))
        if self.peers is not None and trend.slope <= 0 and trend.slope - self.peers <= -limit:
            words = f"{trend.slope:+.1%} a month where the median of tier {self.tier} has {self.peers:+.1%}"
            drivers.append(AlertDriver(factor=AlertFactor.PEERS, points=SLOPE_POINTS, explanation=words))
        return tuple(drivers)

    def _risk(self, declines: Sequence[AlertDriver], silence: Silence | None) -> Iterator[Sign]:
        drivers = [*declines[:1], *(_silent(silence) if silence is not None and silence.unusual else ())]
        broken = [at for at in self.watch.broken_times if self.now - at <= BROKEN_LASTS]
        if broken:
            drivers.append(
                AlertDriver(
                    factor=AlertFactor.PROMISE,
                    points=PROMISE_POINTS * min(len(broken), _TWICE),
                    explanation=f"{len(broken)} promises broken in {BROKEN_LASTS.days} days",
                )
            )
        if self.open_complaints:
            drivers.append(
                AlertDriver(
                    factor=AlertFactor.COMPLAINT,
                    points=COMPLAINT_POINTS * min(self.open_complaints, _TWICE),
                    explanation=f"{self.open_complaints} complaints are open",
                )
            )
        said, contrary = self.watch.satisfied_time, self.watch.dissatisfied_time
        if contrary is not None and self.now - contrary <= DISSATISFIED_LASTS and (said is None or said < contrary):
            words = f"said to be dissatisfied on {contrary:%Y-%m-%d}"
            points = DISSATISFIED_POINTS
            drivers.append(AlertDriver(factor=AlertFactor.DISSATISFIED, points=points, explanation=words))
        sign = Sign(kind=AlertKind.CHURN_RISK, drivers=strongest(drivers))
        if len(drivers) > 1 and sign.score >= self.rules(AlertKind.CHURN_RISK).limit:
            yield sign


def _silent(silence: Silence | None) -> Iterator[AlertDriver]:
    if silence is not None and silence.unusual:
        yield AlertDriver(factor=AlertFactor.SILENCE, points=SILENCE_POINTS, explanation=silence.in_words())


def rules_by_kind(defined: Sequence[AlertRule]) -> Callable[[AlertKind], AlertRule]:
    """The rule of a kind, that of the house where none was defined."""
    known: Mapping[AlertKind, AlertRule] = {each.kind: each for each in defined}
    return lambda kind: known.get(kind) or AlertRule(id="", kind=kind)
