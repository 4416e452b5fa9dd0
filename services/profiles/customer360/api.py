"""The methods of Customer360Service: sections read side by side, each within its own time."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import grpc
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from kehu.interactions.v1 import timeline_pb2
from kehu.profiles.v1 import (
    activity_pb2,
    consent_pb2,
    customer_pb2,
    customers_pb2,
    entitlements_pb2,
    facts_pb2,
    owners_pb2,
    ownership_pb2,
    relationships_pb2,
    segments_pb2,
    tiers_pb2,
    transactions_pb2,
    worth_pb2,
)
from kehu.profiles.v1.customer360_pb2 import Customer360, GetCustomer360Request
from kehu.profiles.v1.customer360_pb2_grpc import Customer360ServiceServicer

from libs.calls import Calls
from libs.calls.parts import Part, gather, status_of
from libs.chassis.codec import field_of, to_proto
from libs.chassis.domain import NotFound
from libs.chassis.paging import PageRequest
from services.profiles.activity.application.facts import Facts
from services.profiles.activity.application.habits import Habits
from services.profiles.activity.application.transactions import Transactions
from services.profiles.consent.application import Consents
from services.profiles.customer360.domain import Section
from services.profiles.customers.api.messages import answers
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.application.relationships import Relationships
from services.profiles.customers.domain.relationships import Side
from services.profiles.entitlements.application import Entitlements
from services.profiles.ownership.application.ownership import Ownerships
from services.profiles.segments.application import Segments
from services.profiles.worth.application.tiers import Tiers

SECTION_TIMEOUT: Final = timedelta(seconds=1)
NEWEST: Final = PageRequest(size=20)
"""Entries of a list in a section."""
_NOBODY: Final = "Customer"
"""The kind that does not exist when nobody has the id. Of everything else a customer may have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The use-cases that sections are read with."""

    customers: Customers
    consents: Consents
    relationships: Relationships
    facts: Facts
    transactions: Transactions
    habits: Habits
    segments: Segments
    ownerships: Ownerships
    entitlements: Entitlements
    tiers: Tiers
    calls: Calls


class Customer360Servicer(Customer360ServiceServicer):
    """The view of one customer."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def GetCustomer360(self, request: GetCustomer360Request, context: grpc.ServicerContext) -> Customer360:
        sections = field_of(request, "sections", tuple[Section, ...]) or tuple(Section)
        parts = {section: _part(section, self._sources, request.customer_id) for section in sections}
        timeout = field_of(request, "section_timeout", timedelta, SECTION_TIMEOUT)
        found, errors = gather(parts, timeout.total_seconds())
        return _view(request.customer_id, found, {each: errors[each] for each in sections if each in errors})


def _part(section: Section, sources: Sources, customer_id: str) -> Part:
    """The read of a section, and the method whose scope it needs."""
    method, read = _SECTIONS[section]
    return Part(lambda: read(sources, customer_id), method, elsewhere=section in _ELSEWHERE)


def _view(customer_id: str, found: dict[Section, Customer360], errors: dict[Section, Exception]) -> Customer360:
    """The sections that were found, and why the others are missing. NotFound when nobody has the id."""
    view = Customer360(customer_id=customer_id)
    for part in found.values():
        view.MergeFrom(part)
    for section, error in errors.items():
        if not isinstance(error, NotFound):
            number = Customer360.Section.Value(f"SECTION_{section}")
            view.partial_sections.add(section=number, error=status_of(error))
        elif section not in _ELSEWHERE and error.kind == _NOBODY:
            raise error
    return view


def _relationships(sources: Sources, id: str) -> Customer360:
    pages = [sources.relationships.list(id, NEWEST, side=side, filter="", on=None) for side in (Side.FROM, Side.TO)]
    lines = [each for page in pages for each in page.items]
    return Customer360(relationships=answers(lines, relationships_pb2.Relationship))


def _interactions(sources: Sources, id: str) -> Customer360:
    timeline = sources.calls.to("interactions").list_timeline(customer_id=id, page_size=NEWEST.size)
    return Customer360(interactions=next(timeline.pages).interactions)


def _method(file: FileDescriptor, name: str) -> MethodDescriptor:
    """A method of the one gRPC service that a file declares."""
    [service] = file.services_by_name.values()
    return service.methods_by_name[name]


_SECTIONS: Final[dict[Section, tuple[MethodDescriptor, Callable[[Sources, str], Customer360]]]] = {
    Section.CUSTOMER: (
        _method(customers_pb2.DESCRIPTOR, "GetCustomer"),
        lambda sources, id: Customer360(customer=to_proto(sources.customers.get(id), customer_pb2.Customer)),
    ),
    Section.CONSENT: (
        _method(consent_pb2.DESCRIPTOR, "ListConsentReceipts"),
        lambda sources, id: Customer360(
            consent_receipts=answers(sources.consents.list(id, NEWEST).items, consent_pb2.ConsentReceipt)
        ),
    ),
    Section.RELATIONSHIPS: (_method(customers_pb2.DESCRIPTOR, "ListRelationships"), _relationships),
    Section.FACTS: (
        _method(activity_pb2.DESCRIPTOR, "ListFacts"),
        lambda sources, id: Customer360(facts=answers(sources.facts.list(id, NEWEST).items, facts_pb2.PersonalFact)),
    ),
    Section.TRANSACTIONS: (
        _method(activity_pb2.DESCRIPTOR, "GetTransactionSummary"),
        lambda sources, id: Customer360(
            transaction_summary=to_proto(sources.transactions.summary(id), transactions_pb2.TransactionSummary)
        ),
    ),
    Section.HABITS: (
        _method(activity_pb2.DESCRIPTOR, "GetContactHabits"),
        lambda sources, id: Customer360(contact_habits=to_proto(sources.habits.get(id), activity_pb2.ContactHabits)),
    ),
    Section.SEGMENTS: (
        _method(segments_pb2.DESCRIPTOR, "ListCustomerSegments"),
        lambda sources, id: Customer360(
            segments=answers(sources.segments.of_customer(id, NEWEST).items, segments_pb2.SegmentMembership)
        ),
    ),
    Section.OWNERSHIP: (
        _method(ownership_pb2.DESCRIPTOR, "GetOwnership"),
        lambda sources, id: Customer360(ownership=to_proto(sources.ownerships.get(id), owners_pb2.Ownership)),
    ),
    Section.ENTITLEMENTS: (
        _method(entitlements_pb2.DESCRIPTOR, "GetEntitlements"),
        lambda sources, id: Customer360(
            entitlements=to_proto(sources.entitlements.of_customer(id, None), entitlements_pb2.CustomerEntitlements)
        ),
    ),
    Section.WORTH: (
        _method(worth_pb2.DESCRIPTOR, "GetTier"),
        lambda sources, id: Customer360(tier_standing=to_proto(sources.tiers.standing(id), tiers_pb2.TierStanding)),
    ),
    Section.INTERACTIONS: (_method(timeline_pb2.DESCRIPTOR, "ListTimeline"), _interactions),
}
"""Section → the method that reads the same alone, and the read."""
_ELSEWHERE: Final = {Section.INTERACTIONS}
"""Sections that another service answers."""
