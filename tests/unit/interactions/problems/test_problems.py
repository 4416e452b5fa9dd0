"""Problems: causes, who is affected, and one remedy and one apology for each of them, whatever is killed."""

from __future__ import annotations

from typing import Any

import pytest
from kehu.interactions.v1 import cases_pb2, remedies_pb2
from kehu.interactions.v1 import problems_pb2 as pb
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from libs.chassis.domain import InvalidArgument
from libs.chassis.testing import MemoryJob, run_killed_everywhere
from services.interactions.problems.application import Problems, RemedyRequest
from services.interactions.problems.domain import CauseMisplaced, ProblemNotReady, RemedyProgress
from tests.unit.interactions.cases.conftest import SCOPES, Desk, Opened, desk, office, opened, policy

__all__ = ["desk", "office", "opened", "policy"]

RIGHTS = SCOPES | {"interactions.mass_remedies.write"}
REFUND: Any = {"action": "REMEDY_ACTION_REFUND", "currency_code": "EUR", "amount": 500, "apology": "We are sorry."}


@pytest.fixture
def problem(desk: Desk) -> pb.Problem:
    return desk.call(pb.OpenProblemRequest(problem=pb.Problem(title="Cards declined", product="card")), pb.Problem)


def planned(desk: Desk, problem: pb.Problem, **fields: Any) -> pb.Problem:
    plan = pb.RemedyPlan(**{**REFUND, **fields})
    return desk.call(pb.PlanRemedyRequest(problem_id=problem.id, plan=plan), pb.Problem, scopes=RIGHTS)


def affected(desk: Desk, problem: pb.Problem, ids: list[str], filter: str = "") -> pb.AddAffectedResponse:
    request = pb.AddAffectedRequest(problem_id=problem.id, customer_ids=ids, case_filter=filter)
    return desk.call(request, pb.AddAffectedResponse)


def merged(desk: Desk, absorbed: str, survivor: str) -> None:
    told = profiles.CustomersMerged()
    told.customer.id = survivor
    told.customer.merged_ids.append(absorbed)
    told.aliases.add(customer_id=absorbed, canonical_id=survivor, epoch=1)
    desk.hear(told, entity_id=survivor)


def test_t25_a_problem_of_many_with_merged_pairs_is_one_apology_for_each_canonical_customer(
    desk: Desk,
    problem: pb.Problem,
) -> None:
    ids, pairs = [identity.new_id("cus") for _ in range(120)], 40
    for absorbed, survivor in zip(ids[:pairs], ids[pairs : 2 * pairs], strict=True):
        merged(desk, absorbed, survivor)
    assert affected(desk, problem, ids).added == 120
    assert affected(desk, problem, ids).added == 0
    planned(desk, problem)
    request = RemedyRequest(problem_id=problem.id)
    done, kills = run_killed_everywhere(Problems(desk.store.problems).remedy, request, RemedyProgress())
    assert kills >= 1
    told = desk.call(pb.GetProblemRequest(problem_id=problem.id), pb.Problem)
    assert (told.state, told.affected, told.remedied) == (pb.PROBLEM_STATE_REMEDIED, 120, 80)
    assert done.remedied + done.covered <= 120
    names = desk.events()
    assert (names.count("affected.apology_due"), names.count("goodwill.posted")) == (80, 80)
    assert names.count("affected.covered") == 40
    again = Problems(desk.store.problems).remedy(MemoryJob(request, RemedyProgress()))
    assert again == RemedyProgress()
    assert desk.events().count("goodwill.posted") == 80


def test_the_customers_of_cases_that_meet_a_filter_are_affected_and_their_cases_are_taken(
    desk: Desk,
    problem: pb.Problem,
    opened: Opened,
) -> None:
    mine, other = opened(type="CASE_TYPE_INCIDENT"), opened()
    assert affected(desk, problem, [], "type = INCIDENT").added == 1
    taken = desk.call(cases_pb2.GetCaseRequest(case_id=mine.id), cases_pb2.Case)
    assert taken.problem_id == problem.id
    assert desk.call(cases_pb2.GetCaseRequest(case_id=other.id), cases_pb2.Case).problem_id == ""
    planned(desk, problem)
    request = RemedyRequest(problem_id=problem.id)
    Problems(desk.store.problems).remedy(MemoryJob(request, RemedyProgress()))
    [given] = desk.call(
        remedies_pb2.ListGoodwillRequest(filter=f'problem_id = "{problem.id}"'), remedies_pb2.ListGoodwillResponse
    ).goodwill
    assert (given.case_id, given.amount, given.authority) == (mine.id, 500, f"plan of {problem.id}")
    [row] = desk.call(pb.ListAffectedRequest(problem_id=problem.id), pb.ListAffectedResponse).affected
    assert (row.state, row.goodwill_id) == (pb.AFFECTED_STATE_REMEDIED, given.id)


def test_causes_are_a_tree_and_a_problem_is_solved_when_one_is_found(
    desk: Desk,
    problem: pb.Problem,
) -> None:
    def add(key: str, parent: str = "") -> pb.Problem:
        cause = pb.Cause(key=key, parent=parent, text=key)
        return desk.call(pb.AddCauseRequest(problem_id=problem.id, cause=cause), pb.Problem)

    add("network")
    add("router", "network")
    for key, parent in (("router", ""), ("cable", "switch")):
        with pytest.raises(CauseMisplaced):
            add(key, parent)
    with pytest.raises(ProblemNotReady, match="confirmed cause"):
        desk.call(pb.SolveProblemRequest(problem_id=problem.id), pb.Problem)
    with pytest.raises(ProblemNotReady, match="planned"):
        desk.call(pb.RemedyProblemRequest(problem_id=problem.id), pb.Problem, scopes=RIGHTS)
    with pytest.raises(InvalidArgument):
        planned(desk, problem, amount=0)
    desk.call(pb.ConfirmCauseRequest(problem_id=problem.id, key="router"), pb.Problem)
    solved = desk.call(pb.SolveProblemRequest(problem_id=problem.id), pb.Problem)
    assert (solved.state, [each.confirmed for each in solved.causes]) == (pb.PROBLEM_STATE_SOLVED, [False, True])
