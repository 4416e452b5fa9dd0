"""Clocks of cases: explaining them, playing other policies over the past, and counting them anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Final

from libs.chassis import identity
from libs.chassis.domain import Change, NotFound
from libs.chassis.operations import Job
from libs.chassis.paging import Page, PageRequest
from libs.worktime.folding import explain
from services.interactions.cases.application import Cases
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.recounting import count_in, recount, retier
from services.interactions.cases.domain.relations import conversion_rate
from services.interactions.clocks.application import Clocks
from services.interactions.clocks.domain.clocks import ServiceClocks
from services.interactions.clocks.domain.policies import NoPolicyInForce, ServicePolicy, ServicePolicyVersion
from services.interactions.clocks.domain.refolding import differences, simulated, tally
from services.interactions.sla.domain import (
    ClockDifference,
    ExplainedClock,
    Refolding,
    RefoldProgress,
    SlaReport,
    SpanBackward,
)
from services.interactions.sla.store import SlaStore

STRETCHES: Final = 500
"""Stretches of a clock that are told at most."""
CASES_LOOKED_AT: Final = 5_000
"""Cases that a report looks at, so that it is worked out within a call."""
READ_AT_ONCE: Final = 500
REFOLD_BATCH: Final = 200
"""Cases that are counted anew in one transaction."""
POLICIES_READ: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRequest:
    """Asks for whatever is planned."""


class Sla:
    """Service levels of cases."""

    def __init__(self, store: SlaStore) -> None:
        self._store = store
        self._clocks = Clocks(store.clocks)
        self._cases = Cases(store.cases)

    def explain(self, case_id: str, at: datetime | None = None) -> Sequence[ExplainedClock]:
        """Every clock of a case as it stands, with each stretch that counted or did not."""
        case, at = self._store.cases.cases.get(case_id), at or identity.now()
        found = []
        for clock in case.clocks.clocks if case.clocks is not None else ():
            told = tuple(islice(explain(clock.events, at, self._clocks.hours_of), STRETCHES + 1))
            found.append(
                ExplainedClock(
                    metric=clock.metric,
                    number=clock.number,
                    clock=clock.stands(at, self._clocks.hours_of),
                    stretches=told[:STRETCHES],
                    truncated=len(told) > STRETCHES,
                )
            )
        return found

    def report(self, start: datetime, end: datetime) -> SlaReport:
        """How the cases that were opened in a stretch of time met their own targets."""
        return self._report(start, end, lambda clocks: clocks)

    def simulate(self, version: ServicePolicyVersion, start: datetime, end: datetime) -> tuple[SlaReport, SlaReport]:
        """(how they would have met the targets of a version, how they met their own)."""
        version.check()
        pinned = self._clocks.pinned(version)
        return self._report(start, end, lambda clocks: simulated(clocks, pinned)), self.report(start, end)

    def _report(self, start: datetime, end: datetime, told: Callable[[ServiceClocks], ServiceClocks]) -> SlaReport:
        if end <= start:
            raise SpanBackward(start_time=start, end_time=end)
        cases = list(islice(self._opened(start, end), CASES_LOOKED_AT + 1))
        looked_at = cases[:CASES_LOOKED_AT]
        clocks = (told(replace(each.clocks, priority=each.priority)) for each in looked_at if each.clocks is not None)
        return SlaReport(
            tallies=tally(clocks, identity.now(), self._clocks.hours_of),
            cases=len(looked_at),
            truncated=len(cases) > len(looked_at),
            conversion_share=conversion_rate(looked_at),
        )

    def _opened(self, start: datetime, end: datetime) -> Iterator[Case]:
        place = ""
        while True:
            found, place = self._store.opened_within(start, end, place, READ_AT_ONCE)
            yield from found
            if not place:
                return

    # ---------------------------------------------------------------------------------------------- counting anew

    def get(self, refolding_id: str) -> Refolding:
        """One plan or report."""
        return self._store.refoldings.get(refolding_id)

    def list(self, page: PageRequest) -> Page[Refolding]:
        """A page of plans and reports, the latest first."""
        return self._store.list(page)

    def plan(self, *, policy_id: str = "", calendar_id: str = "") -> Refolding:
        """Plans to count the open cases of a policy or a calendar anew now."""
        now = identity.now()
        plan = self._of_policy(policy_id, now) if policy_id else self._of_calendar(calendar_id, now)
        return self._store.refoldings.insert(lambda id: (replace(plan, id=id), []))

    def follow_policy(self, policy: ServicePolicy) -> None:
        """Plans to count anew once the last version of a policy comes into force."""
        last = policy.versions[-1]
        due = max(last.since_time, identity.now())
        plan = Refolding(id="", policy_id=policy.id, policy_version=last.version, due_time=due)
        self._store.refoldings.insert((plan, []), key=f"{policy.id}:{last.version}")

    def follow_calendar(self, calendar_id: str, revision: int) -> None:
        """Plans to count anew in another revision of a calendar."""
        plan = Refolding(id="", calendar_id=calendar_id, calendar_revision=revision, due_time=identity.now())
        self._store.refoldings.insert((plan, []), key=f"{calendar_id}:{revision}")

    def follow_tiers(self, told: Sequence[tuple[str, datetime, str]]) -> None:
        """Counts the open cases of customers with the targets of their new tiers: (customer id, time, tier) of each."""
        self._store.cases.customers.rank(told)
        now = identity.now()
        for customer_id, tier in {id: tier for id, _, tier in told}.items():
            for found in self._store.open_of(self._store.cases.customers.group(customer_id), REFOLD_BATCH):
                versions = self._in_force({each.clocks.policy_id for each in found if each.clocks is not None}, now)
                self._cases.recount([each.id for each in found], partial(_retiered, versions, tier, now))

    def refold(self, job: Job[PlannedRequest, RefoldProgress]) -> RefoldProgress:
        """Counts anew whatever is planned.

        How far it is stands in each plan, in the same transaction as the cases: a killed job goes on from there.
        """
        done = job.state
        while (plan := self._store.planned(identity.now())) is not None:
            before = plan.cases
            while plan.pending:
                plan = self._batch(plan)
                job.progress(plan.cases, 0, done)
            done = RefoldProgress(
                refolding_count=done.refolding_count + 1, case_count=done.case_count + plan.cases - before
            )
        return done

    def _batch(self, plan: Refolding) -> Refolding:
        """One batch of a plan: the cases, and how far it is."""
        now, ids = identity.now(), self._policies_of(plan)

        def work() -> Refolding:
            found, place = self._store.measured_by(ids, plan.place, REFOLD_BATCH)
            told: dict[str, Sequence[ClockDifference]] = {}
            if found:
                versions = self._in_force({each.clocks.policy_id for each in found if each.clocks is not None}, now)
                self._cases.recount(
                    [each.id for each in found], lambda case: self._recounted(case, plan, versions, told, now)
                )
            differing = [each for each_told in told.values() for each in each_told]
            return self._store.refoldings.update(
                plan.id, lambda each: each.count(len(found), differing, place, now), revision=plan.revision
            )

        return self._store.database.transact(work)

    def _recounted(
        self,
        case: Case,
        plan: Refolding,
        versions: dict[str, ServicePolicyVersion],
        told: dict[str, Sequence[ClockDifference]],
        now: datetime,
    ) -> Change[Case]:
        """A case under what is in force now, with what that makes different noted."""
        before = case.clocks
        version = versions.get(before.policy_id) if before is not None else None
        if before is None or version is None:
            return case, []
        changed, events = recount(case, version, now) if plan.policy_id else count_in(case, version.calendar, now)
        if events and changed.clocks is not None:
            found = differences(case.id, before, changed.clocks, now, self._clocks.hours_of)
            told[case.id] = [ClockDifference.of(each) for each in found]
        return changed, events

    def _in_force(self, policy_ids: set[str], now: datetime) -> dict[str, ServicePolicyVersion]:
        found = {}
        for id in sorted(policy_ids):
            try:
                found[id] = self._clocks.in_force(id, now)
            except (NoPolicyInForce, NotFound):
                continue
        return found

    def _policies_of(self, plan: Refolding) -> Sequence[str]:
        """The policies that a plan is about: one, or all that are counted in its calendar."""
        if plan.policy_id:
            return [plan.policy_id]
        return [each.id for each in self._store.clocks.counted_in(plan.calendar_id, POLICIES_READ)]

    def _of_policy(self, policy_id: str, now: datetime) -> Refolding:
        version = self._clocks.in_force(policy_id, now)
        return Refolding(id="", policy_id=policy_id, policy_version=version.version, due_time=now)

    def _of_calendar(self, calendar_id: str, now: datetime) -> Refolding:
        revision = self._clocks.calendar(calendar_id).revision
        return Refolding(id="", calendar_id=calendar_id, calendar_revision=revision, due_time=now)


def _retiered(versions: Mapping[str, ServicePolicyVersion], tier: str, now: datetime, case: Case) -> Change[Case]:
    return retier(case, versions.get(case.clocks.policy_id if case.clocks is not None else ""), tier, now)
