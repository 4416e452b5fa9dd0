"""`ProgramsService`: standing programs of attention."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.care.v1 import programs_pb2 as pb
from kehu.care.v1 import programs_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside
from services.care.programs.application import Programs
from services.care.programs.domain.contents import Content, Purpose
from services.care.programs.domain.programs import PlanOverride, Program
from services.care.programs.store import ProgramsStore


class ProgramsApi(programs_pb2_grpc.ProgramsServiceServicer):
    """Serves `kehu.care.v1.ProgramsService`."""

    def __init__(self, store: ProgramsStore) -> None:
        self._programs = Programs(store)

    def CreateProgram(self, request: pb.CreateProgramRequest, _: object) -> pb.Program:
        with inside("program"):
            return to_proto(self._programs.create(field_of(request, "program", Program)), pb.Program)

    def ReviseProgram(self, request: pb.ReviseProgramRequest, _: object) -> pb.Program:
        draft = field_of(request, "program", Program)
        with inside("program"):
            return to_proto(self._programs.revise(draft, revision=request.revision), pb.Program)

    def GetProgram(self, request: pb.GetProgramRequest, _: object) -> pb.Program:
        return to_proto(self._programs.get(request.program_id, request.version), pb.Program)

    def ListPrograms(self, request: pb.ListProgramsRequest, _: object) -> pb.ListProgramsResponse:
        return to_page(self._programs.list(PageRequest.of(request)), pb.ListProgramsResponse)

    def CheckProgram(self, request: pb.CheckProgramRequest, _: object) -> pb.CheckProgramResponse:
        found = self._programs.violations(field_of(request, "program", Program))
        violation = pb.CheckProgramResponse.Violation
        return pb.CheckProgramResponse(
            violations=[violation(field=each.field, description=each.description) for each in found]
        )

    def ActivateProgram(self, request: pb.ActivateProgramRequest, _: object) -> pb.Program:
        return to_proto(self._programs.activate(request.program_id, revision=request.revision), pb.Program)

    def PauseProgram(self, request: pb.PauseProgramRequest, _: object) -> pb.Program:
        return to_proto(self._programs.pause(request.program_id, revision=request.revision), pb.Program)

    def RetireProgram(self, request: pb.RetireProgramRequest, _: object) -> pb.Program:
        return to_proto(self._programs.retire(request.program_id, revision=request.revision), pb.Program)

    def PreviewContent(self, request: pb.PreviewContentRequest, _: object) -> pb.PreviewContentResponse:
        purpose = field_of(request, "purpose", Purpose, Purpose.CARE)
        with inside("content"):
            subject, body = self._programs.preview(field_of(request, "content", Content), purpose)
        return pb.PreviewContentResponse(subject=subject, body=body)

    def OverridePlan(self, request: pb.OverridePlanRequest, _: object) -> pb.PlanOverride:
        with inside("override"):
            return to_proto(self._programs.override(field_of(request, "override", PlanOverride)), pb.PlanOverride)

    def EndOverride(self, request: pb.EndOverrideRequest, _: object) -> pb.PlanOverride:
        return to_proto(self._programs.end_override(request.override_id), pb.PlanOverride)

    def ListOverrides(self, request: pb.ListOverridesRequest, _: object) -> pb.ListOverridesResponse:
        return to_page(self._programs.overrides(request.program_id, PageRequest.of(request)), pb.ListOverridesResponse)
