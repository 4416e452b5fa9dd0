"""`AssignmentService`: who answers for which lead."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.opportunities.v1 import assignment_pb2 as pb
from kehu.opportunities.v1 import assignment_pb2_grpc
from kehu.opportunities.v1.leads_pb2 import Lead

from libs.chassis.codec import field_of, merge, to_proto
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside, validate
from services.opportunities.assignment.application import AssignmentRules
from services.opportunities.assignment.domain import AssignmentRule
from services.opportunities.assignment.store import AssignmentStore


class AssignmentApi(assignment_pb2_grpc.AssignmentServiceServicer):
    """Serves `kehu.opportunities.v1.AssignmentService`."""

    def __init__(self, store: AssignmentStore) -> None:
        self._rules = AssignmentRules(store)

    def CreateAssignmentRule(self, request: pb.CreateAssignmentRuleRequest, _: object) -> pb.AssignmentRule:
        with inside("assignment_rule"):
            created = self._rules.create(field_of(request, "assignment_rule", AssignmentRule))
            return to_proto(created, pb.AssignmentRule)

    def GetAssignmentRule(self, request: pb.GetAssignmentRuleRequest, _: object) -> pb.AssignmentRule:
        return to_proto(self._rules.get(request.assignment_rule_id), pb.AssignmentRule)

    def ListAssignmentRules(self, request: pb.ListAssignmentRulesRequest, _: object) -> pb.ListAssignmentRulesResponse:
        return to_page(self._rules.list(PageRequest.of(request)), pb.ListAssignmentRulesResponse)

    def UpdateAssignmentRule(self, request: pb.UpdateAssignmentRuleRequest, _: object) -> pb.AssignmentRule:
        def merged(current: AssignmentRule) -> AssignmentRule:
            return _checked(merge(AssignmentRule, current, request.assignment_rule, request.update_mask))

        with inside("assignment_rule"):
            given = request.assignment_rule
            return to_proto(self._rules.update(given.id, merged, revision=given.revision), pb.AssignmentRule)

    def GetAssignmentTurns(self, request: pb.GetAssignmentTurnsRequest, _: object) -> pb.AssignmentTurns:
        return to_proto(self._rules.turns(request.assignment_rule_id), pb.AssignmentTurns)

    def AssignLead(self, request: pb.AssignLeadRequest, _: object) -> Lead:
        return to_proto(self._rules.assign(request.lead_id, request.owner, revision=request.revision), Lead)


def _checked(changed: AssignmentRule) -> AssignmentRule:
    validate(to_proto(changed, pb.AssignmentRule))
    return changed
