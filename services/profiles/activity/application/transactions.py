"""Use-cases of transactions: recording them in bulk, and keeping what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from libs.chassis import identity
from libs.chassis.domain import Change, DomainError, InvalidArgument, NotFound
from libs.chassis.paging import Page, PageRequest
from libs.chassis.rows import row_by_row
from libs.chassis.store import Outcome
from services.profiles.activity.domain.transactions import Transaction, TransactionSummary, TransactionType
from services.profiles.activity.store import ActivityStore
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.external_ids import ExternalId


@dataclass(frozen=True, slots=True)
class Row:
    """A transaction and, instead of its customer's id, perhaps an external id of the customer."""

    transaction: Transaction
    customer_external_id: ExternalId | None = None


class Transactions:
    """Purchases and costs of customers."""

    def __init__(self, store: ActivityStore) -> None:
        self._store = store

    def record(self, rows: Sequence[Row | DomainError]) -> list[Outcome[Transaction]]:
        """The outcome of each row. One that could not even be read comes as its error."""
        readable = [row for row in rows if isinstance(row, Row)]
        owners = self._store.customers.with_external_ids(
            {row.customer_external_id for row in readable if row.customer_external_id is not None}
        )
        known = self._store.customers.known(
            {row.transaction.customer_id for row in readable if row.customer_external_id is None}
        )
        now = identity.now()

        def make(row: Row) -> tuple[str, Change[Transaction]]:
            named = replace(row.transaction, customer_id=_customer_of(row, owners, known))
            return row.transaction.key, named.record(now)

        def store(made: Sequence[tuple[str, Change[Transaction]]]) -> Sequence[Outcome[Transaction]]:
            return self._store.transactions.insert_many([each for _, each in made], keys=[key for key, _ in made])

        return row_by_row(rows, make, store)

    def take_goodwill(self, given: Sequence[Transaction]) -> None:
        """Records what another service gave to customers, under whichever of their ids. A repeat records nothing."""
        rows = [Row(replace(each, customer_id=self._store.customers.resolve(each.customer_id).id)) for each in given]
        for outcome in self.record(rows):
            if outcome.error is not None:
                raise outcome.error

    def list(self, customer_id: str, filter: str, wanted: PageRequest) -> Page[Transaction]:
        """A page of transactions, the latest occurrence first."""
        customer = self._store.customers.resolve(customer_id)
        return self._store.list_transactions(customer.group, filter, wanted)

    def summary(self, customer_id: str) -> TransactionSummary:
        """The totals of all transactions of a customer."""
        customer = self._store.customers.resolve(customer_id)
        return TransactionSummary.of(customer.id, self._store.transaction_summaries(customer.group))

    def sum_up(self, transactions: Sequence[Transaction]) -> None:
        """Add recorded transactions to the summaries of their customers. Who bought becomes active, perhaps again.

        Each transaction must come exactly once, which the inbox sees to.
        """
        theirs: dict[str, list[Transaction]] = {}
        for transaction in transactions:
            theirs.setdefault(transaction.customer_id, []).append(transaction)
        summaries = ((TransactionSummary(id=id, customer_id=id), each) for id, each in theirs.items())
        self._store.summaries.upsert_many(summaries, lambda summary, more: (summary.plus(more), []))
        sold: dict[str, datetime] = {}
        for each in transactions:
            if each.type is TransactionType.SALE:
                sold[each.customer_id] = max(each.occurred_time, sold.get(each.customer_id, each.occurred_time))
        now, buyers = identity.now(), zip(sorted(sold), self._store.customers.resolve_many(sorted(sold)), strict=True)
        purchases = [(buyer.id, sold[id]) for id, buyer in buyers]
        self._store.customers.customers.update_many(purchases, lambda customer, at: customer.buy(at, now))


def _customer_of(row: Row, owners: dict[ExternalId, Customer], known: dict[str, Customer]) -> str:
    external_id, id = row.customer_external_id, row.transaction.customer_id
    if external_id is None:
        if id not in known:
            raise NotFound(Customer, id)
        known[id].require_unmerged()
        return id
    if id:
        raise InvalidArgument.field("customer_external_id", "stands beside transaction.customer_id; give one of them")
    if external_id not in owners:
        raise NotFound(Customer, f"{external_id.system}/{external_id.id}")
    return owners[external_id].id
