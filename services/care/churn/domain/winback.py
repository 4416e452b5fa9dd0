"""Winning back: worth while only where more is expected than it costs, and never for ever.

The expected value is `p * monthly sales * margin * months of a second life - cost of an attempt`. The probability is
the mean of a beta distribution: the attempts that the policy assumes, and those that were made for the same kind of
reason. What it rests on is an assumption with a source and a day, never a number of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, InvalidArgument, OpenEnum
from libs.money import CURRENCIES
from services.care.alerts.domain.watches import MonthlySales
from services.care.churn.domain.records import ChurnRecord
from services.care.churn.domain.refusals import WinBackEnded

_WHOLE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy(Entity):
    """Assumptions about keeping and winning back."""

    ID_PREFIX: ClassVar[str] = "rpy"

    currency_code: str
    margin_basis_points: int = 0
    second_life_months: int
    attempt_cost_minor_units: int = 0
    prior_attempts: int
    prior_wins: int = 0
    attempts_max: int
    give_up_days: int
    retention_goal_basis_points: int = 0
    source: str
    source_date: date
    review_time: datetime | None = None

    def define(self, other: RetentionPolicy, now: datetime) -> Change[RetentionPolicy]:
        """As another one says it. The next review stays when it is."""
        if other.currency_code not in CURRENCIES:
            raise InvalidArgument.field("currency_code", f"{other.currency_code} is no currency of ISO 4217")
        if other.prior_wins > other.prior_attempts:
            raise InvalidArgument.field("prior_wins", f"of {other.prior_attempts} attempts no more are won")
        kept = {name: getattr(self, name) for name in ("id", "revision", "create_time", "update_time")}
        due = self.review_time or month_after(now) + timedelta(days=1)
        defined = replace(other, review_time=due, **kept)
        if defined == self and self.revision:
            return self, []
        return defined, [RetentionPolicyDefined(policy=defined)]

    def review(self, now: datetime) -> Change[RetentionPolicy]:
        """The month before is being reviewed: the next one is when this month is over."""
        if self.review_time is None or self.review_time > now:
            return self, []
        coming = replace(self, review_time=month_after(now) + timedelta(days=1))
        return coming, [RetentionPolicyDefined(policy=coming)]


def month_after(at: datetime) -> datetime:
    """The beginning of the month after a time."""
    return (at.replace(day=28) + timedelta(days=4)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WinBackEstimate:
    """Expected value of winning a customer back."""

    customer_id: str
    churn_record_id: str
    probability: float
    won_count: int
    ended_count: int
    monthly_minor_units: int
    second_life_minor_units: int
    cost_minor_units: int
    expected_minor_units: int
    currency_code: str
    worth_while: bool
    against: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A customer who left, with everything that decides about winning it back."""

    record: ChurnRecord
    sales: tuple[MonthlySales, ...]
    attempts: Sequence[WinBackAttempt]
    """Those that were made since it left."""
    won_count: int
    ended_count: int
    """Attempts at anybody for this kind of reason that were won, and that ended."""

    def estimate(self, policy: RetentionPolicy, now: datetime) -> WinBackEstimate:
        """Works it out."""
        monthly = self._monthly(policy.currency_code)
        life = monthly * policy.second_life_months * policy.margin_basis_points // _WHOLE
        probability = 0.0
        if self.record.recoverable:
            probability = (policy.prior_wins + self.won_count) / (policy.prior_attempts + self.ended_count)
        expected = round(probability * life) - policy.attempt_cost_minor_units
        against = tuple(self._against(policy, expected, now))
        return WinBackEstimate(
            customer_id=self.record.customer_id,
            churn_record_id=self.record.id,
            probability=probability,
            won_count=self.won_count,
            ended_count=self.ended_count,
            monthly_minor_units=monthly,
            second_life_minor_units=life,
            cost_minor_units=policy.attempt_cost_minor_units,
            expected_minor_units=expected,
            currency_code=policy.currency_code,
            worth_while=not against,
            against=against,
        )

    def _monthly(self, currency_code: str) -> int:
        """Average month of what was bought in a currency, from the first month with sales to the last."""
        theirs = [each for each in self.sales if each.currency_code == currency_code]
        if not theirs:
            return 0
        months = max(each.month for each in theirs) - min(each.month for each in theirs) + 1
        return max(sum(each.minor_units for each in theirs) // months, 0)

    def _against(self, policy: RetentionPolicy, expected: int, now: datetime) -> Iterator[str]:
        if not self.record.recoverable:
            yield "the customer does not come back, as the record says"
        if expected <= 0:
            yield f"{expected} {policy.currency_code} in minor units are expected, and that is no gain"
        if any(each.state is WinBackState.OFFERED for each in self.attempts):
            yield "an attempt is open"
        if len(self.attempts) >= policy.attempts_max:
            yield f"{len(self.attempts)} attempts were made, and {policy.attempts_max} are"
        if self.record.lost_time is not None and now - self.record.lost_time > timedelta(days=policy.give_up_days):
            yield f"the customer left more than {policy.give_up_days} days ago"


class WinBackState(OpenEnum):
    """Progress of an attempt."""

    OFFERED = "OFFERED"
    WON = "WON"
    DECLINED = "DECLINED"
    LAPSED = "LAPSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class WinBackAttempt(Entity):
    """An attempt to win a customer back."""

    ID_PREFIX: ClassVar[str] = "wba"

    customer_id: str
    churn_record_id: str
    number: int
    reason_root: str
    offer: str
    probability: float
    expected_minor_units: int
    currency_code: str
    state: WinBackState = WinBackState.OFFERED
    touch_id: str = ""
    offered_by: str = ""
    lapse_time: datetime | None = None
    end_time: datetime | None = None

    def give(self) -> Change[WinBackAttempt]:
        """This attempt as a new one."""
        return self, [WinBackOffered(attempt=self)]

    def decline(self, now: datetime) -> Change[WinBackAttempt]:
        """Without success, as a person tells."""
        if self.state is not WinBackState.OFFERED:
            raise WinBackEnded(attempt_id=self.id, state=self.state)
        return self._ended(WinBackState.DECLINED, now)

    def win(self, now: datetime) -> Change[WinBackAttempt]:
        """The customer came back."""
        return self._ended(WinBackState.WON, now) if self.state is WinBackState.OFFERED else (self, [])

    def lapse(self, now: datetime) -> Change[WinBackAttempt]:
        """Its time is over."""
        if self.state is not WinBackState.OFFERED or self.lapse_time is None or self.lapse_time > now:
            return self, []
        return self._ended(WinBackState.LAPSED, now)

    def erase(self) -> Change[WinBackAttempt]:
        """Without words. One that is open is over."""
        if not self.offer and self.lapse_time is None:
            return self, []
        state = WinBackState.LAPSED if self.state is WinBackState.OFFERED else self.state
        erased = replace(self, offer="", state=state, lapse_time=None)
        return erased, [WinBackEnd(attempt=erased)]

    def _ended(self, state: WinBackState, now: datetime) -> Change[WinBackAttempt]:
        ended = replace(self, state=state, end_time=now, lapse_time=None)
        return ended, [WinBackWon(attempt=ended) if state is WinBackState.WON else WinBackEnd(attempt=ended)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicyDefined(Event):
    """Tells what keeping and winning back are taken to be worth."""

    policy: RetentionPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class WinBackOffered(Event):
    """Tells that somebody is to win a customer back."""

    attempt: WinBackAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class WinBackWon(Event):
    """Tells that a customer came back while an attempt was open."""

    attempt: WinBackAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class WinBackEnd(Event):
    """Tells that an attempt ended without success."""

    attempt: WinBackAttempt
