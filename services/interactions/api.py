"""The gRPC services of the areas, each with its store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kehu.interactions.v1.calendars_pb2_grpc import add_CalendarsServiceServicer_to_server
from kehu.interactions.v1.calls_pb2_grpc import add_CallsServiceServicer_to_server
from kehu.interactions.v1.cases_pb2_grpc import add_CasesServiceServicer_to_server
from kehu.interactions.v1.clocks_pb2_grpc import add_ClocksServiceServicer_to_server
from kehu.interactions.v1.complaints_pb2_grpc import add_ComplaintsServiceServicer_to_server
from kehu.interactions.v1.context_pb2_grpc import add_ContextServiceServicer_to_server
from kehu.interactions.v1.conversations_pb2_grpc import add_ConversationsServiceServicer_to_server
from kehu.interactions.v1.counts_pb2_grpc import add_CountsServiceServicer_to_server
from kehu.interactions.v1.privacy_pb2_grpc import add_PrivacyServiceServicer_to_server
from kehu.interactions.v1.problems_pb2_grpc import add_ProblemsServiceServicer_to_server
from kehu.interactions.v1.promises_pb2_grpc import add_PromisesServiceServicer_to_server
from kehu.interactions.v1.quality_pb2_grpc import add_QualityServiceServicer_to_server
from kehu.interactions.v1.remedies_pb2_grpc import add_RemediesServiceServicer_to_server
from kehu.interactions.v1.routing_pb2_grpc import add_RoutingServiceServicer_to_server
from kehu.interactions.v1.sla_pb2_grpc import add_SlaServiceServicer_to_server
from kehu.interactions.v1.staffing_pb2_grpc import add_StaffingServiceServicer_to_server
from kehu.interactions.v1.timeline_pb2_grpc import add_TimelineServiceServicer_to_server

from libs.chassis.feed import Feed
from services.interactions.calendars.api import CalendarsApi
from services.interactions.callcenter.api import CallsApi, StaffingApi
from services.interactions.cases.api import CasesApi
from services.interactions.clocks.api import ClocksApi
from services.interactions.complaints.api import ComplaintsApi
from services.interactions.context.api import ContextApi
from services.interactions.conversations.api import ConversationsApi
from services.interactions.counts.api import CountsApi
from services.interactions.privacy.api import PrivacyApi
from services.interactions.problems.api import ProblemsApi
from services.interactions.promises.api import PromisesApi
from services.interactions.quality.api import QualityApi
from services.interactions.remedies.api import RemediesApi
from services.interactions.routing.api import RoutingApi
from services.interactions.sla.api import SlaApi
from services.interactions.store import InteractionsStore
from services.interactions.timeline.api import TimelineApi

TOLD = {"interactions": "customer_id", "promises": "customer_id", "cases": "customer_id"}
"""Collections whose changes are told to who watches a customer, each with the field that names the customer."""


def servicers(store: InteractionsStore, feed: Feed) -> Sequence[tuple[Any, object]]:
    """Returns the generated function of each gRPC service with its servicer."""
    return [
        (add_TimelineServiceServicer_to_server, TimelineApi(store.timeline)),
        (add_CountsServiceServicer_to_server, CountsApi(store.counts)),
        (add_ConversationsServiceServicer_to_server, ConversationsApi(store.conversations)),
        (add_PromisesServiceServicer_to_server, PromisesApi(store.promises)),
        (add_CalendarsServiceServicer_to_server, CalendarsApi(store.calendars)),
        (add_ClocksServiceServicer_to_server, ClocksApi(store.clocks)),
        (add_CasesServiceServicer_to_server, CasesApi(store.cases)),
        (add_RemediesServiceServicer_to_server, RemediesApi(store.remedies)),
        (add_ComplaintsServiceServicer_to_server, ComplaintsApi(store.complaints)),
        (add_ProblemsServiceServicer_to_server, ProblemsApi(store.problems, store.operations)),
        (add_SlaServiceServicer_to_server, SlaApi(store.sla)),
        (add_ContextServiceServicer_to_server, ContextApi(store.timeline, store.cases, feed)),
        (add_RoutingServiceServicer_to_server, RoutingApi(store.routing)),
        (add_CallsServiceServicer_to_server, CallsApi(store.callcenter)),
        (add_QualityServiceServicer_to_server, QualityApi(store.quality)),
        (add_StaffingServiceServicer_to_server, StaffingApi()),
        (add_PrivacyServiceServicer_to_server, PrivacyApi(store.privacy)),
    ]
