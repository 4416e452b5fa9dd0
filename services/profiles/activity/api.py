"""The methods of ActivityService."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from collections.abc import Iterator

import grpc
from kehu.profiles.v1 import activity_pb2 as pb
from kehu.profiles.v1 import facts_pb2, transactions_pb2
from kehu.profiles.v1.activity_pb2_grpc import ActivityServiceServicer

from libs.chassis.codec import field_of, to_proto
from libs.chassis.domain import DomainError
from libs.chassis.paging import PageRequest, to_page
from services.profiles.activity.application.facts import Facts
from services.profiles.activity.application.habits import Habits
from services.profiles.activity.application.transactions import Row, Transactions
from services.profiles.activity.domain.facts import PersonalFact
from services.profiles.activity.domain.transactions import Transaction
from services.profiles.customers.api.messages import outcomes
from services.profiles.customers.domain.external_ids import ExternalId


class ActivityServicer(ActivityServiceServicer):
    """Transactions, habits and facts."""

    def __init__(self, transactions: Transactions, habits: Habits, facts: Facts) -> None:
        self._transactions = transactions
        self._habits = habits
        self._facts = facts

    def RecordTransactions(
        self,
        request_iterator: Iterator[transactions_pb2.RecordTransactionsRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[transactions_pb2.RecordTransactionsResponse]:
        for chunk in request_iterator:
            recorded = self._transactions.record([_row(row) for row in chunk.rows])
            yield transactions_pb2.RecordTransactionsResponse(outcomes=outcomes(recorded))

    def ListTransactions(
        self, request: transactions_pb2.ListTransactionsRequest, context: grpc.ServicerContext
    ) -> transactions_pb2.ListTransactionsResponse:
        page = self._transactions.list(request.customer_id, request.filter, PageRequest.of(request))
        return to_page(page, transactions_pb2.ListTransactionsResponse)

    def GetTransactionSummary(
        self, request: transactions_pb2.GetTransactionSummaryRequest, context: grpc.ServicerContext
    ) -> transactions_pb2.TransactionSummary:
        return to_proto(self._transactions.summary(request.customer_id), transactions_pb2.TransactionSummary)

    def GetContactHabits(self, request: pb.GetContactHabitsRequest, context: grpc.ServicerContext) -> pb.ContactHabits:
        return to_proto(self._habits.get(request.customer_id), pb.ContactHabits)

    def RecordFact(self, request: facts_pb2.RecordFactRequest, context: grpc.ServicerContext) -> facts_pb2.PersonalFact:
        return to_proto(self._facts.record(field_of(request, "fact", PersonalFact)), facts_pb2.PersonalFact)

    def ListFacts(
        self, request: facts_pb2.ListFactsRequest, context: grpc.ServicerContext
    ) -> facts_pb2.ListFactsResponse:
        return to_page(self._facts.list(request.customer_id, PageRequest.of(request)), facts_pb2.ListFactsResponse)

    def RemoveFact(self, request: facts_pb2.RemoveFactRequest, context: grpc.ServicerContext) -> facts_pb2.PersonalFact:
        return to_proto(self._facts.remove(request.fact_id, request.revision), facts_pb2.PersonalFact)


def _row(row: transactions_pb2.RecordTransactionsRequest.Row) -> Row | DomainError:
    """A row, or why it cannot be read: it must not spoil its neighbours."""
    try:
        return Row(field_of(row, "transaction", Transaction), field_of(row, "customer_external_id", ExternalId, None))
    except DomainError as error:
        return error
