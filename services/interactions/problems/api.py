"""`ProblemsService`: problems that many customers have, and one remedy for all of them."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.common.v1.operation_pb2 import Operation
from kehu.interactions.v1 import problems_pb2 as pb
from kehu.interactions.v1 import problems_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.operations import Operations, to_message
from libs.chassis.paging import PageRequest, to_page
from services.interactions.problems.application import Problems
from services.interactions.problems.domain import Cause, Problem, RemedyPlan
from services.interactions.problems.store import ProblemsStore


class ProblemsApi(problems_pb2_grpc.ProblemsServiceServicer):
    """Serves `kehu.interactions.v1.ProblemsService`."""

    def __init__(self, store: ProblemsStore, operations: Operations) -> None:
        self._problems, self._operations = Problems(store), operations

    def OpenProblem(self, request: pb.OpenProblemRequest, _: object) -> pb.Problem:
        return problem(self._problems.open(field_of(request, "problem", Problem)))

    def AddCause(self, request: pb.AddCauseRequest, _: object) -> pb.Problem:
        cause = field_of(request, "cause", Cause)
        return problem(self._problems.add_cause(request.problem_id, cause, revision=request.revision))

    def ConfirmCause(self, request: pb.ConfirmCauseRequest, _: object) -> pb.Problem:
        return problem(self._problems.confirm_cause(request.problem_id, request.key, revision=request.revision))

    def AddAffected(self, request: pb.AddAffectedRequest, _: object) -> pb.AddAffectedResponse:
        noted = self._problems.add_affected(request.problem_id, [*request.customer_ids], request.case_filter)
        return pb.AddAffectedResponse(added=noted.added, affected=noted.affected, more=noted.more)

    def PlanRemedy(self, request: pb.PlanRemedyRequest, _: object) -> pb.Problem:
        plan = field_of(request, "plan", RemedyPlan)
        return problem(self._problems.plan(request.problem_id, plan, revision=request.revision))

    def RemedyProblem(self, request: pb.RemedyProblemRequest, _: object) -> Operation:
        self._problems.get(request.problem_id).require_plan()
        return to_message(self._operations.start("remedy_problem", request))

    def SolveProblem(self, request: pb.SolveProblemRequest, _: object) -> pb.Problem:
        return problem(self._problems.solve(request.problem_id, revision=request.revision))

    def GetProblem(self, request: pb.GetProblemRequest, _: object) -> pb.Problem:
        return problem(self._problems.get(request.problem_id))

    def ListProblems(self, request: pb.ListProblemsRequest, _: object) -> pb.ListProblemsResponse:
        return to_page(self._problems.list(PageRequest.of(request)), pb.ListProblemsResponse)

    def ListAffected(self, request: pb.ListAffectedRequest, _: object) -> pb.ListAffectedResponse:
        page = self._problems.list_affected(request.problem_id, PageRequest.of(request))
        return to_page(page, pb.ListAffectedResponse)


def problem(entity: Problem) -> pb.Problem:
    """The message of a problem."""
    return to_proto(entity, pb.Problem)
