"""Use-cases of loyalty: months measured over all customers, and read one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from libs.chassis import identity
from libs.chassis.domain import NotFound
from libs.chassis.operations import Job
from libs.chassis.paging import Page
from services.profiles.application.worth.bulk import fold, moment_of
from services.profiles.domain.worth import loyalty
from services.profiles.domain.worth.contribution import check_currency, check_time_zone
from services.profiles.domain.worth.loyalty import LoyaltyMeasures, Tally
from services.profiles.store import ListRequest, ProfilesStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What became of a computation."""

    month_count: int
    restated_count: int
    customer_count: int


class Loyalty:
    """The months of a currency."""

    def __init__(self, store: ProfilesStore) -> None:
        self._worth = store.worth

    def run(self, job: Job) -> Measured:
        """Measure every month up to the present one, as an operation. The tallies are kept at every step, so one that
        is interrupted goes on from there."""
        currency = check_currency(job.request.currency_code)
        time_zone = check_time_zone(job.request.time_zone)
        state: dict[str, Any] = {
            "as_of": moment_of(job.request).isoformat(),
            "after": "",
            "customers": 0,
            "tallies": {},
            **job.state,
        }
        job.progress(state["customers"], 0, **state)
        as_of = datetime.fromisoformat(state["as_of"])
        today = as_of.astimezone(ZoneInfo(time_zone)).date()
        present = loyalty.number_of(today)
        tallies = {int(month): Tally(**counts) for month, counts in state["tallies"].items()}
        for portion in self._worth.figures_of_all(None, after=state["after"], time_zone=time_zone):
            for _, figures in portion:
                mine = [each for each in figures if each.currency_code == currency and (each.day or today) <= today]
                state["customers"] += bool(mine)
                loyalty.add(tallies, loyalty.by_month(mine), present)
            if portion:
                state["after"] = portion[-1][0]
            state["tallies"] = {str(month): asdict(tally) for month, tally in tallies.items()}
            job.progress(state["customers"], 0, **state)
        months = [
            loyalty.measures(tally, month, currency_code=currency, time_zone=time_zone, as_of=as_of)
            for month, tally in sorted(tallies.items())
            if month <= present
        ]
        return Measured(
            month_count=len(months), restated_count=self._tell(currency, months), customer_count=state["customers"]
        )

    def get(self, currency_code: str, month: str) -> LoyaltyMeasures:
        """What was measured of one month."""
        found = self._worth.month(check_currency(currency_code), month)
        if found is None:
            raise NotFound("LoyaltyMeasures", f"{month} in {currency_code}")
        return found

    def list(self, currency_code: str, request: ListRequest) -> Page[LoyaltyMeasures]:
        """The months of a currency, the latest first."""
        return self._worth.list_months(check_currency(currency_code), request)

    def _tell(self, currency_code: str, months: Sequence[LoyaltyMeasures]) -> int:
        """Store the months; how many were told differently before."""
        told = self._worth.months(currency_code)
        new = [
            each.restated_from(told[each.month])
            if each.month in told
            else replace(each, id=identity.new_id(each.ID_PREFIX))
            for each in months
        ]
        fold(self._worth.loyalty, [(each.id, _replacing(each)) for each in new])
        return sum(each.month in told and each.restatements != told[each.month].restatements for each in new)


def _replacing(month: LoyaltyMeasures) -> Any:
    return lambda _: (month, [])
