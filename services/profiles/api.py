"""The methods of ProfilesService. What each one does is told by the proto."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial

import grpc
from kehu.common.v1.outcome_pb2 import RowOutcome
from kehu.profiles.v1 import consent_pb2, contact_pb2, customer_pb2, fact_pb2, relationship_pb2, transaction_pb2
from kehu.profiles.v1 import profiles_pb2 as pb
from kehu.profiles.v1.profiles_pb2_grpc import ProfilesServiceServicer

from libs.chassis.codec import from_proto, merge
from libs.chassis.domain import DomainError, E, InvalidArgument
from libs.chassis.rpc import status_of
from libs.chassis.store import Outcome
from services.profiles.activity.application.facts import Facts
from services.profiles.activity.application.habits import Habits
from services.profiles.activity.application.transactions import Row, Transactions
from services.profiles.activity.domain.facts import PersonalFact
from services.profiles.activity.domain.transactions import Transaction
from services.profiles.consent.application import Consents
from services.profiles.consent.domain.permission import SendQuestion
from services.profiles.consent.domain.receipts import ConsentReceipt
from services.profiles.contracts.application import Contracts
from services.profiles.customer360.api import Customer360Api
from services.profiles.customers.api.changes import History, list_changes
from services.profiles.customers.api.messages import answer, answers, read
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
from services.profiles.entitlements.api import EntitlementsApi
from services.profiles.entitlements.application import Entitlements
from services.profiles.identity.api import IdentityApi
from services.profiles.identity.application.duplicates import Duplicates
from services.profiles.identity.application.merges import Merges
from services.profiles.ownership.api import OwnershipApi
from services.profiles.ownership.application.ownership import Ownerships
from services.profiles.ownership.application.policies import OwnershipPolicies
from services.profiles.privacy.api import PrivacyApi
from services.profiles.privacy.application.access import Privacy, unmasked
from services.profiles.privacy.application.erasures import Erasures
from services.profiles.schedules.api import SchedulesApi
from services.profiles.schedules.application import Schedules
from services.profiles.segments.api import SegmentsApi
from services.profiles.segments.application import Segments
from services.profiles.store import ProfilesStore
from services.profiles.worth.api import WorthApi

_UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verification:
    """The part of `VerifyContactPointRequest` that says how."""

    method: VerificationMethod
    verify_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """The part of `ReportContactPointRequest` that says what."""

    status: ContactPointStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """The part of `ListRelationshipsRequest` that says which."""

    direction: Side = Side.FROM
    on_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """The part of `EndRelationshipRequest` that says when."""

    end_date: date | None = None


class ProfilesServicer(
    IdentityApi,
    SchedulesApi,
    SegmentsApi,
    OwnershipApi,
    EntitlementsApi,
    WorthApi,
    Customer360Api,
    PrivacyApi,
    ProfilesServiceServicer,
):
    """Hands requests to use-cases and their results back."""

    def __init__(self, store: ProfilesStore, history: History) -> None:
        WorthApi.__init__(self, store)
        self._customers = Customers(store)
        self._consents = Consents(store)
        self._relationships = Relationships(store)
        self._facts = Facts(store)
        self._transactions = Transactions(store)
        self._habits = Habits(store)
        self._duplicates = Duplicates(store)
        self._merges = Merges(store)
        self._privacy = Privacy(store)
        self._erasures = Erasures(store)
        self._operations = store.operations
        self._schedules = Schedules(store)
        self._history = history
        self._segments = Segments(store)
        self._ownerships = Ownerships(store)
        self._ownership_policies = OwnershipPolicies(store)
        self._contracts = Contracts(store)
        self._entitlements = Entitlements(store)

    # ------------------------------------------------------------------------------------------------ customers

    def CreateCustomer(self, request: pb.CreateCustomerRequest, context: grpc.ServicerContext) -> customer_pb2.Customer:
        draft = read(Customer, request.customer, "customer")
        return answer(self._customers.create(draft), customer_pb2.Customer)

    def GetCustomer(self, request: pb.GetCustomerRequest, context: grpc.ServicerContext) -> customer_pb2.Customer:
        return answer(self._customers.get(request.customer_id), customer_pb2.Customer)

    def BatchGetCustomers(
        self, request: pb.BatchGetCustomersRequest, context: grpc.ServicerContext
    ) -> pb.BatchGetCustomersResponse:
        found = self._customers.batch_get(request.customer_ids)
        return pb.BatchGetCustomersResponse(customers=answers(found, customer_pb2.Customer))

    def ListCustomers(
        self, request: pb.ListCustomersRequest, context: grpc.ServicerContext
    ) -> pb.ListCustomersResponse:
        page = self._customers.list(
            filter=request.filter, order_by=request.order_by, show_deleted=request.show_deleted, request=request
        )
        return pb.ListCustomersResponse(
            customers=answers(page.items, customer_pb2.Customer), next_page_token=page.next_page_token
        )

    def UpdateCustomer(self, request: pb.UpdateCustomerRequest, context: grpc.ServicerContext) -> customer_pb2.Customer:
        def draft(current: Customer) -> Customer:
            return unmasked(current, merge(Customer, current, request.customer, request.update_mask))

        changed = self._customers.update(request.customer.id, draft, request.revision)
        return answer(changed, customer_pb2.Customer)

    def DeleteCustomer(self, request: pb.DeleteCustomerRequest, context: grpc.ServicerContext) -> customer_pb2.Customer:
        return answer(self._customers.delete(request.customer_id, request.revision), customer_pb2.Customer)

    def UndeleteCustomer(
        self, request: pb.UndeleteCustomerRequest, context: grpc.ServicerContext
    ) -> customer_pb2.Customer:
        return answer(self._customers.undelete(request.customer_id, request.revision), customer_pb2.Customer)

    def SearchCustomers(
        self, request: pb.SearchCustomersRequest, context: grpc.ServicerContext
    ) -> pb.SearchCustomersResponse:
        found = self._customers.search(request.query, request.page_size)
        return pb.SearchCustomersResponse(customers=answers(found, customer_pb2.Customer))

    def LookupCustomer(
        self, request: pb.LookupCustomerRequest, context: grpc.ServicerContext
    ) -> pb.LookupCustomerResponse:
        if request.WhichOneof("key") == "external_id":
            page = self._customers.lookup_external_id(from_proto(ExternalId, request.external_id))
        else:
            spelling = from_proto(Spelling, request.contact_point)
            page = self._customers.lookup_contact_point(spelling, request)
        return pb.LookupCustomerResponse(
            customers=answers(page.items, customer_pb2.Customer), next_page_token=page.next_page_token
        )

    def ImportCustomers(
        self, request: pb.ImportCustomersRequest, context: grpc.ServicerContext
    ) -> pb.ImportCustomersResponse:
        rows = [(row.request_id, partial(_draft, row)) for row in request.rows]
        return pb.ImportCustomersResponse(outcomes=_outcomes(self._customers.import_rows(rows)))

    def ListCustomerChanges(
        self, request: pb.ListCustomerChangesRequest, context: grpc.ServicerContext
    ) -> pb.ListCustomerChangesResponse:
        self._customers.get(request.customer_id)
        page = list_changes(
            self._history, request.customer_id, size=request.page_size, token=request.page_token, show=_as_shown
        )
        return pb.ListCustomerChangesResponse(changes=page.items, next_page_token=page.next_page_token)

    # ------------------------------------------------------------------------------------------- contact points

    def AddContactPoint(
        self, request: contact_pb2.AddContactPointRequest, context: grpc.ServicerContext
    ) -> customer_pb2.Customer:
        point = read(ContactPoint, request.contact_point, "contact_point")
        changed = self._customers.add_contact_point(request.customer_id, point, request.revision)
        return answer(changed, customer_pb2.Customer)

    def VerifyContactPoint(
        self, request: contact_pb2.VerifyContactPointRequest, context: grpc.ServicerContext
    ) -> customer_pb2.Customer:
        spelling, how = from_proto(Spelling, request), from_proto(_Verification, request)
        changed = self._customers.verify_contact_point(
            request.customer_id, spelling, how.method, how.verify_time, request.revision
        )
        return answer(changed, customer_pb2.Customer)

    def ReportContactPoint(
        self, request: contact_pb2.ReportContactPointRequest, context: grpc.ServicerContext
    ) -> customer_pb2.Customer:
        spelling, report = from_proto(Spelling, request), from_proto(_Report, request)
        changed = self._customers.report_contact_point(request.customer_id, spelling, report.status, request.revision)
        return answer(changed, customer_pb2.Customer)

    def RemoveContactPoint(
        self, request: contact_pb2.RemoveContactPointRequest, context: grpc.ServicerContext
    ) -> customer_pb2.Customer:
        spelling = from_proto(Spelling, request)
        changed = self._customers.remove_contact_point(request.customer_id, spelling, request.revision)
        return answer(changed, customer_pb2.Customer)

    def GetContactHabits(
        self, request: contact_pb2.GetContactHabitsRequest, context: grpc.ServicerContext
    ) -> contact_pb2.ContactHabits:
        return answer(self._habits.get(request.customer_id), contact_pb2.ContactHabits)

    # ------------------------------------------------------------------------------------- relationships, facts

    def AddRelationship(
        self, request: relationship_pb2.AddRelationshipRequest, context: grpc.ServicerContext
    ) -> relationship_pb2.Relationship:
        draft = read(Relationship, request.relationship, "relationship")
        return answer(self._relationships.add(draft), relationship_pb2.Relationship)

    def EndRelationship(
        self, request: relationship_pb2.EndRelationshipRequest, context: grpc.ServicerContext
    ) -> relationship_pb2.Relationship:
        last_day = from_proto(_Ending, request).end_date
        ended = self._relationships.end(request.relationship_id, last_day, request.revision)
        return answer(ended, relationship_pb2.Relationship)

    def ListRelationships(
        self, request: relationship_pb2.ListRelationshipsRequest, context: grpc.ServicerContext
    ) -> relationship_pb2.ListRelationshipsResponse:
        view = from_proto(_View, request)
        page = self._relationships.list(
            request.customer_id, side=view.direction, filter=request.filter, on=view.on_date, request=request
        )
        return relationship_pb2.ListRelationshipsResponse(
            relationships=answers(page.items, relationship_pb2.Relationship), next_page_token=page.next_page_token
        )

    def RecordFact(self, request: fact_pb2.RecordFactRequest, context: grpc.ServicerContext) -> fact_pb2.PersonalFact:
        return answer(self._facts.record(read(PersonalFact, request.fact, "fact")), fact_pb2.PersonalFact)

    def ListFacts(
        self, request: fact_pb2.ListFactsRequest, context: grpc.ServicerContext
    ) -> fact_pb2.ListFactsResponse:
        page = self._facts.list(request.customer_id, request)
        return fact_pb2.ListFactsResponse(
            facts=answers(page.items, fact_pb2.PersonalFact), next_page_token=page.next_page_token
        )

    def RemoveFact(self, request: fact_pb2.RemoveFactRequest, context: grpc.ServicerContext) -> fact_pb2.PersonalFact:
        return answer(self._facts.remove(request.fact_id, request.revision), fact_pb2.PersonalFact)

    # -------------------------------------------------------------------------------------------------- consent

    def RecordConsent(
        self, request: consent_pb2.RecordConsentRequest, context: grpc.ServicerContext
    ) -> consent_pb2.ConsentReceipt:
        proposal = read(ConsentReceipt, request.receipt, "receipt")
        receipt = self._consents.record(request.customer_id, proposal, within="receipt")
        return answer(receipt, consent_pb2.ConsentReceipt)

    def WithdrawConsent(
        self, request: consent_pb2.WithdrawConsentRequest, context: grpc.ServicerContext
    ) -> consent_pb2.ConsentReceipt:
        refusal = consent_pb2.ConsentReceipt(
            purpose=request.purpose,
            channel=request.channel,
            contact_point=request.contact_point,
            state=consent_pb2.ConsentReceipt.STATE_DENIED,
            capture=request.capture,
            capture_time=request.capture_time if request.HasField("capture_time") else None,
            proof_ref=request.proof_ref,
        )
        receipt = self._consents.record(request.customer_id, from_proto(ConsentReceipt, refusal), within="")
        return answer(receipt, consent_pb2.ConsentReceipt)

    def ListConsentReceipts(
        self, request: consent_pb2.ListConsentReceiptsRequest, context: grpc.ServicerContext
    ) -> consent_pb2.ListConsentReceiptsResponse:
        page = self._consents.list(request.customer_id, request)
        return consent_pb2.ListConsentReceiptsResponse(
            receipts=answers(page.items, consent_pb2.ConsentReceipt), next_page_token=page.next_page_token
        )

    def VerifyConsentChain(
        self, request: consent_pb2.VerifyConsentChainRequest, context: grpc.ServicerContext
    ) -> consent_pb2.VerifyConsentChainResponse:
        check = self._consents.verify_chain(request.customer_id)
        return answer(check, consent_pb2.VerifyConsentChainResponse)

    def CheckSendPermission(
        self, request: consent_pb2.CheckSendPermissionRequest, context: grpc.ServicerContext
    ) -> consent_pb2.SendPermission:
        question = from_proto(SendQuestion, request)
        permission = self._consents.check_send_permission(request.customer_id, question)
        return answer(permission, consent_pb2.SendPermission)

    # --------------------------------------------------------------------------------------------- transactions

    def RecordTransactions(
        self,
        request_iterator: Iterator[transaction_pb2.RecordTransactionsRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[transaction_pb2.RecordTransactionsResponse]:
        for chunk in request_iterator:
            outcomes = self._transactions.record([_row(row) for row in chunk.rows])
            yield transaction_pb2.RecordTransactionsResponse(outcomes=_outcomes(outcomes))

    def ListTransactions(
        self, request: transaction_pb2.ListTransactionsRequest, context: grpc.ServicerContext
    ) -> transaction_pb2.ListTransactionsResponse:
        page = self._transactions.list(request.customer_id, filter=request.filter, request=request)
        return transaction_pb2.ListTransactionsResponse(
            transactions=answers(page.items, transaction_pb2.Transaction), next_page_token=page.next_page_token
        )

    def GetTransactionSummary(
        self, request: transaction_pb2.GetTransactionSummaryRequest, context: grpc.ServicerContext
    ) -> transaction_pb2.TransactionSummary:
        return answer(self._transactions.summary(request.customer_id), transaction_pb2.TransactionSummary)


def _as_shown(state: customer_pb2.Customer) -> customer_pb2.Customer:
    """A past state of a customer as the caller may see it."""
    return answer(from_proto(Customer, state), customer_pb2.Customer)


def _draft(row: pb.ImportCustomersRequest.Row) -> Customer:
    if not _UUID.fullmatch(row.request_id):
        raise InvalidArgument.field("request_id", f"{row.request_id!r} is no UUID; a repeat could not be recognised")
    return read(Customer, row.customer, "customer")


def _row(row: transaction_pb2.RecordTransactionsRequest.Row) -> Row | DomainError:
    """A row, or why it cannot be read: it must not spoil its neighbours."""
    try:
        return Row(
            read(Transaction, row.transaction, "transaction"),
            read(ExternalId, row.customer_external_id, "customer_external_id")
            if row.HasField("customer_external_id")
            else None,
        )
    except DomainError as error:
        return error


def _outcomes(outcomes: Iterable[Outcome[E]]) -> list[RowOutcome]:
    return [
        RowOutcome(
            id=outcome.entity.id if outcome.entity is not None else "",
            created=outcome.created,
            error=status_of(outcome.error) if outcome.error is not None else None,
        )
        for outcome in outcomes
    ]
