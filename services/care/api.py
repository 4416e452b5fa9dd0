"""The gRPC services of the areas, each with its store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kehu.care.v1.adherence_pb2_grpc import add_AdherenceServiceServicer_to_server
from kehu.care.v1.alerts_pb2_grpc import add_AlertsServiceServicer_to_server
from kehu.care.v1.calendars_pb2_grpc import add_CalendarsServiceServicer_to_server
from kehu.care.v1.churn_pb2_grpc import add_ChurnServiceServicer_to_server
from kehu.care.v1.entitlements_pb2_grpc import add_EntitlementsServiceServicer_to_server
from kehu.care.v1.plays_pb2_grpc import add_PlaysServiceServicer_to_server
from kehu.care.v1.pressure_pb2_grpc import add_PressureServiceServicer_to_server
from kehu.care.v1.privacy_pb2_grpc import add_PrivacyServiceServicer_to_server
from kehu.care.v1.programs_pb2_grpc import add_ProgramsServiceServicer_to_server
from kehu.care.v1.senders_pb2_grpc import add_SendersServiceServicer_to_server
from kehu.care.v1.touches_pb2_grpc import add_TouchesServiceServicer_to_server

from services.care.adherence.api import AdherenceApi
from services.care.alerts.api import AlertsApi
from services.care.calendars.api import CalendarsApi
from services.care.churn.api import ChurnApi
from services.care.entitlements.api import EntitlementsApi
from services.care.plays.api import PlaysApi
from services.care.pressure.api import PressureApi
from services.care.privacy.api import PrivacyApi
from services.care.programs.api import ProgramsApi
from services.care.senders.api import SendersApi
from services.care.store import CareStore
from services.care.touches.api import TouchesApi


def servicers(store: CareStore) -> Sequence[tuple[Any, object]]:
    """Returns the generated function of each service with its servicer."""
    return [
        (add_ProgramsServiceServicer_to_server, ProgramsApi(store.programs)),
        (add_SendersServiceServicer_to_server, SendersApi(store.senders)),
        (add_CalendarsServiceServicer_to_server, CalendarsApi(store.calendars)),
        (add_PressureServiceServicer_to_server, PressureApi(store.pressure)),
        (add_TouchesServiceServicer_to_server, TouchesApi(store.touches)),
        (add_AlertsServiceServicer_to_server, AlertsApi(store.alerts)),
        (add_PlaysServiceServicer_to_server, PlaysApi(store.plays)),
        (add_ChurnServiceServicer_to_server, ChurnApi(store.churn, store.churn.operations)),
        (add_EntitlementsServiceServicer_to_server, EntitlementsApi(store.entitlements, store.entitlements.operations)),
        (add_AdherenceServiceServicer_to_server, AdherenceApi(store.adherence)),
        (add_PrivacyServiceServicer_to_server, PrivacyApi(store.privacy)),
    ]
