"""The gRPC services of the areas, each with its store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kehu.opportunities.v1.assignment_pb2_grpc import add_AssignmentServiceServicer_to_server
from kehu.opportunities.v1.conversion_pb2_grpc import add_ConversionServiceServicer_to_server
from kehu.opportunities.v1.deals_pb2_grpc import add_DealsServiceServicer_to_server
from kehu.opportunities.v1.forecast_pb2_grpc import add_ForecastServiceServicer_to_server
from kehu.opportunities.v1.leads_pb2_grpc import add_LeadsServiceServicer_to_server
from kehu.opportunities.v1.notes_pb2_grpc import add_NotesServiceServicer_to_server
from kehu.opportunities.v1.pipelines_pb2_grpc import add_PipelinesServiceServicer_to_server
from kehu.opportunities.v1.privacy_pb2_grpc import add_PrivacyServiceServicer_to_server
from kehu.opportunities.v1.rates_pb2_grpc import add_RatesServiceServicer_to_server
from kehu.opportunities.v1.rivals_pb2_grpc import add_RivalsServiceServicer_to_server

from libs.calls import Calls
from services.opportunities.assignment.api import AssignmentApi
from services.opportunities.conversion.api import ConversionApi
from services.opportunities.deals.api import DealsApi
from services.opportunities.forecast.api import ForecastApi
from services.opportunities.leads.api import LeadsApi
from services.opportunities.notes.api import NotesApi
from services.opportunities.pipelines.api import PipelinesApi
from services.opportunities.privacy.api import PrivacyApi
from services.opportunities.rates.api import RatesApi
from services.opportunities.rivals.api import RivalsApi
from services.opportunities.store import OpportunitiesStore


def servicers(store: OpportunitiesStore) -> Sequence[tuple[Any, object]]:
    """Returns the generated function of each service with its servicer."""
    return [
        (add_PipelinesServiceServicer_to_server, PipelinesApi(store.pipelines)),
        (add_DealsServiceServicer_to_server, DealsApi(store.deals)),
        (add_ForecastServiceServicer_to_server, ForecastApi(store.forecast, store.operations)),
        (add_RatesServiceServicer_to_server, RatesApi(store.rates)),
        (add_LeadsServiceServicer_to_server, LeadsApi(store.leads)),
        (add_AssignmentServiceServicer_to_server, AssignmentApi(store.assignment)),
        (add_ConversionServiceServicer_to_server, ConversionApi(store.conversion, Calls("opportunities"))),
        (add_RivalsServiceServicer_to_server, RivalsApi(store.rivals)),
        (add_NotesServiceServicer_to_server, NotesApi(store.notes)),
        (add_PrivacyServiceServicer_to_server, PrivacyApi(store.privacy)),
    ]
