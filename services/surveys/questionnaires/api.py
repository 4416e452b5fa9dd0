"""`QuestionnairesService`: what surveys ask, and where each stands."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.surveys.v1 import questionnaires_pb2 as pb
from kehu.surveys.v1 import questionnaires_pb2_grpc

from libs.chassis.codec import field_of, from_proto, to_proto
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside
from services.surveys.questionnaires.application import Surveys
from services.surveys.questionnaires.domain.answers import Answer
from services.surveys.questionnaires.domain.surveys import Questionnaire, Survey
from services.surveys.questionnaires.store import QuestionnairesStore


class QuestionnairesApi(questionnaires_pb2_grpc.QuestionnairesServiceServicer):
    """Serves `kehu.surveys.v1.QuestionnairesService`."""

    def __init__(self, store: QuestionnairesStore) -> None:
        self._surveys = Surveys(store)

    def CreateSurvey(self, request: pb.CreateSurveyRequest, _: object) -> pb.Survey:
        with inside("survey"):
            return to_proto(self._surveys.create(field_of(request, "survey", Survey)), pb.Survey)

    def RedefineSurvey(self, request: pb.RedefineSurveyRequest, _: object) -> pb.Survey:
        draft = field_of(request, "survey", Survey)
        with inside("survey"):
            return to_proto(self._surveys.redefine(draft, revision=request.revision), pb.Survey)

    def GetSurvey(self, request: pb.GetSurveyRequest, _: object) -> pb.Survey:
        return to_proto(self._surveys.get(request.survey_id), pb.Survey)

    def GetSurveyVersion(self, request: pb.GetSurveyVersionRequest, _: object) -> pb.SurveyVersion:
        return to_proto(self._surveys.version(request.survey_id, request.number), pb.SurveyVersion)

    def ListSurveys(self, request: pb.ListSurveysRequest, _: object) -> pb.ListSurveysResponse:
        return to_page(self._surveys.list(request.filter, PageRequest.of(request)), pb.ListSurveysResponse)

    def ValidateQuestionnaire(
        self, request: pb.ValidateQuestionnaireRequest, _: object
    ) -> pb.ValidateQuestionnaireResponse:
        found = self._surveys.violations(field_of(request, "questionnaire", Questionnaire))
        violation = pb.ValidateQuestionnaireResponse.Violation
        return pb.ValidateQuestionnaireResponse(
            violations=[violation(field=each.field, description=each.description) for each in found]
        )

    def PreviewRoute(self, request: pb.PreviewRouteRequest, _: object) -> pb.Route:
        answers = {key: from_proto(Answer, answer) for key, answer in request.answers.items()}
        return to_proto(self._surveys.route(field_of(request, "questionnaire", Questionnaire), answers), pb.Route)

    def LaunchSurvey(self, request: pb.LaunchSurveyRequest, _: object) -> pb.Survey:
        launched = self._surveys.launch(request.survey_id, pilot=request.pilot, revision=request.revision)
        return to_proto(launched, pb.Survey)

    def PauseSurvey(self, request: pb.PauseSurveyRequest, _: object) -> pb.Survey:
        return to_proto(self._surveys.pause(request.survey_id, revision=request.revision), pb.Survey)

    def ResumeSurvey(self, request: pb.ResumeSurveyRequest, _: object) -> pb.Survey:
        return to_proto(self._surveys.resume(request.survey_id, revision=request.revision), pb.Survey)

    def CloseField(self, request: pb.CloseFieldRequest, _: object) -> pb.Survey:
        return to_proto(self._surveys.close_field(request.survey_id, revision=request.revision), pb.Survey)

    def ConfirmAnalysis(self, request: pb.ConfirmAnalysisRequest, _: object) -> pb.Survey:
        return to_proto(self._surveys.confirm_analysis(request.survey_id, revision=request.revision), pb.Survey)

    def StartWave(self, request: pb.StartWaveRequest, _: object) -> pb.Survey:
        return to_proto(self._surveys.start_wave(request.survey_id, revision=request.revision), pb.Survey)
