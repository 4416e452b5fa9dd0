"""Calls: taking them in, popping a screen, service levels, and forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from libs.chassis.domain import DomainError, NotFound
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Outcome
from libs.worktime.civil import zone
from services.interactions.callcenter.domain.calls import Call, CallEvent
from services.interactions.callcenter.domain.forecasting import CallCount, CallForecast, by_days, forecast
from services.interactions.callcenter.domain.levels import ServiceLevelReport, ServiceSource, report
from services.interactions.callcenter.domain.pops import ScreenPop
from services.interactions.callcenter.domain.staffing import AnswerTarget, Demand, plan
from services.interactions.callcenter.store import CallcenterStore
from services.interactions.customers.application import Customers
from services.interactions.customers.domain import Identifier, IdentifierKind
from services.interactions.routing.application.people import People, check_times
from services.interactions.routing.domain.queues import WorkQueue

SHARERS_MAX = 25
"""Customers with one number who are looked at."""
POP_WORK, POP_PROMISES, POP_INTERACTIONS, POP_CASES = 10, 10, 3, 10
"""Rows of a screen pop."""
LEVEL_DAYS = 31
"""Longest time of a service level."""
USUAL_TARGET = AnswerTarget(share=0.8, within=20)
DAYS, LEARN_DAYS = 7, 365
"""Days of a forecast, and to learn from, when none are said."""


class Calls:
    """Calls of the call center."""

    def __init__(self, store: CallcenterStore) -> None:
        self._store = store
        self._people = People(store.routing)
        self._customers = Customers(store.customers)

    def record(self, rows: Sequence[CallEvent | DomainError]) -> Sequence[Outcome[Call]]:
        """Outcome of each event. One that could not be read comes as its error."""
        events = [each for each in rows if isinstance(each, CallEvent)]
        found = self._customers.resolve(
            list({_key(each.number) for each in events if each.number and not each.customer_id})
        )
        return [self._take(each, found) if isinstance(each, CallEvent) else Outcome(error=each) for each in rows]

    def get(self, call_id: str) -> Call:
        """One call."""
        call = self._store.calls.get(call_id)
        visible = self._people.visible_queue_ids()
        if visible is not None and call.queue_id not in visible:
            raise NotFound(Call, call_id)
        return call

    def list(self, queue_id: str, page: PageRequest) -> Page[Call]:
        """A page of the calls of a queue, the last ring first."""
        return self._store.list_calls(self._people.queue(queue_id).id, page)

    def screen_pop(self, number: str) -> ScreenPop:
        """All about a caller, in seven bounded reads."""
        led = self._store.customers.led_to_by([_key(number)], SHARERS_MAX)
        several = {each.canonical_id for each in led}
        if len(several) != 1:
            return ScreenPop(matches=len(several))
        customer = self._customers.require(several.pop())
        ids = self._store.customers.group(customer.id, customer)
        work, tier = self._store.open_work_of(ids, POP_WORK)
        cases, visible = self._store.cases.open_of(ids, POP_CASES), self._people.visible_queue_ids()
        if visible is not None:
            work = [each for each in work if each.queue_id in visible]
            about = {each.about.id for each in work if each.about is not None}
            cases = [each for each in cases if each.id in about]
        return ScreenPop(
            matches=1,
            customer=customer,
            tier=tier or customer.tier,
            cases=tuple(cases),
            work=tuple(work),
            promises=tuple(self._store.promises.pending_of(ids, POP_PROMISES)),
            interactions=tuple(self._store.timeline.last_of(ids, POP_INTERACTIONS)),
        )

    def service_level(self, queue_id: str, start: datetime, end: datetime, source: ServiceSource) -> ServiceLevelReport:
        """Service level of a queue, with what came of it."""
        queue = self._people.queue(queue_id)
        check_times(start, end, LEVEL_DAYS)
        counted = self._store.work_between if source is ServiceSource.WORK else self._store.calls_between
        return report(queue, counted(queue.id, start, end), self._store.outcome_between(queue.id, start, end))

    # --------------------------------------------------------------------------------------------- counts

    def load(self, rows: Sequence[CallCount | DomainError]) -> Sequence[Outcome[CallCount]]:
        """Outcome of each count. One that could not be read comes as its error."""
        queues = {each.id for each in self._store.routing.all_queues()}
        good: list[CallCount] = []
        outcomes: list[Outcome[CallCount] | None] = []
        for row in rows:
            if isinstance(row, DomainError):
                outcomes.append(Outcome(error=row))
            elif row.queue_id not in queues:
                outcomes.append(Outcome(error=NotFound(WorkQueue, row.queue_id)))
            else:
                good.append(CallCount(**{name: getattr(row, name) for name in _COUNT}))
                outcomes.append(None)
        stored = iter(self._store.record_counts(good))
        return [each if each is not None else next(stored) for each in outcomes]

    def forecast(
        self,
        queue_id: str,
        first: date,
        *,
        days: int = 0,
        learn_days: int = 0,
        time_zone: str = "",
        holidays: Sequence[date] = (),
    ) -> CallForecast:
        """The half hours of some days, learned from the days before."""
        queue = self._people.queue(queue_id)
        where = zone(time_zone or "UTC", "time_zone")
        begin = _midnight(first - timedelta(days=learn_days or LEARN_DAYS), where)
        counts = self._store.counts_between(queue.id, begin, _midnight(first, where))
        known = by_days(counts, where)
        return forecast(queue.id, known, set(holidays), first=first, length=days or DAYS, zone=where)

    def staffed(
        self, found: CallForecast, demand: Demand, targets: Sequence[AnswerTarget], shrinkage: float
    ) -> CallForecast:
        """A forecast with the agents it needs, each call handled as the demand says."""
        demands = [replace(demand, calls=each.calls) for each in found.intervals]
        planned = plan(demands, targets or [USUAL_TARGET], shrinkage=shrinkage)
        staffed = zip(found.intervals, planned.intervals, strict=True)
        return replace(
            found,
            intervals=tuple(replace(each, staffing=staffing) for each, staffing in staffed),
            agent_hours=planned.agent_hours,
        )

    # ---------------------------------------------------------------------------------------------- steps

    def _take(self, event: CallEvent, customers: dict[str, str]) -> Outcome[Call]:
        if event.number and not event.customer_id:
            event = replace(event, customer_id=customers.get(_key(event.number), ""))
        blank = Call(id=self._store.calls.id_of(event.key))
        known = self._store.calls.find_by_id(blank.id)
        try:
            self._store.customers.refuse_erased([event.customer_id])
            [call] = self._store.database.transact(
                lambda: self._store.calls.upsert_many([(blank, event)], lambda each, told: each.take(told))
            )
        except DomainError as error:
            return Outcome(error=error)
        return Outcome(entity=call, created=known is None)


_COUNT = ("id", "queue_id", "start_time", "length_seconds", "offered", "estimated")


def _key(number: str) -> str:
    return Identifier(kind=IdentifierKind.PHONE, value=number).key


def _midnight(day: date, where: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=where).astimezone(ZoneInfo("UTC"))
