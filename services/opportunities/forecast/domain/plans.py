"""Plans that people make beside a forecast: quotas, and amounts that they believe in more than in the sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, InvalidArgument
from libs.money import CURRENCIES
from services.opportunities.deals.domain.terms import Money
from services.opportunities.forecast.domain.conversion import ConvertedForecast
from services.opportunities.forecast.domain.totals import CurrencyForecast, Dimension, Sums
from services.opportunities.pipelines.domain import ForecastCategory


class QuotaKeyUnfit(InvalidArgument):
    """A quota of {dimension} has {key!r} as its key: one of ALL names nobody, any other names whose it is."""

    wrong_field: ClassVar[str] = "quota.key"
    dimension: str
    key: str


def check_currency(amount: Money | None) -> None:
    """Refuses an amount of no currency."""
    if amount is not None and amount.currency_code not in CURRENCIES:
        raise InvalidArgument.field("amount.currency_code", f"{amount.currency_code!r} is no ISO 4217 code such as EUR")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastOverride(Entity):
    """Amount that a person expects of a period, with the reason. It stands beside the sums, never inside of them."""

    ID_PREFIX: ClassVar[str] = "fov"

    pipeline_id: str
    start_date: date
    end_date: date
    owner: str = ""
    amount: Money | None = None
    """None once it was withdrawn."""
    reason: str = ""
    actor: str = ""
    set_time: datetime | None = None

    def set(self, amount: Money | None, reason: str, *, actor: str, now: datetime) -> Change[ForecastOverride]:
        """With another amount, or withdrawn without one."""
        if amount == self.amount and reason == self.reason:
            return self, []
        changed = replace(self, amount=amount, reason=reason, actor=actor, set_time=now)
        return changed, [ForecastOverridden(override=changed)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastOverridden(Event):
    """A person set or withdrew the amount that they expect of a period."""

    override: ForecastOverride


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Money that a period brings, as of the latest change of a deal that is in it."""

    pipeline_id: str
    start_date: date
    end_date: date
    today_date: date
    as_of_time: datetime | None
    currencies: tuple[CurrencyForecast, ...]
    converted: ConvertedForecast | None = None
    overrides: tuple[ForecastOverride, ...] = ()
    """Amounts that people expect instead. None of them is in the sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota(Entity):
    """Amount that somebody is to win within a period."""

    ID_PREFIX: ClassVar[str] = "quo"

    pipeline_id: str
    start_date: date
    end_date: date
    dimension: Dimension = Dimension.ALL
    key: str = ""
    amount: Money | None = None
    """None once it was taken away."""

    def set(self, amount: Money | None) -> Change[Quota]:
        """With another amount, or none."""
        if amount == self.amount:
            return self, []
        changed = replace(self, amount=amount)
        return changed, [QuotaSet(quota=changed)]

    def check(self) -> None:
        """Refuses a quota of everybody that names somebody, and one of somebody that names nobody."""
        if (self.dimension is Dimension.ALL) == bool(self.key):
            raise QuotaKeyUnfit(dimension=self.dimension, key=self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaSet(Event):
    """A quota was set or taken away."""

    quota: Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A quota beside what there is to meet it with, in the currency of the quota."""

    quota: Quota
    closed: Sums
    open: Sums
    """Open deals that are expected within the period, whatever their category but the omitted one."""
    slipped: Sums
    gap: int
    """Amount that is still to be won. 0 when the quota is met."""
    attainment: float
    """Closed over the quota."""
    coverage: float | None
    """Open over the gap. None when nothing is left to win."""
    expected_attainment: float
    """Closed and open by its chances, over the quota."""
    oldest_rate_date: date | None
    unconverted_deals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageReport:
    """Quotas of a period with what covers them, as of the latest change of a deal that is in it."""

    pipeline_id: str
    start_date: date
    end_date: date
    as_of_time: datetime | None
    coverages: tuple[Coverage, ...]


