"""The gRPC services of the areas, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kehu.profiles.v1.activity_pb2_grpc import add_ActivityServiceServicer_to_server
from kehu.profiles.v1.consent_pb2_grpc import add_ConsentServiceServicer_to_server
from kehu.profiles.v1.contracts_pb2_grpc import add_ContractsServiceServicer_to_server
from kehu.profiles.v1.customer360_pb2_grpc import add_Customer360ServiceServicer_to_server
from kehu.profiles.v1.customers_pb2_grpc import add_CustomersServiceServicer_to_server
from kehu.profiles.v1.entitlements_pb2_grpc import add_EntitlementsServiceServicer_to_server
from kehu.profiles.v1.identity_pb2_grpc import add_IdentityServiceServicer_to_server
from kehu.profiles.v1.loyalty_pb2_grpc import add_LoyaltyServiceServicer_to_server
from kehu.profiles.v1.ownership_pb2_grpc import add_OwnershipServiceServicer_to_server
from kehu.profiles.v1.privacy_pb2_grpc import add_PrivacyServiceServicer_to_server
from kehu.profiles.v1.schedules_pb2_grpc import add_SchedulesServiceServicer_to_server
from kehu.profiles.v1.segments_pb2_grpc import add_SegmentsServiceServicer_to_server
from kehu.profiles.v1.worth_pb2_grpc import add_WorthServiceServicer_to_server

from libs.calls import Calls
from services.profiles.activity.api import ActivityServicer
from services.profiles.activity.application.facts import Facts
from services.profiles.activity.application.habits import Habits
from services.profiles.activity.application.transactions import Transactions
from services.profiles.consent.api import ConsentServicer
from services.profiles.consent.application import Consents
from services.profiles.contracts.api import ContractsServicer
from services.profiles.contracts.application import Contracts
from services.profiles.customer360.api import Customer360Servicer, Sources
from services.profiles.customers.api.changes import History
from services.profiles.customers.api.customers import CustomersServicer
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.application.relationships import Relationships
from services.profiles.entitlements.api import EntitlementsServicer
from services.profiles.entitlements.application import Entitlements
from services.profiles.identity.api import IdentityServicer
from services.profiles.identity.application.duplicates import Duplicates
from services.profiles.identity.application.merges import Merges
from services.profiles.loyalty.api import LoyaltyServicer
from services.profiles.loyalty.application import Loyalty
from services.profiles.ownership.api import OwnershipServicer
from services.profiles.ownership.application.ownership import Ownerships
from services.profiles.ownership.application.policies import OwnershipPolicies
from services.profiles.privacy.api import PrivacyServicer
from services.profiles.privacy.application.access import Privacy
from services.profiles.privacy.application.erasures import Erasures
from services.profiles.schedules.api import Repeats, SchedulesServicer
from services.profiles.schedules.application import Schedules
from services.profiles.segments.api import SegmentsServicer
from services.profiles.segments.application import Segments
from services.profiles.store import ProfilesStore
from services.profiles.worth.api import WorthServicer
from services.profiles.worth.application.outlook import CustomerWorth
from services.profiles.worth.application.rfm import RfmScores
from services.profiles.worth.application.tiers import Tiers
from services.profiles.worth.application.value import Value


def servicers(
    store: ProfilesStore, history: History, calls: Calls | None = None
) -> list[tuple[Callable[[Any, Any], None], object]]:
    """Every gRPC service. `history` gives the past of a customer, `calls` reaches other services."""
    schedules = Schedules(store.schedules)
    repeats = Repeats(store.operations, schedules)
    sources = Sources(
        customers=Customers(store.customers),
        consents=Consents(store.consent),
        relationships=Relationships(store.customers),
        facts=Facts(store.activity),
        transactions=Transactions(store.activity),
        habits=Habits(store.activity),
        segments=Segments(store.segments),
        ownerships=Ownerships(store.ownership),
        entitlements=Entitlements(store.entitlements),
        tiers=Tiers(store.worth),
        calls=calls or Calls("profiles"),
    )
    customers = CustomersServicer(sources.customers, sources.relationships, history)
    identity = IdentityServicer(sources.customers, Duplicates(store.identity), Merges(store.identity), history)
    ownership = OwnershipServicer(sources.ownerships, OwnershipPolicies(store.ownership), repeats)
    worth = WorthServicer(
        customers=CustomerWorth(store.worth),
        tiers=sources.tiers,
        rfm=RfmScores(store.worth),
        value=Value(store.worth),
        operations=store.operations,
        repeats=repeats,
    )
    return [
        (add_CustomersServiceServicer_to_server, customers),
        (add_ConsentServiceServicer_to_server, ConsentServicer(sources.consents)),
        (
            add_ActivityServiceServicer_to_server,
            ActivityServicer(sources.transactions, sources.habits, sources.facts),
        ),
        (add_IdentityServiceServicer_to_server, identity),
        (add_WorthServiceServicer_to_server, worth),
        (add_LoyaltyServiceServicer_to_server, LoyaltyServicer(Loyalty(store.loyalty), store.operations)),
        (add_SegmentsServiceServicer_to_server, SegmentsServicer(sources.segments, store.operations)),
        (add_OwnershipServiceServicer_to_server, ownership),
        (add_ContractsServiceServicer_to_server, ContractsServicer(Contracts(store.contracts))),
        (add_EntitlementsServiceServicer_to_server, EntitlementsServicer(sources.entitlements)),
        (add_Customer360ServiceServicer_to_server, Customer360Servicer(sources)),
        (
            add_PrivacyServiceServicer_to_server,
            PrivacyServicer(Privacy(store.privacy), Erasures(store.privacy), history),
        ),
        (add_SchedulesServiceServicer_to_server, SchedulesServicer(schedules)),
    ]
