"""Use-cases of tiers: policies, the evaluation of everybody, and the tier of one customer."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime

from libs.chassis import context, identity
from libs.chassis.domain import Change, FailedPrecondition, NotFound
from libs.chassis.operations import Job
from libs.chassis.paging import Page, PageRequest
from services.profiles.activity.domain.transactions import Money
from services.profiles.worth.application.bulk import BATCH, in_batches, insert, moment_of, put
from services.profiles.worth.domain.answers import ConcentrationReport, TierStanding
from services.profiles.worth.domain.concentration import Tier, measure
from services.profiles.worth.domain.contribution import Figures, Window
from services.profiles.worth.domain.measures import Basis
from services.profiles.worth.domain.models import RfmTable, RfmTally
from services.profiles.worth.domain.tiers import (
    TierAssignment,
    TierEvaluation,
    TierOverride,
    TierPolicy,
    TierReason,
    TierWatch,
    assignment_id,
    first_assignment,
)
from services.profiles.worth.store import WorthStore

AT_ONCE = 3
"""Stretches of customers that are compared at a time: the server writes some while another one is encoded."""
Contributions = list[tuple[str, int]]
"""Customers, in order of their ids, with what they contribute in the currency of the policy."""


class EvaluationInThePast(FailedPrecondition):
    """The last evaluation is as of {last_as_of_time}, and tiers are not given in the past."""

    last_as_of_time: str


class NothingEvaluatedYet(FailedPrecondition):
    """Nothing has been evaluated yet: start {method}."""

    method: str = "EvaluateTiers"


class Tiers:
    """Policies and the tiers of single customers."""

    def __init__(self, store: WorthStore) -> None:
        self._store = store

    def create_policy(self, draft: TierPolicy) -> TierPolicy:
        """The next version of the policy's name."""
        policy = replace(draft, id=identity.new_id(TierPolicy.ID_PREFIX))
        version = self._store.latest_version(draft.name.strip()) + 1
        return self._store.policies.insert(policy.create(version, identity.now().date()))

    def get_policy(self, id: str) -> TierPolicy:
        """One version of a policy."""
        return self._store.policies.get(id)

    def list_policies(self, wanted: PageRequest) -> Page[TierPolicy]:
        """The versions of all policies, the newest first."""
        return self._store.list_policies(wanted)

    def standing(self, customer_id: str) -> TierStanding:
        """The tier of a customer, with what changed since it was given."""
        customer = self._store.customers.resolve(customer_id)
        assignment = self._assignment(customer.id)
        found = self._store.watches.find_by_id(customer.id)
        watch = found if found is not None and found.evaluation_count else None
        evaluation = self._store.evaluations.get(assignment.evidence.evaluation_id)
        told = assignment.evidence.contribution
        figures = self._store.figures(customer.group, evaluation.window)
        known = Money(currency_code=told.currency_code, minor_units=_contribution(figures, told.currency_code))
        graced = watch is not None and assignment.reason is TierReason.AUTO
        return TierStanding(
            tier_assignment=assignment,
            reason=TierReason.GRACE if graced else assignment.reason,
            watch=watch,
            restated_contribution=known if known != told else None,
            basis=_basis("tier", evaluation),
        )

    def list_assignments(self, filter: str, wanted: PageRequest) -> Page[TierAssignment]:
        """Assignments that meet a filter, those with the latest change first."""
        return self._store.list_assignments(filter, wanted)

    def override(self, customer_id: str, override: TierOverride, revision: int) -> TierAssignment:
        """Give a customer a tier until a time that the policy of the latest evidence allows."""
        customer_id, now = self._store.customers.writable(customer_id).id, identity.now()
        given = replace(override, actor=context.current().actor)
        policy = self.get_policy(self._assignment(customer_id).evidence.policy_id)
        return self._store.assignments.update(
            assignment_id(customer_id), lambda current: current.override_by(given, policy, now), revision=revision
        )

    def expire_overrides(self, due: Sequence[TierAssignment]) -> None:
        """Ends overrides whose time is over."""
        now = identity.now()
        self._store.assignments.update_many(((each.id, now) for each in due), TierAssignment.expire)

    def report(self, evaluation_id: str) -> ConcentrationReport:
        """The concentration that an evaluation measured, the latest unless told otherwise."""
        evaluations = self._store.evaluations
        found = evaluations.get(evaluation_id) if evaluation_id else self._store.latest(evaluations)
        if found is None:
            raise NothingEvaluatedYet
        return ConcentrationReport(evaluation=found, basis=_basis("concentration", found))

    def _assignment(self, customer_id: str) -> TierAssignment:
        found = self._store.assignments.find_by_id(assignment_id(customer_id))
        if found is None:
            raise NotFound(TierAssignment, customer_id)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TiersRequest:
    """The policy by which customers are evaluated, and the moment as of which."""

    tier_policy_id: str
    as_of_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TiersProgress:
    """Checkpoint of an evaluation."""

    evaluation_id: str = ""
    rfm_table_id: str = ""
    as_of_time: datetime | None = None
    assigned: int = 0
    after: str = ""
    """Id of the customer compared last."""
    changed: int = 0
    watched: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Outcome of an evaluation."""

    evaluation: TierEvaluation
    changed_count: int
    watched_count: int
    review_overdue: bool


class TierEvaluations:
    """The evaluation of all customers, as an operation.

    Two passes: one measures and finds the cuts, and the scales of RFM with them; the other compares everybody. What
    the first finds is kept, so that an evaluation that is interrupted goes on with the same cuts, from the customer
    where it was.
    """

    def __init__(self, store: WorthStore) -> None:
        self._store = store

    def run(self, job: Job[TiersRequest, TiersProgress]) -> Evaluated:
        """Evaluate. Harmless to do again from any point."""
        policy = self._store.policies.get(job.request.tier_policy_id)
        state = job.state
        if not state.evaluation_id:
            state = replace(
                state,
                evaluation_id=identity.new_id(TierEvaluation.ID_PREFIX),
                rfm_table_id=identity.new_id(RfmTable.ID_PREFIX),
            )
        as_of = state.as_of_time or self._moment_of(job.request.as_of_time)
        state = replace(state, as_of_time=as_of)
        job.progress(state.assigned, 0, state)
        evaluation = self._store.evaluations.find_by_id(state.evaluation_id)
        if evaluation is None:
            found, others, uncosted, tally = self._measure(policy, as_of, job, state)
            if tally:
                put(self._store.rfm_tables, [tally.table(state.rfm_table_id)])
            measured = TierEvaluation(
                id=state.evaluation_id,
                policy_id=policy.id,
                policy_version=policy.version,
                currency_code=policy.currency_code,
                window=policy.window(as_of),
                as_of_time=as_of,
                concentration=measure(
                    [id for id, _ in found],
                    [contribution for _, contribution in found],
                    a_per_mille=policy.a_per_mille,
                    b_per_mille=policy.b_per_mille,
                ),
                other_currency_counts=others,
                uncosted_sale_count=uncosted,
                rfm_table_id=state.rfm_table_id if tally else "",
            )
            put(self._store.evaluations, [measured])
            evaluation = self._store.evaluations.get(measured.id)
            portions = iter([found])
        else:
            portions = self._contributions(policy, evaluation.window, state.after)
        state = self._assign(portions, evaluation, policy, job, state)
        return Evaluated(
            evaluation=evaluation,
            changed_count=state.changed,
            watched_count=state.watched,
            review_overdue=policy.review_date <= identity.now().date(),
        )

    def _moment_of(self, asked: datetime | None) -> datetime:
        """The moment to evaluate as of. Tiers follow each other, so it is never before that of the last evaluation."""
        moment, last = moment_of(asked), self._store.latest(self._store.evaluations)
        if last is not None and moment < last.as_of_time:
            raise EvaluationInThePast(last_as_of_time=last.as_of_time.isoformat())
        return moment

    def _measure(
        self, policy: TierPolicy, as_of: datetime, job: Job[TiersRequest, TiersProgress], state: TiersProgress
    ) -> tuple[Contributions, dict[str, int], int, RfmTally]:
        """(contributions in the policy's currency, customers in other ones, sales without a cost, values of RFM)."""
        window = policy.window(as_of)
        tally = RfmTally(policy.currency_code, window, policy.time_zone)
        found: Contributions = []
        others: Counter[str] = Counter()
        uncosted = 0
        for portion in self._store.figures_of_all(window):
            for id, figures in portion:
                for each in figures:
                    if each.currency_code == policy.currency_code:
                        found.append((id, each.contribution))
                        uncosted += each.uncosted_sale_count
                        tally.add(each)
                    else:
                        others[each.currency_code] += 1
            job.progress(len(found), 0, state)
        return found, dict(others), uncosted, tally

    def _contributions(self, policy: TierPolicy, window: Window, after: str) -> Iterator[Contributions]:
        for portion in self._store.figures_of_all(window, after=after):
            yield [
                (id, each.contribution)
                for id, figures in portion
                for each in figures
                if each.currency_code == policy.currency_code
            ]

    def _assign(
        self,
        portions: Iterator[Contributions],
        evaluation: TierEvaluation,
        policy: TierPolicy,
        job: Job[TiersRequest, TiersProgress],
        state: TiersProgress,
    ) -> TiersProgress:
        """The checkpoint after everybody was compared."""
        total = evaluation.concentration.customer_count
        under_way: deque[tuple[_Stretch, Future[tuple[int, int]]]] = deque()

        def settle(state: TiersProgress) -> TiersProgress:
            stretch, compared = under_way.popleft()
            changed, watched = compared.result()
            settled = replace(
                state,
                changed=state.changed + changed,
                watched=state.watched + watched,
                assigned=state.assigned + len(stretch.contributions),
                after=stretch.until or state.after,
            )
            if stretch.until:
                job.progress(settled.assigned, total, settled)
            return settled

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for stretch in _stretches(portions, state.after):
                if len(under_way) == AT_ONCE:
                    state = settle(state)
                compared = pool.submit(copy_context().run, self._compare, stretch, evaluation, policy)
                under_way.append((stretch, compared))
            while under_way:
                state = settle(state)
        return state

    def _compare(self, stretch: _Stretch, evaluation: TierEvaluation, policy: TierPolicy) -> tuple[int, int]:
        """Compare the customers of one stretch of ids, those without transactions too, with the cuts. How many changed
        and how many are watched."""
        current = self._store.held_between(stretch.after, stretch.until)
        watches = self._store.watches_of(list(current))
        at = evaluation.as_of_time
        new: list[Change[TierAssignment]] = []
        changes, watched, below = [], [], 0
        for id in sorted(stretch.contributions.keys() | current.keys()):
            contribution, held = stretch.contributions.get(id, 0), current.get(id)
            if held is None:
                evidence = evaluation.evidence(id, contribution)
                new.append(first_assignment(id, evidence.measured_tier, evidence, at))
                continue
            before = watches.get(id, TierWatch(id=id))
            tier, watch = evaluation.decide(held, before, contribution, policy)
            if not held.stays(tier, at):
                changes.append((assignment_id(id), (tier, contribution)))
            if watch != before:
                watched.append(watch)
            below += watch.evaluation_count > 0

        def move(held: TierAssignment, to: tuple[Tier, int]) -> Change[TierAssignment]:
            """Evidence is put together only when it is needed."""
            tier, contribution = to
            return held.automatic(tier, evaluation.evidence(held.customer_id, contribution), at)

        insert(self._store.assignments, new)
        in_batches(changes, lambda batch: self._store.assignments.update_many(batch, move))
        put(self._store.watches, watched)
        return len(new) + len(changes), below


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The customers after one id until and with another, open at the end without that."""

    after: str
    until: str
    contributions: dict[str, int]


def _stretches(portions: Iterator[Contributions], after: str) -> Iterator[_Stretch]:
    for portion in portions:
        for start in range(0, len(portion), BATCH):
            batch = portion[start : start + BATCH]
            yield _Stretch(after, batch[-1][0], dict(batch))
            after = batch[-1][0]
    # Whoever comes after the last one with transactions has none, yet may hold a tier.
    yield _Stretch(after, "", {})


def _contribution(figures: list[Figures], currency_code: str) -> int:
    return sum(each.contribution for each in figures if each.currency_code == currency_code)


def _basis(measure_name: str, evaluation: TierEvaluation) -> Basis:
    return Basis.of(measure_name, evaluation.window, evaluation.as_of_time, evaluation.concentration.customer_count)
