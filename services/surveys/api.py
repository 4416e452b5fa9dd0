"""The gRPC services of the areas, each with its store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kehu.surveys.v1.collection_pb2_grpc import add_CollectionServiceServicer_to_server
from kehu.surveys.v1.loop_pb2_grpc import add_LoopServiceServicer_to_server
from kehu.surveys.v1.privacy_pb2_grpc import add_PrivacyServiceServicer_to_server
from kehu.surveys.v1.questionnaires_pb2_grpc import add_QuestionnairesServiceServicer_to_server
from kehu.surveys.v1.results_pb2_grpc import add_ResultsServiceServicer_to_server
from kehu.surveys.v1.sampling_pb2_grpc import add_SamplingServiceServicer_to_server

from services.surveys.collection.api import CollectionApi
from services.surveys.collection.application.responses import Collection
from services.surveys.loop.api import LoopApi
from services.surveys.privacy.api import PrivacyApi
from services.surveys.questionnaires.api import QuestionnairesApi
from services.surveys.results.api import ResultsApi
from services.surveys.sampling.api import SamplingApi
from services.surveys.sampling.application import Invitations, Samples
from services.surveys.store import SurveysStore


def servicers(store: SurveysStore) -> Sequence[tuple[Any, object]]:
    """Returns the generated function of each service with its servicer."""
    invitations = Invitations(store.sampling, Collection(store.collection).is_full)
    return [
        (add_QuestionnairesServiceServicer_to_server, QuestionnairesApi(store.questionnaires)),
        (add_SamplingServiceServicer_to_server, SamplingApi(Samples(store.sampling), invitations)),
        (add_CollectionServiceServicer_to_server, CollectionApi(store.collection)),
        (add_ResultsServiceServicer_to_server, ResultsApi(store.results)),
        (add_LoopServiceServicer_to_server, LoopApi(store.loop)),
        (add_PrivacyServiceServicer_to_server, PrivacyApi(store.privacy)),
    ]