def coverage(quota: Quota, target: int, found: ConvertedForecast) -> Coverage:
    """What covers a quota of so many minor units. `found` is in its currency."""
    forecast = found.forecast
    counted = [each.sums for each in forecast.categories if each.category is not ForecastCategory.OMITTED]
    open_sums = together(counted)
    gap = max(target - forecast.closed.amount, 0)
    return Coverage(
        quota=quota,
        closed=forecast.closed,
        open=open_sums,
        slipped=forecast.slipped,
        gap=gap,
        attainment=forecast.closed.amount / target,
        coverage=open_sums.amount / gap if gap else None,
        expected_attainment=forecast.expected / target,
        oldest_rate_date=found.oldest_rate_date,
        unconverted_deals=found.unconverted_deals,
    )


def together(sums: Iterable[Sums]) -> Sums:
    """All of these added up."""
    total = Sums()
    for each in sums:
        total = total.plus(each)
    return total


# ------------------------------------------------------------------------------------------------------- channels


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelShare:
    """Revenue of one channel beside that of the period before."""

    channel: str
    revenue: int
    share: float
    share_before: float | None
    """None when nothing came in before."""
    drift: float | None
    """Share less the share before."""
    growth_index: float | None
    """Revenue over that of the period before, times 100. None when the channel brought nothing before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueMix:
    """Revenue by channel in one currency, and how far it moved from the mix of the period before."""

    currency_code: str
    revenue: int
    revenue_before: int
    drift: float | None
    """Half of the sum of the absolute drifts: the share of revenue that changed its channel."""
    channels: tuple[ChannelShare, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueMixReport:
    """Revenue by channel and currency, as of the latest change of a deal that is in it."""

    pipeline_id: str
    start_date: date
    end_date: date
    before_start_date: date
    before_end_date: date
    as_of_time: datetime | None
    mixes: tuple[RevenueMix, ...]


def revenue_mix(currency_code: str, now: Mapping[str, int], before: Mapping[str, int]) -> RevenueMix:
    """The mix of channel → revenue in minor units, beside that of the period before."""
    total, total_before = sum(now.values()), sum(before.values())
    channels = [_channel(each, now, before) for each in sorted({*now, *before})]
    drifts = [each.drift for each in channels if each.drift is not None]
    return RevenueMix(
        currency_code=currency_code,
        revenue=total,
        revenue_before=total_before,
        drift=sum(map(abs, drifts)) / 2 if drifts and total else None,
        channels=tuple(channels),
    )


def _channel(name: str, now: Mapping[str, int], before: Mapping[str, int]) -> ChannelShare:
    total, total_before = sum(now.values()), sum(before.values())
    revenue, earlier = now.get(name, 0), before.get(name, 0)
    share = revenue / total if total else 0.0
    share_before = earlier / total_before if total_before else None
    return ChannelShare(
        channel=name,
        revenue=revenue,
        share=share,
        share_before=share_before,
        drift=share - share_before if share_before is not None else None,
        growth_index=100 * revenue / earlier if earlier else None,
    )


# ----------------------------------------------------------------------------------------------------- dependency

CONCENTRATED = 1 / 3
"""Share above which one side depends on the other: the source speaks of a third of a supplier's output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Dependency of a customer and the company on each other, in one currency."""

    customer_id: str
    currency_code: str
    revenue: int
    """Won from the customer within the period."""
    revenue_all: int
    """Won from everybody."""
    our_dependency: float | None
    """Their share of our revenue. None while there is none."""
    spend: int
    """Amount that the customer spends on such things with anybody, as it was told. 0 when nobody told."""
    their_dependency: float | None
    """Our share of their spend. None when their spend was not told."""
    concentrated: bool
    """True when one of both shares is above a third."""


def dependency(customer_id: str, currency_code: str, revenue: int, revenue_all: int, spend: int) -> Dependency:
    """Both shares. Ours of their spend is at most all of it, however little was told."""
    ours = revenue / revenue_all if revenue_all else None
    theirs = min(revenue / spend, 1.0) if spend else None
    shares: Sequence[float] = [each for each in (ours, theirs) if each is not None]
    return Dependency(
        customer_id=customer_id,
        currency_code=currency_code,
        revenue=revenue,
        revenue_all=revenue_all,
        our_dependency=ours,
        spend=spend,
        their_dependency=theirs,
        concentrated=any(each > CONCENTRATED for each in shares),
    )
