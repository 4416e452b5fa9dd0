"""Problems: noting who is affected, and giving all of them the same remedy and one apology, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from libs.chassis import context, identity
from libs.chassis.operations import Job
from libs.chassis.paging import Page, PageRequest
from services.interactions.cases.application import Cases
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import CaseType
from services.interactions.cases.domain.record import ENDED, USUAL
from services.interactions.clocks.domain.clocks import ServiceClocks
from services.interactions.problems.domain import (
    AffectedCustomer,
    AffectedState,
    Cause,
    Problem,
    RemedyPlan,
    RemedyProgress,
)
from services.interactions.problems.store import ProblemsStore
from services.interactions.remedies.application import Remedies
from services.interactions.remedies.domain.goodwill import Goodwill

CASES_TAKEN: Final = 500
"""Cases of a filter that are taken in one call."""
REMEDY_BATCH: Final = 50
"""Customers who are remedied between two signs of life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyRequest:
    """Asks for the remedy of a problem."""

    problem_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Customers who were noted as affected."""

    added: int
    affected: int
    more: bool = False


class Problems:
    """Problems that many customers have."""

    def __init__(self, store: ProblemsStore) -> None:
        self._store = store
        self._cases = Cases(store.cases)
        self._remedies = Remedies(store.remedies)

    def open(self, draft: Problem) -> Problem:
        """A new problem."""
        now = identity.now()
        return self._store.problems.insert(lambda id: replace(draft, id=id).open(now))

    def get(self, problem_id: str) -> Problem:
        """One problem."""
        return self._store.problems.get(problem_id)

    def list(self, page: PageRequest) -> Page[Problem]:
        """A page of problems, the latest first."""
        return self._store.list(page)

    def add_cause(self, problem_id: str, cause: Cause, *, revision: int = 0) -> Problem:
        """Adds a cause to the tree."""
        return self._store.problems.update(problem_id, lambda each: each.add_cause(cause), revision=revision)

    def confirm_cause(self, problem_id: str, key: str, *, revision: int = 0) -> Problem:
        """A cause is found."""
        return self._store.problems.update(problem_id, lambda each: each.confirm_cause(key), revision=revision)

    def plan(self, problem_id: str, plan: RemedyPlan, *, revision: int = 0) -> Problem:
        """Plans what every affected customer is given and told."""
        actor = context.current().actor
        return self._store.problems.update(problem_id, lambda each: each.plan_remedy(plan, actor), revision=revision)

    def solve(self, problem_id: str, *, revision: int = 0) -> Problem:
        """Its cause is removed."""
        now = identity.now()
        return self._store.problems.update(problem_id, lambda each: each.solve(now), revision=revision)

    def list_affected(self, problem_id: str, page: PageRequest) -> Page[AffectedCustomer]:
        """A page of the affected customers."""
        self._store.problems.get(problem_id)
        return self._store.list_affected(problem_id, page)

    def add_affected(self, problem_id: str, customer_ids: Sequence[str], case_filter: str = "") -> Noted:
        """Notes customers, and those of cases that meet a filter and belong to no problem yet. Each once."""
        self._store.problems.get(problem_id)
        found: Sequence[Case] = ()
        if case_filter:
            narrowed = f'({case_filter}) AND problem_id = ""'
            page = self._cases.list(narrowed, PageRequest(size=CASES_TAKEN))
            found = [each for each in page.items if each.state not in ENDED]
        cases = {each.customer_id: each.id for each in found if each.customer_id}
        ids = list(dict.fromkeys((*customer_ids, *cases)))
        gone = {each.id for each in self._store.customers.erased(ids)}

        def work() -> Noted:
            self._cases.recount([each.id for each in found], lambda case: case.join_problem(problem_id))
            drafts = [
                AffectedCustomer(id="", problem_id=problem_id, customer_id=id, case_id=cases.get(id, ""))
                for id in ids
                if id not in gone
            ]
            known = self._known(problem_id, [each.customer_id for each in drafts])
            fresh = [each for each in drafts if each.customer_id not in known]
            keys = [self._store.key(problem_id, each.customer_id) for each in fresh]
            if fresh:
                self._store.affected.insert_many([each.note() for each in fresh], keys=keys)
            counted = self._store.problems.update(problem_id, lambda each: each.count(affected=len(fresh)))
            return Noted(added=len(fresh), affected=counted.affected, more=len(found) == CASES_TAKEN)

        def again() -> Noted:
            return Noted(added=0, affected=self._store.problems.get(problem_id).affected)

        return self._store.database.transact(work, again=again)

    def remedy(self, job: Job[RemedyRequest, RemedyProgress]) -> RemedyProgress:
        """Gives every affected customer the planned remedy and one apology.

        What was given stands with each customer: a killed job goes on where it was, and gives nothing twice.
        """
        problem_id, done = job.request.problem_id, job.state
        problem = self._store.problems.get(problem_id)
        plan = problem.require_plan()
        while waiting := self._store.waiting(problem_id, REMEDY_BATCH):
            before = done
            for each in waiting:
                done = self._remedied(problem, plan, each, done)
            gained = done.remedied - before.remedied
            self._store.problems.update(problem_id, partial(Problem.count, remedied=gained))
            job.progress(done.remedied + done.covered, problem.affected, done)
        self._store.problems.update(problem_id, lambda each: each.count(done=True))
        return done

    def _remedied(
        self, problem: Problem, plan: RemedyPlan, each: AffectedCustomer, done: RemedyProgress
    ) -> RemedyProgress:
        """Remedies one customer: the survivor of those who were merged, with goodwill, apology and case together."""
        now = identity.now()
        group = self._store.customers.group(each.customer_id)
        canonical = group[0] if group else each.customer_id
        if self._store.customers.erased([each.customer_id, canonical]):
            self._store.affected.update(each.id, AffectedCustomer.cover)
            return replace(done, covered=done.covered + 1)

        def work() -> bool:
            others = self._known(problem.id, group or (each.customer_id,)).values()
            if any(other.state is AffectedState.REMEDIED for other in others):
                self._store.affected.update(each.id, AffectedCustomer.cover)
                return False
            case_id, goodwill_id = each.case_id, ""
            if plan.action is not None:
                case = self._case_of(problem, each, canonical)
                given = self._remedies.give_by_plan(case, _goodwill(problem, plan, case), planned_by=problem.planned_by)
                case_id, goodwill_id = case.id, given.id
            told = self._store.affected.update(each.id, lambda one: one.remedy(goodwill_id, case_id, plan.apology, now))
            return told.state is AffectedState.REMEDIED

        gained = self._store.database.transact(work)
        return replace(done, remedied=done.remedied + gained, covered=done.covered + (not gained))

    def _case_of(self, problem: Problem, each: AffectedCustomer, canonical: str) -> Case:
        """The case of a customer about a problem, or a new one."""
        if each.case_id:
            return self._store.cases.cases.get(each.case_id)
        terms, now = self._cases.terms(), identity.now()
        draft = Case(id="", customer_id=canonical, subject=problem.title, type=CaseType.INCIDENT, problem_id=problem.id)
        clocks = ServiceClocks(priority=terms.priority(USUAL, USUAL))

        def opened(id: str) -> object:
            case, events = replace(draft, id=id).open(terms, now=now, clocks=clocks)
            return replace(case, problem_id=problem.id), events

        key = f"problem:{problem.id}:{canonical}"
        return self._store.cases.cases.insert(opened, key=key)  # type: ignore[arg-type]

    def _known(self, problem_id: str, customer_ids: Sequence[str]) -> dict[str, AffectedCustomer]:
        """Those of the customers who were noted, by their ids."""
        ids = [self._store.affected.id_of(self._store.key(problem_id, id)) for id in customer_ids]
        found = (self._store.affected.find_by_id(id) for id in ids)
        return {each.customer_id: each for each in found if each is not None}


def _goodwill(problem: Problem, plan: RemedyPlan, case: Case) -> Goodwill:
    assert plan.action is not None, problem.id  # noqa: S101  (it was asked before)
    return Goodwill(
        id="",
        case_id=case.id,
        action=plan.action,
        currency_code=plan.currency_code,
        amount=plan.amount,
        why=problem.title,
        problem_id=problem.id,
    )
