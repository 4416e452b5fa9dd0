"""The gRPC services of the areas, each with its store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kehu.surveys.v1.privacy_pb2_grpc import add_PrivacyServiceServicer_to_server
from kehu.surveys.v1.questionnaires_pb2_grpc import add_QuestionnairesServiceServicer_to_server

from services.surveys.privacy.api import PrivacyApi
from services.surveys.questionnaires.api import QuestionnairesApi
from services.surveys.store import SurveysStore


def servicers(store: SurveysStore) -> Sequence[tuple[Any, object]]:
    """Returns the generated function of each service with its servicer."""
    return [
        (add_QuestionnairesServiceServicer_to_server, QuestionnairesApi(store.questionnaires)),
        (add_PrivacyServiceServicer_to_server, PrivacyApi(store.privacy)),
    ]
