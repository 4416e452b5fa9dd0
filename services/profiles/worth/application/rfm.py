"""Use-cases of recency, frequency and monetary value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.chassis import identity
from libs.chassis.domain import FailedPrecondition, NotFound
from libs.chassis.operations import Job
from services.profiles.activity.domain.transactions import Money
from services.profiles.worth.application.bulk import moment_of, put
from services.profiles.worth.domain.contribution import DEFAULT_DAYS, Window, check_currency, check_time_zone
from services.profiles.worth.domain.measures import Basis
from services.profiles.worth.domain.models import Rfm, RfmTable, RfmTally
from services.profiles.worth.domain.rfm import recency_days
from services.profiles.worth.store import WorthStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalesRequest:
    """The customers whose scales are to be worked out. Zeros stand for defaults."""

    currency_code: str
    time_zone: str = ""
    window_days: int = 0
    as_of_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalesProgress:
    """Checkpoint of the work on scales."""

    table_id: str = ""
    as_of_time: datetime | None = None


class NoScalesYet(FailedPrecondition):
    """There are no scales yet: start {methods}."""

    methods: str = "EvaluateTiers or ComputeRfm"


class RfmScores:
    """Scales for all customers, and the scores of one."""

    def __init__(self, store: WorthStore) -> None:
        self._store = store

    def run(self, job: Job[ScalesRequest, ScalesProgress]) -> RfmTable:
        """Work out the scales, as an operation. One that is interrupted starts again, for the same window."""
        currency = check_currency(job.request.currency_code)
        time_zone = check_time_zone(job.request.time_zone)
        end = job.state.as_of_time or moment_of(job.request.as_of_time)
        state = ScalesProgress(table_id=job.state.table_id or identity.new_id(RfmTable.ID_PREFIX), as_of_time=end)
        job.progress(0, 0, state)
        window = Window(start_time=end - timedelta(days=job.request.window_days or DEFAULT_DAYS), end_time=end)
        tally = RfmTally(currency, window, time_zone)
        for portion in self._store.figures_of_all(window):
            for _, figures in portion:
                for each in figures:
                    if each.currency_code == currency:
                        tally.add(each)
            job.progress(len(tally), 0, state)
        table = tally.table(state.table_id)
        put(self._store.rfm_tables, [table])
        return self._store.rfm_tables.get(table.id)

    def get(self, customer_id: str) -> Rfm:
        """The values of a customer in the window of the latest scales, and the scores by them."""
        customer = self._store.customers.resolve(customer_id)
        table = self._store.latest(self._store.rfm_tables)
        if table is None:
            raise NoScalesYet
        figures = self._store.figures(customer.group, table.window)
        found = next((each for each in figures if each.currency_code == table.currency_code), None)
        if found is None or found.last_sale_time is None:
            raise NotFound(Rfm, customer_id)
        recency = recency_days(found.last_sale_time, table.as_of_date, table.time_zone)
        return Rfm(
            customer_id=customer.id,
            recency_days=recency,
            frequency=found.sale_count,
            monetary=Money(currency_code=table.currency_code, minor_units=found.sales),
            recency_score=table.recency.score(recency),
            frequency_score=table.frequency.score(found.sale_count),
            monetary_score=table.monetary.score(found.sales),
            table=table,
            basis=Basis.of("rfm", table.window, table.window.end_time, table.customer_count),
        )
