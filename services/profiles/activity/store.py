"""Transactions, contact records, and facts, by customer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from libs.chassis.filtering import FilterSpec, all_of, field, parse
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.profiles.activity.domain.facts import PersonalFact
from services.profiles.activity.domain.habits import ContactRecord
from services.profiles.activity.domain.transactions import Transaction, TransactionSummary, TransactionType
from services.profiles.customers.store import CustomersStore

FIGURES = Index(
    (
        "customer_id",
        "occurred_time",
        "type",
        "amount.currency_code",
        "amount.minor_units",
        "direct_cost.minor_units",
    )
)
"""Holds all that sums need, so that they never read a transaction itself."""
TRANSACTIONS = (Index(("customer_id", "-occurred_time")), FIGURES)
FACTS = (Index(("customer_id", "-create_time")),)
TRANSACTION_FILTER = FilterSpec({"type": TransactionType, "occurred_time": datetime})
LIVE = field("delete_time").missing()


class ActivityStore:
    """Activity of customers over time, and facts learned about them."""

    def __init__(self, database: Database, customers: CustomersStore) -> None:
        self.database, self.customers = database, customers
        self.transactions = database.collection(Transaction, "transactions", indexes=TRANSACTIONS)
        self.summaries = database.collection(TransactionSummary, "transaction_summaries", publishes=False)
        self.contacts = database.collection(ContactRecord, "contact_records", publishes=False)
        self.facts = database.collection(PersonalFact, "facts", indexes=FACTS)

    def contact_records(self, customer_ids: Sequence[str]) -> list[ContactRecord]:
        """The record of interactions with a customer, under each of its ids."""
        return self.contacts.find(field("_id").one_of(customer_ids), limit=len(customer_ids))

    def transaction_summaries(self, customer_ids: Sequence[str]) -> list[TransactionSummary]:
        """The totals of the transactions of a customer, under each of its ids."""
        return self.summaries.find(field("_id").one_of(customer_ids), limit=len(customer_ids))

    def list_facts(self, customer_ids: Sequence[str], wanted: PageRequest) -> Page[PersonalFact]:
        """The facts about a customer, under any of its ids, that were not removed, the newest first."""
        return self.facts.page(all_of(field("customer_id").one_of(customer_ids), LIVE), wanted, order="-create_time")

    def list_transactions(self, customer_ids: Sequence[str], filter: str, wanted: PageRequest) -> Page[Transaction]:
        """The transactions of a customer, under any of its ids, the latest occurrence first."""
        where = all_of(field("customer_id").one_of(customer_ids), parse(filter, TRANSACTION_FILTER))
        return self.transactions.page(where, wanted, order="-occurred_time")
