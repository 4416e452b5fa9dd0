"""Everything about a customer at a glance: sections read side by side, each within its own time."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, cast

import grpc
from kehu.profiles.v1 import (
    consent_pb2,
    contact_pb2,
    entitlement_pb2,
    fact_pb2,
    ownership_pb2,
    profiles_pb2,
    relationship_pb2,
    segment_pb2,
    transaction_pb2,
    worth_pb2,
)
from kehu.profiles.v1.customer360_pb2 import Customer360, GetCustomer360Request
from kehu.profiles.v1.profiles_pb2_grpc import ProfilesServiceServicer

from libs.chassis.codec import from_proto
from libs.chassis.domain import NotFound
from libs.chassis.rpc import Part, gather, status_of
from services.profiles.customer360.domain import Section

MOST: Final = 20
"""Entries of a list in a section."""
_METHODS = profiles_pb2.DESCRIPTOR.services_by_name["ProfilesService"].methods_by_name
_CALL = cast(grpc.ServicerContext, None)
"""Servicers of ours never look at grpc's context."""
_NOBODY = "Customer"
"""What does not exist when nobody has the id; of everything else a customer may have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """The part of a request that says what is wanted, and how long each section may take."""

    sections: tuple[Section, ...] = ()
    section_timeout: timedelta = timedelta(seconds=1)


class Customer360Api:
    """The view of one customer."""

    def GetCustomer360(self, request: GetCustomer360Request, context: grpc.ServicerContext) -> Customer360:
        parts = _Sections(cast(ProfilesServiceServicer, self), request.customer_id).parts()
        asked = from_proto(_Question, request)
        wanted = {section: parts[section] for section in asked.sections or parts}
        found, errors = gather(wanted, asked.section_timeout.total_seconds())
        view = Customer360(customer_id=request.customer_id)
        for part in found.values():
            view.MergeFrom(part)
        for section in wanted:
            match errors.get(section):
                case NotFound(kind=kind) as error:
                    if kind == _NOBODY:
                        raise error
                case Exception() as error:
                    number = Customer360.Section.Value(f"SECTION_{section}")
                    view.partial_sections.add(section=number, error=status_of(error))
        return view


class _Sections:
    """The sections of one customer, each read by the method that reads the same alone."""

    def __init__(self, service: ProfilesServiceServicer, customer_id: str) -> None:
        self._service = service
        self._customer_id = customer_id

    def parts(self) -> dict[Section, Part]:
        """Section → what reads it, and the method whose scope it needs."""
        return {
            Section.CUSTOMER: Part(self.customer, _METHODS["GetCustomer"]),
            Section.CONSENT: Part(self.consent, _METHODS["ListConsentReceipts"]),
            Section.RELATIONSHIPS: Part(self.relationships, _METHODS["ListRelationships"]),
            Section.FACTS: Part(self.facts, _METHODS["ListFacts"]),
            Section.TRANSACTIONS: Part(self.transactions, _METHODS["GetTransactionSummary"]),
            Section.HABITS: Part(self.habits, _METHODS["GetContactHabits"]),
            Section.SEGMENTS: Part(self.segments, _METHODS["ListCustomerSegments"]),
            Section.OWNERSHIP: Part(self.ownership, _METHODS["GetOwnership"]),
            Section.ENTITLEMENTS: Part(self.entitlements, _METHODS["GetEntitlements"]),
            Section.WORTH: Part(self.worth, _METHODS["GetTier"]),
        }

    def customer(self) -> Customer360:
        asked = profiles_pb2.GetCustomerRequest(customer_id=self._customer_id)
        return Customer360(customer=self._service.GetCustomer(asked, _CALL))

    def consent(self) -> Customer360:
        asked = consent_pb2.ListConsentReceiptsRequest(customer_id=self._customer_id, page_size=MOST)
        return Customer360(consent_receipts=self._service.ListConsentReceipts(asked, _CALL).receipts)

    def relationships(self) -> Customer360:
        lines: list[relationship_pb2.Relationship] = []
        for direction in (
            relationship_pb2.ListRelationshipsRequest.DIRECTION_FROM,
            relationship_pb2.ListRelationshipsRequest.DIRECTION_TO,
        ):
            asked = relationship_pb2.ListRelationshipsRequest(
                customer_id=self._customer_id, direction=direction, page_size=MOST
            )
            lines += self._service.ListRelationships(asked, _CALL).relationships
        return Customer360(relationships=lines)

    def facts(self) -> Customer360:
        asked = fact_pb2.ListFactsRequest(customer_id=self._customer_id, page_size=MOST)
        return Customer360(facts=self._service.ListFacts(asked, _CALL).facts)

    def transactions(self) -> Customer360:
        asked = transaction_pb2.GetTransactionSummaryRequest(customer_id=self._customer_id)
        return Customer360(transaction_summary=self._service.GetTransactionSummary(asked, _CALL))

    def habits(self) -> Customer360:
        asked = contact_pb2.GetContactHabitsRequest(customer_id=self._customer_id)
        return Customer360(contact_habits=self._service.GetContactHabits(asked, _CALL))

    def segments(self) -> Customer360:
        asked = segment_pb2.ListCustomerSegmentsRequest(customer_id=self._customer_id, page_size=MOST)
        return Customer360(segments=self._service.ListCustomerSegments(asked, _CALL).memberships)

    def ownership(self) -> Customer360:
        asked = ownership_pb2.GetOwnershipRequest(customer_id=self._customer_id)
        return Customer360(ownership=self._service.GetOwnership(asked, _CALL))

    def entitlements(self) -> Customer360:
        asked = entitlement_pb2.GetEntitlementsRequest(customer_id=self._customer_id)
        return Customer360(entitlements=self._service.GetEntitlements(asked, _CALL))

    def worth(self) -> Customer360:
        return Customer360(
            tier_standing=self._service.GetTier(worth_pb2.GetTierRequest(customer_id=self._customer_id), _CALL)
        )
