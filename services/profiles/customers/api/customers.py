"""The methods of CustomersService."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

import re
from datetime import date, datetime
from functools import partial
from typing import Final

import grpc
from kehu.profiles.v1 import contact_points_pb2, customer_pb2, relationships_pb2
from kehu.profiles.v1 import customers_pb2 as pb
from kehu.profiles.v1.customers_pb2_grpc import CustomersServiceServicer

from libs.chassis.codec import field_of, from_proto, merge, to_proto
from libs.chassis.domain import InvalidArgument
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.privacy import unmasked
from services.profiles.customers.api.changes import History, list_changes
from services.profiles.customers.api.messages import answers, outcomes
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.application.relationships import Relationships
from services.profiles.customers.domain.contact_points import (
    ContactPoint,
    ContactPointStatus,
    Spelling,
    VerificationMethod,
)
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.customers.domain.relationships import Relationship, Side

_UUID: Final = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class CustomersServicer(CustomersServiceServicer):
    """Customers, their contact points and relationships."""

    def __init__(self, customers: Customers, relationships: Relationships, history: History) -> None:
        self._customers = customers
        self._relationships = relationships
        self._history = history

    def CreateCustomer(self, request: pb.CreateCustomerRequest, context: grpc.ServicerContext) -> customer_pb2.Customer:
        return to_proto(self._customers.create(field_of(request, "customer", Customer)), customer_pb2.Customer)

    def GetCustomer(self, request: pb.GetCustomerRequest, context: grpc.ServicerContext) -> customer_pb2.Customer:
        return to_proto(self._customers.get(request.customer_id), customer_pb2.Customer)

    def BatchGetCustomers(
        self, request: pb.BatchGetCustomersRequest, context: grpc.ServicerContext
    ) -> pb.BatchGetCustomersResponse:
        found = self._customers.batch_get(request.customer_ids)
        return pb.BatchGetCustomersResponse(customers=answers(found, customer_pb2.Customer))

    def ListCustomers(
        self, request: pb.ListCustomersRequest, context: grpc.ServicerContext
    ) -> pb.ListCustomersResponse:
        wanted = PageRequest.of(request)
        page = self._customers.list(request.filter, request.order_by, wanted, show_deleted=request.show_deleted)
        return to_page(page, pb.ListCustomersResponse)

    def UpdateCustomer(self, request: pb.UpdateCustomerRequest, context: grpc.ServicerContext) -> customer_pb2.Customer:
        changed = self._customers.update(request.customer.id, partial(_draft, request), request.revision)
        return to_proto(changed, customer_pb2.Customer)

    def DeleteCustomer(self, request: pb.DeleteCustomerRequest, context: grpc.ServicerContext) -> customer_pb2.Customer:
        return to_proto(self._customers.delete(request.customer_id, request.revision), customer_pb2.Customer)

    def UndeleteCustomer(
        self, request: pb.UndeleteCustomerRequest, context: grpc.ServicerContext
    ) -> customer_pb2.Customer:
        return to_proto(self._customers.undelete(request.customer_id, request.revision), customer_pb2.Customer)

    def SearchCustomers(
        self, request: pb.SearchCustomersRequest, context: grpc.ServicerContext
    ) -> pb.SearchCustomersResponse:
        found = self._customers.search(request.query, request.page_size)
        return pb.SearchCustomersResponse(customers=answers(found, customer_pb2.Customer))

    def LookupCustomer(
        self, request: pb.LookupCustomerRequest, context: grpc.ServicerContext
    ) -> pb.LookupCustomerResponse:
        external_id = field_of(request, "external_id", ExternalId, None)
        if external_id is not None:
            return to_page(self._customers.lookup_external_id(external_id), pb.LookupCustomerResponse)
        spelling = field_of(request, "contact_point", Spelling)
        page = self._customers.lookup_contact_point(spelling, PageRequest.of(request))
        return to_page(page, pb.LookupCustomerResponse)

    def ImportCustomers(
        self, request: pb.ImportCustomersRequest, context: grpc.ServicerContext
    ) -> pb.ImportCustomersResponse:
        rows = [(row.request_id, partial(_imported, row)) for row in request.rows]
        return pb.ImportCustomersResponse(outcomes=outcomes(self._customers.import_rows(rows)))

    def ListCustomerChanges(
        self, request: pb.ListCustomerChangesRequest, context: grpc.ServicerContext
    ) -> pb.ListCustomerChangesResponse:
        self._customers.get(request.customer_id)
        id, size, token = request.customer_id, request.page_size, request.page_token
        page = list_changes(self._history, id, size=size, token=token)
        return pb.ListCustomerChangesResponse(changes=page.items, next_page_token=page.next_page_token)

    # ------------------------------------------------------------------------------------------- contact points

    def AddContactPoint(
        self, request: contact_points_pb2.AddContactPointRequest, context: grpc.ServicerContext
    ) -> customer_pb2.Customer:
        point = field_of(request, "contact_point", ContactPoint)
        changed = self._customers.add_contact_point(request.customer_id, point, request.revision)
        return to_proto(changed, customer_pb2.Customer)

    def VerifyContactPoint(
        self, request: contact_points_pb2.VerifyContactPointRequest, context: grpc.ServicerContext
    ) -> customer_pb2.Customer:
        spelling, method = from_proto(Spelling, request), field_of(request, "method", VerificationMethod)
        at = field_of(request, "verify_time", datetime, None)
        changed = self._customers.verify_contact_point(request.customer_id, spelling, method, at, request.revision)
        return to_proto(changed, customer_pb2.Customer)

    def ReportContactPoint(
        self, request: contact_points_pb2.ReportContactPointRequest, context: grpc.ServicerContext
    ) -> customer_pb2.Customer:
        spelling, status = from_proto(Spelling, request), field_of(request, "status", ContactPointStatus)
        changed = self._customers.report_contact_point(request.customer_id, spelling, status, request.revision)
        return to_proto(changed, customer_pb2.Customer)

    def RemoveContactPoint(
        self, request: contact_points_pb2.RemoveContactPointRequest, context: grpc.ServicerContext
    ) -> customer_pb2.Customer:
        spelling = from_proto(Spelling, request)
        changed = self._customers.remove_contact_point(request.customer_id, spelling, request.revision)
        return to_proto(changed, customer_pb2.Customer)

    # -------------------------------------------------------------------------------------------- relationships

    def AddRelationship(
        self, request: relationships_pb2.AddRelationshipRequest, context: grpc.ServicerContext
    ) -> relationships_pb2.Relationship:
        added = self._relationships.add(field_of(request, "relationship", Relationship))
        return to_proto(added, relationships_pb2.Relationship)

    def EndRelationship(
        self, request: relationships_pb2.EndRelationshipRequest, context: grpc.ServicerContext
    ) -> relationships_pb2.Relationship:
        last_day = field_of(request, "end_date", date, None)
        ended = self._relationships.end(request.relationship_id, last_day, request.revision)
        return to_proto(ended, relationships_pb2.Relationship)

    def ListRelationships(
        self, request: relationships_pb2.ListRelationshipsRequest, context: grpc.ServicerContext
    ) -> relationships_pb2.ListRelationshipsResponse:
        side, on = field_of(request, "direction", Side, Side.FROM), field_of(request, "on_date", date, None)
        wanted = PageRequest.of(request)
        page = self._relationships.list(request.customer_id, wanted, side=side, filter=request.filter, on=on)
        return to_page(page, relationships_pb2.ListRelationshipsResponse)


def _draft(request: pb.UpdateCustomerRequest, current: Customer) -> Customer:
    drafted = merge(Customer, current, request.customer, request.update_mask)
    return unmasked(current, drafted, customer_pb2.Customer)


def _imported(row: pb.ImportCustomersRequest.Row) -> Customer:
    if not _UUID.fullmatch(row.request_id):
        raise InvalidArgument.field("request_id", f"{row.request_id!r} is no UUID; a repeat could not be recognised")
    return field_of(row, "customer", Customer)
